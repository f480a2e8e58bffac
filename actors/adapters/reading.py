"""A reader over frames that live in this process; the memory log and the embedded log in process share it."""

import threading
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Protocol

from actors.errors import Corrupt
from actors.ports import Fetched, Slice, Span

POLL_BYTES_MAX = 4 << 20
FETCH_BYTES_MAX = 1 << 20


def where(slice: Slice, offset: int) -> str:
    """A place in the log, as operators are told it."""
    return f"{slice.topic}/{slice.partition}/{offset}"


def slice_at(place: str) -> Slice:
    """The slice of such a place."""
    topic, partition, _ = place.rsplit("/", 2)
    return Slice(topic, int(partition))


def check_possible(slice: Slice, offset: int, span: Span) -> None:
    """Raises Corrupt if reading this slice cannot begin at the offset."""
    if offset < span.start:
        raise Corrupt(
            f"the log begins at {where(slice, span.start)}; the frames from {offset} on were cut",
            position=where(slice, offset),
        )
    if offset > span.end:
        raise Corrupt(
            f"the log ends at {where(slice, span.end)}, before {offset}: acknowledged frames are gone",
            position=where(slice, offset),
        )


def check_contiguous(slice: Slice, offset: int, found: int) -> None:
    """Raises Corrupt if the frame after the last one read is not the next one."""
    if found != offset:
        raise Corrupt(
            f"the log has a hole: the first missing frame is {where(slice, offset)}, the next one there is {found}",
            position=where(slice, offset),
        )


class Source(Protocol):
    """Where a SourceReader gets its frames from."""

    changed: threading.Condition
    """Notified whenever frames were added or forgotten."""

    def version(self) -> int:
        """Grows with every change; lets a reader look without holding the lock and still miss nothing."""
        ...

    def span(self, slice: Slice) -> Span:
        """What the slice holds. Raises SetupError if there is no such slice."""
        ...

    def fetch(self, slice: Slice, offset: int, bytes_max: int) -> Sequence[Fetched]:
        """Frames from the offset on, at least one if there is any. Raises Corrupt."""
        ...


class SourceReader:
    """A Reader that waits on the source's condition. The slices take turns at being first."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._positions: dict[Slice, int] = {}
        self._turn = 0
        self._trouble: Corrupt | None = None
        self._woken = False
        self._closed = False

    def assign(self, positions: Mapping[Slice, int]) -> None:
        wanted = {slice: self._positions.get(slice, offset) for slice, offset in positions.items()}
        for slice, offset in wanted.items():
            check_possible(slice, offset, self._source.span(slice))
        self._positions = wanted
        self._trouble = None

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        due = monotonic() + timeout_ms / 1000
        while True:
            if self._trouble is not None:
                raise self._trouble
            version = self._source.version()
            frames = self._gather()
            if frames:
                return frames
            with self._source.changed:
                while self._source.version() == version and not self._woken and not self._closed:
                    left_s = due - monotonic()
                    if left_s <= 0 or not self._source.changed.wait(left_s):
                        return ()
                if self._woken or self._closed:
                    self._woken = False
                    return ()

    def wake(self) -> None:
        with self._source.changed:
            self._woken = True
            self._source.changed.notify_all()

    def close(self) -> None:
        with self._source.changed:
            self._closed = True
            self._source.changed.notify_all()

    def _gather(self) -> list[Fetched]:
        gathered: list[Fetched] = []
        size = 0
        slices = list(self._positions)
        self._turn += 1
        for n in range(len(slices)):
            slice = slices[(self._turn + n) % len(slices)]
            try:
                frames = self._next(slice)
            except Corrupt as error:
                # What other slices gave is handed out first: their places are behind it already.
                self._trouble = error
                if not gathered:
                    raise
                break
            gathered.extend(frames)
            size += sum(len(fetched.frame) for fetched in frames)
            if size >= POLL_BYTES_MAX - FETCH_BYTES_MAX:
                break
        return gathered

    def _next(self, slice: Slice) -> Sequence[Fetched]:
        offset = self._positions[slice]
        span = self._source.span(slice)
        if span.start <= offset == span.end:
            return ()
        check_possible(slice, offset, span)
        frames = self._source.fetch(slice, offset, FETCH_BYTES_MAX)
        if frames:
            self._positions[slice] = frames[-1].offset + 1
        return frames
