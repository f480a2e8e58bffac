"""What was read of a partition's log and waits to be applied: every frame once, in order, none left out. Pure."""

from collections import deque
from typing import NamedTuple

from actors.errors import Corrupt
from actors.kernel.record import Frame, Slice, decode_frame
from actors.ports import Fetched

FRAMES_MAX = 256


class Arrived(NamedTuple):
    """A frame that was read back; `crc` is the sum that it carries."""

    offset: int
    stamp_ms: int
    frame: Frame
    crc: int


class Intake:
    """The frames of one partition that wait, and where to read on."""

    def __init__(self, slice_: Slice) -> None:
        self.frames: deque[Arrived] = deque()
        self.next_offset = 0
        self._slice = slice_
        self._expected: tuple[int, int] | None = None
        self._paused = False

    def begin(self, watermark: int, frame_crc: int) -> None:
        """The states are as of this frame: it is read again and compared, and what follows is taken in."""
        if watermark >= 0:
            self._expected = (watermark, frame_crc)
        self.next_offset = max(watermark, 0)

    def take(self, fetched: Fetched, stamp_ms_max: int) -> None:
        """Take a frame in, if it is the next one. Raises Corrupt when it cannot be what was written there."""
        topic, number = self._slice
        crc = int.from_bytes(fetched.frame[4:8])
        if self._expected is not None:
            offset, expected_crc = self._expected
            if fetched.offset != offset:
                return  # on its way before we began to read; a log that lacks our offset is found by its reader
            if crc != expected_crc:
                raise Corrupt(
                    f"the log holds another frame than the one at {number}/{offset} that these states were made from: "
                    "acknowledged records are gone",
                    position=f"{number}/{offset}",
                )
            self._expected = None
            self.next_offset = offset + 1
            return
        if fetched.offset != self.next_offset:
            return  # a repeat, or what was on its way before we began to read anew
        ahead_ms = fetched.stamp_ms - stamp_ms_max
        if ahead_ms > 0:
            raise Corrupt(f"the frame is stamped {ahead_ms} ms too far ahead", position=f"{number}/{fetched.offset}")
        frame = decode_frame(topic, number, fetched.offset, fetched.frame)
        self.frames.append(Arrived(fetched.offset, fetched.stamp_ms, frame, crc))
        self.next_offset = fetched.offset + 1

    def reads_from(self, unsaid: int, unsaid_max: int) -> int | None:
        """The offset to read from next, or None while too much waits here or to be said; at half of that it goes on."""
        crowded = unsaid > unsaid_max or len(self.frames) > FRAMES_MAX
        relaxed = unsaid <= unsaid_max // 2 and len(self.frames) <= FRAMES_MAX // 2
        self._paused = crowded or (self._paused and not relaxed)
        return None if self._paused else self.next_offset
