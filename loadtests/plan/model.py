"""How calls become processor time: so much a call of its kind, a frame, a round, and for being there. Pure.

*A call* costs its kind's time in each process, measured in full frames (`costs`). *A frame* holds what one sender had
for one partition within the time it gathers, and costs time of its own, measured on calls that are alone in theirs
(`costs`). *A round* is one waking of a process, which takes whatever came since its last one: many frames, of many
partitions; what it costs is fitted (`validate`). *Being there* is what a process uses when nobody calls (`costs`).

Of each role three things are fitted: a factor on its calls, one on its frames, and what a round costs. On one machine
that is nearly full whoever wakes waits for a processor, and what comes meanwhile joins the round: there are fewer.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from loadtests.plan.costs import ROLES, Costs

GENERATOR = "generator"
"""What plays the persons; it is no part of a platform, but on one machine it shares its cores."""
ROUND_MS = 10.0
"""What reaches a busy process within so long it takes in one round: as long as a host works before it lets others in
(`actors/adapters/polling.py`), and a lane holds its next frame (`gateway/pending.py`)."""
EVENTS_MS = 50.0
"""So long a host gathers events (`actors/adapters/hosting/behind.py`)."""
MESSAGE = 0.5
"""What a message of answers costs a host and a gateway against a frame: assumed, not measured."""
UNARY_A_FRAME = 1.5
"""Calls one by one are measured in frames of so many (`loadtests/README.md`), which are in their cost already."""
FOLLOWED_US = 1.0
"""Calls that cost the follower less, in full frames, make no event in any topic that it reads."""
BELIEF = 0.3
"""How far measured costs are believed against runs: a factor of 2 or 0 weighs as much as a run that is 30 % off."""
FULL, SLOW = 8, 4
"""Of a machine that is so busy the power `FULL` is the part of rounds that there are not, and calls take longer by the
power `SLOW`. Both were chosen by the 17 runs of 2026-11-22 01:13; what judges them are the runs made after that."""
BISECTIONS = 50


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
    round_us: Mapping[str, float]
    p50_ms: tuple[float, float]
    """`a + b * busy ** SLOW`: calls come so evenly that until the machine is full no queue outlasts the next tick."""
    p99_ms: tuple[float, float]


def unfitted() -> Fit:
    """The measured costs as they are. What a round costs is not known then, and left out."""
    ones: dict[str, float] = dict.fromkeys((*ROLES, GENERATOR), 1.0)
    return Fit(call=ones, frame=ones, round_us=dict.fromkeys(ones, 0.0), p50_ms=(0, 0), p99_ms=(0, 0))


# -- how many ------------------------------------------------------------------------------------------------------


def gathered_s(rate_s: float, lanes: float, gather_ms: float) -> float:
    """Gatherings a second over so many lanes, each at most one in this time, of what comes at random."""
    most_s = lanes * 1_000 / gather_ms
    return most_s * -math.expm1(-rate_s / most_s)


def frames_s(load: Load) -> float:
    """Frames of commands a second: every sender has one for each partition that got a call while it gathered."""
    return gathered_s(load.total_s, load.senders * load.partitions, load.gather_ms)


def messages_s(load: Load) -> float:
    """Messages from hosts to gateways a second: what a host's round answers to one gateway."""
    return gathered_s(frames_s(load), load.senders * load.hosts, ROUND_MS)


def event_frames_s(costs: Costs, load: Load) -> float:
    """Frames of events a second that the follower reads: a partition's host gathers them by topic, whoever sent calls.

    Every kind of call is taken for a topic of its own, which is too many where several share one.
    """
    rates = (rate for kind, rate in load.calls_s.items() if costs.of(kind).cpu_us["rest"] >= FOLLOWED_US)
    return sum(gathered_s(rate, load.partitions, EVENTS_MS) for rate in rates)


def rounds_s(costs: Costs, load: Load, role: str) -> float:
    """Rounds a second of all processes of a role: of a gateway by what clients send, of a host by the frames it reads.

    Each of these is a request to the log, for it asks for all its partitions at once.
    """
    match role:
        case "host":
            return gathered_s(frames_s(load), load.hosts, ROUND_MS)
        case "log":
            return rounds_s(costs, load, "gateway") + rounds_s(costs, load, "host")
        case "rest":
            return gathered_s(event_frames_s(costs, load), 1, ROUND_MS)
        case _:
            return gathered_s(load.total_s, load.senders, load.gather_ms)


# -- what it costs -------------------------------------------------------------------------------------------------


def call_cores(costs: Costs, load: Load, role: str) -> float:
    """What the calls use of a role's processors, were they all in full frames."""
    return sum(rate * costs.of(kind, load.path).cpu_us[role] for kind, rate in load.calls_s.items()) / 1e6


def frame_cores(costs: Costs, load: Load, role: str) -> float:
    """What the frames use, and between hosts and gateways the messages that answer them."""
    if role == "rest":
        return event_frames_s(costs, load) * costs.frame_us[role] / 1e6
    known_s = load.total_s / UNARY_A_FRAME if load.path == "unary" else 0.0
    messages = 0.0 if role == "log" else MESSAGE * messages_s(load)
    return (max(frames_s(load) - known_s, 0.0) + messages) * costs.frame_us[role] / 1e6


def idle_cores(costs: Costs, load: Load, role: str) -> float:
    """What a role's processes use by being there."""
    return costs.idle_cores.get(role, 0.0) * {"host": load.hosts, "gateway": load.senders}.get(role, 1)


