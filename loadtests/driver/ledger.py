"""What was accepted, by where it was decided: the audit holds it against what the log shows. Pure but for two files."""

from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.int64]
_OFFSET_BITS, _INDEX_BITS = 32, 16
OPENED = ("visit.began", "session.page-loaded")
"""What an opening leaves: its visit's event, and its first page's, since both are one record."""


def place(partition: int, offset: int, index: int) -> int:
    """A position as one number."""
    return (partition << _OFFSET_BITS | offset) << _INDEX_BITS | index


DRAWN_EVERY, DRAWN_MAX = 17, 1_000
"""Of so many-th sessions, and of so many at most, every page is counted by name."""


class Ledger:
    """The places of accepted calls, by the tag of the event that each must have left."""

    def __init__(self) -> None:
        self.drawn: dict[str, int] = {}
        """Some sessions, with the pages that were turned in each: a platform can be asked for these."""
        self.doubts: Counter[str] = Counter()
        """Events, by tag, of which nobody knows whether they came to be."""
        self._opened = 0
        self._places: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._turned = self._places[OPENED[1]].append  # most calls are pages

    def opened(self, session: str, at: int) -> None:
        """A session was opened, and with it its first page."""
        self.accepted(OPENED[0], at)
        self._opened += 1
        if self._opened % DRAWN_EVERY == 0 and len(self.drawn) < DRAWN_MAX:
            self.drawn[session] = 1

    def turned(self, session: str, at: int) -> None:
        """A page was turned."""
        self._turned(at)
        if session in self.drawn:
            self.drawn[session] += 1

    def doubted(self, session: str, *leaves: str) -> None:
        """Nobody knows whether a call was decided, that would have left these: nothing follows from this session."""
        self.drawn.pop(session, None)
        self.doubts.update(filter(None, leaves))

    def accepted(self, leaves: str, at: int) -> None:
        """A call was decided there, and left such an event."""
        self._places[leaves].append(at)

    def places(self) -> dict[str, Places]:
        """All of them, by tag."""
        return {tag: np.frombuffer(places, np.int64) for tag, places in self._places.items() if places}

    def write(self, folder: Path, part: int) -> list[str]:
        """Keep it in files of this folder, one a tag; returns their names."""
        names: list[str] = []
        for tag, places in self.places().items():
            names.append(f"accepted.{tag}.{part}.npy")
            np.save(folder / names[-1], places)
        return names


def read(folder: Path, names: list[str]) -> dict[str, Places]:
    """What several generators wrote, by tag, in order. Raises OSError for what cannot be read."""
    found: defaultdict[str, list[Places]] = defaultdict(list)
    for name in names:
        tag = name.removeprefix("accepted.").rpartition(".npy")[0].rpartition(".")[0]
        try:
            found[tag].append(np.load(folder / name))
        except (ValueError, EOFError) as error:
            raise OSError(f"{name} is not what a generator wrote: {error}") from error
    return {tag: np.sort(np.concatenate(places)) for tag, places in found.items()}
