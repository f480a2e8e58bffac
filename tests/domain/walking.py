"""Walks entities by commands that chance makes from their types, and notes which states followed which."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import inspect as types

from actors import Reject
from actors.domain.ways.code import code_of
from actors.entity import AnyEntity, Ref
from actors.lifecycle import Table
from actors.shape import structs_of
from actors.testing import Ensemble, Played

PAGE = "pages/a"
IDS = ("a", "b", "a/b", "a/b/a", "acme", "acme/bus", f"a/{code_of('a', PAGE, b'', 'release')}")
WORDS = (
    *("a", "b", "a/b", "/a", PAGE, "thing1", "a" * 32, "a" * 64, "A1", "A2", "EUR", "S", "u4pru"),
    *("https://hooks.shop.com/in", "20260101"),
)
"""Texts that entities take for ids, pages, seats, currencies and the like; few, so that one is met again."""
NUMBERS = (0, 1, 2, 10, 100, 1 << 41)
"""The last is a time that is to come."""
CALLERS = ("a", "b", "operator/op", "person/a/a", "server/a")
WAITS_MS = (*(0,) * 12, 1, 1_000, 60_000, 86_400_000)

Steps: TypeAlias = dict[str, set[tuple[str, str]]]


def has_state(entity: AnyEntity) -> bool:
    """Whether it says by name in which state it is."""
    return hasattr(entity.initial, "state")


def table_of(entity: AnyEntity) -> Table:
    """The life that its own state goes through: the one that begins with its first."""
    return next(table for table in entity.life.values() if next(iter(table)) == entity.initial.state)


def unlisted(table: Table, steps: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was seen and is no move of the table; to stay is none."""
    moves = {(state, to) for state, stage in table.items() for to in stage.moves.values()}
    return sorted(step for step in steps if step[0] != step[1] and step not in moves)


def walk(entities: Iterable[AnyEntity], chance: random.Random, size: int) -> Steps:
    """For each area so many steps among all of these entities: clients ask, sends arrive, timers fire.

    Returns, for every kind that has a state by name, each state that was seen and the one after it.
    """
    city = Ensemble(entities)
    areas: dict[str, list[AnyEntity]] = defaultdict(list)
    for entity in city.entities.values():
        areas[entity.program].append(entity)
    steps: Steps = defaultdict(set)
    states: dict[Ref[Any], Any] = {}
    for area in areas.values():
        commands = {entity.kind: [types.type_info(each) for each in structs_of(entity.command)] for entity in area}
        asked = [entity.at(name) for entity in area for name in IDS]
        for _ in range(size):
            try:
                played = _step(city, asked, commands, chance)
            except Reject:
                continue
            for at, event in played.events:
                entity = city.entities[at.kind]
                old: Any = states.get(at, entity.initial)
                new: Any = entity.evolve(old, event)
                states[at] = new
                if has_state(entity):
                    steps[at.kind].add((old.state, new.state))
    return steps


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
