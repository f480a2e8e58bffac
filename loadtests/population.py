"""Who lives in the world that is played: persons with a city, programs, merchants and friends, each a pure function of
the world and a number. Nothing is stored, so three hundred million take no more memory than three.

`WORLD_2020` is the world that is planned for; `WORLD_2018` is the one before the growth that was reported.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests import chance, places
from loadtests.chance import Bits, Numbers

EACH_MAX = 64
"""Programs of one person, openings of a day, pages of an opening: nobody has more, and nobody would notice."""
NEAR, FAR = 96, 32
"""With how many persons of the own city, and of any, somebody may be friends."""
GIANT = 0
"""The number of the program that a third of all use."""


class World(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known, reported or assumed of a world; README says which is which. A mean is one of a person and day."""

    name: str
    seed: int = 2_018
    persons: int
    """Who open something on a day; each has a number below this."""
    members: int
    """Everybody whom the platform knows."""
    programs: int
    merchants: int
    opens: float
    pages: float
    """Of an opening."""
    orders: float
    programs_of_a_person: float
    comes_again: float
    """How many of today's persons are there tomorrow."""
    giant: float = 1 / 3
    tiers: tuple[float, float, float, float] = (0.30, 0.20, 0.28, 0.22)
    friends: float = 40.0

    def __post_init__(self) -> None:
        for name, least, value, highest in (
            ("persons", 1, self.persons, 1 << 40),
            ("members", self.persons, self.members, 1 << 40),
            ("programs", 2, self.programs, 1 << 31),
            ("merchants", 1, self.merchants, 1 << 31),
            ("opens", 1.01, self.opens, EACH_MAX / 4),
            ("pages", 1.01, self.pages, EACH_MAX / 4),
            ("orders", 0, self.orders, self.opens / 2),
            ("programs_of_a_person", 1.01, self.programs_of_a_person, EACH_MAX / 4),
            ("comes_again", 0, self.comes_again, 1),
            ("giant", 0, self.giant, 1),
            ("friends", 0, self.friends, (NEAR + FAR) / 1.5**2),
        ):
            if not least <= value <= highest:
                raise SetupError(f"a world's {name} must be {least} to {highest:g}, not {value:g}")
        if min(self.tiers) <= 0:
            raise SetupError("each tier of cities needs persons")


WORLD_2020 = World(
    name="2020",
    persons=300_000_000,
    members=1_200_000_000,
    programs=2_000_000,
    merchants=50_000_000,
    opens=2.57,
    pages=3.31,
    orders=0.292,
    programs_of_a_person=9.9,
    comes_again=0.57,
)
WORLD_2018 = replace(
    WORLD_2020,
    name="2018",
    persons=170_000_000,
    members=1_000_000_000,
    programs=1_000_000,
    merchants=20_000_000,
    opens=WORLD_2020.opens / 1.45,
    orders=0.099,
    programs_of_a_person=WORLD_2020.programs_of_a_person / 1.98,
    comes_again=WORLD_2020.comes_again / 1.14,
)
WORLDS = {world.name: world for world in (WORLD_2018, WORLD_2020)}


def of_size(world: World, persons: int) -> World:
    """The same world with so many persons, who have the same habits, and as many programs and merchants for each."""
    if persons < 1:
        raise SetupError(f"a world needs persons; {persons} are none")
    part = persons / world.persons
    return replace(
        world,
        persons=persons,
        members=max(persons, round(world.members * part)),
        programs=max(16, round(world.programs * min(part, 1.0))),
        merchants=max(16, round(world.merchants * min(part, 1.0))),
    )


class Person(Struct, frozen=True):
    """One person of a world, as whoever plays it sees them."""

    number: int
    city: places.City
    programs: tuple[int, ...]
    """From the favourite on."""
    friends: tuple[int, ...]


