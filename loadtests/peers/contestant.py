"""What a contestant is: rows of the table, and how it is started. What it promises, its row says in plain words."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeAlias

from msgspec import Struct

Figures: TypeAlias = Mapping[str, float]
"""Of a row: `calls`, `per_s`, `cpu_us` and `generator_us` a call, `memory_mb`; of who answers also `p50_ms`, `p99_ms`
with `IN_FLIGHT` calls, `alone_p50_ms` with one. Of a campaign: what `campaign.Ledger.figures` says."""
IN_FLIGHT = 64
KEYS, HOT = 100_000, 1
"""How many keys the two kinds of load go to: all over so many, or all to one."""
_STEP = 7_919


def key_in_turn(n: int, keys: int) -> str:
    """The key of the n-th call: all over so many keys, in the same order in every run."""
    return f"k{n * _STEP % keys}"


class Row(Struct, frozen=True):
    """One row of the table: who, by which load generator it is driven, and what it promises."""

    key: str
    title: str
    load: str
    promises: str


class Served(Protocol):
    """A contestant that runs."""

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """The figures of each of its rows, over so many keys and about so long."""
        ...

    def campaign(self, kills: int) -> Figures:
        """Pay while it is killed so many times: what was lost and doubled, and how soon it answered again."""
        ...


class Contestant(Struct, frozen=True):
    """One that is measured. `start` is given a fresh folder, and raises SetupError if what it needs is missing."""

    name: str
    rows: tuple[Row, ...]
    start: Callable[[Path], AbstractContextManager[Served]]
    killed: bool = True
