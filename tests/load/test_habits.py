"""A day of a world has the published figures, comes the same from the same seed, and adds up whatever its pieces."""

import functools

import numpy as np
import pytest
from msgspec.structs import replace

from actors.domain.ways.sources import SCENES
from actors.errors import SetupError
from actors.registry import shipped_programs
from loadtests import habits
from loadtests.habits import DAYS, JOURNEYS, WAYS, Habits, Opens
from loadtests.journeys import table
from loadtests.population import WORLD_2018, WORLD_2020, Population, World, of_size

SMALL = of_size(WORLD_2020, 100_000)
EVERYBODY = np.arange(SMALL.persons)


def day_of(name: str, world: World = SMALL) -> Opens:
    return Habits(Population(world), DAYS[name]).opens(np.arange(world.persons))


@functools.cache
def workday() -> Opens:
    """The one that most tests look at."""
    return day_of("workday")


@pytest.mark.parametrize(("world", "opens", "pages"), [(WORLD_2020, 2.57, 8.51), (WORLD_2018, 1.772, 5.867)])
def test_a_person_opens_and_turns_as_many_pages_as_is_published(world: World, opens: float, pages: float) -> None:
    found = day_of("workday", of_size(world, 100_000))
    assert len(found.person) / 100_000 == pytest.approx(opens, rel=0.01)
    assert found.pages.sum() / 100_000 == pytest.approx(pages, rel=0.01)


def test_everybody_of_a_day_opens_something() -> None:
    assert np.array_equal(np.unique(workday().person), EVERYBODY)


def test_a_third_of_all_open_the_giant_and_more_than_half_when_it_goes_viral() -> None:
    for name, share in (("workday", 1 / 3), ("viral-game", 100 / 170)):
        found = workday() if name == "workday" else day_of(name)
        players = np.unique(found.person[found.program == 0])
        assert len(players) / SMALL.persons == pytest.approx(share, abs=0.01), name


def test_orders_are_those_of_the_yearly_turnover() -> None:
    orders = np.count_nonzero(workday().journey == JOURNEYS.index("buy"))
    assert orders / SMALL.persons == pytest.approx(1.6e12 / 365 / 50 / 300e6, rel=0.03)


def test_openings_come_from_where_the_shares_say() -> None:
    shares = np.bincount(workday().way, minlength=len(WAYS)) / len(workday().way)
    assert shares == pytest.approx(list(WAYS.values()), abs=0.005)
    assert set(WAYS) <= set(SCENES)


@pytest.mark.parametrize("name", DAYS)
def test_a_day_is_as_busy_at_its_peak_as_it_says(name: str) -> None:
    day = DAYS[name]
    rates = habits.rates(SMALL, day)
    mean = SMALL.persons * SMALL.opens / habits.DAY_S
    assert rates.max() / mean == pytest.approx(day.busiest, rel=0.01)
    assert rates.mean() / mean == pytest.approx(day.volume, rel=0.01)
    assert habits.rate_at(rates, 60 * int(rates.argmax()) + 59.9) == rates.max()


def test_a_workday_is_busiest_in_the_evening_and_has_a_peak_at_lunch() -> None:
    curve = habits.curve(DAYS["workday"])
    assert 19 * 60 < curve.argmax() < 22 * 60
    lunch = int(curve[10 * 60 : 14 * 60].argmax()) + 10 * 60
    assert 12 * 60 <= lunch <= 13 * 60
    assert curve[lunch] > curve[10 * 60]
    assert curve[lunch] > curve[14 * 60 + 30]


def test_openings_come_when_the_curve_says() -> None:
    by_hour = np.bincount(workday().minute // 60, minlength=24) / len(workday().minute)
    assert by_hour == pytest.approx(habits.curve(DAYS["workday"]).reshape(24, 60).mean(1) / 24, abs=0.003)
    assert workday().second.min() == 0
    assert workday().second.max() == 59


def test_pieces_and_the_whole_are_the_same_day() -> None:
    some = Habits(Population(SMALL), DAYS["flash-sale"])
    pieces = [some.opens(EVERYBODY[first : first + 7_777]) for first in range(0, SMALL.persons, 7_777)]
    whole = some.opens(EVERYBODY)
    for name in Opens._fields:
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(piece, name) for piece in pieces])), name


def test_the_same_seed_is_the_same_day_and_another_is_not() -> None:
    again = day_of("workday")
    assert all(np.array_equal(getattr(again, name), getattr(workday(), name)) for name in Opens._fields)
    other = day_of("workday", replace(SMALL, seed=9))
    assert not np.array_equal(other.program[:100], workday().program[:100])


def test_a_flash_sale_draws_a_crowd_to_one_merchant_for_ten_minutes() -> None:
    day, found = DAYS["flash-sale"], day_of("flash-sale")
    assert day.crowd is not None
    last = day.crowd.first_minute + day.crowd.minutes
    inside = (found.minute >= day.crowd.first_minute) & (found.minute < last)
    assert found.crowd[inside].mean() == pytest.approx(day.crowd.share, abs=0.03)
    assert not found.crowd[~inside].any()
    assert (found.program[found.crowd] == day.crowd.program).all()
    buying = found.crowd & (found.journey == JOURNEYS.index("buy"))
    assert (Habits(Population(SMALL), day).merchants(found, buying) == 0).all()


def test_whoever_opens_a_game_plays_and_whoever_buys_has_a_merchant_in_the_city() -> None:
    some = Habits(Population(SMALL), DAYS["workday"])
    giant = (workday().program == 0) & np.isin(workday().journey, [JOURNEYS.index(name) for name in ("browse", "play")])
    assert (workday().journey[giant] == JOURNEYS.index("play")).all()
    buys = workday().journey == JOURNEYS.index("buy")
    assert len(some.merchants(workday(), buys)) == buys.sum()


def test_whatever_habits_know_can_be_played_in_a_program_that_ships() -> None:
    shipped = {folder.name for folder in shipped_programs()}
    assert tuple(table.JOURNEYS) == tuple(table.PROGRAMS) == JOURNEYS
    assert {program for programs in table.PROGRAMS.values() for program in programs} <= shipped


def test_a_day_that_is_not_known_and_a_curve_that_cannot_be_are_refused() -> None:
    with pytest.raises(SetupError, match="there are workday"):
        habits.day_named("doomsday")
    with pytest.raises(SetupError, match="no such curve"):
        habits.sharpened(np.ones(1_440), 3.0)
