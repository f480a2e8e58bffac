"""A run that has nothing wrong with it, and its seconds."""

from collections.abc import Sequence

from loadtests.driver import latency
from loadtests.driver.result import ALL, ProcessCpu, Quantiles, Run, Second, Threshold

QUANTILES = Quantiles(count=900, mean_ms=3.0, p50_ms=2.0, p90_ms=4.0, p99_ms=12.0, p999_ms=40.0, max_ms=55.5, hist="")


def counted(seconds: Sequence[float]) -> latency.Counts:
    """The histogram of these latencies."""
    counts = latency.no_counts()
    latency.count(counts, latency.places(seconds))
    return counts


def second(at_s: int, *, served: int = 10, errors: int = 0, p99_ms: float = 12.0) -> Second:
    """What one second of a run was like."""
    return Second(
        at_s=at_s,
        offered=10,
        served=served,
        errors=errors,
        in_flight=3,
        late_ms_max=0.5,
        p50_ms=2.0,
        p99_ms=p99_ms,
        behind=4,
    )


EVEN = tuple(map(second, range(90)))


def run_of(seconds: tuple[Second, ...] = EVEN) -> Run:
    """A run that passed, in so many seconds."""
    return Run(
        scenario="smoke",
        seed=7,
        users=1_000,
        compress="24h:10m",
        began_at_ms=1_795_200_000_000,
        seconds_planned=90.0,
        ended="done",
        valid=True,
        invalid_because=(),
        offered=900,
        served=900,
        errors={},
        lost=0,
        doubled=0,
        latency={ALL: QUANTILES, "query": QUANTILES},
        seconds=seconds,
        processes=(ProcessCpu(role="gateway", cpu_s=(0.5,) * 90, rss_bytes_max=1 << 28),),
        faults=(),
        thresholds=(Threshold(name="p99 at most, ms", bound=20, measured=12, met=True),),
        machine={"cores": "2"},
        settings={"log": "embedded"},
    )
