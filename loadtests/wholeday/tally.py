"""Everybody's day, counted: each opening of each person is made once and put where it belongs. Sums of whole numbers,
so they are the same for whatever pieces and processes the persons were dealt to. Pure.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from loadtests import chance
from loadtests.chance import Numbers
from loadtests.habits import JOURNEYS, MINUTES, ORDERS, WAYS, Habits, Opens
from loadtests.population import EACH_MAX, GIANT

CHUNK = 1 << 16
"""So many persons are looked at together: what is made of them stays near the processor."""
QUARTERS = 96
TOP = 64
"""The programs that are watched minute by minute, and the cities whose first merchant is."""


class Tally(NamedTuple):
    """Counts of one day. Where an axis is a name, its order is that of the table in `habits`."""

    opens: Numbers
    """[minute, journey, pages - 1]."""
    ways: Numbers
    """[quarter of an hour, way]."""
    tiers: Numbers
    """[tier - 1]: openings."""
    partitions: Numbers
    """[quarter of an hour, partition]: pages, by the partition of the person's visits to the program."""
    programs: Numbers
    """[program]: openings."""
    top: Numbers
    """[minute, program]: openings of the first programs."""
    merchants: Numbers
    """[merchant]: orders and returns."""
    first: Numbers
    """[minute, city]: orders and returns at the first merchant of each of the largest cities."""
    persons: Numbers
    """[]: who were there; `visited`: with how many programs each; `players`: who opened the giant."""
    visited: Numbers
    players: Numbers

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(one + another for one, another in zip(self, other, strict=True)))


def empty(habits: Habits, partitions: int) -> Tally:
    """Nobody's day."""
    world = habits.population.world
    shapes: tuple[tuple[int, ...], ...] = (
        (MINUTES, len(JOURNEYS), EACH_MAX),
        (QUARTERS, len(WAYS)),
        (4,),
        (QUARTERS, partitions),
        (world.programs,),
        (MINUTES, TOP),
        (world.merchants,),
        (MINUTES, TOP),
        (1,),
        (1,),
        (1,),
    )
    return Tally(*(np.zeros(shape, np.int64) for shape in shapes))


def tally(habits: Habits, first: int, end: int, partitions: int, told: Callable[[int], None] | None = None) -> Tally:
    """The day of the persons from `first` on and before `end`; `told` hears how many more are done, piece by piece."""
    found = empty(habits, partitions)
    for ns in _pieces(first, end):
        opens = habits.opens(ns)
        _count_opens(found, opens)
        _count_places(found, habits, opens, partitions)
        _count_orders(found, habits, opens)
        _count_persons(found, habits, ns, opens)
        if told is not None:
            told(len(ns))
    return found


def _pieces(first: int, end: int) -> Iterator[Numbers]:
    for start in range(first, end, CHUNK):
        yield np.arange(start, min(start + CHUNK, end), dtype=np.int64)


def _add(counts: Numbers, index: Numbers, weights: Numbers | int = 1) -> None:
    np.add.at(counts.reshape(-1), index, weights)


def _count_opens(found: Tally, opens: Opens) -> None:
    minute, pages = opens.minute, opens.pages.astype(np.int64)
    _add(found.opens, (minute * len(JOURNEYS) + opens.journey) * EACH_MAX + pages - 1)
    _add(found.ways, minute // (MINUTES // QUARTERS) * len(WAYS) + opens.way)
    _add(found.programs, opens.program)
    top = opens.program < TOP
    _add(found.top, minute[top] * TOP + opens.program[top])


def _count_places(found: Tally, habits: Habits, opens: Opens, partitions: int) -> None:
    """Where a person's visits to a program are, is drawn evenly, as the checksum of their names is."""
    key = habits.population.key("partition")
    visit = np.where(opens.slot < 0, opens.person * EACH_MAX + EACH_MAX - 1, opens.person * EACH_MAX + opens.slot)
    partition = chance.below(chance.bits(key, visit), partitions)
    _add(found.partitions, opens.minute // (MINUTES // QUARTERS) * partitions + partition, opens.pages.astype(np.int64))


def _count_orders(found: Tally, habits: Habits, opens: Opens) -> None:
    orders = np.isin(opens.journey, [JOURNEYS.index(name) for name in ORDERS])
    if not orders.any():
        return
    merchants = habits.merchants(opens, orders)
    _add(found.merchants, merchants)
    city = habits.population.first_merchants_city(merchants)
    first = (city >= 0) & (city < TOP)
    _add(found.first, opens.minute[orders][first] * TOP + city[first])


def _count_persons(found: Tally, habits: Habits, ns: Numbers, opens: Opens) -> None:
    """With how many programs each person was: those of a person stand together."""
    starts = np.flatnonzero(np.diff(opens.person, prepend=-1))
    counts = np.diff(starts, append=len(opens.person))
    found.tiers[:] += np.bincount(habits.population.tiers_of(ns) - 1, weights=counts, minlength=4).astype(np.int64)
    slots = np.where(opens.slot < 0, 0, np.left_shift(np.uint64(1), np.maximum(opens.slot, 0).astype(np.uint64)))
    found.visited[0] += np.bitwise_count(np.bitwise_or.reduceat(slots.astype(np.uint64), starts)).sum()
    found.visited[0] += np.count_nonzero(opens.slot < 0)
    found.players[0] += np.count_nonzero(np.logical_or.reduceat(opens.program == GIANT, starts))
    found.persons[0] += len(ns)
