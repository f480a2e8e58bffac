"""What the persons of a world do on a day: when they open which program, from where, to do what. Pure, over arrays.

An opening is a function of (world, person, number of the opening), as the person is; a day says only when it comes and
what draws a crowd, so that two days differ in nothing else.
"""

import math
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from actors.errors import SetupError
from loadtests import chance
from loadtests.chance import Numbers, Reals
from loadtests.population import EACH_MAX, GIANT, Population, World

MINUTES, MINUTE_S, DAY_S = 1_440, 60, 86_400
MINUTE_BITS = 20

WAYS = {"recent": 0.34, "scan": 0.22, "share": 0.17, "search": 0.12, "notification": 0.10, "link": 0.05}
"""From where openings come, by share; the names are those of `actors/domain/ways/sources.py`."""
GENRES = {"shop": 0.40, "food": 0.20, "ride": 0.12, "game": 0.16, "service": 0.12}
"""What kinds of programs there are, by share of the programs; the giant is a game."""
JOURNEYS = ("browse", "play", "hire", "buy", "return", "share")
"""What somebody does in a program, once it is open; `journeys/table.py` has each of them."""
ORDERS = ("buy", "return")
"""Those of them in which somebody orders from a merchant."""
BY_GENRE = {"game": "play", "ride": "hire"}
"""What most do in a program of such a genre; in all others they browse."""
RETURNED = 0.013
"""Orders that go back, as in the shop whose year is played: 28 lines of 2,137."""
SHARED = 0.08
"""Openings in which a card is handed on: each is opened by two, which makes the openings that come from cards."""


class Peak(Struct, frozen=True):
    """A hump of the day's curve: its hour, its width (one standard deviation) in hours, its height."""

    at_h: float
    width_h: float
    height: float


class Crowd(Struct, frozen=True):
    """In these minutes this share of all openings is of one program, and this share of those buys from one merchant."""

    program: int
    share: float
    first_minute: int
    minutes: int
    buys: float


class Day(Struct, frozen=True, kw_only=True):
    """A kind of day: its curve, how busy its busiest minute is, how much is opened; both against a workday's mean."""

    name: str
    peaks: tuple[Peak, ...]
    floor: float = 0.06
    busiest: float
    volume: float = 1.0
    giant: float | None = None
    """The part of all who play the giant, if not the world's own."""
    crowd: Crowd | None = None


_MORNING, _LUNCH, _EVENING = Peak(8.2, 1.2, 0.45), Peak(12.3, 0.9, 0.7), Peak(20.5, 1.9, 1.0)
WORKDAY = Day(name="workday", peaks=(_MORNING, _LUNCH, Peak(15.5, 2.5, 0.4), _EVENING), busiest=3.0)
WEEKEND = Day(
    name="weekend", peaks=(Peak(11.5, 2.0, 0.8), Peak(15.5, 2.0, 0.7), Peak(20.8, 2.0, 1.0)), busiest=2.6, volume=1.1
)
NEW_YEAR = Day(
    name="new-year", peaks=(Peak(12.0, 2.0, 0.25), Peak(20.2, 1.0, 0.6), Peak(24.0, 0.35, 1.0)), busiest=10, volume=1.6
)
FLASH_SALE = Day(
    name="flash-sale",
    peaks=(_MORNING, _LUNCH, _EVENING, Peak(20.08, 0.05, 1.4)),
    busiest=6.0,
    volume=1.15,
    crowd=Crowd(program=1, share=0.8, first_minute=1_200, minutes=10, buys=0.5),
)
VIRAL_GAME = Day(name="viral-game", peaks=WORKDAY.peaks, busiest=3.0, giant=100 / 170)
DAYS = {day.name: day for day in (WORKDAY, WEEKEND, NEW_YEAR, FLASH_SALE, VIRAL_GAME)}
"""The kinds of days: of 170 million persons 100 million played the game that went viral."""


def day_named(name: str) -> Day:
    """One of `DAYS`."""
    if name not in DAYS:
        raise SetupError(f"{name!r} is no day; there are {', '.join(DAYS)}")
    return DAYS[name]


def rates(world: World, day: Day) -> Reals:
    """Openings a second in each of the day's 1,440 minutes."""
    return curve(day) * (world.persons * opens_of(world, day) / DAY_S)


