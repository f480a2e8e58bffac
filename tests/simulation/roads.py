"""What people do by car: lots with few places, a toll road; and what must add up in the evening."""

from collections import Counter
from random import Random
from typing import Any

import msgspec

from actors.programs.parking import program as parking
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import PERSONS

encode = msgspec.msgpack.Encoder().encode

# -- lots ---------------------------------------------------------------------------------------------------------

PLACES = {"p1": 3, "p2": 5}
MINUTE_MINOR, DAY_MINOR = 30, 200
TARIFF = parking.Tariff(MINUTE_MINOR, DAY_MINOR, free_minutes=0, period_minutes=1)
NO_TICKET = "0" * 32


def open_lots(_: Random) -> list[Asking]:
    """Few places, and each minute begun is paid for."""
    return [
        Asking(f"parking.lot/{lot}", encode(parking.OpenLot(places, TARIFF, "m"))) for lot, places in PLACES.items()
    ]


def park(chance: Random) -> Asking:
    """Go in, and out a while later: mostly once, now and then twice by one ticket, or never."""
    lot = f"parking.lot/{chance.choice(tuple(PLACES))}"
    if chance.random() < 0.1:
        return Asking(lot, encode(parking.Exit(NO_TICKET)))
    stay_ms, times = chance.randint(0, 2_000), chance.choices((0, 1, 2), (1, 8, 2))[0]

    def leave(entered: Any) -> list[Asking]:
        return [Asking(lot, encode(parking.Exit(entered["ticket"])), after_ms=stay_ms)] * times

    return Asking(lot, encode(parking.Enter(chance.choice(PERSONS))), then=leave)


def every_car_is_counted(evening: Evening) -> None:
    """A lot's count is that of the stays in it and never above its places, and each stay that ended is owed once."""
    stays = evening.states(parking.STAY)
    for lot, events in evening.events(parking.LOT).items():
        inside: dict[str, bool] = {}
        places = 0
        for event in events:
            match event:
                case parking.LotOpened(places):
                    pass
                case parking.Entered(ticket):
                    require(ticket not in inside, f"{lot} gave the ticket {ticket} out twice")
                    inside[ticket] = True
                case parking.Exited(ticket):
                    require(inside.get(ticket, False), f"{ticket} left {lot} without being in it")
                    inside[ticket] = False
            require(sum(inside.values()) <= places, f"{lot} has {places} places, and {inside} are in it")
        there = {f"{lot}/{ticket}": "inside" if is_in else "left" for ticket, is_in in inside.items()}
        require(there == {name: stay.state for name, stay in stays.items() if name.startswith(f"{lot}/")}, f"{lot}'s")
    for lot, state in evening.states(parking.LOT).items():
        count = sum(name.startswith(f"{lot}/") and stay.state == "inside" for name, stay in stays.items())
        require(state.entries - state.exits == count, f"{lot} counts {state}, and {count} are inside")
    fees = {
        name: [min(MINUTE_MINOR * -(-stay.stay_ms // 60_000), DAY_MINOR)]
        for name, stay in stays.items()
        if stay.state == "left" and stay.stay_ms
    }
    owed = evening.owed(parking.STAY)
    require(owed == fees, f"{owed} is owed, and {fees} are the fees")


LOTS = Area((parking.LOT, parking.STAY), open_lots, park, every_car_is_counted, ("parking.lot/p1", "lot"))

# -- a toll road --------------------------------------------------------------------------------------------------

GATES = {"north": 0, "east": 12_300, "south": 20_000}
KM_MINOR = 50
PRICES = {"north": 700}
"""Of the south gate: what it says, whatever the way is."""
TOLLS = {
    ("north", "east"): 650,
    ("north", "south"): 700,
    ("east", "south"): 400,
    ("east", "north"): 650,
    ("south", "north"): 1_000,
    ("south", "east"): 400,
    **{(gate, gate): 0 for gate in GATES},
}


def open_gates(_: Random) -> list[Asking]:
    """Three gates of a ring road."""
    return [
        Asking(
            f"parking.gate/ring/{gate}",
            encode(parking.OpenGate(at_m, KM_MINOR, "m", PRICES if gate == "south" else {})),
        )
        for gate, at_m in GATES.items()
    ]


def drive(chance: Random) -> Asking:
    """Drive on, and off a while later: mostly once, now and then by two gates, or never."""
    on, *off = chance.choices(tuple(GATES), k=1 + chance.choices((0, 1, 2), (1, 8, 2))[0])
    ways_ms = [chance.randint(0, 1_500) for _ in off]

    def leave(drove_on: Any) -> list[Asking]:
        command = encode(parking.DriveOff(drove_on["trip"]))
        return [
            Asking(f"parking.gate/ring/{gate}", command, after_ms=ms) for gate, ms in zip(off, ways_ms, strict=True)
        ]

    if chance.random() < 0.1:
        return Asking(f"parking.gate/ring/{on}", encode(parking.DriveOff(NO_TICKET)))
    return Asking(f"parking.gate/ring/{on}", encode(parking.DriveOn(chance.choice(PERSONS))), then=leave)


def every_trip_is_paid_once(evening: Evening) -> None:
    """The gates count all trips in and out, and a trip that ended owes the toll of its way, once."""
    trips, gates = evening.states(parking.TRIP), evening.states(parking.GATE)
    for name, gate in gates.items():
        at = name.removeprefix("ring/")
        came = sum(trip.entry == at for trip in trips.values())
        left = sum(trip.leaves == at for trip in trips.values())
        require((gate.entries, gate.exits) == (came, left), f"{name} counts {gate}, and {came} came and {left} left")
    exits = (event for events in evening.events(parking.GATE).values() for event in events)
    ended = Counter(event.trip for event in exits if isinstance(event, parking.DroveOff))
    require(all(times == 1 for times in ended.values()), f"trips ended as often as {ended}")
    tolls = {
        name: [TOLLS[trip.entry, trip.leaves]]
        for name, trip in trips.items()
        if trip.state == "left" and TOLLS[trip.entry, trip.leaves]
    }
    owed = evening.owed(parking.TRIP)
    require(owed == tolls, f"{owed} is owed, and {tolls} are the tolls")


LOOKED = ("parking.gate/ring/east", "gate")
ROADS = Area((parking.GATE, parking.TRIP), open_gates, drive, every_trip_is_paid_once, LOOKED)
