"""How quick this machine is at the moment: what a fixed piece of work takes of a processor, and what others take of it.

Processors of a virtual machine are shared with machines that it cannot see, and their speed varies by three within
minutes. A figure that was taken then can be compared with others where this is known with it.
"""

import json
import os
import threading
import time
from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple, Self

from loadtests.bench.busy import ticks

ROUNDS = 4_000
"""Some 3 ms of work on a processor that nobody else uses."""
KEYS = 1 << 16
"""More than fits into a processor's nearer caches, as what the platform works on does not fit either."""
STRIDE = 40_503
STANDARD_US = 3_000.0
"""The work takes so long on a processor of standard speed: a good moment of the machine that this was written on."""
EVERY_S = 0.2


class Pace(NamedTuple):
    """How quick a machine was: the fixed work's microseconds, and what part of its processors was given to others."""

    work_us: float
    stolen: float

    @property
    def slow(self) -> float:
        """How many times as long work takes there as on a processor of standard speed."""
        return self.work_us / STANDARD_US

    @property
    def worth(self) -> float:
        """What one of its processors is of a standard one, less what others take of it."""
        return (1 - self.stolen) / self.slow


class Yardstick:
    """Looks at the machine now and again; each look is the fixed work, done once."""

    def __init__(self) -> None:
        self._table = {n: (n, "") for n in range(KEYS)}
        self._at = 0
        self._before = ticks()

    def look(self) -> Pace:
        """Now, and of what was stolen since the last look."""
        table, at, began_s = self._table, self._at, time.thread_time()
        for n in range(ROUNDS):
            at = (at + STRIDE) % KEYS
            count, _ = table[at]
            table[at] = (count + 1, f"{n}/{count}")
        work_us = 1e6 * (time.thread_time() - began_s)
        before, self._at, self._before = self._before, at, ticks()
        passed = self._before.all - before.all
        return Pace(work_us, (self._before.stolen - before.stolen) / passed if passed else 0.0)


def mean(looks: Iterable[Pace]) -> Pace:
    """How quick the machine was over all of these. There must be one."""
    work_us, stolen = zip(*looks, strict=True)
    return Pace(fmean(work_us), fmean(stolen))


class Looks:
    """Looks at the machine all the time, on a thread of its own, beside what is measured."""

    def __init__(self) -> None:
        self._yardstick = Yardstick()
        self._seen: list[tuple[float, Pace]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def since(self, began_s: float) -> Pace:
        """How quick the machine was since then, by `time.monotonic()`; by the last look where there was none since."""
        seen = self._seen[:]
        return mean([pace for at_s, pace in seen if at_s >= began_s] or [pace for _, pace in seen[-1:]])

    def _look(self) -> None:
        self._seen.append((time.monotonic(), self._yardstick.look()))

    def _look_on(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._look()


def run(seconds: float, *, as_json: bool) -> None:
    """Look for so long, and print what this machine's processors are worth now."""
    with Looks() as looks:
        time.sleep(seconds)
        pace = looks.since(0.0)
    count = os.cpu_count() or 1
    standard = count * pace.worth
    if as_json:
        found = {"work_us": pace.work_us, "stolen": pace.stolen, "processors": count, "standard": standard}
        print(json.dumps(found), flush=True)
        return
    print(f"a fixed piece of work takes {pace.work_us:,.0f} µs of a processor, {STANDARD_US:,.0f} µs of a standard one")
    print(f"others take {pace.stolen:.0%} of all processors; these {count} are worth {standard:.1f} standard ones")
