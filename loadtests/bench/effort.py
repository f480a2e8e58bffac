"""How much the benchmark measures, and how it tells how far it is."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from rich.console import Console

Tell: TypeAlias = Callable[[str], None]


def telling() -> Tell:
    """Tells a line of progress on stderr, each with the seconds that have passed since now."""
    console, began = Console(stderr=True), time.monotonic()
    return lambda text: console.print(f"{time.monotonic() - began:4.0f} s  {text}", highlight=False, markup=False)


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int = 5
    """Of the rows that are ratios: each round takes every side of them once."""
    seconds: float = 4.0
    """So long calls are made in a row's turn."""
    kills: int = 3
    """Platforms whose host is killed, each of them twice."""
    commands: int = 200_000
    """On the log when a host begins without its stores."""
    sessions: int = 1_050_000
    replayed: int = 200_000
    """Records that are replayed."""
    idle_s: float = 20.0
    """So long a platform that nobody calls is watched."""


QUICK = Effort(rounds=1, seconds=2.0, kills=1, commands=20_000, sessions=100_000, replayed=50_000, idle_s=4.0)
