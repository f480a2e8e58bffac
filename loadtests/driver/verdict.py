"""What a run is worth: whether it measured what it was to, and whether it kept its bounds. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from loadtests.driver.result import ALL, Fault, Quantiles, Second, Threshold

LATE_SHARE_MAX = 0.01
"""A run whose generators made a greater part of the calls late measured the generators."""
NEVER = 1e12
"""What is told of a figure that there is none of: it keeps no bound. JSON has no infinity."""
CALM_MS = 100.0
"""Calls that take no longer than this, or twice as long as before, take as long as before."""
BEFORE_S, CALM_S = 5, 2


class Facts(Struct, frozen=True, kw_only=True):
    """What the generators and the audit came to, all together."""

    planned: int
    """Arrivals of the schedule."""
    arrived: int
    offered: int
    served: int
    errors: int
    late: int
    is_cut: bool
    lost_generators: tuple[str, ...] = ()
    unaudited: str = ""
    """Why nobody could look for what is lost and doubled."""
    trouble: tuple[str, ...] = ()
    """What else went wrong with the run itself."""


def invalid_because(facts: Facts) -> tuple[str, ...]:
    """Why the run measured something else than it was to; nothing when it is valid."""
    found = [f"a generator ended early: {why}" for why in facts.lost_generators]
    found += facts.trouble
    if facts.is_cut:
        found.append("it was ended early: what is told is of the part that was played")
    elif facts.arrived != facts.planned and not facts.lost_generators:
        found.append(f"{facts.arrived:,} openings were made of {facts.planned:,} that were planned")
    if facts.offered == 0:
        found.append("nothing was offered")
    elif facts.late > facts.offered * LATE_SHARE_MAX:
        share = facts.late / facts.offered
        found.append(f"the generators were late with {share:.1%} of the calls: they could not keep up themselves")
    unanswered = facts.offered - facts.served - facts.errors
    if unanswered > 0:
        found.append(f"{unanswered:,} calls had no end when the run was over")
    if facts.unaudited:
        found.append(f"nobody could look for lost and doubled effects: {facts.unaudited}")
    return tuple(found)


def thresholds(
    bounds: Mapping[str, float], latency: Mapping[str, Quantiles], facts: Facts, faults: Sequence[Fault]
) -> tuple[Threshold, ...]:
    """Every bound with what was measured. What was not measured keeps no bound."""
    all_ = latency.get(ALL)
    ended = facts.served + facts.errors
    recovered = [NEVER if fault.recovered_s is None else fault.recovered_s for fault in faults]
    measured = {
        "p50_ms": all_.p50_ms if all_ else NEVER,
        "p99_ms": all_.p99_ms if all_ else NEVER,
        "p999_ms": all_.p999_ms if all_ else NEVER,
        "errors_share": facts.errors / ended if ended else NEVER,
        "recovered_s": max(recovered, default=NEVER),
    }
    return tuple(
        Threshold(name=name, bound=bound, measured=measured[name], met=measured[name] <= bound)
        for name, bound in bounds.items()
    )


def recovered_s(at_s: float, seconds: Sequence[Second]) -> float | None:
    """How long after a fault calls took as long as before; None if they never did while anybody looked."""
    before = [second.p99_ms for second in seconds if at_s - BEFORE_S - 1 <= second.at_s < int(at_s)]
    calm_ms = max(CALM_MS, 2 * max(before, default=0.0))
    calm = 0
    for second in seconds:
        if second.at_s <= int(at_s):
            continue
        calm = calm + 1 if second.p99_ms <= calm_ms and second.served else 0
        if calm == CALM_S:
            return max(second.at_s + 1 - CALM_S - at_s, 0.0)
    return None
