"""Reading the log back from outside a host: a slice from here to there, once."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from actors.errors import Unavailable
from actors.kernel.record import frame_records
from actors.placement import Packaged, Placed, Placement, Release, Term, decode_placement
from actors.ports import Fetched, Log, Slice

POLL_MS = 1_000
SILENT_POLLS_MAX = 30
"""A log that has given nothing of what it says it has, so often in a row, has stopped."""


def read_slice(log: Log, slice_: Slice, start: int | None = None, end: int | None = None) -> Iterator[Fetched]:
    """The frames of a slice from `start` (its first) up to, not including, `end` (its end as of now).

    Raises Unavailable when the log does not give what it says it has.
    """
    span = log.spans([slice_])[slice_]
    begin = span.start if start is None else max(start, span.start)
    last = span.end if end is None else min(end, span.end)
    if begin >= last:
        return
    reader = log.reader()
    try:
        reader.assign({slice_: begin})
        reached, silent = begin, 0
        while reached < last:
            some = reader.poll(POLL_MS)
            silent = 0 if some else silent + 1
            if silent > SILENT_POLLS_MAX:
                message = (
                    f"the log ends at {last} in {slice_.topic}/{slice_.partition}, and gives nothing from {reached} on"
                )
                raise Unavailable(message, outcome="NOT_APPENDED")
            for fetched in some:
                if fetched.offset >= last:
                    return
                reached = fetched.offset + 1
                yield fetched
    finally:
        reader.close()


def placements(log: Log, topic: str) -> Iterator[tuple[int, Placement]]:
    """All that the placement topic still has, each with its offset."""
    slice_ = Slice(topic, 0)
    for fetched in read_slice(log, slice_):
        for record in frame_records(*slice_, fetched.offset, fetched.frame):
            yield fetched.offset, decode_placement(record)


class PlacementNow(NamedTuple):
    """What the placement topic says as of now: who owns what under the last term, the release, programs' packages."""

    placed: Mapping[int, Placed]
    release: Release | None
    packaged: Mapping[str, Packaged]


def placement_now(log: Log, topic: str) -> PlacementNow:
    """Fold the placement topic."""
    term, release = -1, None
    placed: dict[int, Placed] = {}
    packaged: dict[str, Packaged] = {}
    for offset, placement in placements(log, topic):
        match placement:
            case Term():
                term = offset
            case Placed(partition) if placement.term >= term:
                placed[partition] = placement
            case Release() if placement.term >= term:
                release = placement
            case Packaged(program):
                packaged[program] = placement
            case _:
                pass  # a controller of an older term still spoke, or it is an order to the controller
    return PlacementNow(placed, release, packaged)


def first_at(log: Log, slice_: Slice, stamp_ms: int) -> int:
    """The offset of the first frame stamped `stamp_ms` or later, or the slice's end, found by halving.

    Stamps may step back by as much as the clocks of the log's owners differ: ask for a little earlier.
    """
    low, high = log.spans([slice_])[slice_]
    while low < high:
        middle = (low + high) // 2
        found = next(read_slice(log, slice_, middle, middle + 1), None)
        if found is not None and found.stamp_ms < stamp_ms:
            low = middle + 1
        else:
            high = middle
    return low
