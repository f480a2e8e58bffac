"""What a partition wants on the log and is not acknowledged yet: sends and events, in lanes. A fact of the host.

A lane is one slice of the log. It keeps order and has one frame in flight; a frame that failed is sent again from its
oldest record, so a copy that did get in is followed by the same records in the same order. Frames applied whose
actions are all acknowledged are *stable*; only what is stable is written to the store, so the outbox needs no storage:
recovery applies again, and says again, what was not acknowledged.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from actors.kernel.inbox import Changes
from actors.kernel.record import FRAME_BYTES_MAX, Slice

LANE_RECORDS_MAX = 4_096
"""At most this many records of a lane are appended beyond the oldest unacknowledged one (the send window)."""
LANE_BYTES_MAX = FRAME_BYTES_MAX - 1_024
RECORD_BYTES = 5
"""What a record takes in a frame beside its own bytes, at most."""


class AppliedFrame(Struct, gc=False):
    """A frame that was applied: its changes wait here until `left` records of its lanes are acknowledged.

    `release` and `digest` are those that it was decided under, so what it said is said under them, however often.
    """

    offset: int
    changes: Changes
    release: int
    digest: str
    left: int = 0


class _Part(Struct, gc=False):
    """What one frame has said in one lane, as far as it is not acknowledged."""

    frame: AppliedFrame
    records: list[bytes]


class Outgoing(NamedTuple):
    """Records to append as one frame, all decided under one release."""

    slice: Slice
    records: list[bytes]
    release: int
    digest: str


class Outbox:
    """The lanes of one partition, and the applied frames that wait for them."""

    __slots__ = ("_flying", "_lanes", "applied", "records")

    def __init__(self) -> None:
        self._lanes: dict[Slice, deque[_Part]] = {}
        self._flying: dict[Slice, int] = {}
        self.applied: deque[AppliedFrame] = deque()
        self.records = 0

    def add(self, frame: AppliedFrame, said: Mapping[Slice, list[bytes]]) -> None:
        """A frame was applied, and these records of it must get onto the log, in this order. The lists are ours now."""
        self.applied.append(frame)
        for slice_, records in said.items():
            frame.left += len(records)
            self._lanes.setdefault(slice_, deque()).append(_Part(frame, records))
        self.records += frame.left

    def take(self) -> list[Outgoing]:
        """The frames to append now: of every lane that has records and none in flight."""
        frames: list[Outgoing] = []
        for slice_, lane in self._lanes.items():
            if not lane or slice_ in self._flying:
                continue
            first, records = lane[0].frame, _oldest(lane)
            self._flying[slice_] = len(records)
            frames.append(Outgoing(slice_, records, first.release, first.digest))
        return frames

    def acknowledged(self, slice_: Slice) -> None:
        """The lane's frame in flight is on the log."""
        lane = self._lanes[slice_]
        count = self._flying.pop(slice_)
        self.records -= count
        while count:
            part = lane[0]
            done = min(count, len(part.records))
            part.frame.left -= done
            del part.records[:done]
            if not part.records:
                lane.popleft()
            count -= done

    def failed(self, slice_: Slice) -> None:
        """The lane's frame in flight may or may not be on the log: it will be taken again."""
        del self._flying[slice_]

    def stable(self) -> tuple[int, Changes] | None:
        """What became stable since the last call: its greatest offset, and the changes to write, merged."""
        applied = self.applied
        if not applied or applied[0].left:
            return None
        first = applied.popleft()
        offset, changes = first.offset, first.changes
        while applied and not applied[0].left:
            frame = applied.popleft()
            offset = frame.offset
            changes.merge(frame.changes)
        return offset, changes


def _oldest(lane: Iterable[_Part]) -> list[bytes]:
    """The records of a lane that fit into one frame: all decided under one release, which only ever rises."""
    records: list[bytes] = []
    size, release = 0, -1
    for part in lane:
        if records and part.frame.release != release:
            break
        release = part.frame.release
        whole = sum(map(len, part.records)) + RECORD_BYTES * len(part.records)
        if len(records) + len(part.records) <= LANE_RECORDS_MAX and size + whole <= LANE_BYTES_MAX:
            records += part.records
            size += whole
            continue
        for record in part.records:
            size += len(record) + RECORD_BYTES
            if records and (len(records) >= LANE_RECORDS_MAX or size > LANE_BYTES_MAX):
                break
            records.append(record)
        break
    return records
