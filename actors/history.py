"""Reading the log back from outside a host: a slice from here to there, once."""

from collections.abc import Iterator

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
