"""The world's time and its calendar: what happens next is the earliest entry, and nothing happens by itself."""

import heapq
from collections.abc import Callable
from random import Random

START_MS = 1_800_000_000_000


def up_to(chance: Random, most: int) -> int:
    """A number from 0 to `most`; what `randint` does, in a third of the time."""
    return int(chance.random() * (most + 1))


class Clock:
    """One calendar for everybody. Ties keep the order they were entered in, so a world is a function of its seed.

    `elapsed_ms` is time as it goes by and orders what happens; `now_ms` is what the clocks show, and may leap.
    """

    def __init__(self) -> None:
        self.elapsed_ms = 0
        self.now_ms = START_MS
        self._calendar: list[tuple[int, int, Callable[[], object]]] = []
        self._entered = 0

    def after(self, delay_ms: int, happens: Callable[[], object]) -> None:
        """Enter something `delay_ms` from now."""
        self.at(self.elapsed_ms + delay_ms, happens)

    def at(self, elapsed_ms: int, happens: Callable[[], object]) -> None:
        """Enter something for when so much time has gone by."""
        self._entered += 1
        heapq.heappush(self._calendar, (elapsed_ms, self._entered, happens))

    def leap(self, leap_ms: int) -> None:
        """Everybody's clock shows a later time, and nothing has happened meanwhile."""
        self.now_ms += leap_ms

    def step(self) -> None:
        """Let the next thing happen."""
        elapsed_ms, _, happens = heapq.heappop(self._calendar)
        if elapsed_ms > self.elapsed_ms:
            self.now_ms += elapsed_ms - self.elapsed_ms
            self.elapsed_ms = elapsed_ms
        happens()
