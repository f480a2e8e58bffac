"""Parking and road tolls: in, out, and what is owed.

A lot with its stays, and a road with its gates and trips, are each under one routing key, so that to go in or out is
one record: the barrier's count and the ticket, or neither.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Of, Owed, Personal, Reject, Role, Send, Stage, accept, after

NAME_BYTES_MAX = 128  # of a lot, and of a road with its gate
PRICES_MAX = 200  # entry gates that one exit gate has a price for: they are written with each car
MINUTE_MS, DAY_MINUTES = 60_000, 24 * 60

Name: TypeAlias = Annotated[str, Meta(pattern="^[^/]{1,64}$")]
Minor: TypeAlias = Annotated[int, Meta(ge=0, le=10**7)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**6)]
Plate: TypeAlias = Annotated[Personal[Annotated[str, Meta(min_length=1, max_length=16)]] | None, Of("driver")]

LIFE = {
    "none": Stage({"enter": "inside"}),
    "inside": Stage({"leave": "left"}),
    "left": Stage({}, terminal=True),
}


class Tariff(Struct, frozen=True):
    """Each period begun costs, at most so much a day; a stay of no more than `free_minutes` costs nothing."""

    period_minor: Minor
    day_minor_max: Minor
    free_minutes: Annotated[int, Meta(ge=0, le=DAY_MINUTES)] = 15
    period_minutes: Annotated[int, Meta(ge=1, le=DAY_MINUTES)] = 60
    currency: Currency = "CNY"


def fee_minor(tariff: Tariff, stay_ms: int) -> int:
    """What a stay of this length costs. A minute counts when it has begun; days are counted from the entry."""
    minutes = -(-stay_ms // MINUTE_MS)
    if minutes <= tariff.free_minutes:
        return 0
    days, rest = divmod(minutes, DAY_MINUTES)
    periods = -(-rest // tariff.period_minutes)
    return days * tariff.day_minor_max + min(periods * tariff.period_minor, tariff.day_minor_max)


# -- a lot ------------------------------------------------------------------------------------------------------------


class OpenLot(Struct, frozen=True, tag="parking.lot.open"):
    """Open the lot, or say anew what it has and costs: who is inside pays as it was. `to` is the merchant."""

    places: Count
    tariff: Tariff
    to: Name


class Enter(Struct, frozen=True, tag="parking.enter"):
    """The barrier's: a car, and the `driver` whom it belongs to: an openid, or "" for who pays at the machine.

    The `plate` is for the driver and the program's server alone.
    """

    driver: str = ""
    plate: Plate = None


class Exit(Struct, frozen=True, tag="parking.exit"):
    ticket: Name


class LotOpened(Struct, frozen=True, tag="parking.lot.opened"):
    places: int
    tariff: Tariff
    to: str


class Entered(Struct, frozen=True, tag="parking.lot.entered"):
    ticket: str


class Exited(Struct, frozen=True, tag="parking.lot.exited"):
    ticket: str


class Lot(Struct, frozen=True):
    places: int = 0
    tariff: Tariff | None = None
    to: str = ""
    entries: int = 0
    exits: int = 0


LotCommand: TypeAlias = OpenLot | Enter | Exit
LotEvent: TypeAlias = LotOpened | Entered | Exited


def decide_lot(lot: Lot, command: LotCommand, ctx: Context) -> Decision[LotEvent]:
    inside = lot.entries - lot.exits
    match command:
        case OpenLot(places, tariff, to):
            if "/" in ctx.entity_id or len(ctx.entity_id.encode()) > NAME_BYTES_MAX:
                raise Reject("not_a_lot")  # its stays would be those of the lot before the slash, or have no name
            if places < inside:
                raise Reject("more_cars_than_places", inside=str(inside))
            return accept(LotOpened(places, tariff, to), reply={"left": places - inside})
        case Enter(driver, plate):
            if lot.tariff is None:
                raise Reject("not_open")
            if inside >= lot.places:
                raise Reject("full", places=str(lot.places))
            ticket = ctx.id()
            begin = Send(STAY.at(f"{ctx.entity_id}/{ticket}"), Begin(driver, lot.tariff, lot.to, plate))
            return accept(Entered(ticket), reply={"ticket": ticket, "left": lot.places - inside - 1}, actions=(begin,))
        case Exit(ticket):
            return accept(Exited(ticket), actions=(Send(STAY.at(f"{ctx.entity_id}/{ticket}"), Finish()),))
        case _:
            assert_never(command)


def evolve_lot(lot: Lot, event: LotEvent) -> Lot:
    match event:
        case LotOpened(places, tariff, to):
            return replace(lot, places=places, tariff=tariff, to=to)
        case Entered():
            return replace(lot, entries=lot.entries + 1)
        case Exited():
            return replace(lot, exits=lot.exits + 1)
        case _:
            assert_never(event)


def lot_view(lot: Lot, _: object) -> object:
    inside = lot.entries - lot.exits
    return {"places": lot.places, "inside": inside, "left": lot.places - inside, "tariff": lot.tariff}


# -- a stay in a lot --------------------------------------------------------------------------------------------------


class Begin(Struct, frozen=True, tag="parking.stay.begin"):
    driver: str
    tariff: Tariff
    to: str
    plate: Plate = None


class Finish(Struct, frozen=True, tag="parking.stay.finish"):
    pass


class StayBegun(Struct, frozen=True, tag="parking.stay.begun"):
    driver: str
    tariff: Tariff
    to: str
    at_ms: int
    plate: Plate = None


class StayEnded(Struct, frozen=True, tag="parking.stay.ended"):
    stay_ms: int
    fee_minor: int


class ParkingOwed(Owed, frozen=True, tag="parking.owed"):
    driver: str


class Stay(Struct, frozen=True):
    """`state` is one of LIFE."""

    state: str = "none"
    driver: str = ""
    tariff: Tariff | None = None
    to: str = ""
    entered_ms: int = 0
    stay_ms: int = 0
    fee_minor: int = 0
    plate: Plate = None


StayCommand: TypeAlias = Begin | Finish
StayEvent: TypeAlias = StayBegun | StayEnded | ParkingOwed


def decide_stay(stay: Stay, command: StayCommand, ctx: Context) -> Decision[StayEvent]:
    lot = road_of(ctx.entity_id)
    ctx.only_from("parking.lot", lot)
    if isinstance(command, Begin):
        after(LIFE, stay.state, "enter")
        return accept(StayBegun(command.driver, command.tariff, command.to, ctx.now_ms, command.plate))
    if stay.tariff is None or stay.state != "inside":
        raise Reject("not_inside", state=stay.state)
    stay_ms = ctx.now_ms - stay.entered_ms
    fee, currency = fee_minor(stay.tariff, stay_ms), stay.tariff.currency
    reply = {"fee_minor": fee, "currency": currency, "stay_ms": stay_ms}
    if not fee:
        return accept(StayEnded(stay_ms, 0), reply=reply)
    to, what_for, reference = stay.to, f"parking, {lot}", ctx.entity_id
    owed = ParkingOwed(stay.driver, amount_minor=fee, currency=currency, to=to, what_for=what_for, reference=reference)
    return accept(StayEnded(stay_ms, fee), owed, reply=reply)


def evolve_stay(stay: Stay, event: StayEvent) -> Stay:
    match event:
        case StayBegun(driver, tariff, to, at_ms, plate):
            return Stay("inside", driver, tariff, to, at_ms, plate=plate)
        case StayEnded(stay_ms, fee):
            return replace(stay, state="left", stay_ms=stay_ms, fee_minor=fee)
        case ParkingOwed():
            return stay  # the fee is the stay's already; this says it to who collects
        case _:
            assert_never(event)


# -- a gate of a toll road --------------------------------------------------------------------------------------------


class OpenGate(Struct, frozen=True, tag="parking.gate.open"):
    """A gate at this metre of its road. Who leaves here pays the price of its entry gate, or else by the kilometre."""

    at_m: Annotated[int, Meta(ge=0, le=10**7)]
    km_minor: Minor
    to: Name
    prices: Annotated[dict[Name, Minor], Meta(max_length=PRICES_MAX)] = {}
    currency: Currency = "CNY"


class DriveOn(Struct, frozen=True, tag="parking.drive-on"):
    """The gate's: a car comes onto the road, and the `driver` whom it belongs to."""

    driver: str = ""
    plate: Plate = None


