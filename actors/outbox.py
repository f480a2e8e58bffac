"""What a partition wants on the log and is not acknowledged yet: sends and events, in lanes. A fact of the host.

A lane is one slice of the log. It keeps order and has one frame in flight; a frame that failed is sent again from its
oldest record, so a copy that did get in is followed by the same records in the same order. Frames applied whose
actions are all acknowledged are *stable*; only what is stable is written to the store, so the outbox needs no storage:
recovery applies again, and says again, what was not acknowledged.
"""

from collections import deque
from typing import NamedTuple

from msgspec import Struct

from actors.kernel.inbox import Changes
from actors.kernel.record import FRAME_BYTES_MAX, Slice

LANE_RECORDS_MAX = 4_096
"""At most this many records of a lane are appended beyond the oldest unacknowledged one (the send window)."""


class AppliedFrame(Struct, gc=False):
    """A frame that was applied: its changes wait here until `left` records of its lanes are acknowledged.

    `release` and `digest` are those that it was decided under, so what it said is said under them, however often.
    """

    offset: int
    changes: Changes
    release: int
    digest: str
    left: int = 0


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
        self._lanes: dict[Slice, deque[tuple[AppliedFrame, bytes]]] = {}
        self._flying: dict[Slice, int] = {}
        self.applied: deque[AppliedFrame] = deque()
        self.records = 0

    def add(self, frame: AppliedFrame, said: list[tuple[Slice, bytes]]) -> None:
        """A frame was applied, and these records of it must get onto the log, in this order."""
        self.applied.append(frame)
        frame.left = len(said)
        self.records += len(said)
        lanes = self._lanes
        for slice_, record in said:
            lane = lanes.get(slice_)
            if lane is None:
                lane = lanes[slice_] = deque()
            lane.append((frame, record))

    def take(self) -> list[Outgoing]:
        """The frames to append now: of every lane that has records and none in flight."""
        frames: list[Outgoing] = []
        for slice_, lane in self._lanes.items():
            if not lane or slice_ in self._flying:
                continue
            records: list[bytes] = []
            size = 0
            first = lane[0][0]
            several = lane[-1][0].release != first.release  # a partition's release only ever rises
            for applied, record in lane:
                if several and applied.release != first.release:
                    break
                size += len(record) + 5
                if records and (len(records) >= LANE_RECORDS_MAX or size > FRAME_BYTES_MAX - 1_024):
                    break
                records.append(record)
            self._flying[slice_] = len(records)
            frames.append(Outgoing(slice_, records, first.release, first.digest))
        return frames

    def acknowledged(self, slice_: Slice) -> None:
        """The lane's frame in flight is on the log."""
        lane = self._lanes[slice_]
        count = self._flying.pop(slice_)
        self.records -= count
        for _ in range(count):
            lane.popleft()[0].left -= 1

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
