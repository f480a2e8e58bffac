"""What all generators say of each second, put together. Pure."""

from collections import defaultdict
from collections.abc import Callable

from msgspec.structs import replace

from loadtests.driver import latency
from loadtests.driver.result import Second
from loadtests.driver.tally import Part


class Seconds:
    """Every second of the run, complete once every generator has told its part of it."""

    def __init__(self, parts: int, see: Callable[[Second], None]) -> None:
        self._parts = parts
        self._see = see
        self._waiting: defaultdict[int, list[Part]] = defaultdict(list)
        self._told: dict[int, Second] = {}
        self._behind: dict[int, int] = {}

    def take(self, part: Part) -> None:
        """One generator's part."""
        waiting = self._waiting[part.at_s]
        waiting.append(part)
        if len(waiting) == self._parts:
            second = put_together(self._waiting.pop(part.at_s), self._latest_behind(part.at_s))
            self._told[part.at_s] = second
            self._see(second)

    def behind(self, at_s: int, frames: int) -> None:
        """How far the partitions were behind, as of this second."""
        self._behind[at_s] = frames
        if at_s in self._told:
            self._told[at_s] = replace(self._told[at_s], behind=frames)

    def told(self) -> tuple[Second, ...]:
        """All, in order; the last ones also where a generator was done before the others."""
        late = {at_s: put_together(parts, self._latest_behind(at_s)) for at_s, parts in self._waiting.items()}
        found = {**self._told, **late}
        return tuple(found[at_s] for at_s in sorted(found))

    def _latest_behind(self, at_s: int) -> int:
        return self._behind.get(at_s, self._behind.get(at_s - 1, 0))


def put_together(parts: list[Part], behind: int) -> Second:
    """One second of all generators: what they count is added, quantiles are those of all latencies together."""
    counts = latency.no_counts()
    for part in parts:
        latency.added(counts, part.hist)
    return Second(
        at_s=parts[0].at_s,
        offered=sum(part.offered for part in parts),
        served=sum(part.served for part in parts),
        errors=sum(part.errors for part in parts),
        in_flight=sum(part.in_flight for part in parts),
        late_ms_max=max(part.late_ms_max for part in parts),
        p50_ms=latency.quantile_ms(counts, 0.5),
        p99_ms=latency.quantile_ms(counts, 0.99),
        behind=behind,
    )