class DriveOff(Struct, frozen=True, tag="parking.drive-off"):
    trip: Name


class Price(Struct, frozen=True, tag="parking.gate.price"):
    """A trip's that ends here: what do I cost?"""

    trip: str
    entry: str
    entry_m: int


class GateOpened(Struct, frozen=True, tag="parking.gate.opened"):
    at_m: int
    km_minor: int
    to: str
    prices: dict[str, int]
    currency: str


class DroveOn(Struct, frozen=True, tag="parking.gate.drove-on"):
    trip: str


class DroveOff(Struct, frozen=True, tag="parking.gate.drove-off"):
    trip: str
    toll_minor: int


class Gate(Struct, frozen=True):
    at_m: int = 0
    km_minor: int = 0
    to: str = ""
    prices: dict[str, int] = {}
    currency: str = ""
    entries: int = 0
    exits: int = 0


GateCommand: TypeAlias = OpenGate | DriveOn | DriveOff | Price
GateEvent: TypeAlias = GateOpened | DroveOn | DroveOff


def toll_minor(gate: Gate, entry: str, entry_m: int) -> int:
    """What the way from this entry to this gate costs: what the table says, or else each kilometre begun."""
    by_distance = gate.km_minor * -(-abs(gate.at_m - entry_m) // 1_000)
    return gate.prices.get(entry, by_distance)


def decide_gate(gate: Gate, command: GateCommand, ctx: Context) -> Decision[GateEvent]:
    road, _, name = ctx.entity_id.partition("/")
    if isinstance(command, OpenGate):
        if not name or "/" in name or len(ctx.entity_id.encode()) > NAME_BYTES_MAX:
            raise Reject("not_a_gate")  # a gate is named by its road and itself
        return accept(GateOpened(command.at_m, command.km_minor, command.to, command.prices, command.currency))
    if not gate.currency:
        raise Reject("not_open")
    match command:
        case DriveOn(driver, plate):
            trip = ctx.id()
            begin = Send(TRIP.at(f"{road}/{trip}"), GoOn(name, gate.at_m, driver, plate))
            return accept(DroveOn(trip), reply={"trip": trip}, actions=(begin,))
        case DriveOff(trip):
            return accept(actions=(Send(TRIP.at(f"{road}/{trip}"), GoOff()),))
        case Price(trip, entry, entry_m):
            ctx.only_from("parking.trip", f"{road}/{trip}")
            toll = toll_minor(gate, entry, entry_m)
            charge = Send(TRIP.at(f"{road}/{trip}"), Charge(toll, gate.currency, gate.to))
            return accept(DroveOff(trip, toll), actions=(charge,))
        case _:
            assert_never(command)


def evolve_gate(gate: Gate, event: GateEvent) -> Gate:
    match event:
        case GateOpened(at_m, km_minor, to, prices, currency):
            return Gate(at_m, km_minor, to, prices, currency, gate.entries, gate.exits)
        case DroveOn():
            return replace(gate, entries=gate.entries + 1)
        case DroveOff():
            return replace(gate, exits=gate.exits + 1)
        case _:
            assert_never(event)


# -- a trip on a toll road --------------------------------------------------------------------------------------------


class GoOn(Struct, frozen=True, tag="parking.trip.go-on"):
    entry: str
    entry_m: int
    driver: str
    plate: Plate = None


class GoOff(Struct, frozen=True, tag="parking.trip.go-off"):
    pass


class Charge(Struct, frozen=True, tag="parking.trip.charge"):
    """The exit gate's: this is the toll."""

    toll_minor: int
    currency: str
    to: str


class TripBegun(Struct, frozen=True, tag="parking.trip.begun"):
    entry: str
    entry_m: int
    driver: str
    at_ms: int
    plate: Plate = None


class TripEnded(Struct, frozen=True, tag="parking.trip.ended"):
    leaves: str
    toll_minor: int


class TollOwed(Owed, frozen=True, tag="parking.toll-owed"):
    driver: str


class Trip(Struct, frozen=True):
    """`state` is one of LIFE."""

    state: str = "none"
    entry: str = ""
    entry_m: int = 0
    driver: str = ""
    entered_ms: int = 0
    leaves: str = ""
    toll_minor: int = 0
    plate: Plate = None


TripCommand: TypeAlias = GoOn | GoOff | Charge
TripEvent: TypeAlias = TripBegun | TripEnded | TollOwed


def decide_trip(trip: Trip, command: TripCommand, ctx: Context) -> Decision[TripEvent]:
    kind, _, gate_id = ctx.sender.partition("/")
    road, _, leaves = gate_id.partition("/")
    if kind != "parking.gate" or road != road_of(ctx.entity_id):
        raise Reject("not_for_clients")
    match command:
        case GoOn(entry, entry_m, driver, plate):
            after(LIFE, trip.state, "enter")
            return accept(TripBegun(entry, entry_m, driver, ctx.now_ms, plate))
        case GoOff():
            if trip.state != "inside":
                raise Reject("not_on_the_road", state=trip.state)
            name = ctx.entity_id.partition("/")[2]
            return accept(actions=(Send(GATE.at(gate_id), Price(name, trip.entry, trip.entry_m)),))
        case Charge(toll, currency, to):
            after(LIFE, trip.state, "leave")
            reply = {"toll_minor": toll, "currency": currency, "from": trip.entry, "to": leaves}
            ended = TripEnded(leaves, toll)
            if not toll:
                return accept(ended, reply=reply)
            what_for = f"toll, {road}, {trip.entry} to {leaves}"
            reference = ctx.entity_id
            owed = TollOwed(
                trip.driver, amount_minor=toll, currency=currency, to=to, what_for=what_for, reference=reference
            )
            return accept(ended, owed, reply=reply)
        case _:
            assert_never(command)


def evolve_trip(trip: Trip, event: TripEvent) -> Trip:
    match event:
        case TripBegun(entry, entry_m, driver, at_ms, plate):
            return Trip("inside", entry, entry_m, driver, at_ms, plate=plate)
        case TripEnded(leaves, toll):
            return replace(trip, state="left", leaves=leaves, toll_minor=toll)
        case TollOwed():
            return trip
        case _:
            assert_never(event)


def road_of(entity_id: str) -> str:
    """The road of a gate or trip, and the lot of a stay."""
    return entity_id.partition("/")[0]


SERVERS = (Role.SERVER,)
LOT = Entity(
    "parking.lot",
    Lot(),
    LotCommand,
    LotEvent,
    decide_lot,
    evolve_lot,
    views={"lot": lot_view},
    routing=lambda lot: f"{road_of(lot)} lot",
    access={
        **dict.fromkeys(("parking.lot.open", "parking.enter", "parking.exit"), SERVERS),
        "lot": (*SERVERS, Role.PERSON),
    },
)
STAY = Entity(
    "parking.stay",
    Stay(),
    StayCommand,
    StayEvent,
    decide_stay,
    evolve_stay,
    views={"stay": lambda stay, _: stay},
    routing=lambda stay: f"{road_of(stay)} lot",
    life={"stay": LIFE},
    access={"stay": SERVERS},
)
GATE = Entity(
    "parking.gate",
    Gate(),
    GateCommand,
    GateEvent,
    decide_gate,
    evolve_gate,
    views={"gate": lambda gate, _: gate},
    routing=lambda gate: f"{road_of(gate)} road",
    access={
        **dict.fromkeys(("parking.gate.open", "parking.drive-on", "parking.drive-off"), SERVERS),
        "gate": (*SERVERS, Role.PERSON),
    },
)
TRIP = Entity(
    "parking.trip",
    Trip(),
    TripCommand,
    TripEvent,
    decide_trip,
    evolve_trip,
    views={"trip": lambda trip, _: trip},
    routing=lambda trip: f"{road_of(trip)} road",
    life={"trip": LIFE},
    access={"trip": SERVERS},
)
ENTITIES = (LOT, STAY, GATE, TRIP)
