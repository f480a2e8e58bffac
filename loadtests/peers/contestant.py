"""What a contestant is: rows of the table, and how it is started. What it promises, its row says in plain words."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeAlias

from msgspec import Struct

Figures: TypeAlias = Mapping[str, float]
IN_FLIGHT = 64
KEYS = 100_000
HOT = 1


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
