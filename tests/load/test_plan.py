"""The planner's model adds up, its fit finds what made the runs, and more is never planned with fewer machines."""

import contextlib
import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.bench.yardstick import STANDARD_US, Pace
from loadtests.habits import DAYS, Habits
from loadtests.plan import costs as table
from loadtests.plan import sizing
from loadtests.plan.cases import FITTED, PREDICTED, Case
from loadtests.plan.command import limits_table, plan_table, what_if_table
from loadtests.plan.costs import ROLES, CallCost, Costs
from loadtests.plan.measure import Thin, frame_us
from loadtests.plan.model import (
    GENERATOR,
    Fit,
    Load,
    Seen,
    carried,
    cores,
    crowded,
    event_frames_s,
    fitted,
    frame_cores,
    frames_s,
    rounds_s,
    took_ms,
    unfitted,
)
from loadtests.plan.planner import plan, sensitivity
from loadtests.plan.sizing import fullest, sized, unevenness
from loadtests.plan.wish import Machine, Wish
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
        pace=Pace(STANDARD_US, 0.0),
    )


def fit() -> Fit:
    """Costs as they are, rounds, and waits."""
    rounds_us = {"gateway": 300.0, "host": 900.0, "log": 200.0, "rest": 50.0, GENERATOR: 0.0}
    return replace(unfitted(), round_us=rounds_us, p50_ms=(5.0, 40.0), p99_ms=(20.0, 400.0))


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


def test_a_round_takes_many_frames_and_their_number_grows_with_processes_and_not_with_partitions() -> None:
    few, many, hosts = _load(5_000.0, 8), _load(5_000.0, 256), _load(5_000.0, 256, 3)
    assert frames_s(many) > 5 * frames_s(few)
    assert rounds_s(costs(), many, "host") == pytest.approx(rounds_s(costs(), few, "host"), rel=0.02)
    assert rounds_s(costs(), hosts, "host") == pytest.approx(3 * rounds_s(costs(), many, "host"), rel=0.01)
    assert rounds_s(costs(), many, "gateway") == rounds_s(costs(), hosts, "gateway")


def test_frames_of_events_are_those_of_kinds_that_the_follower_reads_however_many_gateways_there_are() -> None:
    assert event_frames_s(costs(), _load(5_000.0)) == 0
    read = _followed("buy")
    found = [event_frames_s(read, replace(_load(5_000.0, 64), senders=senders)) for senders in (1, 50)]
    assert found[0] == found[1]
    assert 0 < found[0] < 500, "a tenth of all calls, gathered"
    assert cores(read, fit(), _load(5_000.0))["rest"] > cores(costs(), fit(), _load(5_000.0))["rest"]


def _followed(kind: str) -> Costs:
    """Costs by which the follower reads this kind's events."""
    calls = [
        replace(cost, cpu_us={**cost.cpu_us, "rest": 8.0}) if cost.kind == kind else cost for cost in costs().calls
    ]
    return replace(costs(), calls=tuple(calls), frame_us={**costs().frame_us, "rest": 5.0})


MADE = Fit(
    call={"gateway": 1.3, "host": 0.8, "log": 1.1, "rest": 1.0, GENERATOR: 30.0},
    frame={"gateway": 0.9, "host": 1.2, "log": 1.0, "rest": 1.0, GENERATOR: 0.0},
    round_us={"gateway": 400.0, "host": 900.0, "log": 300.0, "rest": 70.0, GENERATOR: 500.0},
    p50_ms=(3.0, 20.0),
    p99_ms=(10.0, 200.0),
)
LOADS = (
    _load(1_000),
    _load(16_000),
    _load(2_000, 64),
    _load(20_000, 8, 2, {"page": 0.5, "finish a game": 0.5}),
)


def _seen(made: Fit, load: Load, machine_cores: int = 2, off: float = 1.0) -> Seen:
    """What a machine would show on which this were true."""
    used = {role: off * one for role, one in crowded(costs(), made, load, machine_cores).items()}
    busy = sum(used.values()) / machine_cores
    p50_ms, p99_ms = took_ms(made.p50_ms, busy), took_ms(made.p99_ms, busy)
    return Seen(load=load, cores=used, p50_ms=p50_ms, p99_ms=p99_ms, machine_cores=machine_cores)


