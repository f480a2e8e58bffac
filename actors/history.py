"""Reading the log back from outside a host: a slice from here to there, once."""

from collections.abc import Iterator

from actors.kernel.record import frame_records
from actors.placement import Placement, decode_placement
from actors.ports import Fetched, Log, Slice

POLL_MS = 1_000


def read_slice(log: Log, slice_: Slice, start: int | None = None, end: int | None = None) -> Iterator[Fetched]:
    """The frames of a slice from `start` (its first) up to, not including, `end` (its end as of now)."""
    span = log.spans([slice_])[slice_]
    begin = span.start if start is None else max(start, span.start)
    last = span.end if end is None else min(end, span.end)
    if begin >= last:
        return
    reader = log.reader()
    try:
        reader.assign({slice_: begin})
        reached = begin
        while reached < last:
            for fetched in reader.poll(POLL_MS):
                if fetched.offset >= last:
                    return
                reached = fetched.offset + 1
                yield fetched
    finally:
        reader.close()


def placements(log: Log, topic: str) -> Iterator[Placement]:
    """All that the placement topic still has."""
    slice_ = Slice(topic, 0)
    for fetched in read_slice(log, slice_):
        for record in frame_records(*slice_, fetched.offset, fetched.frame):
            yield decode_placement(record)


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
