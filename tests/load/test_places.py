"""Cities stand in tiers by how many live there, districts belong to their city, and numbers are dealt out in full."""

import pytest

from loadtests import places
from loadtests.places import City


def test_the_four_largest_cities_are_the_first_tier() -> None:
    cities = places.cities()
    assert [city.name for city in cities if city.tier == 1] == ["Shanghai", "Beijing", "Shenzhen", "Guangzhou"]
    assert [sum(city.tier == tier for city in cities) for tier in (2, 3)] == [45, 200]
    assert "Pudong" not in {city.name for city in cities}  # a district of Shanghai


def test_a_district_is_no_city() -> None:
    big, district, other = City("big", 0, 9, 30, 110), City("district", 0, 5, 30.05, 110.05), City("b", 0, 4, 31, 110)
    assert [city.name for city in places.ranked([other, district, big])] == ["big", "b"]


def test_a_degree_of_latitude_is_111_km() -> None:
    assert places.distance_km(City("a", 1, 1, 30, 110), City("b", 1, 1, 31, 110)) == pytest.approx(111.2, abs=0.1)


@pytest.mark.parametrize("whole", [1, 17, 300_000_000])
def test_every_number_is_dealt_out_once(whole: int) -> None:
    ends = places.ends_of(places.cities(), (0.3, 0.2, 0.28, 0.22), whole)
    assert ends == sorted(ends)
    assert ends[-1] == whole
