"""What records that wait are likely to need of the store, so that it is loaded for all of them at once. Pure.

A record that stops for want of a state is looked up by itself, and decided anew: several times the price.
"""

from collections.abc import Callable, Iterable

from actors.intake import Arrived
from actors.kernel.partition import Partition
from actors.kernel.record import Record


class Foresight:
    """Looks into each frame of one partition once, and a second time when what it needs first is loaded."""

    def __init__(self, mark: Callable[[int, int], None]) -> None:
        """`mark(offset, index)` is told which record's author is asked now: should that end the host, it is known."""
        self._mark = mark
        self._seen = -1
        self._again: list[tuple[int, int, Record]] = []

    def keys(self, partition: Partition, frames: Iterable[Arrived], before: int | None) -> set[bytes]:
        """What the frames that were not looked into yet need first; those from the offset `before` on stay unread."""
        keys: set[bytes] = set()
        again = self._again = []
        for offset, _, frame, _ in frames:
            if offset <= self._seen:
                continue
            if before is not None and offset >= before:
                break
            self._seen = offset
            for index, record in enumerate(frame.records):
                needed = partition.keys(record)
                if needed:
                    again.append((offset, index, record))
                else:
                    self._mark(offset, index)
                    needed = partition.reached(record)
                keys.update(needed)
        return keys

    def reached(self, partition: Partition) -> set[bytes]:
        """What they need further, now that this is loaded."""
        again, self._again = self._again, []
        keys: set[bytes] = set()
        for offset, index, record in again:
            self._mark(offset, index)
            keys.update(partition.reached(record))
        return keys
