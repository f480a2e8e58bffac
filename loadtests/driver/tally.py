"""What one generator counts: calls offered, served and refused, how long they took, how late it was itself. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from msgspec import Struct

from loadtests.driver import latency
from loadtests.driver.result import ALL

LATE_S = 0.1
"""Whoever begins a call later than this after it was due was late."""


class Part(Struct, frozen=True, kw_only=True):
    """One generator's part of one second; `hist` is a sparse histogram of all its latencies."""

    at_s: int
    offered: int
    served: int
    errors: int
    in_flight: int
    late: int
    late_ms_max: float
    hist: tuple[int, ...]


class Tally:
    """Counts until the second is over, and keeps what the whole run came to."""

    def __init__(self) -> None:
        self.offered = self.served = self.late = 0
        self.errors: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        """What rules refused as they may: no errors."""
        self.retried: Counter[str] = Counter()
        """What was tried again, by why."""
        self.late_s_max = 0.0
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._counts: dict[str, latency.Counts] = {}
        self._before = (0, 0, 0, 0)

    def due(self, late_s: float) -> None:
        """A call is made so much later than it was due."""
        self.offered += 1
        if late_s > self.late_s_max:
            self.late_s_max = late_s
        if late_s > LATE_S:
            self.late += 1

    def answered(self, kind: str, took_s: float) -> None:
        """A call was served, so long after it was due."""
        self.served += 1
        self._took[kind].append(took_s)

    def failed(self, reason: str) -> None:
        """A call came to nothing."""
        self.errors[reason] += 1

    def roll(self, at_s: int, in_flight: int) -> Part:
        """This second is over."""
        second = latency.no_counts()
        for kind, took in self._took.items():
            if kind not in self._counts:
                self._counts[kind] = latency.no_counts()
            places = latency.places(took)
            latency.count(second, places)
            latency.count(self._counts[kind], places)
        self._took.clear()
        now = (self.offered, self.served, self.errors.total(), self.late)
        offered, served, errors, late = (after - before for after, before in zip(now, self._before, strict=True))
        self._before, late_ms_max, self.late_s_max = now, self.late_s_max * 1_000, 0.0
        return Part(
            at_s=at_s,
            offered=offered,
            served=served,
            errors=errors,
            in_flight=in_flight,
            late=late,
            late_ms_max=late_ms_max,
            hist=tuple(latency.sparse(second)),
        )

    def histograms(self) -> Mapping[str, str]:
        """Every kind's latencies, and those of all, encoded. Once the last second is rolled."""
        everything = latency.merged(self._counts.values())
        return {kind: latency.encoded(counts) for kind, counts in (self._counts | {ALL: everything}).items()}
