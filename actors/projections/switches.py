"""Which version of a program is shown to whom, and by which package: what a roll-out goes by. Pure."""

from typing import NamedTuple

import msgspec

from actors.domain.catalog.program import PROGRAM, GraySet, Released, Uploaded
from actors.kernel.action import EventRecord
from actors.kernel.record import Share
from actors.ports import Put
from actors.projections.reading import Projection
from actors.shape import tag_of
from actors.shares import WHOLE

HASHES_TABLE = "packages"
SWITCHES_TABLE = "switches"
LIVE, GRAY = "live", "gray"

_event = msgspec.msgpack.Decoder(PROGRAM.event)


class Switch(NamedTuple):
    """The code of what is shown, to how many of 10,000, and the number of the switch: later is more."""

    code: int = 0
    share: int = 0
    generation: int = 0


def fold_hashes(event: EventRecord) -> tuple[Put, ...]:
    """The package of each version."""
    said: object = _event.decode(event.payload)
    if not isinstance(said, Uploaded):
        return ()
    return (Put(HASHES_TABLE, f"{_program(event)}/{said.code}", (said.hash,)),)


def fold_switches(event: EventRecord) -> tuple[Put, ...]:
    """What everybody is shown, and what a part is shown."""
    said: object = _event.decode(event.payload)
    program, generation = _program(event), generation_of(event)
    if isinstance(said, Released):
        live, gray = Switch(said.code, WHOLE, generation), Switch(0, 0, generation)
        return (Put(SWITCHES_TABLE, f"{program}/{LIVE}", live), Put(SWITCHES_TABLE, f"{program}/{GRAY}", gray))
    if isinstance(said, GraySet):
        return (Put(SWITCHES_TABLE, f"{program}/{GRAY}", Switch(said.code, said.rule.share, generation)),)
    return ()


def generation_of(event: EventRecord) -> int:
    """A number that grows from event to event of a program, and is even: the odd one above it takes it back."""
    return ((event.offset << 16 | event.index) << 4 | event.n) << 1


def shares_of(live: Switch, gray: Switch, hashes: dict[int, str]) -> tuple[Share, ...]:
    """The packages that are to decide, newest first; none of a version whose package is not known."""
    wanted = [one for one in (gray, live) if one.share and one.code in hashes]
    return tuple(Share(hashes[one.code], one.code, one.share) for one in wanted)


def _program(event: EventRecord) -> str:
    return event.entity.rpartition("/")[2]


HASHES = Projection(HASHES_TABLE, ("hash",), (PROGRAM.kind,), tag_of(Uploaded), fold_hashes)
SWITCHES = Projection(
    SWITCHES_TABLE, Switch._fields, (PROGRAM.kind,), f"{tag_of(Released)}, {tag_of(GraySet)}", fold_switches
)