@pytest.mark.parametrize("another", [_load(12_000, 64, 3), _load(500, 16), _load(40_000, 256, 8)])
def test_the_fit_finds_what_made_the_runs(another: Load) -> None:
    seen = [_seen(MADE, load) for load in LOADS]
    assert 0.2 < min(one.busy for one in seen) < 0.5 < 0.8 < max(one.busy for one in seen)
    found = fitted(costs(), seen)
    assert cores(costs(), found, another) == pytest.approx(cores(costs(), MADE, another), rel=0.05)
    assert found.p50_ms == pytest.approx(MADE.p50_ms, rel=1e-3)
    assert found.p99_ms == pytest.approx(MADE.p99_ms, rel=1e-3)


def test_runs_that_are_a_tenth_off_do_not_throw_the_fit() -> None:
    seen = [_seen(MADE, load, off=off) for load, off in zip(LOADS, (0.9, 1.1, 1.1, 0.9), strict=True)]
    another = _load(12_000, 64, 3)
    found, true = (cores(costs(), one, another) for one in (fitted(costs(), seen), MADE))
    assert all(found[role] == pytest.approx(true[role], rel=0.3) for role in ("gateway", "host", "log"))


def test_a_nearly_full_machine_has_fewer_rounds_and_one_with_room_has_all() -> None:
    load = _load(20_000, 8, 2)
    wanted, much, little = cores(costs(), MADE, load), crowded(costs(), MADE, load, 64), crowded(costs(), MADE, load, 2)
    assert much == pytest.approx(wanted, rel=1e-6)
    assert all(little[role] < wanted[role] for role in ("gateway", "host", "log"))
    assert sum(little.values()) < 2
    assert carried(little, load, 2) == 1


def test_what_a_machine_cannot_do_without_any_round_it_does_not_serve() -> None:
    load = _load(60_000, 8, 8)
    used = crowded(costs(), MADE, load, 2)
    assert sum(used.values()) > 2
    assert carried(used, load, 2) == pytest.approx(2 / sum(used.values()))
    single = _load(60_000, 8, 1)
    assert carried(crowded(costs(), MADE, single, 64), single, 64) < 0.9, "a gateway is one thread"


def test_a_frames_cost_is_without_the_round_and_that_of_the_rest_is_of_events() -> None:
    call, frame, round_us = 20.0, 50.0, 320.0
    among, shared, alone = (
        Thin(dict.fromkeys(ROLES, us), per_s)
        for us, per_s in ((call, 20_000.0), (call + frame + round_us / 16, 4_000.0), (call + frame + round_us, 300.0))
    )
    found = frame_us(among, shared, alone)
    assert found["host"] == pytest.approx(frame)
    assert found["rest"] == pytest.approx(12.5 * frame, rel=0.02), "4,000 calls/s in 16 partitions' 20 frames"
    assert frame_us(shared, among, among) == dict.fromkeys(ROLES, 0.0)


def test_no_correction_is_below_nothing() -> None:
    seen = [
        Seen(load=_load(1_000.0 * n), cores=dict.fromkeys(ROLES, 1.0 / n), p50_ms=9.0 / n, p99_ms=1.0, machine_cores=2)
        for n in range(1, 5)
    ]
    found = fitted(costs(), seen)
    assert min(*found.call.values(), *found.frame.values(), *found.round_us.values(), *found.p50_ms) >= 0


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
    assert found.partitions >= 2 * (found.hosts - 1)
    assert fullest(costs(), fit(), replace(load, hosts=found.hosts - 1), unevenness(day())) <= 0.6
    assert found.calls_peak_s == pytest.approx(10 * day().calls_mean_s)