def rate_at(by_minute: Reals, second: float) -> float:
    """Openings a second at this second of the day; a day is followed by the same day."""
    return float(by_minute[int(second // MINUTE_S) % MINUTES])


def opens_of(world: World, day: Day) -> float:
    """Openings of a person on such a day, in the mean."""
    return max(day.volume * world.opens, 1.01)


def curve(day: Day) -> Reals:
    """How busy each minute is against the day's mean, so that their mean is 1 and the busiest is what the day says."""
    hours = (np.arange(MINUTES) + 0.5) / 60
    shape = np.full(MINUTES, day.floor)
    for peak in day.peaks:
        shape += peak.height * np.exp(-0.5 * ((hours - peak.at_h) / peak.width_h) ** 2)
    return sharpened(shape, day.busiest / day.volume)


def sharpened(shape: Reals, busiest: float) -> Reals:
    """The shape raised to the power that makes its maximum so many times its mean, and its mean 1."""
    least, most = 0.0, 64.0
    for _ in range(60):
        power = (least + most) / 2
        raised = (shape / shape.max()) ** power
        least, most = (power, most) if 1 / raised.mean() < busiest else (least, power)
    raised = (shape / shape.max()) ** ((least + most) / 2)
    found: Reals = raised / raised.mean()
    if not math.isclose(found.max(), busiest, rel_tol=1e-6):
        raise SetupError(f"no such curve can be {busiest:g} times as busy at its peak as in the mean")
    return found


class Opens(NamedTuple):
    """Openings of some persons on a day, one for each place of the arrays."""

    person: Numbers
    program: Numbers
    slot: Numbers
    """Its place among the person's programs; -1 for one that a crowd is drawn to."""
    minute: Numbers
    second: Numbers
    """Of the minute."""
    way: NDArray[np.uint8]
    """Index into `WAYS`."""
    journey: NDArray[np.uint8]
    """Index into `JOURNEYS`."""
    pages: NDArray[np.uint8]
    crowd: NDArray[np.bool_]


class Habits:
    """The tables of one day of a population, made once; `opens` then says what any of its persons do."""

    def __init__(self, population: Population, day: Day) -> None:
        world = population.world
        self.population, self.day = population, day
        self._counts = chance.geometric_table(opens_of(world, day), EACH_MAX)
        self._pages = chance.geometric_table(world.pages, EACH_MAX)
        self._ways = chance.share_table(tuple(WAYS.values()))
        self._genres = chance.share_table(tuple(GENRES.values()))
        self._minutes = _minute_table(curve(day))
        buys = world.orders / world.opens
        plain = 1 - buys - buys * RETURNED - SHARED
        shares = {"browse": plain, "buy": buys, "return": buys * RETURNED, "share": SHARED}
        self._intents = chance.share_table(tuple(shares.get(name, 0.0) for name in JOURNEYS))
        names = ("opens", "when", "what", "genre", "crowd", "merchant")
        self._keys = {name: population.key(name) for name in names}

    def counts(self, ns: Numbers) -> Numbers:
        """How many openings each person has on the day: at least one, since whoever has none is not there."""
        drawn = chance.sixteen(chance.bits(self._keys["opens"], ns), 0)
        return self._counts[drawn].astype(np.int64)

    def opens(self, ns: Numbers) -> Opens:
        """Every opening of these persons."""
        counts = self.counts(ns)
        person = np.repeat(ns, counts)
        which = np.arange(len(person)) - np.repeat(np.cumsum(counts) - counts, counts)
        number = person * EACH_MAX + which
        when, what = (chance.bits(self._keys[name], number) for name in ("when", "what"))
        minute = self._minutes[(when >> np.uint64(64 - MINUTE_BITS)).astype(np.int64)].astype(np.int64)
        second = ((when >> np.uint64(32) & np.uint64(0xFFF)) * np.uint64(MINUTE_S) >> np.uint64(12)).astype(np.int64)
        slot = chance.ranks(what, np.repeat(self.population.program_counts(ns), counts))
        slot[which == 0] = 0  # the first opening is of the favourite, a later one of any by Zipf's law
        program = self.population.programs_at(person, slot, self.day.giant)
        journey = self._intents[chance.sixteen(what, 0)]
        pages, way = self._pages[chance.sixteen(when, 0)], self._ways[chance.sixteen(when, 1)]
        crowd = self._drawn_by_crowd(number, minute)
        if self.day.crowd is not None:
            program[crowd], slot[crowd] = self.day.crowd.program, -1
            journey[crowd] = self._crowds_journeys(number[crowd])
        plain = journey == JOURNEYS.index("browse")
        journey[plain] = _BY_GENRE[self.genres_of(program[plain])]
        return Opens(person, program, slot, minute, second, way, journey, pages, crowd)

    def genres_of(self, programs: Numbers) -> NDArray[np.uint8]:
        """The index into `GENRES` of each program."""
        genres = self._genres[chance.sixteen(chance.bits(self._keys["genre"], programs), 0)]
        genres[programs == GIANT] = list(GENRES).index("game")
        return genres

    def _drawn_by_crowd(self, number: Numbers, minute: Numbers) -> NDArray[np.bool_]:
        crowd = self.day.crowd
        if crowd is None:
            return np.zeros(len(number), np.bool_)
        found = (minute >= crowd.first_minute) & (minute < crowd.first_minute + crowd.minutes)
        found[found] = chance.unit(chance.bits(self._keys["crowd"], number[found])) < crowd.share
        return found

    def _crowds_journeys(self, number: Numbers) -> NDArray[np.uint8]:
        assert self.day.crowd is not None
        buys = chance.unit(chance.bits(self._keys["crowd"], number * 2 + 1)) < self.day.crowd.buys
        return np.where(buys, JOURNEYS.index("buy"), JOURNEYS.index("browse")).astype(np.uint8)

    def merchants(self, opens: Opens, chosen: NDArray[np.bool_]) -> Numbers:
        """From whom is bought in the chosen openings: a merchant of the person's city, or the one the crowd is for."""
        cities = self.population.cities_of(opens.person[chosen])
        number = opens.person[chosen] * DAY_S + opens.minute[chosen] * MINUTE_S + opens.second[chosen]
        found = self.population.merchants_near(cities, chance.bits(self._keys["merchant"], number))
        found[opens.crowd[chosen]] = 0
        return found


_BY_GENRE = np.asarray([JOURNEYS.index(BY_GENRE.get(genre, "browse")) for genre in GENRES], np.uint8)


def _minute_table(shares: Reals) -> NDArray[np.uint16]:
    """The minute for each value of `MINUTE_BITS` bits."""
    ends = np.rint(np.cumsum(shares) / shares.sum() * (1 << MINUTE_BITS)).astype(np.int64)
    return np.repeat(np.arange(MINUTES, dtype=np.uint16), np.diff(ends, prepend=0))
