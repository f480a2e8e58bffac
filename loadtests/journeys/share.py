"""Somebody hands a card on."""

from gateway.v1 import ways_pb2
from loadtests.journeys.browse import arrive, leave
from loadtests.journeys.steps import Ask, Journey, Visit
from loadtests.journeys.ways import page


def share(visit: Visit) -> Journey:
    """Looks around, and hands a card on; most hand on what their telephone has, which asks nothing of the platform."""
    yield from arrive(visit)
    if visit.asks:
        card = ways_pb2.ShareRequest(program=visit.program, page=page(visit.program), scene=visit.name.encode())
        yield Ask("WaysService", "Share", card, who=visit.name)
    yield from leave(visit)