@pytest.mark.parametrize("wish", [Wish(), Wish(path="unary"), Wish(failures=0, headroom=0.1), Wish(replicas=1)])
def test_more_calls_never_need_fewer_machines_gateways_or_hosts_for_the_same_partitions(wish: Wish) -> None:
    found = [plan(_times(day(), times), costs(), fit(), wish) for times in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
    machines = [one.machines for one in found]
    assert machines == sorted(machines)
    assert machines[0] < machines[-1]
    for one, other in itertools.pairwise(found):
        if one.partitions == other.partitions:
            assert one.gateways <= other.gateways
            assert one.hosts <= other.hosts


def _times(outcome: Outcome, times: float) -> Outcome:
    """The same day with so many times the calls."""
    kinds = (
        replace(kind, day=kind.day * times, mean_s=kind.mean_s * times, peak_s=kind.peak_s * times)
        for kind in outcome.kinds
    )
    mean_s, peak_s = outcome.calls_mean_s * times, outcome.calls_peak_s * times
    return replace(outcome, kinds=tuple(kinds), calls_mean_s=mean_s, calls_peak_s=peak_s)


def test_the_partitions_are_those_of_the_fewest_machines_and_a_plan_is_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = plan(day(), costs(), fit(), Wish())
    assert found == plan(day(), costs(), fit(), Wish())
    machines: dict[int, int] = {}
    for partitions in (16, 48, 256, 512, 1_024, found.partitions):
        monkeypatch.setattr(sizing, "PARTITIONS", (partitions,))
        with contextlib.suppress(SetupError):
            machines[partitions] = plan(day(), costs(), fit(), Wish()).machines
    assert len(set(machines.values())) > 1
    assert machines[found.partitions] == found.machines == min(machines.values())


def test_calls_one_by_one_do_not_pay_twice_for_the_frames_that_they_were_measured_in() -> None:
    stream, unary = _load(5_000.0, 1), replace(_load(5_000.0, 1), path="unary")
    assert frame_cores(costs(), unary, "log") == 0 < frame_cores(costs(), stream, "log")
    thin = replace(_load(5_000.0, 1_024), path="unary")
    assert 0 < frame_cores(costs(), thin, "log") < frame_cores(costs(), replace(thin, path="stream"), "log")


def test_even_the_fullest_host_is_no_busier_than_allowed() -> None:
    found = sized(day(), costs(), fit(), Wish())
    live = replace(found.load, hosts=found.load.hosts - 1)
    assert fullest(costs(), fit(), live, 1.0) <= found.busy
    mean = cores(costs(), fit(), live)["host"] / live.hosts
    assert mean <= fullest(costs(), fit(), live, 1.0) <= fullest(costs(), fit(), live, 2.0)


def test_a_host_has_memory_for_the_sessions_of_the_peak_that_is_planned_for() -> None:
    busy = replace(day(), sessions_peak=1_000_000.0)
    found = sized(busy, costs(), fit(), Wish(peak=10))
    opened = 1_000_000 * 10 * day().calls_mean_s / day().calls_peak_s
    gib = (costs().rss_bytes["host"] + opened / found.load.hosts * costs().session_bytes) / 2**30
    assert found.host_gib == pytest.approx(gib)


def test_less_time_for_a_call_leaves_more_of_each_processor_free() -> None:
    slow, quick = (plan(day(), costs(), fit(), Wish(headroom=0.1, p99_ms=ms)) for ms in (900.0, 120.0))
    assert quick.hosts > slow.hosts


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"p99_ms": 30.0, "gather_ms": 10.0}, "no number of machines"),
        ({"p99_ms": 10.0}, "gathered for"),
        ({"p99_ms": float("nan")}, "p99_ms must be"),
        ({"machine": Machine(price_h=float("nan"))}, "price_h must be"),
        ({"peak": 0.5}, "peak must be"),
        ({"headroom": 1.0}, "headroom must be"),
        ({"replicas": 0}, "replicas must be"),
        ({"path": "pigeon"}, "is no path"),
        ({"peak": 900.0, "path": "unary"}, "several platforms"),
    ],
)
def test_what_cannot_be_planned_is_refused(wish: dict[str, float | str | Machine], says: str) -> None:
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


def test_a_table_that_was_cut_short_is_named_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    table.keep_costs(costs(), path)
    path.write_bytes(cut := path.read_bytes()[:-40])
    for act in (lambda: table.read_costs("", path), lambda: table.keep_costs(costs(), path)):
        with pytest.raises(SetupError, match=r"costs.json is not what was kept there"):
            act()
    assert path.read_bytes() == cut
    assert list(tmp_path.iterdir()) == [path]


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
