"""A log that keeps its contract and nothing more: appends fail, come late or twice, also after their producer's end."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from actors.errors import Outcome
from actors.kernel.record import Slice
from actors.ports import Fetched
from tests.simulation.clock import Clock, up_to
from tests.simulation.faults import CALM, Faults

LATE_MS_MAX = 4_000
SLOW_MS_MAX = 400
REFUSED_MS_MAX = 50

Done = Callable[[int | Outcome], None]
"""Called with the offset, or with what is known of a frame that failed."""


class Surroundings(Protocol):
    """What a log is in."""

    def grown(self, slice_: Slice) -> None:
        """A slice has a frame more."""
        ...

    def strike(self, name: str, text: str) -> None:
        """Something is made to go wrong."""
        ...

    def felt(self, name: str) -> None:
        """What was made to go wrong had its effect."""
        ...


class Appending(NamedTuple):
    """One append on its way."""

    producer: str
    slice: Slice
    frame: bytes
    done: Done
    fate: str


class SimLog:
    """Every slice as a list of frames. Frames of one producer and slice keep their order unless one fails."""

    def __init__(self, clock: Clock, chance: Random, faults: Faults, around: Surroundings) -> None:
        self._clock = clock
        self._chance = chance
        self._around = around
        self._free_at_ms: dict[tuple[str, Slice], int] = {}
        self._tail: dict[int, Appending] = {}
        self._appends = 0
        self.faults = faults
        self.skew_ms = 0
        self.away_until_ms = -1
        self.slices: dict[Slice, list[Fetched]] = {}

    @property
    def is_away(self) -> bool:
        """Whether nobody can reach it now."""
        return self._clock.elapsed_ms < self.away_until_ms

    def end(self, slice_: Slice) -> int:
        """The offset that the next frame will have."""
        return len(self.slices.get(slice_, ()))

    def committed(self, slice_: Slice) -> Sequence[Fetched]:
        """The frames that a reader may see: those that nothing can take away any more."""
        return self.slices.get(slice_, ())

    def tail(self, slice_: Slice) -> list[bytes]:
        """What has been handed in for a slice and may still be lost; a reader must not see it."""
        return [appending.frame for appending in self._tail.values() if appending.slice == slice_]

    def append(self, producer: str, slice_: Slice, frame: bytes, done: Done) -> None:
        """Append, more or less."""
        clock, chance, fate = self._clock, self._chance, self._fate()
        appending = Appending(producer, slice_, frame, done, fate)
        key = (producer, slice_)
        at_ms = max(clock.elapsed_ms + up_to(chance, 2), self._free_at_ms.get(key, 0))
        if self.is_away:
            self._around.felt("log_away")
            self._refuse(appending, clock.elapsed_ms + chance.randint(0, REFUSED_MS_MAX))
            return
        if fate:
            self._around.strike(f"append_{fate}", f"{producer}'s append to {slice_.topic}/{slice_.partition} is {fate}")
        if fate == "slow":
            at_ms += chance.randint(10, SLOW_MS_MAX)
        if fate in ("lost", "unknown", "late"):
            self._refuse(appending, at_ms)
            if fate != "lost":
                late_ms = chance.randint(0, 5) if fate == "unknown" else chance.randint(20, LATE_MS_MAX)
                clock.at(at_ms + late_ms, partial(self._place_again, appending))
            return
        self._free_at_ms[key] = at_ms
        self._appends += 1
        self._tail[self._appends] = appending
        clock.at(at_ms, partial(self._acknowledge, self._appends))

    def _fate(self) -> str:
        faults, drawn = self.faults, self._chance.random()
        for fate in ("lost", "unknown", "late", "twice", "slow"):
            drawn -= getattr(faults, f"append_{fate}")
            if drawn < 0:
                return fate
        return ""

    def _refuse(self, appending: Appending, at_ms: int) -> None:
        certain = appending.fate in ("", "lost") and self._chance.random() < 0.5
        outcome: Outcome = "NOT_APPENDED" if certain else "OUTCOME_UNKNOWN"
        if appending.fate == "lost":
            self._around.felt("append_lost")
        self._clock.at(at_ms, partial(appending.done, outcome))

    def _acknowledge(self, number: int) -> None:
        appending = self._tail.pop(number, None)
        if appending is None:
            return  # lost with the tail
        offset = self._place(appending)
        if appending.fate == "slow":
            self._around.felt("append_slow")
        self._clock.after(up_to(self._chance, 2), partial(appending.done, offset))
        if appending.fate == "twice":
            self._clock.after(self._chance.randint(0, SLOW_MS_MAX), partial(self._place_again, appending))

    def _place_again(self, appending: Appending) -> None:
        self._around.felt(f"append_{appending.fate}")
        self._place(appending)

    def _place(self, appending: Appending) -> int:
        frames = self.slices.setdefault(appending.slice, [])
        offset = len(frames)
        frames.append(Fetched(appending.slice, offset, self._clock.now_ms + self.skew_ms, appending.frame))
        if self.skew_ms:
            self._around.felt("clock_jumps")
        self._around.grown(appending.slice)
        return offset

    def lose_tail(self) -> None:
        """Whatever is not committed is gone, and its producers do not know that."""
        for appending in self._tail.values():
            self._around.felt("tail_lost")
            wait_ms = self._chance.randint(0, REFUSED_MS_MAX)
            self._clock.after(wait_ms, partial(appending.done, "OUTCOME_UNKNOWN"))
        self._tail.clear()

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.faults = CALM
        self.skew_ms = 0
        self.away_until_ms = -1
