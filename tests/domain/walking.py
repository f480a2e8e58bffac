"""Walks entities by commands that chance makes from their types, and notes which states followed which."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import inspect as types

from actors import Reject
from actors.domain import developer
from actors.domain.catalog import program as catalog
from actors.domain.developer import ACCOUNT
from actors.domain.identity import link
from actors.domain.ways.code import code_of
from actors.entity import AnyEntity, Ref
from actors.lifecycle import Table
from actors.programs.civic import program as civic
from actors.programs.drops.program import claim_state
from actors.programs.tickets import program as tickets
from actors.shape import structs_of
from actors.testing import Ensemble, Played

PAGE = "pages/a"
PROGRAM = "acme/bus"
LANE = catalog.lane_of(PROGRAM).id
IDS = ("a", "b", "a/b", "a/b/a", "acme", "acme/bus", f"a/{code_of('a', PAGE, b'', 'release')}", LANE)
WORDS = (
    *("a", "b", "a/b", "/a", PAGE, "thing1", "a" * 32, "a" * 64, "A1", "A2", "EUR", "S", "u4pru"),
    *("https://hooks.shop.com/in", "20260101"),
)
"""Texts that entities take for ids, pages, seats, currencies and the like; few, so that one is met again."""
NUMBERS = (0, 1, 2, 10, 100, 1 << 41)
"""The last is a time that is to come."""
HALLS = ("a", "b", "acme", "A1", "EUR")
BEGUN: tuple[tuple[Ref[Any], Any], ...] = (
    (ACCOUNT.at("acme"), developer.Open("Acme", "a")),
    (catalog.PROGRAM.at(PROGRAM), catalog.Register("Bus", "travel")),
    *((catalog.PROGRAM.at(PROGRAM), catalog.Upload(code, "1", "ab" * 32)) for code in (1, 2, 3)),
    *((link.IDENTITY.at("a/b"), link.IssueCode(86_400_000, 100, 16)) for _ in range(3)),
    (civic.CARD.at("a"), civic.Issue(("a" * 64,), 1 << 42)),
    (civic.CARD.at("a"), civic.Present("a", "a" * 32)),
    *((tickets.HALL.at(name), tickets.Open("A", "a", 2, 2, 100, "EUR")) for name in HALLS),
)
"""What chance would hardly come to, and much follows from."""
CALLERS = ("a", "b", "operator/op", "person/a/a", "server/a")
WAITS_MS = (*(0,) * 12, 1, 1_000, 60_000, 86_400_000)

Steps: TypeAlias = dict[str, set[tuple[str, str]]]
"""By life, `<kind> <name of its table>`: each state that was seen, and the one after it."""


def _seats(hall: Any) -> dict[str, str]:
    held = {seat: "held" for hold in hall.holds.values() for seat in hold.seats}
    return held | {seat: "sold" for seats in hall.sold.values() for seat in seats}


def _shown(one: Any) -> str:
    return "used" if one.used else "shown" if one.card else "none"


PARTS: Mapping[str, Callable[[Any], Mapping[str, str]]] = {
    "catalog.program version": lambda program: {str(one.code): one.state for one in program.versions},
    "civic.presentation presentation": lambda one: {"": _shown(one)},
    "developer.account member": lambda account: {name: one.state for name, one in account.members.items()},
    "drops.collector claim": lambda one: {drop: claim_state(one, drop) for drop in one.claims},
    "identity.link code": lambda link: {str(code.n): code.state for code in link.codes},
    "session page": lambda session: {f"{n} {one.entered_ms}": one.state for n, one in enumerate(session.pages)},
    "social.friends tie": lambda friends: {other: tie.state for other, tie in friends.ties.items()},
    "tickets.hall seat": _seats,
}
"""Lives that are not of an entity but of what is in it: where each of these stands, by whatever tells them apart."""


def has_state(entity: AnyEntity) -> bool:
    """Whether it says by name in which state it is."""
    return hasattr(entity.initial, "state")


def lives(entities: Iterable[AnyEntity]) -> dict[str, Table]:
    """Every table of these, by its life."""
    return {f"{entity.kind} {name}": table for entity in entities for name, table in entity.life.items()}


def _is_own(entity: AnyEntity, table: Table) -> bool:
    """Whether its own state goes through this table: the one that begins with its first."""
    return has_state(entity) and next(iter(table)) == entity.initial.state


def _stands(life: str, state: Any) -> Mapping[str, str]:
    return PARTS[life](state) if life in PARTS else {"": state.state}


def _moves(life: str, table: Table, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """From where to where everything went that leads this life; what is gone is in no state, or in the first again."""
    first, before, after = next(iter(table)), _stands(life, old), _stands(life, new)
    for one in before.keys() | after.keys():
        state = before.get(one, first)
        if one in after or first in table[state].moves.values():
            yield state, after.get(one, first)


def unlisted(table: Table, steps: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was seen and is no move of the table; to stay is none."""
    moves = {(state, to) for state, stage in table.items() for to in stage.moves.values()}
    return sorted(step for step in steps if step[0] != step[1] and step not in moves)


