"""What one opening comes to: which calls its journey makes, how many minutes after the opening, and how long the
session stays. The journeys themselves are played, against answers that are always the same. Pure.
"""

from collections import Counter
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from actors.domain.session import IDLE_MS_MAX
from loadtests.chance import Reals
from loadtests.habits import JOURNEYS, WAYS
from loadtests.journeys import table
from loadtests.journeys.steps import Ask, Invoke, Open, Query, Step, Think, Town, Visit, Wait
from loadtests.journeys.ways import found
from loadtests.population import EACH_MAX

LATER = 120
"""Minutes after an opening in which something of it may still come; what is later counts for the last."""
PLAYS = 1_024
"""So often a journey of one page is played; one of more pages less often, since openings of many pages are few."""
PLAYS_MIN = 48
_DONE = SimpleNamespace(program="bike", code="1", text="https://hutong.example/l/1", link="1")
_SEED = b'{"seed":"00000000"}'


class Footprint(NamedTuple):
    """The mean over a journey's own chances, for each journey and number of pages."""

    kinds: tuple[str, ...]
    """As load runs name them."""
    calls: Reals
    """[journey, pages - 1, kind, minutes later]."""
    stays: Reals
    """[journey, pages - 1, minutes later]: the share of sessions that are still there."""
    asked: Reals
    """[way, kind]: the calls of finding the way, by whom the platform is asked for it."""

    def of_opening(self) -> Reals:
        """[journey, pages - 1, kind]: all calls of an opening, whenever they come."""
        summed: Reals = self.calls.sum(axis=3)
        return summed


@lru_cache(maxsize=1)
def footprint() -> Footprint:
    """All journeys, played in a second or two."""
    played = {
        (journey, pages): [_play(journey, pages, n, plays) for n in range(plays)]
        for journey in JOURNEYS
        for pages in range(1, EACH_MAX + 1)
        for plays in (max(PLAYS // pages, PLAYS_MIN),)
    }
    ways = {way: _asked(way) for way in WAYS}
    made = {kind for some in played.values() for one in some for kind, _ in one.calls}
    kinds = tuple(sorted(made | {kind for some in ways.values() for kind in some}))
    calls = np.zeros((len(JOURNEYS), EACH_MAX, len(kinds), LATER))
    stays = np.zeros((len(JOURNEYS), EACH_MAX, LATER))
    for (journey, pages), some in played.items():
        place = JOURNEYS.index(journey), pages - 1
        for one in some:
            for kind, minute in one.calls:
                calls[(*place, kinds.index(kind), minute)] += 1 / len(some)
            stays[(*place, slice(one.ends_minute))] += 1 / len(some)
    asked = np.asarray([[ways[way][kind] for kind in kinds] for way in WAYS], np.float64)
    return Footprint(kinds, calls, stays, asked)


def kind_of(step: Step) -> str:
    """By what name load runs count a call."""
    match step:
        case Open():
            return "open"
        case Invoke():
            return step.kind
        case Query():
            return "query"
        case Ask():
            return step.method
        case Think() | Wait():
            return ""


class _Played(NamedTuple):
    calls: list[tuple[str, int]]
    ends_minute: int


def _visit(source: str, pages: int, n: int) -> Visit:
    return Visit(Town("t", {"bike": "c"}), f"p{n}", "bike", "Beijing", source, 1, pages, n * 0x9E3779B97F4A7C15)


def _answer(step: Step) -> Any:
    match step:
        case Open():
            return "sessions/bike/p/1"
        case Invoke():
            return _SEED
        case _:
            return _DONE


def _play(journey: str, pages: int, n: int, plays: int) -> _Played:
    """One of so many plays, each of which begins at another second of its minute."""
    at_s = opened_s = 60 * (n + 0.5) / plays
    last_s, closed_s = opened_s, -1.0
    steps = table.JOURNEYS[journey](_visit("recent", pages, n))
    calls: list[tuple[str, int]] = []
    step: Step | None = next(steps)
    while step is not None:
        if isinstance(step, Think | Wait):
            at_s += step.seconds
            answer = None
        else:
            kind, answer = kind_of(step), _answer(step)
            calls.append((kind, min(int(at_s / 60), LATER - 1)))
            if kind == "close":
                closed_s = at_s
            elif isinstance(step, Invoke) and step.entity.startswith("sessions/"):
                last_s = at_s
        try:
            step = steps.send(answer)
        except StopIteration:
            step = None
    ends_s = closed_s if closed_s >= 0 else last_s + IDLE_MS_MAX / 1_000
    return _Played(calls, min(int(ends_s / 60) + 1, LATER))


def _asked(way: str) -> Counter[str]:
    """What finding one way asks."""
    steps = found(_visit(way, 1, 0))
    made: Counter[str] = Counter()
    try:
        step = next(steps)
        while True:
            made[kind_of(step)] += 1
            step = steps.send(_answer(step))
    except StopIteration:
        del made[""]
        return made
