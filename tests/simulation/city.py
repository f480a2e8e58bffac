"""A city's worlds: in each of them people are busy with a few of all the things that there are to do."""

from collections.abc import Iterator
from random import Random

from actors.kernel.rules import Rules
from actors.placement import RELEASE_MIN
from tests.simulation.desks import COUNTS, DESKS, LINK_RULES, OFFICES, SIGN_INS, UPLOADS
from tests.simulation.evening import Area, Asking
from tests.simulation.forgetting import GOODBYES
from tests.simulation.games import FORTUNES, LEAPS
from tests.simulation.handing import CODES, SHARED_CARDS
from tests.simulation.packages import PURSE_PROGRAM
from tests.simulation.people import CARDS, CIRCLE, NOTICES, SIGN_IN, VISITS
from tests.simulation.publishing import CLOTHES, LINKS, REGISTRY, REVIEWS
from tests.simulation.releasing import RELEASES
from tests.simulation.roads import LOTS, ROADS
from tests.simulation.servers import CREDENTIALS, WEBHOOKS
from tests.simulation.streets import BIKES, DROPS, EVENINGS, MEALS, STORES, TAXIS
from tests.simulation.workload import BAD, SHOPS, Work, spoilt

AREAS = (
    *(SIGN_IN, VISITS, NOTICES, CIRCLE, CARDS),
    *(BIKES, EVENINGS, DROPS, TAXIS, MEALS, STORES),
    *(REGISTRY, REVIEWS, LINKS, CLOTHES, GOODBYES),
    *(LOTS, ROADS, LEAPS, FORTUNES, RELEASES),
    *(WEBHOOKS, CREDENTIALS, CODES, SHARED_CARDS),
    *(SIGN_INS, LINK_RULES, COUNTS, OFFICES, UPLOADS, DESKS),
)
RULES = Rules({kind.kind: kind for area in AREAS for kind in area.kinds}.values(), RELEASE_MIN)
AREAS_AT_ONCE = 3
CITY_EVERY = 4
"""Of so many worlds one is a city's."""
TIMERS_MS = 5_000
"""What is due later than this is left: a seat is held for minutes."""


def work_of(seed: int) -> Work:
    """What is done in the world of this seed."""
    if seed % CITY_EVERY != CITY_EVERY - 1:
        return SHOPS
    return city_of(*Random(f"what there is to do in {seed}").sample(AREAS, AREAS_AT_ONCE))


def city_of(*areas: Area) -> Work:
    """A city where these things are done."""

    def opening(chance: Random) -> list[Asking]:
        return [asking for area in areas for asking in area.opening(chance)]

    def calls(chance: Random, count: int) -> Iterator[Asking]:
        for _ in range(count):
            good = chance.choice(areas).ask(chance)
            yield spoilt(chance, good) if chance.random() < BAD else good

    packages = {name: kinds for area in areas for name, kinds in area.packages.items()}
    follows = PURSE_PROGRAM if packages else ""
    return Work(RULES, areas, opening, calls, tuple(area.look for area in areas), TIMERS_MS, packages, follows)
