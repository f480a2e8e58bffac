"""What a run is worth: whether it measured what it was to, and whether it kept its bounds. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from loadtests.driver.result import ALL, Fault, Quantiles, Second, Threshold

LATE_SHARE_MAX = 0.01
"""A run whose generators made a greater part of the calls late measured the generators."""
CALM_MS = 100.0
"""Calls that take no longer than this, or twice as long as before, take as long as before."""
BEFORE_S, CALM_S = 5, 2
FEWER = "play fewer --users, or take more time for them (--compress)"


class Trouble(NamedTuple):
    """Something that makes a run invalid, and what to do about it; nothing where something else says it."""

    why: str
    advice: str = ""


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
    faults_planned: int = 0
    faults: int = 0
    """What was done to the platform."""
    unaudited: str = ""
    """Why nobody could look for what is lost and doubled."""
    trouble: tuple[Trouble, ...] = ()
    """What else went wrong with the run itself."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing ended the run early."""
        return not (self.is_cut or self.lost_generators or self.trouble)


def troubles(facts: Facts) -> tuple[Trouble, ...]:
    """Why the run measured something else than it was to; nothing when it is valid."""
    found = [
        Trouble(
            f"a generator ended early, and what it had counted with it: {why}",
            "see above what the generator printed; where memory was short, play fewer --users",
        )
        for why in facts.lost_generators
    ]
    found += facts.trouble
    if facts.is_cut:
        found.append(
            Trouble("it was ended early: what is told is of the part that was played", "let it run to its end")
        )
    elif facts.is_whole and facts.arrived != facts.planned:
        found.append(Trouble(f"{facts.arrived:,} openings were made of {facts.planned:,} that were planned", FEWER))
    if facts.offered == 0:
        found.append(Trouble("nothing was offered", "play more --users, or more of the day" if facts.is_whole else ""))
    elif facts.late > facts.offered * LATE_SHARE_MAX:
        share = facts.late / facts.offered
        found.append(
            Trouble(
                f"the generators were late with {share:.1%} of the calls: they could not keep up themselves",
                f"{FEWER}; or have more --generators play, where there are processors for them: on other machines with "
                "--ray-address",
            )
        )
    unanswered = facts.offered - facts.served - facts.errors
    if unanswered > 0:
        found.append(Trouble(f"{unanswered:,} calls had no end when the run was over", FEWER if facts.is_whole else ""))
    if unanswered < 0:
        found.append(Trouble(f"{-unanswered:,} calls more had an end than were offered"))
    if facts.is_whole and facts.faults < facts.faults_planned:
        why = f"{facts.faults:,} of {facts.faults_planned:,} faults came to be before everybody was done"
        found.append(Trouble(why, "play more --users, or take more time for them (--compress)"))
    if facts.unaudited:
        found.append(
            Trouble(
                f"nobody could look for lost and doubled effects: {facts.unaudited}",
                "see that the platform goes on until all is looked at" if facts.is_whole else "",
            )
        )
    return tuple(found)


def advice(found: Sequence[Trouble]) -> str:
    """What to do for a valid run, in a sentence; empty when nothing stands against it."""
    said = dict.fromkeys(trouble.advice for trouble in found if trouble.advice)
    return f"For a valid run: {'; '.join(said)}." if said else ""


def thresholds(
    bounds: Mapping[str, float], latency: Mapping[str, Quantiles], facts: Facts, faults: Sequence[Fault]
) -> tuple[Threshold, ...]:
    """Every bound with what was measured. What was not measured keeps no bound."""
    some = latency.get(ALL)
    all_ = some if some and some.count else None
    ended = facts.served + facts.errors
    recovered = [fault.recovered_s for fault in faults if fault.recovered_s is not None]
    measured: dict[str, float | None] = {
        "p50_ms": all_.p50_ms if all_ else None,
        "p99_ms": all_.p99_ms if all_ else None,
        "p999_ms": all_.p999_ms if all_ else None,
        "errors_share": facts.errors / ended if ended else None,
        "recovered_s": max(recovered) if faults and len(recovered) == len(faults) else None,
    }
    return tuple(
        Threshold(name=name, bound=bound, measured=value, met=value is not None and value <= bound)
        for name, bound in bounds.items()
        for value in (measured[name],)
    )


def recovered_s(at_s: float, seconds: Sequence[Second]) -> float | None:
    """How long after a fault calls took as long as before; None if they never did while anybody looked.

    Whoever is answered late has waited all that time: a second is calm only if no call waited in it for too long that
    was answered later. Calls that go on well elsewhere do not hide those that still wait.
    """
    before = [second.p99_ms for second in seconds if at_s - BEFORE_S - 1 <= second.at_s < int(at_s)]
    calm_ms = max(CALM_MS, 2 * max(before, default=0.0))
    calm, after = 0, [second for second in seconds if second.at_s > int(at_s)]
    for second, is_waiting in zip(after, _waiting(after, calm_ms), strict=True):
        calm = calm + 1 if second.served and not is_waiting else 0
        if calm == CALM_S:
            return max(second.at_s + 1 - CALM_S - at_s, 0.0)
    return None


def _waiting(seconds: Sequence[Second], calm_ms: float) -> list[bool]:
    """Whether in each of these seconds calls waited for longer, that were answered then or later."""
    found: list[bool] = []
    since_s = math.inf
    for second in reversed(seconds):
        if second.p99_ms > calm_ms:
            since_s = min(since_s, second.at_s - second.p99_ms / 1_000)
        found.append(second.at_s > since_s)
    return found[::-1]
