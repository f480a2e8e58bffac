"""The persons of a world have the cities, programs and friends that are published of it, each by a number."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.population import WORLD_2018, WORLD_2020, Population, of_size, person

SMALL = of_size(WORLD_2020, 200_000)
EVERYBODY = np.arange(SMALL.persons)


@functools.cache
def population() -> Population:
    """The persons of the small world."""
    return Population(SMALL)


def test_three_in_ten_live_in_the_first_tier_and_half_in_the_last_two() -> None:
    shares = np.bincount(population().tiers_of(EVERYBODY), minlength=5)[1:] / SMALL.persons
    assert shares[0] == pytest.approx(0.30, abs=0.001)
    assert shares[2] + shares[3] == pytest.approx(0.50, abs=0.001)


def test_a_third_of_all_have_the_giant_as_their_favourite() -> None:
    assert population().play_the_giant(EVERYBODY).mean() == pytest.approx(1 / 3, abs=0.005)
    favourites = population().programs_at(EVERYBODY, np.zeros_like(EVERYBODY))
    assert np.array_equal(favourites == 0, population().play_the_giant(EVERYBODY))


def test_a_person_uses_as_many_programs_as_the_world_says() -> None:
    assert population().program_counts(EVERYBODY).mean() == pytest.approx(SMALL.programs_of_a_person, rel=0.01)


def test_between_the_worlds_lies_the_growth_that_was_reported() -> None:
    for name, growth in (("opens", 1.45), ("programs_of_a_person", 1.98), ("comes_again", 1.14)):
        assert getattr(WORLD_2020, name) / getattr(WORLD_2018, name) == pytest.approx(growth), name
    assert (WORLD_2018.persons, WORLD_2020.persons) == (170_000_000, 300_000_000)


def test_as_many_come_again_tomorrow_as_the_world_says_and_nobody_is_there_twice() -> None:
    today, tomorrow = (population().members_on(day, EVERYBODY) for day in (4, 5))
    assert len(np.unique(today)) == SMALL.persons
    assert len(np.intersect1d(today, tomorrow)) / SMALL.persons == pytest.approx(SMALL.comes_again, abs=0.005)
    assert max(today.max(), tomorrow.max()) < SMALL.members


@given(n=st.integers(0, SMALL.persons - 1))
@settings(max_examples=60, deadline=None)
def test_whoever_is_a_friend_has_a_friend(n: int) -> None:
    friends = population().friends_of(n)
    assert n not in friends
    assert len(set(friends)) == len(friends)
    assert all(n in population().friends_of(friend) for friend in friends[:5])


def test_people_have_as_many_friends_as_the_world_says_most_of_them_in_their_city() -> None:
    large = Population(of_size(WORLD_2020, 30_000_000))  # in small cities there are fewer to be friends with
    friends = {n: large.friends_of(n) for n in range(0, large.world.persons, 60_013)}
    assert np.mean([len(found) for found in friends.values()]) == pytest.approx(SMALL.friends, rel=0.05)
    pairs = np.asarray([(n, friend) for n, found in friends.items() for friend in found])
    near = large.cities_of(pairs[:, 0]) == large.cities_of(pairs[:, 1])
    assert np.mean(near) > 0.6


def test_a_person_is_the_same_alone_and_among_others() -> None:
    assert person(population(), 77) == population().people([5, 77, 9])[1]
    assert person(Population(of_size(WORLD_2020, 200_000)), 77) == person(population(), 77)


def test_merchants_are_near_and_the_first_of_a_city_has_most_customers() -> None:
    cities = population().cities_of(EVERYBODY)
    drawn = np.arange(SMALL.persons).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    merchants = population().merchants_near(cities, drawn)
    assert merchants.max() < SMALL.merchants
    of_first = merchants[cities == 0]
    counts = np.bincount(of_first)
    assert counts.argmax() == 0
    assert of_first.max() < merchants[cities == 1].min() + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("persons", 0), ("members", 1), ("programs", 1), ("opens", 0.5), ("opens", 17), ("orders", 2), ("giant", 1.5)],
)
def test_a_world_that_cannot_be_is_refused(field: str, value: float) -> None:
    with pytest.raises(SetupError, match=f"a world's {field} must be"):
        replace(WORLD_2020, **{field: value})


@pytest.mark.parametrize("n", [-1, SMALL.persons])
def test_nobody_stands_outside_the_world(n: int) -> None:
    with pytest.raises(SetupError, match="there is no person"):
        person(population(), n)
    with pytest.raises(SetupError, match="are none"):
        of_size(WORLD_2020, 0)
