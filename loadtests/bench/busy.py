"""How busy the machine is with others, before a measurement that wants it to itself."""

import time
from pathlib import Path
from typing import NamedTuple

LOOK_S = 0.5
BUSY_PERCENT_MAX = 25.0
"""From so much of all processors on, what is timed beside it does not count."""


class Ticks(NamedTuple):
    """What all processors' time went to since the machine began, in clock ticks; `stolen` is other machines' part."""

    all: int
    idle: int
    stolen: int


def busy_percent(seconds: float = LOOK_S) -> float:
    """The share of all processors' time that is used now, by anybody."""
    before = ticks()
    time.sleep(seconds)
    after = ticks()
    return 100 * (1 - (after.idle - before.idle) / max(1, after.all - before.all))


def told(percent: float) -> str:
    """What that means for the figures; nothing where it means nothing."""
    if percent < BUSY_PERCENT_MAX:
        return ""
    return f"THE MACHINE WAS BUSY: others used {percent:.0f} % of it at the beginning, so times do not count."


def ticks() -> Ticks:
    """As of now, by /proc/stat."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return Ticks(sum(fields), fields[3] + fields[4], fields[7])
