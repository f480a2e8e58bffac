"""How a run went over its time, in as many points as a picture can show; and what its faults did. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from loadtests.bench.yardstick import mean
from loadtests.driver.result import Fault, Run, Second

POINTS_MAX = 240
ROLES_MAX = 6
WINDOW_S = 10.0
"""What a fault did is looked for in so much time after it, and compared with as much before."""


class Point(NamedTuple):
    """Some seconds together: rates are means, p50 is the mean of those seconds, everything else the worst of them."""

    at_s: float
    offered_per_s: float
    served_per_s: float
    failed_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    behind: int
    in_flight: int
    late_ms: float


class Effect(NamedTuple):
    """What a fault did to the calls around it."""

    number: int
    fault: Fault
    failed: int
    p99_before_ms: float | None
    p99_after_ms: float | None
    served_least: float | None
    """The fewest calls served in a second after it, as a share of those offered in that second."""


class Slow(NamedTuple):
    """How slow the machine itself was at one time: a fixed piece of work, against its quickest second."""

    at_s: float
    times: float


class Used(NamedTuple):
    """The cores that one role's processes used at one time."""

    at_s: float
    role: str
    cores: float


def step_s(run: Run) -> int:
    """How many seconds a point stands for."""
    last = max((second.at_s for second in run.seconds), default=0)
    return last // POINTS_MAX + 1


def points(run: Run) -> list[Point]:
    """The run's seconds, put together where there are many."""
    step, found = step_s(run), dict[int, list[Second]]()
    for second in run.seconds:
        found.setdefault(second.at_s // step, []).append(second)
    return [_point(number * step, some) for number, some in sorted(found.items())]


def _point(at_s: float, some: Sequence[Second]) -> Point:
    answered = [second for second in some if second.served]
    return Point(
        at_s=at_s,
        offered_per_s=sum(second.offered for second in some) / len(some),
        served_per_s=sum(second.served for second in some) / len(some),
        failed_per_s=sum(second.errors for second in some) / len(some),
        p50_ms=sum(second.p50_ms for second in answered) / len(answered) if answered else None,
        p99_ms=_worst(answered),
        behind=max(second.behind for second in some),
        in_flight=max(second.in_flight for second in some),
        late_ms=max(second.late_ms_max for second in some),
    )


def effects(run: Run) -> list[Effect]:
    """Each fault beside what it did, until the next one or until its time is over."""
    faults = sorted(run.faults, key=lambda fault: fault.at_s)
    found: list[Effect] = []
    for number, fault in enumerate(faults, 1):
        until_s = fault.at_s + max(WINDOW_S, fault.recovered_s or 0.0)
        if number < len(faults):
            until_s = min(until_s, max(faults[number].at_s, fault.at_s + 1))
        before = _between(run.seconds, int(fault.at_s) - WINDOW_S, int(fault.at_s))
        after = _between(run.seconds, int(fault.at_s), until_s)
        found.append(
            Effect(
                number=number,
                fault=fault,
                failed=sum(second.errors for second in after),
                p99_before_ms=_worst(before),
                p99_after_ms=_worst(after),
                served_least=min((second.served / second.offered for second in after if second.offered), default=None),
            )
        )
    return found


def _between(seconds: Iterable[Second], from_s: float, until_s: float) -> list[Second]:
    return [second for second in seconds if from_s <= second.at_s < until_s]


def _worst(some: Iterable[Second]) -> float | None:
    return max((second.p99_ms for second in some if second.served), default=None)


def used(run: Run) -> list[Used]:
    """Cores by role, the largest roles by name and the rest together; the roles come in one order at every time."""
    step, found = step_s(run), dict[str, dict[int, float]]()
    for process in run.processes:
        mine = found.setdefault(process.role, {})
        for at_s, cpu_s in enumerate(process.cpu_s):
            mine[at_s // step] = mine.get(at_s // step, 0.0) + cpu_s / step
    largest = sorted(found, key=lambda role: -sum(found[role].values()))
    named = largest if len(largest) <= ROLES_MAX else largest[: ROLES_MAX - 1]
    rest = dict[int, float]()
    for role in largest[len(named) :]:
        for at, cores in found[role].items():
            rest[at] = rest.get(at, 0.0) + cores
    shown = {role: found[role] for role in named} | ({"others": rest} if rest else {})
    return [Used(at * step, role, cores) for role, mine in shown.items() for at, cores in sorted(mine.items())]


def slow(run: Run) -> list[Slow]:
    """How slow the machine was, in means over as many seconds as a point stands for."""
    step = step_s(run)
    quickest_us = min((one.work_us for one in run.pace), default=0.0) or 1.0
    found: list[Slow] = []
    for at in range(0, len(run.pace), step):
        one = mean(run.pace[at : at + step])
        found.append(Slow(float(at), one.work_us / quickest_us))
    return found
