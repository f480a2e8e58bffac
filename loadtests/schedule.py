"""When who opens what in a run: the openings of a day, compressed, in the order in which they are due. Pure.

Arrivals do not wait for answers. What is due when follows from the habits alone, so several generators share the
persons among themselves, and each finds its own part without a word to the others.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from actors.errors import SetupError
from loadtests import chance
from loadtests.chance import Reals
from loadtests.habits import DAY_S, MINUTE_S, MINUTES, Habits, Opens

CHUNK = 200_000
"""So many persons are looked at together."""
_SPAN = re.compile(r"(\d{1,6})(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}


class Window(Struct, frozen=True):
    """A part of the day, and how long it takes to play it, in seconds."""

    first_s: float
    day_s: float
    run_s: float

    @property
    def compress(self) -> float:
        """So many seconds of the day go by in one."""
        return self.day_s / self.run_s


class Arrivals(NamedTuple):
    """Openings in the order in which they are due; one for each place of the arrays. `at_s` is of the run."""

    at_s: Reals
    person: NDArray[np.int32]
    program: NDArray[np.int32]
    merchant: NDArray[np.int32]
    """From whom the person buys, if it does."""
    way: NDArray[np.uint8]
    journey: NDArray[np.uint8]
    pages: NDArray[np.uint8]

    def between(self, first_s: float, end_s: float) -> "Arrivals":
        """Those that are due from one time on and before another."""
        first, end = (int(found) for found in np.searchsorted(self.at_s, (first_s, end_s)))
        return self.at(slice(first, end))

    def at(self, which: "slice | NDArray[np.intp]") -> "Arrivals":
        """Those at these places, in this order."""
        columns: Any = (column[which] for column in self)
        return Arrivals(*columns)


def seconds_of(text: str, what: str) -> float:
    """A length of time such as `24h` or `90s`. Raises SetupError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise SetupError(f"{what} is a number with ms, s, m or h, such as 24h, not {text!r}", reason="NO_TIME")
    return int(found[1]) * _SECONDS[found[2]]


def window_of(compress: str, first_s: float) -> Window:
    """What `24h:10m` means: so much of the day, from `first_s` on, is played in so much time. Raises SetupError."""
    day, colon, run = compress.partition(":")
    if not colon:
        raise SetupError(f"--compress is DAY:RUN, such as 24h:10m, not {compress!r}", reason="NO_TIME")
    day_s, run_s = seconds_of(day, "the day's part in --compress"), seconds_of(run, "the run's length in --compress")
    if not 0 < day_s <= DAY_S:
        raise SetupError(
            f"--compress {compress}: what is played is at most a day, and more than nothing", reason="NO_TIME"
        )
    if not 1 <= run_s <= DAY_S:
        raise SetupError(f"--compress {compress}: a run takes from a second to a day", reason="NO_TIME")
    if run_s > day_s:
        message = (
            f"--compress {compress} would play {day} of the day in {run}, slower than people are. The day's part comes "
            f"first: {run}:{day}"
        )
        raise SetupError(message, reason="NO_TIME")
    return Window(first_s, day_s, run_s)


def busiest_per_s(by_minute: Reals, window: Window) -> float:
    """Openings a second of the run in its busiest minute of the day; `by_minute` are the day's own (`habits.rates`)."""
    first, end = int(window.first_s // MINUTE_S), math.ceil((window.first_s + window.day_s) / MINUTE_S)
    return float(by_minute[np.arange(first, end) % MINUTES].max()) * window.compress


def arrivals(habits: Habits, window: Window, part: int = 0, parts: int = 1) -> Arrivals:
    """What the persons open whom this one of `parts` generators plays: every `parts`-th, from the `part`-th on."""
    some = [_due(habits, habits.opens(ns), window) for ns in _persons(habits.population.world.persons, part, parts)]
    columns: Any = (np.concatenate(columns) for columns in zip(*some, strict=True))
    found = Arrivals(*columns)
    return found.at(np.argsort(found.at_s, kind="stable"))


def _persons(count: int, part: int, parts: int) -> Iterator[chance.Numbers]:
    for first in range(part, count, CHUNK * parts):
        yield np.arange(first, min(first + CHUNK * parts, count), parts, dtype=np.int64)


def _due(habits: Habits, opens: Opens, window: Window) -> Arrivals:
    """Those of these openings that are in the window, in no order."""
    number = opens.person * DAY_S + opens.minute * MINUTE_S + opens.second
    within = chance.unit(chance.bits(habits.population.key("within the second"), number))
    day_s = (opens.minute * MINUTE_S + opens.second + within - window.first_s) % DAY_S
    kept = day_s < window.day_s
    columns: Any = (column[kept] for column in opens)
    chosen = Opens(*columns)
    merchants = habits.merchants(chosen, np.ones(len(chosen.person), np.bool_))
    return Arrivals(
        day_s[kept] / window.compress,
        chosen.person.astype(np.int32),
        chosen.program.astype(np.int32),
        merchants.astype(np.int32),
        chosen.way,
        chosen.journey,
        chosen.pages,
    )
