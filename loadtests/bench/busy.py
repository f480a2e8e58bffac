"""How busy the machine is with others, before a measurement that wants it to itself."""

import time
from pathlib import Path

LOOK_S = 0.5
BUSY_PERCENT_MAX = 25.0
"""From so much of all processors on, what is timed beside it does not count."""


def busy_percent(seconds: float = LOOK_S) -> float:
    """The share of all processors' time that is used now, by anybody."""
    before = _ticks()
    time.sleep(seconds)
    all_ticks, idle = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return 100 * (1 - idle / max(1, all_ticks))


def told(percent: float) -> str:
    """What that means for the figures; nothing where it means nothing."""
    if percent < BUSY_PERCENT_MAX:
        return ""
    return f"THE MACHINE WAS BUSY: others used {percent:.0f} % of it at the beginning, so times do not count."


def _ticks() -> tuple[int, int]:
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]
