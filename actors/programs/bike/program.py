"""Bike hire: stations lend and take bikes, a rider has one at most. Hire and return are sagas between the two.

A rider asks, and is told: by the station's own command, or by `on_reject` when the station has no bike or no dock free.
Every send arrives exactly once, so neither side repeats itself or waits for a time-out.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Owed, Ref, Reject, Role, Send, Stage, accept

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
Docks: TypeAlias = Annotated[int, Meta(ge=0, le=1_000)]

FARE_MINOR = 150
FARE_EACH_MS = 30 * 60_000
FARE_TO, CURRENCY = "bike", "CNY"
FARES_RELEASE = 3
"""Rides of earlier releases were free: what their logs say must come out of them again, byte for byte."""


def fare_minor(ride_ms: int) -> int:
    """What a ride costs: each half hour that has begun, and the first in any case."""
    return FARE_MINOR * max(1, -(-ride_ms // FARE_EACH_MS))


# -- a station --------------------------------------------------------------------------------------------------------


class Open(Struct, frozen=True, tag="bike.station.open"):
    """Open the station, or say anew what it has."""

    name: Annotated[str, Meta(max_length=200)]
    docks: Docks
    bikes: Docks


class Lend(Struct, frozen=True, tag="bike.station.lend"):
    ride: str


class Take(Struct, frozen=True, tag="bike.station.take"):
    ride: str


class Opened(Struct, frozen=True, tag="bike.station.opened"):
    name: str
    docks: int
    bikes: int


class Lent(Struct, frozen=True, tag="bike.station.lent"):
    ride: str


class Taken(Struct, frozen=True, tag="bike.station.taken"):
    ride: str


class Station(Struct, frozen=True):
    name: str = ""
    docks: int = 0
    bikes: int = 0


StationCommand: TypeAlias = Open | Lend | Take
StationEvent: TypeAlias = Opened | Lent | Taken


def decide_station(station: Station, command: StationCommand, ctx: Context) -> Decision[StationEvent]:
    match command:
        case Open(name, docks, bikes):
            if bikes > docks:
                raise Reject("more_bikes_than_docks")
            return accept(Opened(name, docks, bikes))
        case Lend(ride):
            rider = _rider(ctx)
            if station.bikes == 0:
                raise Reject("no_bike")
            return accept(Lent(ride), actions=(Send(rider, Started(ride, ctx.entity_id)),))
        case Take(ride):
            rider = _rider(ctx)
            if station.bikes >= station.docks:
                raise Reject("no_dock")
            return accept(Taken(ride), actions=(Send(rider, Ended(ride, ctx.entity_id)),))
        case _:
            assert_never(command)


def evolve_station(station: Station, event: StationEvent) -> Station:
    match event:
        case Opened(name, docks, bikes):
            return Station(name, docks, bikes)
        case Lent():
            return replace(station, bikes=station.bikes - 1)
        case Taken():
            return replace(station, bikes=station.bikes + 1)
        case _:
            assert_never(event)


def _rider(ctx: Context) -> "Ref[RiderCommand]":
    return Ref("bike.rider", ctx.only_from("bike.rider"))


# -- a rider ----------------------------------------------------------------------------------------------------------


class Hire(Struct, frozen=True, tag="bike.hire"):
    station: Id


class Return(Struct, frozen=True, tag="bike.return"):
    station: Id


class Started(Struct, frozen=True, tag="bike.started"):
    """The station's: here is the bike."""

    ride: str
    station: str


class Ended(Struct, frozen=True, tag="bike.ended"):
    """The station's: the bike is in its dock."""

    ride: str
    station: str


class Refused(Struct, frozen=True, tag="bike.refused"):
    """The platform's, when the station rejected: no bike to lend, or no dock to take one."""

    ride: str


class Asked(Struct, frozen=True, tag="bike.asked"):
    ride: str
    station: str


class RideStarted(Struct, frozen=True, tag="bike.ride-started"):
    ride: str
    station: str
    at_ms: int


class ReturnAsked(Struct, frozen=True, tag="bike.return-asked"):
    station: str


class RideEnded(Struct, frozen=True, tag="bike.ride-ended"):
    ride: str
    station: str
    ride_ms: int


class FareOwed(Owed, frozen=True, tag="bike.fare-owed"):
    """The ride's fare, to the hirer; `reference` is the ride."""


class AskRefused(Struct, frozen=True, tag="bike.ask-refused"):
    reason: str


