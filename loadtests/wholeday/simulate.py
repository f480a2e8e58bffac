"""Runs the count over several processes, and turns it into what the platform would see: calls by kind and minute, what
is hottest, how many sessions there are.
"""

import contextlib
import multiprocessing
import os
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.chance import Reals
from loadtests.endings import unheard
from loadtests.habits import BY_GENRE, JOURNEYS, MINUTE_S, WAYS, Day, Habits
from loadtests.population import EACH_MAX, Population, World
from loadtests.wholeday.footprint import LATER, Footprint, footprint
from loadtests.wholeday.tally import CHUNK, QUARTERS, TOP, Tally, tally

PERSONS_MAX = 10_000_000_000
QUARTER_S = 86_400 / QUARTERS
LEAVES = 4_096
"""Parts of the giant's board, on each of which a player's score comes in."""
UNASKED = ("ResolveCode", "Search", "query", "GetShare")
"""Calls that are answered without a word on the log."""
EXACT = (
    "every person's city, programs and openings, each opening's minute, way, journey, pages, program and merchant: one "
    "by one, each drawn once by a hash of the seed and the number"
)
DRAWN = (
    "the partition of a person's visits to a program (even, as crc32 of their names is); calls within an opening are "
    "the mean over its journey's own chances; within a minute they come evenly"
)


class Kind(Struct, frozen=True):
    """Calls of one kind: on the day, and a second, in the mean (`mean_s`) and in the busiest minute of all calls."""

    name: str
    day: float
    mean_s: float
    peak_s: float


class Hottest(Struct, frozen=True):
    """What has most to do: what it is, its name, how much on the day, and a second in its busiest minutes."""

    what: str
    name: str
    day: float
    peak_s: float


class Outcome(Struct, frozen=True, kw_only=True):
    """A simulated day. Calls are what clients ask; commands those of them that go on the log.

    `calls_mean_s` and its like are so many a second.
    """

    world: str
    day: str
    seed: int
    persons: int
    partitions: int
    asks: float
    opens: int
    pages: int
    calls: float
    commands: float
    calls_mean_s: float
    calls_peak_s: float
    commands_peak_s: float
    peak_minute: int
    calls_by_hour_s: tuple[float, ...]
    kinds: tuple[Kind, ...]
    hottest: tuple[Hottest, ...]
    giant_share: float
    partition_mean_s: float
    """Commands of persons a second on a partition, in the partitions' busiest quarter of an hour."""
    sessions_peak: float
    sessions_minute: int
    visits: int
    """Persons with programs: so many visits have a state."""
    players: int
    merchants: int
    programs: int
    tiers: tuple[float, ...]
    ways: dict[str, float]
    exact: str = EXACT
    drawn: str = DRAWN
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Processor time of all processes that counted."""
    rss_bytes_max: int = 0


def simulate(
    world: World, day: Day, *, partitions: int, asks: float, processes: int, told: Callable[[int], None]
) -> Outcome:
    """The whole day. `told` hears how many persons are done. Raises SetupError for numbers that cannot be."""
    for name, value, least, most in (
        ("persons", world.persons, 1, PERSONS_MAX),
        ("partitions", partitions, 1, 1 << 16),
        ("processes", processes, 1, 256),
        ("share that asks", asks, 0, 1),
    ):
        if not least <= value <= most:
            raise SetupError(f"{name} must be {least} to {most}, not {value}")
    began, used_s = time.monotonic(), _cpu_s()
    counted, rss = _counted(world, day, partitions, processes, told)
    outcome = outcome_of(counted, Habits(Population(world), day), partitions, asks)
    return replace(outcome, seconds=time.monotonic() - began, cpu_s=_cpu_s() - used_s, rss_bytes_max=rss)


def _counted(world: World, day: Day, partitions: int, processes: int, told: Callable[[int], None]) -> tuple[Tally, int]:
    """The sum over all processes, and the memory of all of them at most."""
    if processes == 1 or world.persons <= CHUNK:
        return tally(Habits(Population(world), day), 0, world.persons, partitions, told), _rss_bytes_max()
    context = multiprocessing.get_context("spawn")
    ends = [world.persons * n // processes for n in range(processes + 1)]
    found: Tally | None = None
    rss = 0
    children: dict[Connection, SpawnProcess] = {}
    try:
        for first, end in pairwise(ends):
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=_part, args=(theirs, world, day, first, end, partitions), daemon=True)
            with unheard():
                child.start()
            theirs.close()
            children[ours] = child
        left = set(children)
        while left:
            for ready in wait(list(left)):
                assert isinstance(ready, Connection)
                said = _said(ready)
                if isinstance(said, int):
                    told(said)
                    continue
                counted, bytes_ = said
                found, rss = counted if found is None else found.plus(counted), rss + bytes_
                left.discard(ready)
    finally:
        for ours, child in children.items():
            ours.close()
            child.terminate()
            child.join()
    assert found is not None
    return found, rss + _rss_bytes_max()


def _said(child: Connection) -> Any:
    try:
        return child.recv()
    except EOFError:
        raise SetupError(
            "a process that counted has ended early; is there enough memory? Try fewer --processes"
        ) from None


def _part(up: Connection, world: World, day: Day, first: int, end: int, partitions: int) -> None:
    """A child: says how many persons more it has counted, and at last its counts and its memory."""
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
        counted = tally(Habits(Population(world), day), first, end, partitions, up.send)
        up.send((counted, _rss_bytes_max()))
    up.close()


def _cpu_s() -> float:
    """What this process and those that it has ended have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _rss_bytes_max() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


# -- what it comes to ----------------------------------------------------------------------------------------------


