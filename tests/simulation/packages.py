"""Packages that decide purses in a world, from a record on and by routing key; and whether they did, by arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replace_field
from random import Random
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from actors.entity import AnyEntity, Context, Decision
from actors.kernel.action import Code
from actors.kernel.record import Programs, Share
from actors.shares import WHOLE, bucket_of
from tests.simulation.broken import require
from tests.simulation.purse import PURSE, Event, Purse, decide, evolve
from tests.simulation.replay import Replayed

PURSE_PROGRAM = "purse"
OLD, NEW = "old", "new"
CODES = {OLD: 1, NEW: 2}


class NewPurse(Purse, frozen=True):
    """What a purse became: it also counts what its own rules made happen."""

    happened: int = 0


def _evolve(purse: Purse, event: Event) -> Purse:
    assert isinstance(purse, NewPurse)
    return replace(evolve(purse, event), happened=purse.happened + 1)


def _named(package: str) -> Callable[[Purse, Any, Context], Decision[Event]]:
    """The same rules; an answer also says which package gave it."""

    def decided(purse: Purse, command: Any, ctx: Context) -> Decision[Event]:
        decision = decide(purse, command, ctx)
        if decision.reply is None:
            return decision
        return replace(decision, reply={**cast("dict[str, object]", decision.reply), "by": package})

    return decided


def package(name: str, *, is_new: bool) -> Sequence[AnyEntity]:
    """Purses that say by which package they were decided."""
    if is_new:
        return (replace_field(PURSE, decide=_named(name), evolve=_evolve, initial=NewPurse()),)
    return (replace_field(PURSE, decide=_named(name)),)


PACKAGES: Mapping[str, Sequence[AnyEntity]] = {OLD: package(OLD, is_new=False), NEW: package(NEW, is_new=True)}


def choice(chance: Random, generation: int) -> Programs:
    """Some purses are the new package's, all others the old one's; or all are the new one's, or nobody's."""
    share = Share(NEW, CODES[NEW], chance.choice((chance.randint(1, WHOLE - 1), WHOLE)))
    shares = (share, Share(OLD, CODES[OLD], WHOLE)) if chance.random() < 0.9 else ()
    return Programs(PURSE_PROGRAM, generation, shares)


def packages_decided_as_chosen(replays: list[Replayed]) -> None:
    """Every answer of a purse was given by the package that the last choice before it gives its routing key to."""
    for replayed in replays:
        for key, (record, reply) in replayed.first.items():
            if record.entity.startswith(f"{PURSE_PROGRAM}/") and reply.code == Code.OK:
                by = msgspec.json.decode(reply.payload).get("by", "")
                should = decided_by(replayed.choices.get(key), record.entity.partition("/")[2])
                require(by == should, f"{record.entity} was decided by {by!r}, not {should!r}")


def decided_by(programs: Programs | None, key: str) -> str:
    """The package that decides this routing key by the choice; "" is for the platform's own rules."""
    shares = () if programs is None else programs.shares
    return next((one.hash for one in shares if bucket_of(PURSE_PROGRAM, one.code, key) < one.upto), "")