RIDER_LIFE = {
    "idle": Stage({"hire": "asking"}),
    "asking": Stage({"start": "riding", "refuse": "idle"}),
    "riding": Stage({"return": "returning"}),
    "returning": Stage({"end": "idle", "refuse": "riding"}),
}


class Rider(Struct, frozen=True):
    """`state` is one of RIDER_LIFE; `refused` is why the last ask came to nothing."""

    state: str = "idle"
    ride: str = ""
    station: str = ""
    started_ms: int = 0
    rides: int = 0
    ridden_ms: int = 0
    refused: str = ""


RiderCommand: TypeAlias = Hire | Return | Started | Ended | Refused
RiderEvent: TypeAlias = Asked | RideStarted | ReturnAsked | RideEnded | FareOwed | AskRefused


def decide_rider(rider: Rider, command: RiderCommand, ctx: Context) -> Decision[RiderEvent]:
    match command:
        case Hire(station):
            if "hire" not in RIDER_LIFE[rider.state].moves:
                raise Reject("one_bike_a_person", state=rider.state)
            ride = ctx.id()
            send = Send(STATION.at(station), Lend(ride), on_reject=Refused(ride))
            return accept(Asked(ride, station), reply={"state": "asking", "ride": ride}, actions=(send,))
        case Return(station):
            if "return" not in RIDER_LIFE[rider.state].moves:
                raise Reject("no_ride", state=rider.state)
            send = Send(STATION.at(station), Take(rider.ride), on_reject=Refused(rider.ride))
            return accept(ReturnAsked(station), reply={"state": "returning", "ride": rider.ride}, actions=(send,))
        case Started(ride, station):
            _expect(rider, ride, "asking", ctx)
            return accept(RideStarted(ride, station, ctx.now_ms))
        case Ended(ride, station):
            _expect(rider, ride, "returning", ctx)
            ended = RideEnded(ride, station, ctx.now_ms - rider.started_ms)
            return accept(ended) if ctx.release < FARES_RELEASE else accept(ended, _fare(ended))
        case Refused(ride):
            _expect(rider, ride, rider.state, ctx)
            return accept(AskRefused("no_bike" if rider.state == "asking" else "no_dock"))
        case _:
            assert_never(command)


def _fare(ended: RideEnded) -> FareOwed:
    fare = fare_minor(ended.ride_ms)
    return FareOwed(amount_minor=fare, currency=CURRENCY, to=FARE_TO, what_for="a bike ride", reference=ended.ride)


def _expect(rider: Rider, ride: str, state: str, ctx: Context) -> None:
    """Only the station that was asked may say this, and only about what it was asked."""
    ctx.only_from("bike.station", rider.station)
    if (rider.ride, rider.state) != (ride, state):
        raise Reject("not_asked", state=rider.state)


def evolve_rider(rider: Rider, event: RiderEvent) -> Rider:
    match event:
        case Asked(ride, station):
            return replace(rider, state="asking", ride=ride, station=station, refused="")
        case RideStarted(_, _, at_ms):
            return replace(rider, state="riding", started_ms=at_ms)
        case ReturnAsked(station):
            return replace(rider, state="returning", station=station, refused="")
        case RideEnded(_, _, ride_ms):
            return Rider(rides=rider.rides + 1, ridden_ms=rider.ridden_ms + ride_ms)
        case FareOwed():
            return rider  # nothing here goes by it
        case AskRefused(reason):
            riding = rider.state == "returning"
            return replace(
                rider, state="riding" if riding else "idle", ride=rider.ride if riding else "", refused=reason
            )
        case _:
            assert_never(event)


STATION = Entity(
    "bike.station",
    Station(),
    StationCommand,
    StationEvent,
    decide_station,
    evolve_station,
    views={"station": lambda station, _: station},
    access={"bike.station.open": (Role.SERVER,), "station": (Role.PERSON, Role.SERVER)},
)
RIDER = Entity(
    "bike.rider",
    Rider(),
    RiderCommand,
    RiderEvent,
    decide_rider,
    evolve_rider,
    views={"rider": lambda rider, _: rider},
    life={"rider": RIDER_LIFE},
    access={"bike.hire": (Role.PERSON,), "bike.return": (Role.PERSON,), "rider": (Role.PERSON, Role.SERVER)},
    owner={Role.PERSON: lambda openid: openid},
)
ENTITIES = (STATION, RIDER)