def calls_by_minute(counted: Tally, made: Footprint, asks: float) -> Reals:
    """[minute, kind]: calls, spread over the minutes after the openings; at midnight the same day begins again."""
    minutes = counted.opens.shape[0]
    flat = counted.opens.reshape(minutes, -1).astype(np.float64)
    kinds = len(made.kinds)
    spread = (flat @ made.calls.reshape(flat.shape[1], -1)).reshape(minutes, kinds, LATER)
    found = np.zeros((minutes, kinds))
    for later in range(LATER):
        found += np.roll(spread[:, :, later], later, axis=0)
    asked = asks * (counted.ways.astype(np.float64) @ made.asked)
    found += np.repeat(asked, minutes // QUARTERS, axis=0) / (minutes // QUARTERS)
    return found


def sessions_by_minute(counted: Tally, made: Footprint) -> Reals:
    """How many sessions there are in each minute."""
    minutes = counted.opens.shape[0]
    spread = counted.opens.reshape(minutes, -1).astype(np.float64) @ made.stays.reshape(-1, LATER)
    found = np.zeros(minutes)
    for later in range(LATER):
        found += np.roll(spread[:, later], later)
    return found


def outcome_of(counted: Tally, habits: Habits, partitions: int, asks: float) -> Outcome:
    """What the counts mean for the platform."""
    made, world = footprint(), habits.population.world
    calls = calls_by_minute(counted, made, asks)
    on_log = [kind not in UNASKED for kind in made.kinds]
    total, sessions = calls.sum(axis=1), sessions_by_minute(counted, made)
    peak = int(total.argmax())
    opens, pages = int(counted.opens.sum()), int((counted.opens.sum(axis=(0, 1)) * (np.arange(EACH_MAX) + 1)).sum())
    quarter = int(counted.partitions.sum(axis=1).argmax())
    a_page = calls[:, on_log].sum() / pages
    return Outcome(
        world=world.name,
        day=habits.day.name,
        seed=world.seed,
        persons=int(counted.persons[0]),
        partitions=partitions,
        asks=asks,
        opens=opens,
        pages=pages,
        calls=float(total.sum()),
        commands=float(calls[:, on_log].sum()),
        calls_mean_s=float(total.mean() / MINUTE_S),
        calls_peak_s=float(total[peak] / MINUTE_S),
        commands_peak_s=float(calls[peak, on_log].sum() / MINUTE_S),
        peak_minute=peak,
        calls_by_hour_s=tuple(float(hour) for hour in total.reshape(24, 60).mean(axis=1) / MINUTE_S),
        kinds=tuple(
            Kind(kind, float(calls[:, n].sum()), float(calls[:, n].mean() / MINUTE_S), float(calls[peak, n] / MINUTE_S))
            for n, kind in enumerate(made.kinds)
        ),
        hottest=tuple(_hottest(counted, habits, made, a_page)),
        giant_share=float(counted.programs[0] / opens),
        partition_mean_s=float(counted.partitions[quarter].mean() * a_page / QUARTER_S),
        sessions_peak=float(sessions.max()),
        sessions_minute=int(sessions.argmax()),
        visits=int(counted.visited[0]),
        players=int(counted.players[0]),
        merchants=int(np.count_nonzero(counted.merchants)),
        programs=int(np.count_nonzero(counted.programs)),
        tiers=tuple(float(share) for share in counted.tiers / opens),
        ways={way: float(count / opens) for way, count in zip(WAYS, counted.ways.sum(axis=0), strict=True)},
    )


def _hottest(counted: Tally, habits: Habits, made: Footprint, a_page: float) -> list[Hottest]:
    """A partition, a program, a merchant, and the one entity with most commands."""
    by_partition = counted.partitions.sum(axis=0)
    busiest = int(counted.partitions.max(axis=0).argmax())
    program, merchant = int(counted.programs.argmax()), int(counted.merchants.argmax())
    orders = float(counted.merchants[merchant])
    city = int(habits.population.first_merchants_city(np.asarray([merchant]))[0])
    known = counted.first[:, city] if 0 <= city < TOP else counted.opens.sum(axis=(1, 2))
    merchant_s = orders * float(known.max() / known.sum()) / MINUTE_S
    games = counted.top[:, 0].astype(np.float64) * _games_of_an_opening(counted, made)
    leaves = np.bincount([zlib.crc32(b"p%d" % n) % LEAVES for n in range(1 << 18)], minlength=LEAVES)
    leaf = float(leaves.max() / leaves.sum())
    leaf_s = float(games.max() * leaf / MINUTE_S)
    found = [
        Hottest(
            "partition",
            str(busiest),
            float(by_partition[busiest] * a_page),
            float(counted.partitions[:, busiest].max() * a_page / QUARTER_S),
        ),
        Hottest(
            "program (openings)",
            "the giant" if program == 0 else f"number {program}",
            float(counted.programs[program]),
            float(counted.top[:, min(program, TOP - 1)].max() / MINUTE_S),
        ),
        Hottest(
            "merchant (orders)",
            f"number {merchant}" + (f", the first in {habits.population.cities[city].name}" if city >= 0 else ""),
            orders,
            merchant_s,
        ),
    ]
    entity = ("a merchant's shop", merchant_s) if merchant_s > leaf_s else ("a leaf of the giant's board", leaf_s)
    return [*found, Hottest("entity (commands)", entity[0], 0.0, entity[1])]


def _games_of_an_opening(counted: Tally, made: Footprint) -> float:
    """Games that an opening of the giant comes to: most are played, in some somebody buys or hands a card on."""
    by_journey = counted.opens.sum(axis=(0, 2)).astype(np.float64)
    plain = by_journey[[JOURNEYS.index(name) for name in ("browse", *BY_GENRE.values())]].sum() / by_journey.sum()
    finished = made.kinds.index("finish a game")
    return float(plain * made.calls[JOURNEYS.index("play"), 0, finished].sum())
