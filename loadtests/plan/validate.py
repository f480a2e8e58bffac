"""`python -m loadtests validate`: short runs of the load driver, and what the planner says of most of them."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from loadtests.bench.effort import Tell
from loadtests.bench.platform import publish
from loadtests.bench.yardstick import STANDARD_US, Pace, mean
from loadtests.driver.command import Asked, alone, order_of
from loadtests.driver.coordinator import Coordinator
from loadtests.driver.result import Run
from loadtests.driver.target import own
from loadtests.habits import DAY_S, DAYS, Habits
from loadtests.plan.cases import FITTED, PREDICTED, RUN_S, Case
from loadtests.plan.costs import ROLES, Costs, keep, kept
from loadtests.plan.model import GENERATOR, Fit, Load, Seen, carried, crowded, fitted, took_ms
from loadtests.population import WORLD_2020, Population, of_size
from loadtests.wholeday.footprint import footprint
from loadtests.wholeday.simulate import calls_by_minute
from loadtests.wholeday.tally import tally

VALIDATION_FILE = Path(__file__).parent / "validation.json"
BAR = 0.20
FLAT = 1.02
"""The busiest minute against the mean: a run that is nearly the same all the time."""
STEADY = slice(3, RUN_S - 1)
"""The seconds that are looked at: who thinks has begun to, and nobody has gone yet."""
TRIES, STOLEN_MAX, QUARTER = 3, 0.1, 3
"""So often a run is made where others took more than this part of the machine in any so many of its steady seconds."""
TICK_MS = 10.0
"""How long a generator of the driver gathers."""
_RECORDED = {"log": "log", "kafka": "log", "gateway": "gateway", "host": "host", "generator": GENERATOR}


class Told(Struct, frozen=True, kw_only=True):
    """One run: what was predicted of it and what was measured."""

    name: str
    fitted: bool
    valid: bool
    thousands_s: float
    partitions: int
    hosts: int
    day: str
    predicted: Mapping[str, float]
    measured: Mapping[str, float]

    def off(self, figure: str) -> float:
        """By how much of what was measured the prediction is off."""
        measured = self.measured[figure]
        return abs(self.predicted[figure] - measured) / measured if measured else 0.0


FIGURES = ("per_s", "cpu_cores", "p50_ms", "p99_ms")


class Validation(Struct, frozen=True, kw_only=True):
    """Every run of one validation, and the fit."""

    taken_at: str
    log: str
    machine: Mapping[str, str]
    fit: Fit
    runs: tuple[Told, ...]


def validate(
    costs: Costs, tell: Tell, *, fitting: Sequence[Case] = FITTED, others: Sequence[Case] = PREDICTED
) -> Validation:
    """Run them all, fit on the first, predict the others. Raises SetupError when a run could not begin."""
    seen: list[tuple[Case, Run, Seen]] = []
    with alone():
        for case in (*fitting, *others):
            run = quietest(case, costs.log, tell)
            one = seen_of(case, run)
            tell(f"{case.name}: {sum(one.cores.values()):.2f} cores, p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms")
            seen.append((case, run, one))
    fit = fitted(costs, [one for _, _, one in seen[: len(fitting)]])
    runs = tuple(told(costs, fit, case, run, one, n < len(fitting)) for n, (case, run, one) in enumerate(seen))
    taken_at = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return Validation(taken_at=taken_at, log=costs.log, machine=seen[0][1].machine, fit=fit, runs=runs)


def quietest(case: Case, log: str, tell: Tell) -> Run:
    """A run of this case: another one while the machine was given to others meanwhile, and of all the least disturbed.

    Which run counts hangs on what others took of the machine and on nothing that it came to.
    """
    runs: list[Run] = []
    while len(runs) < TRIES and (not runs or stolen(runs[-1]) > STOLEN_MAX):
        run = played(case, log)
        if run.ended == "cut":
            raise KeyboardInterrupt
        runs.append(run)
        if stolen(run) > STOLEN_MAX:
            tell(f"{case.name}: {stolen(run):.0%} of the machine was taken by others")
    return min(runs, key=stolen)


def stolen(run: Run) -> float:
    """What others took of the machine in the worst of the steady seconds' quarters."""
    pace = run.pace[STEADY]
    return max((mean(pace[n : n + QUARTER]).stolen for n in range(0, len(pace), QUARTER)), default=0.0)