def walk(entities: Iterable[AnyEntity], chance: random.Random, size: int) -> Steps:
    """For each area so many steps among all of these entities: clients ask, sends arrive, timers fire.

    Returns, for every life of theirs, each state that was seen and the one after it.
    """
    city = Ensemble(entities)
    areas: dict[str, list[AnyEntity]] = defaultdict(list)
    for entity in city.entities.values():
        areas[entity.program].append(entity)
    steps: Steps = defaultdict(set)
    states: dict[Ref[Any], Any] = {}
    for at, command in BEGUN:
        if at.kind in city.entities:
            _note(steps, states, city, city.when(at, command, caller="a"))
    for area in areas.values():
        commands = {entity.kind: [types.type_info(each) for each in structs_of(entity.command)] for entity in area}
        asked = [entity.at(name) for entity in area for name in IDS]
        for _ in range(size):
            try:
                played = _step(city, asked, commands, chance)
            except Reject:
                continue
            _note(steps, states, city, played)
    return steps


def _note(steps: Steps, states: dict[Ref[Any], Any], city: Ensemble, played: Played) -> None:
    """What came of a step: where every life went from its last state, which is kept."""
    for at, event in played.events:
        entity = city.entities[at.kind]
        old: Any = states.get(at, entity.initial)
        new: Any = entity.evolve(old, event)
        states[at] = new
        for name, table in entity.life.items():
            life = f"{at.kind} {name}"
            if life in PARTS or _is_own(entity, table):
                steps[life] |= set(_moves(life, table, old, new))


def _step(
    city: Ensemble, asked: Sequence[Ref[Any]], commands: Mapping[str, Sequence[types.Type]], chance: random.Random
) -> Played:
    to = chance.choice(asked)
    timers = sorted(city.timers(to))
    if city.sent and chance.random() < 0.5:
        return city.deliver()
    if timers and chance.random() < 0.2:
        return city.fire(to, chance.choice(timers))
    command = made(chance.choice(commands[to.kind]), chance)
    return city.when(to, command, caller=chance.choice(CALLERS), now_ms=city.now_ms + chance.choice(WAITS_MS))


def made(type_: types.Type, chance: random.Random) -> Any:
    """A value of this type, within its bounds; what has a default is left out as often as not."""
    match type_:
        case types.StructType(cls=cls, fields=fields):
            kept = [field for field in fields if field.required or chance.random() < 0.5]
            return cls(**{field.name: made(field.type, chance) for field in kept})
        case types.Metadata(type=inner):
            return made(inner, chance)
        case types.UnionType(types=members):
            return made(chance.choice(members), chance)
        case types.LiteralType(values=values):
            return chance.choice(values)
        case types.StrType():
            return _text(type_, chance)
        case types.BytesType():
            return b"a" * (type_.min_length or 0)
        case types.IntType():
            return _number(type_, chance)
        case types.FloatType():
            return float(max(type_.ge or 0.0, 0.0))
        case types.BoolType():
            return chance.random() < 0.5
        case types.AnyType() | types.NoneType():
            return None
        case _:
            return _many(type_, lambda inner: made(inner, chance), chance)


def _many(type_: types.Type, make: Callable[[types.Type], Any], chance: random.Random) -> Any:
    match type_:
        case types.DictType(key_type=key, value_type=value):
            return {make(key): make(value) for _ in range(max(type_.min_length or 0, chance.randrange(3)))}
        case types.VarTupleType(item_type=item):
            return tuple(make(item) for _ in range(max(type_.min_length or 0, chance.randrange(3))))
        case types.TupleType(item_types=items):
            return tuple(make(item) for item in items)
        case _:
            raise TypeError(f"teach this to make a {type_}")


def _text(type_: types.StrType, chance: random.Random) -> str:
    least, most = type_.min_length or 0, type_.max_length or max(map(len, WORDS))
    pattern = re.compile(type_.pattern or "")
    fitting = [word for word in WORDS if least <= len(word) <= most and pattern.search(word)]
    if not fitting:
        raise TypeError(f"add a word that fits {type_}")
    return chance.choice(fitting)


def _number(type_: types.IntType, chance: random.Random) -> int:
    least = type_.ge if type_.ge is not None else type_.gt + 1 if type_.gt is not None else 0
    most = type_.le if type_.le is not None else type_.lt - 1 if type_.lt is not None else least + max(NUMBERS)
    return min(least + chance.choice(NUMBERS), most)
