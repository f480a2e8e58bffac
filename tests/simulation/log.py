"""A log that keeps its contract and nothing more: appends fail, come late or twice, also after their producer's end."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from actors.errors import Outcome
from actors.kernel.record import Slice
from actors.ports import Fetched
from tests.simulation.clock import Clock
from tests.simulation.faults import Faults

LATE_MS_MAX = 4_000
SLOW_MS_MAX = 400

Done = Callable[[int | Outcome], None]
"""Called with the offset, or with what is known of a frame that failed."""


class Surroundings(Protocol):
    """What a log is in."""

    def grown(self, slice_: Slice) -> None:
        """A slice has a frame more."""
        ...

    def strike(self, name: str, text: str) -> None:
        """Something goes wrong."""
        ...


class Appending(NamedTuple):
    """One append on its way."""

    producer: str
    slice: Slice
    frame: bytes
    done: Done


class SimLog:
    """Every slice as a list of frames. Frames of one producer and slice keep their order unless one fails."""

    def __init__(self, clock: Clock, chance: Random, faults: Faults, around: Surroundings) -> None:
        self._clock = clock
        self._chance = chance
        self._around = around
        self._free_at_ms: dict[tuple[str, Slice], int] = {}
        self.faults = faults
        self.skew_ms = 0
        self.slices: dict[Slice, list[Fetched]] = {}

    def end(self, slice_: Slice) -> int:
        """The offset that the next frame will have."""
        return len(self.slices.get(slice_, ()))

    def append(self, producer: str, slice_: Slice, frame: bytes, done: Done) -> None:
        """Append, more or less."""
        clock, chance, appending = self._clock, self._chance, Appending(producer, slice_, frame, done)
        key = (producer, slice_)
        at_ms = max(clock.elapsed_ms + chance.randint(0, 2), self._free_at_ms.get(key, 0))
        fate = self._fate()
        if fate:
            self._around.strike(f"append_{fate}", f"{producer}'s append to {slice_.topic}/{slice_.partition} is {fate}")
        if fate == "slow":
            at_ms += chance.randint(10, SLOW_MS_MAX)
        if fate in ("lost", "unknown", "late"):
            outcome: Outcome = "NOT_APPENDED" if fate == "lost" and chance.random() < 0.5 else "OUTCOME_UNKNOWN"
            clock.at(at_ms, partial(done, outcome))
            if fate != "lost":
                late_ms = chance.randint(0, 5) if fate == "unknown" else chance.randint(20, LATE_MS_MAX)
                clock.at(at_ms + late_ms, partial(self._place, appending))
            return
        self._free_at_ms[key] = at_ms
        clock.at(at_ms, partial(self._acknowledge, appending))
        if fate == "twice":
            clock.at(at_ms + chance.randint(0, SLOW_MS_MAX), partial(self._place, appending))

    def _fate(self) -> str:
        faults, drawn = self.faults, self._chance.random()
        for fate in ("lost", "unknown", "late", "twice", "slow"):
            drawn -= getattr(faults, f"append_{fate}")
            if drawn < 0:
                return fate
        return ""

    def _acknowledge(self, appending: Appending) -> None:
        offset = self._place(appending)
        self._clock.after(self._chance.randint(0, 2), partial(appending.done, offset))

    def _place(self, appending: Appending) -> int:
        frames = self.slices.setdefault(appending.slice, [])
        offset = len(frames)
        frames.append(Fetched(appending.slice, offset, self._clock.now_ms + self.skew_ms, appending.frame))
        self._around.grown(appending.slice)
        return offset
