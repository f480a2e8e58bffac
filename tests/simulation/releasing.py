"""A program in two releases at once: shown to some, released, rolled back, while people pay each other with it."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from actors.domain.catalog import program as catalog
from actors.domain.catalog import review
from actors.domain.catalog.versions import Rule
from actors.domain.developer import ACCOUNT, Open
from actors.kernel.action import Code
from actors.kernel.record import Share
from actors.projections import switches
from actors.shares import WHOLE
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.packages import PURSE_PROGRAM, decided_by, package
from tests.simulation.purse import PURSE, Pay
from tests.simulation.purse import Open as OpenPurse

LISTED = f"payers/{PURSE_PROGRAM}"
VERSIONS = {code: f"{code}" * 64 for code in (1, 2, 3)}
"""The package of each version, by its hash. Those of the second and the third keep more in a state than the first."""
PACKAGES = {hash: package(hash, is_new=code > 1) for code, hash in VERSIONS.items()}
PURSES = tuple(f"p{n}" for n in range(8))
MONEY = 100
AT = f"catalog.program/{LISTED}"
LANE = f"catalog.review/{catalog.lane_of(LISTED).id}"

encode = msgspec.msgpack.Encoder().encode


def register_and_fill(_: Random) -> list[Asking]:
    """A program of three versions, which are shown one after the other, the second taken back; and money in purses."""
    account = Asking("developer.account/payers", encode(Open("Payers", "ann")))
    made = [encode(catalog.Register("Purses", "finance"))]
    made += [encode(catalog.Upload(code, f"1.{code}", hash)) for code, hash in VERSIONS.items()]
    money = [Asking(f"purse/{name}", encode(OpenPurse(MONEY, 0, 0))) for name in PURSES]
    back = Asking(AT, encode(catalog.Rollback(1)), after_ms=400)
    story = _promoted(1, 0, _promoted(2, 3_000, back, _promoted(3, 6_000)))
    return [account, *(Asking(AT, command) for command in made), *money, story]


def _promoted(code: int, share: int, *afterwards: Asking) -> Asking:
    """A version is submitted; what it takes until all are shown it follows, and takes its time."""
    released = Asking(AT, encode(catalog.Release(code)), then=_then(*afterwards), after_ms=700)
    shown = [
        Asking(AT, encode(catalog.SetGray(code, Rule(upto))), after_ms=ms)
        for upto, ms in ((share, 10), ((share + WHOLE) // 2, 350))
        if share
    ]
    judged = Asking(AT, encode(catalog.Judge(code, "approve")), then=_then(*shown, released), after_ms=300)
    taken = Asking(LANE, encode(review.Take()), after_ms=100)  # twice: it may not stand in its lane yet
    again = Asking(LANE, encode(review.Take()), then=_then(judged), after_ms=450)
    return Asking(AT, encode(catalog.Submit(code)), then=_then(taken, again), after_ms=500)


def _then(*asks: Asking) -> Callable[[Any], list[Asking]]:
    return lambda _: list(asks)


def pay_or_publish(chance: Random) -> Asking:
    """Pay somebody, and others later; or show a version to more, release it, or take it back."""
    if chance.random() < 0.8:
        later = [_paid(chance, after_ms=chance.randint(100, 5_000)) for _ in range(2)]
        return _paid(chance, then=_then(*later))
    code = chance.choice((2, 3))  # the first has to be there for all: a purse that nothing decides is no purse
    wider = catalog.SetGray(code, Rule(chance.randint(1, WHOLE)))
    moves = (wider, catalog.Release(code), catalog.Rollback(code), catalog.Rollback(1))
    return Asking(AT, encode(chance.choice(moves)))


def _paid(chance: Random, **follows: Any) -> Asking:
    source, to = chance.sample(PURSES, 2)
    return Asking(f"purse/{source}", encode(Pay(to, chance.randint(1, 40), chance.randint(20, 2_000))), **follows)


def the_right_version_decides(evening: Evening) -> None:
    """Whatever a purse answered, the version did that was shown where and when it stood; in the end the last one."""
    said = _said(evening)
    for replayed in evening.replays:
        for key, (record, reply) in replayed.first.items():
            chosen = replayed.choices.get(key)
            was_said = chosen is None or said.get(chosen.generation) == chosen.shares
            require(was_said, f"{record.entity} was decided by {chosen}, of {said}")
            if record.entity.startswith(f"{PURSE_PROGRAM}/") and reply.code == Code.OK:
                by = msgspec.json.decode(reply.payload).get("by", "")
                should = decided_by(chosen, record.entity.partition("/")[2])
                require(by == should, f"{record.entity} was decided by {by!r}, not {should!r}")
        last = replayed.partition.programs.get(PURSE_PROGRAM)
        require(last is None if not said else last is not None and last.generation == max(said), f"{last} of {said}")
    purses = evening.states(PURSE).values()
    put_in = MONEY * sum(isinstance(command, OpenPurse) for _, command in evening.accepted(PURSE))
    require(sum(purse.balance for purse in purses) == put_in, f"{put_in} were put in: {purses}")
    require(not any(purse.held for purse in purses), f"money is held: {purses}")


def _said(evening: Evening) -> dict[int, tuple[Share, ...]]:
    """By what the catalogue said, what was to decide after each of its events, by the number of the switch."""
    live: tuple[Share, ...] = ()
    gray: tuple[Share, ...] = ()
    found: dict[int, tuple[Share, ...]] = {}
    for record, event in evening.recorded(catalog.PROGRAM):
        match event:
            case _ if record.entity != AT:
                continue
            case catalog.Released(code):
                live, gray = (Share(VERSIONS[code], code, WHOLE),), ()
            case catalog.GraySet(code, rule):
                gray = (Share(VERSIONS[code], code, rule.share),) if rule.share else ()
            case _:
                continue
        found[switches.generation_of(record)] = (*gray, *live)
    return found


RELEASES = Area(
    (catalog.PROGRAM, review.REVIEW, ACCOUNT, PURSE),
    register_and_fill,
    pay_or_publish,
    the_right_version_decides,
    (f"purse/{PURSES[0]}", "balance"),
    PACKAGES,
)
