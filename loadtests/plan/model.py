"""How calls become processor time: so much a call of its kind, so much a frame, so much for being there. Pure.

A frame holds what one sender had for one partition within the time it gathers. The fewer calls there are for each
partition in that time, the more frames there are, so the same calls cost more over many partitions and many gateways.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from loadtests.plan.costs import ROLES, Costs

GENERATOR = "generator"
"""What plays the persons; it is no part of a platform, but on one machine it shares its cores."""


class Load(Struct, frozen=True, kw_only=True):
    """What a platform is asked: calls a second by kind, how they come, and over what they are spread."""

    calls_s: Mapping[str, float]
    path: str = "stream"
    senders: int = 1
    """Gateways, or whoever gathers calls before they are spread over the partitions."""
    gather_ms: float = 10.0
    partitions: int
    hosts: int

    @property
    def total_s(self) -> float:
        """All calls a second."""
        return sum(self.calls_s.values())


class Fit(Struct, frozen=True, kw_only=True):
    """By what the measured costs are corrected, by role; and how long calls take, by how busy the machine is."""

    call: Mapping[str, float]
    frame: Mapping[str, float]
    there_cores: Mapping[str, float]
    """What a role uses without any call: each host, each gateway, all others together."""
    p50_ms: tuple[float, float]
    """`a + b * busy / (1 - busy)`."""
    p99_ms: tuple[float, float]


def unfitted(costs: Costs) -> Fit:
    """The measured costs as they are."""
    ones: dict[str, float] = dict.fromkeys((*ROLES, GENERATOR), 1.0)
    return Fit(call=ones, frame=ones, there_cores={**costs.idle_cores, GENERATOR: 0.0}, p50_ms=(0, 0), p99_ms=(0, 0))


def frames_s(load: Load) -> float:
    """Frames a second: every sender has one for each partition that got a call while it gathered."""
    lanes, gathers_s = load.senders * load.partitions, 1_000 / load.gather_ms
    return lanes * gathers_s * -math.expm1(-load.total_s / (lanes * gathers_s))


def call_cores(costs: Costs, load: Load, role: str) -> float:
    """What the calls use of a role's processors, were they all in full frames."""
    return sum(rate * costs.of(kind, load.path).cpu_us[role] for kind, rate in load.calls_s.items()) / 1e6


def frame_cores(costs: Costs, load: Load, role: str) -> float:
    """What the frames use."""
    return frames_s(load) * costs.frame_us[role] / 1e6


def cores(costs: Costs, fit: Fit, load: Load) -> dict[str, float]:
    """What each role uses, in cores."""
    found = {
        role: fit.call[role] * call_cores(costs, load, role)
        + fit.frame[role] * frame_cores(costs, load, role)
        + fit.there_cores[role] * _count(load, role)
        for role in ROLES
    }
    return found | {GENERATOR: fit.call[GENERATOR] * load.total_s / 1e6 + fit.there_cores[GENERATOR]}


def took_ms(curve: tuple[float, float], busy: float) -> float:
    """How long a call takes when this part of the machine is busy."""
    busy = min(max(busy, 0.0), 0.98)
    return curve[0] + curve[1] * busy / (1 - busy)


class Seen(Struct, frozen=True, kw_only=True):
    """What a run was seen to use, in cores by role, and how long its calls took."""

    load: Load
    cores: Mapping[str, float]
    p50_ms: float
    p99_ms: float
    machine_cores: int

    @property
    def busy(self) -> float:
        """The part of the machine that was used."""
        return sum(self.cores.values()) / self.machine_cores


def fitted(costs: Costs, seen: Sequence[Seen]) -> Fit:
    """The correction with the least squared error over these runs, relative to what was measured; none below 0."""
    call: dict[str, float] = {}
    frame: dict[str, float] = {}
    there: dict[str, float] = {}
    for role in (*ROLES, GENERATOR):
        rows = [_terms(costs, one.load, role) for one in seen]
        call[role], frame[role], there[role] = _least(rows, [one.cores.get(role, 0.0) for one in seen])
    curves: list[tuple[float, float]] = []
    for values in ([one.p50_ms for one in seen], [one.p99_ms for one in seen]):
        rows = [(1.0, one.busy / (1 - min(one.busy, 0.98)), 0.0) for one in seen]
        constant, slope, _ = _least(rows, values)
        curves.append((constant, slope))
    return Fit(call=call, frame=frame, there_cores=there, p50_ms=curves[0], p99_ms=curves[1])


def _terms(costs: Costs, load: Load, role: str) -> tuple[float, float, float]:
    """What a role's corrections are multiplied by."""
    if role == GENERATOR:
        return load.total_s / 1e6, 0.0, 1.0
    return call_cores(costs, load, role), frame_cores(costs, load, role), _count(load, role)


def _count(load: Load, role: str) -> float:
    """How many processes of a role there are, as far as each costs something by being there."""
    return float({"host": load.hosts, "gateway": load.senders}.get(role, 1))


def _least(rows: Sequence[tuple[float, float, float]], values: Sequence[float]) -> tuple[float, float, float]:
    """Non-negative least squares of three unknowns, relative to the values: the best of all subsets of unknowns."""
    weights = 1 / np.maximum(np.asarray(values, np.float64), 1e-3)
    matrix, wanted = np.asarray(rows, np.float64) * weights[:, None], np.asarray(values, np.float64) * weights
    best, least = (0.0, 0.0, 0.0), math.inf
    for subset in range(1, 8):
        used = [n for n in range(3) if subset >> n & 1]
        if not matrix[:, used].any(axis=0).all():
            continue
        solution = np.linalg.lstsq(matrix[:, used], wanted, rcond=None)[0]
        error = float(((matrix[:, used] @ solution - wanted) ** 2).sum())
        if (solution >= 0).all() and error < least - 1e-12:
            values_ = [0.0, 0.0, 0.0]
            for n, value in zip(used, solution, strict=True):
                values_[n] = float(value)
            best, least = (values_[0], values_[1], values_[2]), error
    return best
