"""How much the benchmark measures."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

Tell: TypeAlias = Callable[[str], None]


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int = 5
    seconds: float = 4.0
    kills: int = 3
    commands: int = 200_000
    sessions: int = 1_050_000
    replayed: int = 200_000
    idle_s: float = 20.0


QUICK = Effort(rounds=1, seconds=2.0, kills=1, commands=20_000, sessions=100_000, replayed=50_000, idle_s=4.0)