def played(case: Case, log: str) -> Run:
    """One run, on a platform of its own that ends with it."""
    with tempfile.TemporaryDirectory(prefix="hutong-validate-", ignore_cleanup_errors=True) as name:
        out = Path(name) / "run"
        out.mkdir()
        asked = Asked(scenario="day", users=case.users, compress=f"24h:{RUN_S}s", seed=case.seed, generators=1, log=log)
        order = order_of(asked, out)
        play = replace(order.play, day=case.day, busiest=FLAT * DAYS[case.day].volume, asks=case.asks)
        order = replace(order, play=play, settings={})
        sized = ("up", "--log", log, "--hosts", str(case.hosts), "--partitions", str(case.partitions))
        with own(Path(name) / "platform", *sized) as target:
            publish(Path(name) / "platform")
            return asyncio.run(Coordinator(order, target, lambda _: None, lambda _: None).run())


def rates_of(case: Case) -> dict[str, float]:
    """Calls a second by kind, of the persons that are played: nothing of the run is looked at."""
    world = replace(of_size(WORLD_2020, case.users), seed=case.seed)
    habits = Habits(Population(world), replace(DAYS[case.day], busiest=FLAT * DAYS[case.day].volume))
    made = footprint()
    by_minute = calls_by_minute(tally(habits, 0, case.users, case.partitions), made, case.asks)
    compress = DAY_S / RUN_S
    return {
        kind: float(total) * compress / DAY_S
        for kind, total in zip(made.kinds, by_minute.sum(axis=0), strict=True)
        if total
    }


def load_of(case: Case) -> Load:
    """What a case asks of the platform: one generator gathers its calls for a tick."""
    return Load(calls_s=rates_of(case), gather_ms=TICK_MS, partitions=case.partitions, hosts=case.hosts)


def seen_of(case: Case, run: Run) -> Seen:
    """What a run was seen to use while it was steady, and how long calls took in most of its seconds.

    A machine whose processors are slow, or given to others, is one with fewer processors of standard speed.
    """
    pace = mean(run.pace[STEADY] or (Pace(STANDARD_US, 0.0),))
    used: dict[str, float] = dict.fromkeys((*ROLES, GENERATOR), 0.0)
    for process in run.processes:
        used[_RECORDED.get(process.role, "rest")] += statistics.fmean(process.cpu_s[STEADY] or (0.0,)) / pace.slow
    steady = [second for second in run.seconds[STEADY] if second.served]
    return Seen(
        load=load_of(case),
        cores=used,
        p50_ms=_median(second.p50_ms for second in steady),
        p99_ms=_median(second.p99_ms for second in steady),
        machine_cores=int(run.machine["cores"]) * pace.worth,
        core=pace.worth,
    )


def _median(values: Iterable[float]) -> float:
    return statistics.median([*values] or [0.0])


def told(costs: Costs, fit: Fit, case: Case, run: Run, one: Seen, is_fitted: bool) -> Told:
    """Both sides of a run."""
    used = crowded(costs, fit, one.load, one.machine_cores)
    busy = sum(used.values()) / one.machine_cores
    steady = [second.served for second in run.seconds[STEADY]]
    predicted = {
        "per_s": one.load.total_s * carried(used, one.load, one.machine_cores, one.core),
        "cpu_cores": min(busy, 1.0) * one.machine_cores,
        "p50_ms": took_ms(fit.p50_ms, busy),
        "p99_ms": took_ms(fit.p99_ms, busy),
    }
    measured = {
        "per_s": float(np.mean(steady)) if steady else 0.0,
        "cpu_cores": sum(one.cores.values()),
        "p50_ms": one.p50_ms,
        "p99_ms": one.p99_ms,
    }
    predicted |= {f"{role}_cores": used[role] for role in ROLES}
    measured |= {f"{role}_cores": one.cores[role] for role in ROLES}
    return Told(
        name=case.name,
        fitted=is_fitted,
        valid=run.valid,
        thousands_s=case.thousands_s,
        partitions=case.partitions,
        hosts=case.hosts,
        day=case.day,
        predicted=predicted,
        measured=measured,
    )


def all_validations(path: Path = VALIDATION_FILE) -> dict[str, Validation]:
    """The last validation on each kind of log. Raises SetupError for what cannot be read."""
    return kept(path, dict[str, Validation])


def keep_validation(validation: Validation, path: Path = VALIDATION_FILE) -> None:
    """Put it in the place of the last one on this kind of log."""
    keep(path, all_validations(path) | {validation.log: validation})
