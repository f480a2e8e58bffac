"""Somebody rides a bike from one station of the city to another."""

from loadtests.journeys.browse import arrive, leave
from loadtests.journeys.steps import Invoke, Journey, Refused, Think, Visit

STATIONS = 8
"""In each city."""
RIDES_S = 840.0
BUSY = ("one_bike_a_person",)
"""Who is still on another ride."""
NONE = ("no_ride",)
"""Whose station had no bike, or has not answered yet."""


def hire(visit: Visit) -> Journey:
    """Hires a bike, and brings it back."""
    yield from arrive(visit)
    rider = f"programs/bike/riders/{visit.name}"
    first = int(visit.chance() * STATIONS)
    last = (first + 1 + int(visit.chance() * (STATIONS - 1))) % STATIONS
    asked = yield Invoke(rider, "bike.hire", _at(visit, first), "hire", "bike.asked", BUSY)
    if type(asked) is Refused:
        return
    yield from leave(visit)
    yield Think(RIDES_S * (0.5 + visit.chance()))
    yield Invoke(rider, "bike.return", _at(visit, last), "bring back", "bike.return-asked", NONE)


def _at(visit: Visit, station: int) -> bytes:
    return b'{"station":"%s"}' % visit.place(str(station)).encode()
