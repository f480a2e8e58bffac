"""A whole day is counted to the last opening, whatever the pieces; what it comes to agrees with what it is made of."""

import functools
import multiprocessing
import signal
from itertools import pairwise

import numpy as np
import pytest

from actors.errors import SetupError
from loadtests.endings import interrupt, on_end
from loadtests.habits import DAYS, JOURNEYS, Habits
from loadtests.journeys.play import PLAYS
from loadtests.population import WORLD_2020, Population, of_size
from loadtests.wholeday import simulate as wholeday
from loadtests.wholeday.command import tables
from loadtests.wholeday.footprint import LATER, footprint
from loadtests.wholeday.simulate import Outcome, outcome_of
from loadtests.wholeday.tally import Tally, tally

PARTITIONS = 16
SMALL = of_size(WORLD_2020, 150_000)


@functools.cache
def habits() -> Habits:
    """Those of the small world on a workday."""
    return Habits(Population(SMALL), DAYS["workday"])


@functools.cache
def counted() -> Tally:
    """The small world's workday."""
    return tally(habits(), 0, SMALL.persons, PARTITIONS)


@functools.cache
def played() -> Outcome:
    """What it comes to."""
    return outcome_of(counted(), habits(), PARTITIONS, 0.05)


def _simulated(persons: int, processes: int) -> Outcome:
    heard: list[int] = []
    outcome = wholeday.simulate(
        of_size(WORLD_2020, persons),
        DAYS["flash-sale"],
        partitions=PARTITIONS,
        asks=0.05,
        processes=processes,
        told=heard.append,
    )
    assert sum(heard) == persons
    return outcome


@pytest.mark.parametrize("cuts", [(1,), (70_000,), (10, 20_011, 149_999)])
def test_pieces_add_up_to_the_whole_day(cuts: tuple[int, ...]) -> None:
    ends = (0, *cuts, SMALL.persons)
    pieces = [tally(habits(), first, end, PARTITIONS) for first, end in pairwise(ends)]
    found = pieces[0]
    for piece in pieces[1:]:
        found = found.plus(piece)
    for name in counted()._fields:
        assert np.array_equal(getattr(found, name), getattr(counted(), name)), name


def test_partitions_programs_and_tiers_add_up_to_all_openings() -> None:
    opens = counted().opens.sum()
    assert opens == counted().programs.sum() == counted().tiers.sum() == counted().ways.sum()
    assert counted().partitions.sum() == played().pages
    assert counted().persons[0] == SMALL.persons
    orders = [counted().opens[:, JOURNEYS.index(name)].sum() for name in ("buy", "return")]
    assert counted().merchants.sum() == sum(orders)


def test_the_day_has_the_published_figures() -> None:
    assert played().opens / played().persons == pytest.approx(2.57, rel=0.01)
    assert played().pages / played().persons == pytest.approx(8.51, rel=0.01)
    assert played().players / played().persons == pytest.approx(1 / 3, abs=0.01)
    assert played().calls_peak_s / played().calls_mean_s == pytest.approx(3.0, rel=0.05)


def test_calls_by_kind_and_by_hour_are_all_calls() -> None:
    assert sum(kind.day for kind in played().kinds) == pytest.approx(played().calls)
    assert sum(played().calls_by_hour_s) * 3_600 == pytest.approx(played().calls)
    by_name = {kind.name: kind.day for kind in played().kinds}
    assert by_name["open"] == pytest.approx(played().opens)
    assert by_name["buy"] == pytest.approx(counted().merchants.sum())
    assert by_name["bring back"] == pytest.approx(by_name["hire"])


def test_partitions_are_evenly_busy_and_the_hottest_is_named() -> None:
    hottest = {one.what: one for one in played().hottest}
    assert hottest["program (openings)"].name == "the giant"
    assert hottest["partition"].day == pytest.approx(played().commands / PARTITIONS, rel=0.1)
    assert "Shanghai" in hottest["merchant (orders)"].name


def test_an_opening_comes_to_the_calls_of_its_journey() -> None:
    made = footprint()
    calls = made.of_opening()
    game = calls[JOURNEYS.index("play")]
    begun, ended = (game[:, made.kinds.index(kind)] for kind in ("start a game", "finish a game"))
    assert begun == pytest.approx(ended)
    assert begun == pytest.approx(PLAYS, abs=0.1)
    for journey, kind in (("browse", "open"), ("buy", "buy"), ("return", "give back")):
        assert calls[JOURNEYS.index(journey), :, made.kinds.index(kind)] == pytest.approx(1.0), journey
    turned = calls[0, 4, made.kinds.index("page")]
    assert turned == pytest.approx(4.0)  # five pages: the first comes with the opening
    assert made.stays.shape[2] == LATER
    assert (np.diff(made.stays, axis=2) <= 1e-9).all()


def test_a_process_more_changes_no_figure() -> None:
    one, two = _simulated(100_000, 1), _simulated(100_000, 2)
    assert all(
        getattr(one, name) == getattr(two, name)
        for name in Outcome.__struct_fields__
        if name not in ("seconds", "cpu_s", "rss_bytes_max")
    )
    assert two.hottest[3].name == "a merchant's shop"  # a flash sale has one


def test_what_is_little_is_not_told_as_nothing() -> None:
    """The rarest calls of a small world come less than once a second, and take less than a TB."""
    day, kinds, _ = tables(played())
    assert min(kind.mean_s for kind in played().kinds if kind.day) < 0.5
    assert all("0" not in column.cells for column in kinds.columns)
    assert not [cell for cell in day.columns[1].cells if "TB" in str(cell) or "0 GB" in str(cell).split("; ")]


def test_the_tables_say_what_is_exact_and_what_is_drawn() -> None:
    told = [cell for table in tables(played()) for column in table.columns for cell in column.cells]
    assert played().exact in told
    assert played().drawn in told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_count_that_is_ended_leaves_no_process_and_no_traceback(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(_persons: int) -> None:
        signal.raise_signal(number)

    with on_end(interrupt), pytest.raises(KeyboardInterrupt):
        wholeday.simulate(
            of_size(WORLD_2020, 30_000_000), DAYS["workday"], partitions=16, asks=0.1, processes=2, told=told
        )
    assert multiprocessing.active_children() == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("partitions", "asks", "processes"), [(0, 0.1, 1), (16, 1.5, 1), (16, 0.1, 0)])
def test_numbers_that_cannot_be_are_refused(partitions: int, asks: float, processes: int) -> None:
    with pytest.raises(SetupError, match="must be"):
        wholeday.simulate(
            SMALL, DAYS["workday"], partitions=partitions, asks=asks, processes=processes, told=lambda _: None
        )
