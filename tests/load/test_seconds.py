"""What several generators say of a second is put together."""

import pytest

from loadtests.driver import latency
from loadtests.driver.live import LINE_EVERY_S, Progress
from loadtests.driver.result import Second
from loadtests.driver.seconds import Seconds
from loadtests.driver.tally import Part
from tests.load.runs import counted, second


def part(at_s: int, took_s: list[float], late_ms_max: float = 0.0) -> Part:
    hist = tuple(latency.sparse(counted(took_s)))
    count = len(took_s)
    return Part(
        at_s=at_s, offered=count, served=count, errors=1, in_flight=2, late=0, late_ms_max=late_ms_max, hist=hist
    )


def test_a_second_is_over_once_every_generator_has_told_its_part_and_its_quantiles_are_those_of_all() -> None:
    seen: list[Second] = []
    seconds = Seconds(2, seen.append)
    seconds.take(part(0, [0.001] * 90, late_ms_max=3.0))
    assert seen == []
    seconds.behind(0, 7)
    seconds.take(part(0, [0.5] * 10, late_ms_max=9.0))
    (over,) = seen
    assert (over.offered, over.served, over.errors, over.in_flight) == (100, 100, 2, 4)
    assert (over.late_ms_max, over.behind) == (9.0, 7)
    assert over.p50_ms == pytest.approx(1.0, rel=0.01)
    assert over.p99_ms == pytest.approx(500.0, rel=0.01)


def test_the_last_seconds_count_also_when_one_generator_was_done_before_the_other() -> None:
    seconds = Seconds(2, lambda _: None)
    for at_s in (0, 1):
        seconds.take(part(at_s, [0.001] * 3))
    seconds.take(part(0, [0.001]))
    assert [(one.at_s, one.served) for one in seconds.told()] == [(0, 4), (1, 3)]


def test_a_second_in_which_nobody_was_answered_is_not_told_as_answered_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for served, said in ((0, "no answer"), (3, "p50 2.0 ms, p99 12.0 ms")):
        with Progress("a run", 10) as progress:
            progress.see(second(LINE_EVERY_S - 1, served=served))
        assert said in capsys.readouterr().err
