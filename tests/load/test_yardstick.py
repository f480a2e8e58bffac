"""How quick the machine is: known with every figure that hangs on it, and taken out of those that are compared."""

import json
import time

import pytest
from msgspec.structs import replace

from loadtests.bench import busy, yardstick
from loadtests.bench.busy import Ticks
from loadtests.bench.yardstick import STANDARD_US, Looks, Pace, Yardstick, mean
from loadtests.driver.outcome import quick
from loadtests.driver.result import ProcessCpu, Run
from loadtests.plan import validate
from loadtests.plan.cases import FITTED, Case
from loadtests.plan.validate import STEADY, seen_of
from loadtests.report import course
from loadtests.report.charts import pictures
from tests.load.runs import run_of

SLOW = Pace(2 * STANDARD_US, 0.25)


def test_a_look_takes_time_of_a_processor_and_says_what_was_stolen_since_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = iter([Ticks(1_000, 500, 40), Ticks(1_200, 600, 90), Ticks(1_200, 600, 90)])
    monkeypatch.setattr(yardstick, "ticks", lambda: next(said))
    stick = Yardstick()
    first, second = stick.look(), stick.look()
    assert first.work_us > 0
    assert first.stolen == pytest.approx(50 / 200)
    assert second.stolen == 0, "no time has passed"


def test_what_all_processors_did_is_read_from_the_kernel() -> None:
    before, after = busy.ticks(), busy.ticks()
    assert 0 < before.idle <= before.all <= after.all
    assert 0 <= before.stolen <= before.all


def test_who_looks_all_the_time_knows_how_quick_it_was_since() -> None:
    with Looks() as looks:
        began_s = time.monotonic()
        while looks.since(began_s) == looks.since(0.0):
            pass
    assert looks.since(time.monotonic()).work_us > 0, "by the last look where there was none since"


def test_the_mean_of_some_looks() -> None:
    assert mean([Pace(1_000.0, 0.0), Pace(3_000.0, 0.5)]) == Pace(2_000.0, 0.25)


def _busy_run(pace: Pace, cores: float) -> Run:
    used = ProcessCpu(role="host", cpu_s=(cores,) * 90, rss_bytes_max=0)
    return replace(run_of(), processes=(used,), pace=(pace,) * 90, machine={"cores": "2"})


def test_a_slow_machine_that_is_given_to_others_is_one_with_fewer_standard_processors() -> None:
    standard, slow = (
        seen_of(FITTED[0], _busy_run(pace, cores)) for pace, cores in ((Pace(STANDARD_US, 0.0), 0.4), (SLOW, 0.8))
    )
    assert slow.cores == pytest.approx(standard.cores)
    assert (standard.machine_cores, standard.core) == (2, 1)
    assert slow.machine_cores == pytest.approx(0.75)
    assert slow.core == pytest.approx(0.375)


def test_only_the_steady_seconds_say_how_quick_it_was() -> None:
    run = _busy_run(Pace(STANDARD_US, 0.0), 0.4)
    wild = tuple(SLOW if n < STEADY.start else one for n, one in enumerate(run.pace))
    assert seen_of(FITTED[0], replace(run, pace=wild)) == seen_of(FITTED[0], run)


def test_the_report_shows_and_says_how_slow_the_machine_was() -> None:
    run = replace(run_of(), pace=(Pace(3_000.0, 0.0), Pace(6_000.0, 0.5), Pace(3_000.0, 0.1)))
    assert [one.times for one in course.slow(run)] == [1, 2, 1]
    assert [one.title for one in pictures(run)][-1] == "The machine itself"
    assert "The machine itself" not in [one.title for one in pictures(run_of())], "nobody looked"
    said = quick(run.pace)
    assert said["taken by other machines"] == "20% of all processors"
    assert "3,000 µs" in said["a fixed piece of work took"]
    assert quick(()) == {}


def test_a_run_is_made_again_while_others_take_the_machine_and_the_least_disturbed_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    made = [_busy_run(Pace(STANDARD_US, part), 0.4) for part in (0.4, 0.3, 0.5, 0.0)]
    runs = iter(made)

    def played(_case: Case, _log: str) -> Run:
        return next(runs)

    monkeypatch.setattr(validate, "played", played)
    assert validate.quietest(FITTED[0], "embedded", said.append) is made[1], "after three there is an end to it"
    assert [text.partition(": ")[2] for text in said] == [
        f"{n}% of the machine was taken by others" for n in (40, 30, 50)
    ]
    assert validate.quietest(FITTED[0], "embedded", said.append) is made[3]
    assert next(runs, None) is None, "a quiet one is not made again"


def test_a_part_of_a_run_in_which_the_machine_was_taken_is_enough() -> None:
    pace = [Pace(STANDARD_US, 0.0)] * 90
    pace[STEADY.start] = Pace(STANDARD_US, 0.9)
    assert validate.stolen(replace(run_of(), pace=tuple(pace))) == pytest.approx(0.3)


def test_an_operator_is_told_what_his_processors_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    yardstick.run(0.0, as_json=True)
    said = json.loads(capsys.readouterr().out)
    worth = (1 - said["stolen"]) * STANDARD_US / said["work_us"]
    assert said["standard"] == pytest.approx(said["processors"] * worth)
    yardstick.run(0.0, as_json=False)
    assert "standard ones" in capsys.readouterr().out
