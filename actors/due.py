"""Timers that fall due: which `Fire` records the owner should append now. A fact of the owner, not folded state.

Only timers due within `HORIZON_MS` are in memory; the rest stand in the store in order of due time. A `Fire` is
appended again, backing off, until the log says that the timer is gone.
"""

import heapq
from collections.abc import Iterable
from typing import TypeAlias

from actors.kernel.record import Fire

HORIZON_MS = 60_000
RETRY_MS = 100
RETRY_MS_MAX = 60_000
FIRES_MAX = 1_024


_Due: TypeAlias = tuple[str, str, int, int, int]
"""(entity, timer, generation, due_ms, after how long it is said again)"""


class DueTimers:
    """The timers of one partition that fall due soon, by time; those of one millisecond in the order they came."""

    __slots__ = ("_at", "_live", "_times", "horizon_ms")

    def __init__(self) -> None:
        self.horizon_ms = 0
        self._at: dict[int, list[_Due]] = {}
        self._times: list[int] = []
        """A heap of what `_at` has: numbers, since to compare whatever else is dear."""
        self._live: dict[tuple[str, str], int] = {}

    def add(self, entity: str, timer: str, generation: int, due_ms: int) -> None:
        """A timer exists. One that is due beyond the horizon is left to the store."""
        if due_ms < self.horizon_ms:
            self._live[entity, timer] = generation
            self._put(due_ms, [(entity, timer, generation, due_ms, RETRY_MS)])

    def _put(self, at_ms: int, some: list[_Due]) -> None:
        there = self._at.setdefault(at_ms, some)
        if there is some:
            heapq.heappush(self._times, at_ms)
        else:
            there += some

    def remove(self, entity: str, timer: str, generation: int) -> None:
        """The log says that this timer is gone."""
        if self._live.get((entity, timer)) == generation:
            del self._live[entity, timer]

    def extend(self, horizon_ms: int, found: Iterable[tuple[str, str, int, int]]) -> None:
        """Move the horizon on; `found` are (entity, timer, generation, due_ms) between the old one and the new."""
        self.horizon_ms = horizon_ms
        for entity, timer, generation, due_ms in found:
            self.add(entity, timer, generation, due_ms)

    def next_due_ms(self) -> int | None:
        """When `due` has something to say next."""
        return self._times[0] if self._times else None

    def due(self, now_ms: int) -> list[Fire]:
        """The records to append now, at most `FIRES_MAX`; each comes again later unless the timer is removed."""
        fires: list[Fire] = []
        again: dict[int, list[_Due]] = {}
        while self._times and self._times[0] <= now_ms:
            at_ms = self._times[0]
            some = self._at[at_ms]
            room = FIRES_MAX - len(fires)
            for entity, timer, generation, due_ms, retry_ms in some[:room]:
                if self._live.get((entity, timer)) == generation:
                    fires.append(Fire(entity, timer, generation, due_ms))
                    later = (entity, timer, generation, due_ms, min(2 * retry_ms, RETRY_MS_MAX))
                    again.setdefault(now_ms + retry_ms, []).append(later)
            del some[:room]
            if some:
                break
            del self._at[heapq.heappop(self._times)]
        for at_ms, later_ones in again.items():
            self._put(at_ms, later_ones)
        return fires
