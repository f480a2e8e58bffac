"""The log in memory: the reference that says what a log means. Nothing in it outlives the process."""

import threading
import uuid
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from actors.adapters.appends import APPEND_BYTES_MAX, new_future, not_appended, settle
from actors.adapters.reading import SourceReader
from actors.adapters.topics import check_same_topic, needs_key, no_such_topic, no_trim
from actors.ports import Appended, Fetched, Reader, Slice, Span, Topic


class _Frames:
    """One slice: its frames in order of offset."""

    __slots__ = ("compacted", "end", "frames", "stamp_ms", "start")

    def __init__(self, compacted: bool) -> None:
        self.compacted = compacted
        self.frames: list[Fetched] = []
        self.start = 0
        self.end = 0
        self.stamp_ms = 0

    def index(self, offset: int) -> int:
        return bisect_left(self.frames, offset, key=lambda fetched: fetched.offset)

    def forget_key(self, key: bytes) -> None:
        for index in range(len(self.frames) - 1, -1, -1):
            if self.frames[index].key == key:
                del self.frames[index]
                return


class MemoryLog:
    """A Log whose frames are lists. `clock_ms` gives the stamps, so a test can move the log's time."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.changed = threading.Condition()
        self._clock_ms = clock_ms
        self._topics: dict[str, tuple[Topic, str]] = {}
        self._slices: dict[Slice, _Frames] = {}
        self._version = 0
        self._closed = False

    def create(self, topics: Sequence[Topic]) -> None:
        with self.changed:
            for topic in topics:
                check_same_topic(self._topics[topic.name][0] if topic.name in self._topics else None, topic)
            for topic in topics:
                if topic.name not in self._topics:
                    self._topics[topic.name] = (topic, uuid.uuid4().hex)
                    for partition in range(topic.partitions):
                        self._slices[Slice(topic.name, partition)] = _Frames(topic.compacted)

    def topic_id(self, topic: str) -> str:
        with self.changed:
            if topic not in self._topics:
                raise no_such_topic(topic)
            return self._topics[topic][1]

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        assert len(frame) <= APPEND_BYTES_MAX
        future = new_future()
        with self.changed:
            outcome = self._append(slice, frame, key)
            self._version += 1
            self.changed.notify_all()
        settle(future, outcome)
        return future

    def _append(self, slice: Slice, frame: bytes, key: bytes | None) -> Appended | Exception:
        held = self._slices.get(slice)
        if self._closed or held is None:
            return not_appended("the log is closed" if self._closed else str(no_such_topic(slice.topic)))
        if held.compacted:
            if key is None:
                return not_appended(needs_key(slice))
            held.forget_key(key)
        held.stamp_ms = max(held.stamp_ms, self._clock_ms())
        fetched = Fetched(slice, held.end, held.stamp_ms, frame, key)
        held.frames.append(fetched)
        held.end += 1
        return Appended(fetched.offset, fetched.stamp_ms)

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        return {slice: self.span(slice) for slice in slices}

    def trim(self, slice: Slice, below: int) -> None:
        with self.changed:
            held = self._held(slice)
            if held.compacted:
                raise no_trim(slice.topic)
            held.start = max(held.start, min(below, held.end))
            del held.frames[: held.index(held.start)]
            self._version += 1
            self.changed.notify_all()

    def reader(self) -> Reader:
        return SourceReader(self)

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    # What a SourceReader asks.

    def version(self) -> int:
        return self._version

    def span(self, slice: Slice) -> Span:
        with self.changed:
            held = self._held(slice)
            return Span(held.start, held.end)

    def fetch(self, slice: Slice, offset: int, bytes_max: int) -> Sequence[Fetched]:
        with self.changed:
            held = self._held(slice)
            first = last = held.index(offset)
            size = 0
            while last < len(held.frames) and size < bytes_max:
                size += len(held.frames[last].frame)
                last += 1
            return held.frames[first:last]

    def _held(self, slice: Slice) -> _Frames:
        held = self._slices.get(slice)
        if held is None:
            raise no_such_topic(slice.topic)
        return held
