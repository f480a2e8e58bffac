"""The planner's model adds up, its fit finds what made the runs, and more is never planned with fewer machines."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.habits import DAYS, Habits
from loadtests.plan import costs as table
from loadtests.plan.cases import FITTED, PREDICTED, Case
from loadtests.plan.command import limits_table, plan_table, what_if_table
from loadtests.plan.costs import ROLES, CallCost, Costs
from loadtests.plan.model import GENERATOR, Fit, Load, Seen, cores, fitted, frames_s, took_ms, unfitted
from loadtests.plan.planner import Wish, plan, sensitivity
from loadtests.population import WORLD_2020, Population, of_size
from loadtests.wholeday.footprint import footprint
from loadtests.wholeday.simulate import Outcome, outcome_of
from loadtests.wholeday.tally import tally

TIMES = 5_000
"""The small day is planned for so many times as many persons."""


@functools.cache
def day() -> Outcome:
    """A small day that was played, made large."""
    small = of_size(WORLD_2020, 60_000)
    habits = Habits(Population(small), DAYS["workday"])
    played = outcome_of(tally(habits, 0, small.persons, 16), habits, 16, 0.05)
    return replace(
        played,
        calls_mean_s=played.calls_mean_s * TIMES,
        calls_peak_s=played.calls_peak_s * TIMES,
        kinds=tuple(
            replace(kind, day=kind.day * TIMES, mean_s=kind.mean_s * TIMES, peak_s=kind.peak_s * TIMES)
            for kind in played.kinds
        ),
    )


def _cost(kind: str, path: str, us: float) -> CallCost:
    used = {"gateway": us, "host": us, "log": us / 4, "rest": 0.0}
    return CallCost(
        kind=kind, path=path, calls=1_000, per_s=1.0, cpu_us=used, log_bytes=700.0, store_bytes=200.0, wire_bytes=300.0
    )


@functools.cache
def costs() -> Costs:
    """What the calls of a day cost, to be planned with."""
    calls = (_cost(kind, path, us) for kind in footprint().kinds for path, us in (("stream", 15.0), ("unary", 250.0)))
    return Costs(
        taken_at="2026-01-01 00:00",
        command="a test",
        machine={},
        log="embedded",
        partitions=16,
        calls=tuple(calls),
        frame_us={"gateway": 40.0, "host": 60.0, "log": 30.0, "rest": 0.0},
        idle_cores={"gateway": 0.01, "host": 0.01, "log": 0.01, "rest": 0.03},
        rss_bytes=dict.fromkeys(ROLES, 100 << 20),
        session_bytes=4_000.0,
        replay_per_s=50_000.0,
        tls_us_a_kb=0.5,
        recovers_s=1.5,
    )


def fit() -> Fit:
    """Costs as they are, and waits."""
    return replace(unfitted(costs()), p50_ms=(5.0, 10.0), p99_ms=(20.0, 100.0))


def _load(total_s: float, partitions: int = 8, hosts: int = 1, kinds: Mapping[str, float] | None = None) -> Load:
    shares = kinds or {"page": 0.6, "open": 0.3, "buy": 0.1}
    return Load(calls_s={kind: part * total_s for kind, part in shares.items()}, partitions=partitions, hosts=hosts)


def test_there_are_no_more_frames_than_calls_nor_than_lanes_gather() -> None:
    for total_s in (1.0, 100.0, 10_000.0, 1e6):
        for partitions in (1, 16, 1_024):
            found = frames_s(_load(total_s, partitions))
            assert 0 < found <= min(total_s, partitions * 100.0) * (1 + 1e-9)


def test_more_partitions_make_more_frames_of_the_same_calls() -> None:
    found = [frames_s(_load(5_000.0, partitions)) for partitions in (1, 4, 16, 64, 256)]
    assert found == sorted(found)
    assert found[-1] > 10 * found[0]


def test_the_fit_finds_the_corrections_that_made_the_runs() -> None:
    made = Fit(
        call={"gateway": 1.3, "host": 0.8, "log": 1.1, "rest": 0.0, GENERATOR: 30.0},
        frame={"gateway": 0.5, "host": 2.0, "log": 1.0, "rest": 0.0, GENERATOR: 0.0},
        there_cores={"gateway": 0.02, "host": 0.03, "log": 0.01, "rest": 0.1, GENERATOR: 0.05},
        p50_ms=(3.0, 20.0),
        p99_ms=(10.0, 200.0),
    )
    loads = [_load(1_000), _load(6_000), _load(3_000, 32, 2), _load(4_000, 8, 2, {"page": 0.5, "finish a game": 0.5})]
    seen: list[Seen] = []
    for load in loads:
        used = cores(costs(), made, load)
        busy = sum(used.values()) / 4
        p50_ms, p99_ms = took_ms(made.p50_ms, busy), took_ms(made.p99_ms, busy)
        seen.append(Seen(load=load, cores=used, p50_ms=p50_ms, p99_ms=p99_ms, machine_cores=4))
    found = fitted(costs(), seen)
    another = _load(9_000, 64, 3)
    assert cores(costs(), found, another) == pytest.approx(cores(costs(), made, another), rel=0.02)
    assert found.p50_ms == pytest.approx(made.p50_ms, rel=1e-3)
    assert found.p99_ms == pytest.approx(made.p99_ms, rel=1e-3)


def test_no_correction_is_below_nothing() -> None:
    seen = [
        Seen(load=_load(1_000.0 * n), cores=dict.fromkeys(ROLES, 1.0 / n), p50_ms=9.0 / n, p99_ms=1.0, machine_cores=2)
        for n in range(1, 5)
    ]
    found = fitted(costs(), seen)
    assert min(*found.call.values(), *found.frame.values(), *found.there_cores.values(), *found.p50_ms) >= 0


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Wish(peak=3), Wish(peak=10)),
        (Wish(headroom=0.2), Wish(headroom=0.6)),
        (Wish(failures=0), Wish(failures=2)),
        (Wish(replicas=1), Wish(replicas=3)),
        (Wish(), Wish(path="unary", headroom=0.1)),
        (Wish(kept_days=1), Wish(kept_days=30)),
    ],
)
def test_more_is_never_had_with_fewer_machines(less: Wish, more: Wish) -> None:
    one, other = plan(day(), costs(), fit(), less), plan(day(), costs(), fit(), more)
    assert one.machines <= other.machines
    assert one.money_month <= other.money_month


def test_a_plan_bears_its_peak_with_what_was_to_be_free() -> None:
    wish = Wish(peak=10, headroom=0.4, failures=1)
    found = plan(day(), costs(), fit(), wish)
    load = Load(
        calls_s={kind.name: kind.mean_s * 10 for kind in day().kinds},
        senders=found.gateways,
        gather_ms=wish.gather_ms,
        partitions=found.partitions,
        hosts=found.hosts,
    )
    used = cores(costs(), fit(), load)
    assert used["gateway"] <= (found.gateways - 1) * 0.6 * 1.02
    assert used["host"] <= (found.hosts - 1) * 0.6 * 1.02
    assert found.partitions >= 4 * found.hosts / 2
    assert found.calls_peak_s == pytest.approx(10 * day().calls_mean_s)


def test_less_time_for_a_call_leaves_more_of_each_processor_free() -> None:
    slow, quick = (plan(day(), costs(), fit(), Wish(headroom=0.1, p99_ms=ms)) for ms in (900.0, 120.0))
    assert quick.hosts > slow.hosts


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"p99_ms": 30.0, "gather_ms": 10.0}, "no number of machines"),
        ({"p99_ms": 10.0}, "gathered for"),
        ({"peak": 0.5}, "peak must be"),
        ({"headroom": 1.0}, "headroom must be"),
        ({"replicas": 0}, "replicas must be"),
        ({"path": "pigeon"}, "is no path"),
        ({"peak": 900.0, "path": "unary"}, "several platforms"),
    ],
)
def test_what_cannot_be_planned_is_refused(wish: dict[str, float | str], says: str) -> None:
    with pytest.raises(SetupError, match=says):
        plan(day(), costs(), fit(), replace(Wish(), **wish))


def test_what_if_begins_with_the_plan_and_says_what_each_change_does() -> None:
    base, *others = sensitivity(day(), costs(), fit(), Wish())
    assert base.machines == plan(day(), costs(), fit(), Wish()).machines
    by_name = {one.what: one for one in others}
    assert by_name["calls come one by one"].cores > 3 * base.cores
    assert by_name["over TLS"].cores > base.cores
    assert by_name["the peak is 3 times the mean"].cores < base.cores
    assert len(by_name) == len(others)


def test_the_tables_hold_every_line() -> None:
    found = plan(day(), costs(), fit(), Wish())
    others = sensitivity(day(), costs(), fit(), Wish())
    assert plan_table(found).row_count == len(found.rows)
    assert limits_table(found).row_count == len(found.limits)
    assert what_if_table(others).row_count == len(others)
    shares = [limit.share for limit in found.limits]
    assert shares == sorted(shares, reverse=True)


def test_costs_are_kept_by_log_and_a_kind_that_was_not_measured_is_named(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    table.keep_costs(costs(), path)
    table.keep_costs(replace(costs(), log="kafka", replay_per_s=7.0), path)
    assert table.read_costs("embedded", path) == costs()
    assert table.read_costs("kafka", path).replay_per_s == 7.0
    with pytest.raises(SetupError, match=r"paper log was not measured.*embedded.*kafka.*costs --log paper"):
        table.read_costs("paper", path)
    with pytest.raises(SetupError, match="'fly' costs"):
        costs().of("fly")
    assert costs().of("page", "unary").cpu_us["host"] == 250.0


def test_kafkas_costs_come_first_where_no_log_is_named_and_without_any_it_is_said_how_to_measure_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "costs.json"
    with pytest.raises(SetupError, match=r"there are costs of: none. Measure it .*costs --log kafka"):
        table.read_costs("", path)
    table.keep_costs(costs(), path)
    assert table.read_costs("", path).log == "embedded"
    table.keep_costs(replace(costs(), log="kafka"), path)
    assert table.read_costs("", path).log == "kafka"


def test_a_plan_says_which_mean_its_peak_is_of_and_when_its_brokers_were_not_measured() -> None:
    peak, brokers = plan(day(), costs(), fit(), Wish()).notes
    assert "10 times this day's mean" in peak
    assert f"{day().calls_peak_s / day().calls_mean_s:.1f} times" in peak
    assert "measured on the embedded log" in brokers
    assert len(plan(day(), replace(costs(), log="kafka"), fit(), Wish()).notes) == 1


def test_a_change_that_no_machines_bear_has_no_figures_and_money_has_its_currency() -> None:
    base, *others = sensitivity(day(), costs(), fit(), Wish())
    none = replace(others[0], machines=0, cores=0.0, money_month=0.0, says="never")
    shown = [list(column.cells) for column in what_if_table((base, none)).columns]
    assert [column[1] for column in shown] == [none.what, "none do", "–", "–", "never"]
    assert str(shown[3][0]).startswith("$")
    assert any("$" in row.count for row in plan(day(), costs(), fit(), Wish()).rows)


def test_every_kind_of_call_of_a_day_has_a_measured_cost() -> None:
    for log, measured in table.all_costs().items():
        missing = [kind for kind in footprint().kinds if kind not in {cost.kind for cost in measured.calls}]
        assert not missing, f"{log}: python -m loadtests costs --log {log} measures {missing}"


def test_the_runs_that_judge_differ_from_those_that_are_fitted() -> None:
    def differs(one: Case, other: Case) -> bool:
        rates = sorted((one.thousands_s, other.thousands_s))
        mix = (one.day, one.asks) != (other.day, other.asks)
        return rates[1] >= 2 * rates[0] or mix or (one.partitions, one.hosts) != (other.partitions, other.hosts)

    assert len(FITTED) <= 4
    assert len(PREDICTED) >= 12
    assert all(differs(one, other) for one in PREDICTED for other in FITTED)
