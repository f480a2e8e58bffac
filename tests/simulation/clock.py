"""The world's time and its calendar: what happens next is the earliest entry, and nothing happens by itself."""

import heapq
from collections.abc import Callable

START_MS = 1_800_000_000_000


class Clock:
    """One calendar for everybody. Ties keep the order they were entered in, so a world is a function of its seed."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._calendar: list[tuple[int, int, Callable[[], object]]] = []
        self._entered = 0

    def after(self, delay_ms: int, happens: Callable[[], object]) -> None:
        """Enter something `delay_ms` from now."""
        self.at(self.now_ms + delay_ms, happens)

    def at(self, when_ms: int, happens: Callable[[], object]) -> None:
        """Enter something at this time."""
        self._entered += 1
        heapq.heappush(self._calendar, (when_ms, self._entered, happens))

    def leap(self, leap_ms: int) -> None:
        """Everybody's clock shows a later time, and nothing has happened meanwhile."""
        self.now_ms += leap_ms
        self._calendar = [(when_ms + leap_ms, entered, happens) for when_ms, entered, happens in self._calendar]

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        if not self._calendar:
            return False
        when_ms, _, happens = heapq.heappop(self._calendar)
        self.now_ms = max(self.now_ms, when_ms)
        happens()
        return True