def parts(costs: Costs, fit: Fit, load: Load, role: str) -> tuple[float, float]:
    """What a role's calls, frames and being there use, and what its rounds do."""
    calls, frames, rounds = _terms(costs, load, role)
    steady = fit.call[role] * calls + fit.frame[role] * frames + idle_cores(costs, load, role)
    return steady, fit.round_us[role] * rounds


def cores(costs: Costs, fit: Fit, load: Load) -> dict[str, float]:
    """What each role uses, in cores, where there are processors enough."""
    return {role: sum(parts(costs, fit, load, role)) for role in (*ROLES, GENERATOR)}


def crowded(costs: Costs, fit: Fit, load: Load, machine_cores: float) -> dict[str, float]:
    """What each role uses where all of them share one machine, the calls that it cannot serve included."""
    found = {role: parts(costs, fit, load, role) for role in (*ROLES, GENERATOR)}
    steady, rounds = (sum(part[n] for part in found.values()) / machine_cores for n in range(2))
    least, most = 0.0, steady + rounds
    for _ in range(BISECTIONS):
        busy = (least + most) / 2
        least, most = (busy, most) if steady + rounds * _woken(busy) > busy else (least, busy)
    return {role: one + more * _woken(most) for role, (one, more) in found.items()}


def carried(used: Mapping[str, float], load: Load, machine_cores: float, core: float = 1.0) -> float:
    """The part of these calls that one machine serves: it has so many cores, and hosts and gateways use one each, which
    is `core` of a standard one.
    """
    of_one = used["host"] / load.hosts / core, used["gateway"] / load.senders / core
    return 1 / max(1.0, sum(used.values()) / machine_cores, *of_one)


def took_ms(curve: tuple[float, float], busy: float) -> float:
    """How long a call takes when this part of the machine is busy."""
    return curve[0] + curve[1] * _slowed(busy)


def _woken(busy: float) -> float:
    """The part of the rounds that there are on a machine that is so busy."""
    return 1 - min(max(busy, 0.0), 1.0) ** FULL


def _slowed(busy: float) -> float:
    return min(max(busy, 0.0), 1.0) ** SLOW


# -- the fit -------------------------------------------------------------------------------------------------------


class Seen(Struct, frozen=True, kw_only=True):
    """What a run was seen to use, in cores by role, and how long its calls took."""

    load: Load
    cores: Mapping[str, float]
    p50_ms: float
    p99_ms: float
    machine_cores: float
    """Processors of standard speed."""
    core: float = 1.0
    """What one of the machine's processors is of a standard one."""

    @property
    def busy(self) -> float:
        """The part of the machine that was used."""
        return sum(self.cores.values()) / self.machine_cores


def fitted(costs: Costs, seen: Sequence[Seen]) -> Fit:
    """The correction with the least squared error over these runs, relative to what was measured; none below 0."""
    found: dict[str, list[float]] = {}
    for role in (*ROLES, GENERATOR):
        terms = [(_terms(costs, one.load, role), one.busy) for one in seen]
        rows = [(calls, frames, rounds * _woken(busy)) for (calls, frames, rounds), busy in terms]
        used = [one.cores.get(role, 0.0) for one in seen]
        idle = [idle_cores(costs, one.load, role) for one in seen]
        found[role] = _least(rows, used, idle, believed=0 if role == GENERATOR else 2)
    curves: list[tuple[float, float]] = []
    for values in ([one.p50_ms for one in seen], [one.p99_ms for one in seen]):
        constant, slope = _least([(1.0, _slowed(one.busy)) for one in seen], values, [0.0] * len(seen), believed=0)
        curves.append((constant, slope))
    call, frame, round_us = ({role: factors[n] for role, factors in found.items()} for n in range(3))
    return Fit(call=call, frame=frame, round_us=round_us, p50_ms=curves[0], p99_ms=curves[1])


def _terms(costs: Costs, load: Load, role: str) -> tuple[float, float, float]:
    """What a role's factors are multiplied by."""
    rounds = rounds_s(costs, load, role) / 1e6
    if role == GENERATOR:
        return load.total_s / 1e6, 0.0, rounds
    return call_cores(costs, load, role), frame_cores(costs, load, role), rounds


def _least(
    rows: Sequence[Sequence[float]], values: Sequence[float], known: Sequence[float], *, believed: int
) -> list[float]:
    """Non-negative least squares of the values less what is known, relative to the values: the best of all subsets of
    unknowns. The first `believed` of them are taken to be 1 as far as `BELIEF` goes.
    """
    weights = 1 / np.maximum(np.asarray(values, np.float64), 1e-3)
    matrix = np.asarray(rows, np.float64) * weights[:, None]
    wanted = (np.asarray(values, np.float64) - np.asarray(known, np.float64)) * weights
    unknowns = matrix.shape[1]
    matrix = np.vstack([matrix, BELIEF * np.eye(unknowns)[:believed]])
    wanted = np.concatenate([wanted, np.full(believed, BELIEF)])
    best, least = [0.0] * unknowns, float((wanted**2).sum())
    for subset in range(1, 1 << unknowns):
        used = [n for n in range(unknowns) if subset >> n & 1]
        if not matrix[:, used].any(axis=0).all():
            continue
        solution = np.linalg.lstsq(matrix[:, used], wanted, rcond=None)[0]
        error = float(((matrix[:, used] @ solution - wanted) ** 2).sum())
        if (solution >= 0).all() and error < least - 1e-12:
            best, least = [0.0] * unknowns, error
            for n, value in zip(used, solution, strict=True):
                best[n] = float(value)
    return best