class Population:
    """The persons of a world, over arrays of their numbers; in the order of the numbers stand the cities."""

    def __init__(self, world: World, cities: Sequence[places.City] | None = None) -> None:
        self.world = world
        self.cities = tuple(places.cities() if cities is None else cities)
        self._ends = np.asarray(places.ends_of(self.cities, world.tiers, world.persons), np.int64)
        self._shops = np.asarray(places.ends_of(self.cities, world.tiers, world.merchants), np.int64)
        self._counts = chance.geometric_table(world.programs_of_a_person, EACH_MAX)

    def key(self, purpose: str) -> int:
        """Tells the draws of this world for one purpose from all others."""
        return chance.key(self.world.seed, purpose)

    @cached_property
    def _keys(self) -> dict[str, int]:
        return {purpose: self.key(purpose) for purpose in ("programs", "habit", "giant", "sociable", "edge", "stays")}

    def cities_of(self, ns: Numbers) -> Numbers:
        """The index of each person's city."""
        return np.searchsorted(self._ends, ns, side="right")

    def tiers_of(self, ns: Numbers) -> Numbers:
        """The tier of each person's city, from 1 to 4."""
        tiers: Numbers = np.asarray([city.tier for city in self.cities], np.int64)
        return tiers[self.cities_of(ns)]

    # -- programs --------------------------------------------------------------------------------------------------

    def program_counts(self, ns: Numbers) -> Numbers:
        """How many programs each person uses."""
        drawn = chance.sixteen(chance.bits(self._keys["programs"], ns), 0)
        return self._counts[drawn].astype(np.int64)

    def play_the_giant(self, ns: Numbers, share: float | None = None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether the favourite of each is the program that a third of all use; `share` says another part of all."""
        reach = self.world.giant if share is None else share
        return chance.unit(chance.bits(self._keys["giant"], ns)) < reach

    def programs_at(self, ns: Numbers, slots: Numbers, giant: float | None = None) -> Numbers:
        """The program in each person's given place, from 0; the same program may stand in two."""
        drawn = chance.bits(self._keys["habit"], ns * EACH_MAX + slots)
        programs = 1 + chance.ranks(drawn, self.world.programs - 1)
        programs[(slots == 0) & self.play_the_giant(ns, giant)] = GIANT
        return programs

    # -- merchants -------------------------------------------------------------------------------------------------

    def merchants_near(self, cities: Numbers, drawn: Bits) -> Numbers:
        """A merchant of each city by what was drawn: the first of a city has most customers."""
        starts = np.concatenate((np.zeros(1, np.int64), self._shops))[cities]
        counts = np.maximum(self._shops[cities] - starts, 1)
        found: Numbers = np.minimum(starts + chance.ranks(drawn, counts), self.world.merchants - 1)
        return found

    def first_merchants_city(self, merchants: Numbers) -> Numbers:
        """The index of the city whose first merchant this is; -1 for all others."""
        cities = np.searchsorted(self._shops, merchants, side="right")
        starts = np.concatenate((np.zeros(1, np.int64), self._shops))
        found: Numbers = np.where(merchants == starts[cities], cities, -1)
        return found

    # -- friends ---------------------------------------------------------------------------------------------------

    def friends_of(self, n: int) -> tuple[int, ...]:
        """Everybody who is a friend of this person, whose friend this person is too."""
        city = int(self.cities_of(np.asarray([n]))[0])
        start = int(self._ends[city - 1]) if city else 0
        circles = ((f"near {city}", start, int(self._ends[city]), NEAR), ("far", 0, self.world.persons, FAR))
        found = {other for circle in circles for other in self._circle(n, *circle)}
        return tuple(sorted(found - {n}))

    def _circle(self, n: int, name: str, start: int, end: int, count: int) -> list[int]:
        """The k-th candidate is n's mirror image about the k-th centre, so each is the candidate of the other."""
        centres = chance.below(chance.bits(self.key(f"centres {name}"), np.arange(count)), min(end - start, 1 << 31))
        others = start + (centres - (n - start)) % (end - start)
        ns = np.full(count, n, np.int64)
        both = self._sociable(ns) * self._sociable(others)
        pair = chance.bits(self._keys["edge"], np.minimum(ns, others)) ^ np.maximum(ns, others).astype(np.uint64)
        kept = chance.unit(chance.bits(self._keys["edge"], pair)) < both * self.world.friends / (NEAR + FAR)
        return [int(other) for other in others[kept]]

    def _sociable(self, ns: Numbers) -> chance.Reals:
        """How sociable each is: from 0.5 to 1.5, 1 in the mean."""
        return 0.5 + chance.unit(chance.bits(self._keys["sociable"], ns))

    # -- who is there ----------------------------------------------------------------------------------------------

    def members_on(self, day: int, ns: Numbers) -> Numbers:
        """Which member each person of a day is: some come every day, in the place of the others comes somebody else."""
        stays = chance.unit(chance.bits(self._keys["stays"], ns)) < self.world.comes_again
        crowds = self.world.members // self.world.persons
        others = ns + self.world.persons * (1 + day % max(crowds - 1, 1))
        return np.where(stays | (others >= self.world.members), ns, others)

    def people(self, numbers: Sequence[int]) -> list[Person]:
        """These persons one by one."""
        ns = np.asarray(numbers, np.int64)
        cities, counts = self.cities_of(ns), self.program_counts(ns)
        slots = np.concatenate([np.arange(int(count)) for count in counts])
        programs = np.split(self.programs_at(np.repeat(ns, counts), slots), np.cumsum(counts)[:-1])
        return [
            Person(n, self.cities[int(city)], tuple(int(one) for one in used), self.friends_of(n))
            for n, city, used in zip(numbers, cities, programs, strict=True)
        ]


def person(population: Population, n: int) -> Person:
    """One person by number."""
    if not 0 <= n < population.world.persons:
        raise SetupError(f"there is no person {n} among {population.world.persons}")
    return population.people([n])[0]
