"""Tickets: a hall holds seats for an order, for ten minutes; then they are sold, or free again.

Hold, book and cancel are sagas between a person's order and the hall. The hall alone knows whose a seat is. It tells an
order of each hold exactly one end: sold, or freed because it was given up or because its time was over. A hold is over
from its last millisecond on by the log's time, whether the hall's timer has fired by then or not.
"""

from functools import reduce
from itertools import takewhile
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import CancelTimer, Context, Decision, Entity, Owed, Reject, Role, Send, SetTimer, Stage, accept, after

HOLD_MS = 10 * 60_000
ENDS_MAX = 100  # holds that one record ends; the timer fires again for the rest

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
Title: TypeAlias = Annotated[str, Meta(max_length=200)]
Seat: TypeAlias = Annotated[str, Meta(pattern="^[A-Z][1-9][0-9]?$")]
Seats: TypeAlias = Annotated[tuple[Seat, ...], Meta(min_length=1, max_length=6)]
Rows: TypeAlias = Annotated[int, Meta(ge=1, le=26)]
RowSeats: TypeAlias = Annotated[int, Meta(ge=1, le=40)]
Minor: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]

# -- a hall on the evening of a show ----------------------------------------------------------------------------------

SEAT_LIFE = {
    "free": Stage({"hold": "held"}),
    "held": Stage({"release": "free", "sell": "sold"}),
    "sold": Stage({}, terminal=True),
}


class Open(Struct, frozen=True, tag="tickets.hall.open"):
    """Put the seats on sale: rows A, B, … of seats 1, 2, …, all at one price, owed to the merchant."""

    title: Title
    merchant: Id
    rows: Rows
    row_seats: RowSeats
    price_minor: Minor
    currency: Currency


class Reserve(Struct, frozen=True, tag="tickets.hall.reserve"):
    seats: Seats


class Sell(Struct, frozen=True, tag="tickets.hall.sell"):
    pass


class Release(Struct, frozen=True, tag="tickets.hall.release"):
    pass


class EndHolds(Struct, frozen=True, tag="tickets.hall.end-holds"):
    """The hall's timer: the time of a hold is over."""


class Opened(Struct, frozen=True, tag="tickets.hall.opened"):
    title: str
    merchant: str
    rows: int
    row_seats: int
    price_minor: int
    currency: str


class SeatsHeld(Struct, frozen=True, tag="tickets.hall.seats-held"):
    order: str
    seats: tuple[str, ...]
    until_ms: int


class SeatsSold(Struct, frozen=True, tag="tickets.hall.seats-sold"):
    order: str
    seats: tuple[str, ...]


class SeatsFreed(Struct, frozen=True, tag="tickets.hall.seats-freed"):
    order: str
    seats: tuple[str, ...]
    reason: str


class Hold(Struct, frozen=True, array_like=True):
    seats: tuple[str, ...]
    until_ms: int


class Hall(Struct, frozen=True):
    """`holds` and `sold` are by order; `holds` has the oldest first, which is the first to be over."""

    title: str = ""
    merchant: str = ""
    rows: int = 0
    row_seats: int = 0
    price_minor: int = 0
    currency: str = ""
    holds: dict[str, Hold] = {}
    sold: dict[str, tuple[str, ...]] = {}


HallCommand: TypeAlias = Open | Reserve | Sell | Release | EndHolds
HallEvent: TypeAlias = Opened | SeatsHeld | SeatsSold | SeatsFreed


def decide_hall(hall: Hall, command: HallCommand, ctx: Context) -> Decision[HallEvent]:
    if isinstance(command, Open):
        return _opened(hall, command)
    sender = ctx.only_from("tickets.hall" if isinstance(command, EndHolds) else "tickets.order")
    over = list(takewhile(lambda item: item[1].until_ms <= ctx.now_ms, hall.holds.items()))[:ENDS_MAX]
    ends = [SeatsFreed(order, hold.seats, "time_over") for order, hold in over]
    now = reduce(evolve_hall, ends, hall)
    answer, sends = _answer(now, command, sender, ctx.now_ms)
    events: list[HallEvent] = [*ends, *answer]
    told = [Send(ORDER.at(event.order), GiveBack(event.reason)) for event in events if isinstance(event, SeatsFreed)]
    timer = _timer(hall, reduce(evolve_hall, answer, now), fired=isinstance(command, EndHolds))
    return accept(*events, actions=(*told, *sends, *timer))


def _opened(hall: Hall, command: Open) -> Decision[HallEvent]:
    opened = Opened(
        command.title, command.merchant, command.rows, command.row_seats, command.price_minor, command.currency
    )
    if not hall.rows:
        return accept(opened)
    if evolve_hall(hall, opened) != hall:
        raise Reject("already_open")  # seats may be sold by now: they keep their places and their price
    return accept()


def _answer(
    hall: Hall, command: "Reserve | Sell | Release | EndHolds", order: str, now_ms: int
) -> "tuple[list[HallEvent], list[Send[OrderCommand]]]":
    """What happens, and what the order is told besides the end of a hold. A hold that is over was told its end."""
    hold = hall.holds.get(order)
    match command:
        case Reserve(seats):
            problem = _problem(hall, seats)
            if problem:
                return [], [Send(ORDER.at(order), Refuse(*problem))]
            until_ms = now_ms + HOLD_MS
            grant = Grant(until_ms, hall.price_minor * len(seats), hall.currency, hall.merchant, hall.title)
            return [SeatsHeld(order, seats, until_ms)], [Send(ORDER.at(order), grant)]
        case Sell():
            if hold is None or hold.until_ms <= now_ms:
                return [], []
            return [SeatsSold(order, hold.seats)], [Send(ORDER.at(order), Confirm())]
        case Release():
            return [] if hold is None else [SeatsFreed(order, hold.seats, "cancelled")], []
        case EndHolds():
            return [], []
        case _:
            assert_never(command)


def _problem(hall: Hall, seats: tuple[str, ...]) -> tuple[str, str] | None:
    """Why these seats cannot be held, and the seat that it is about."""
    if not hall.rows:
        return "not_on_sale", ""
    taken = _taken(hall)
    for seat in seats:
        if ord(seat[0]) - ord("A") >= hall.rows or int(seat[1:]) > hall.row_seats:
            return "no_such_seat", seat
        fate = taken.get(seat, "free")
        if "hold" not in SEAT_LIFE[fate].moves:
            return f"seat_{fate}", seat
    return None


def _taken(hall: Hall) -> dict[str, str]:
    held = {seat: "held" for hold in hall.holds.values() for seat in hold.seats}
    return held | {seat: "sold" for seats in hall.sold.values() for seat in seats}


def _timer(before: Hall, now: Hall, *, fired: bool) -> tuple[SetTimer | CancelTimer, ...]:
    """One timer for all holds, set to the first that will be over. A timer that has fired is gone."""
    old_ms, new_ms = (next((hold.until_ms for hold in hall.holds.values()), 0) for hall in (before, now))
    if new_ms and (fired or new_ms != old_ms):
        return (SetTimer("end-holds", new_ms, EndHolds()),)
    return (CancelTimer("end-holds"),) if old_ms and not new_ms else ()


def evolve_hall(hall: Hall, event: HallEvent) -> Hall:
    match event:
        case Opened(title, merchant, rows, row_seats, price_minor, currency):
            return Hall(title, merchant, rows, row_seats, price_minor, currency, hall.holds, hall.sold)
        case SeatsHeld(order, seats, until_ms):
            return replace(hall, holds={**hall.holds, order: Hold(seats, until_ms)})
        case SeatsSold(order, seats):
            return replace(hall, holds=_without(hall.holds, order), sold={**hall.sold, order: seats})
        case SeatsFreed(order):
            return replace(hall, holds=_without(hall.holds, order))
        case _:
            assert_never(event)


def _without(holds: dict[str, Hold], order: str) -> dict[str, Hold]:
    return {other: hold for other, hold in holds.items() if other != order}


def seats_of(hall: Hall, _: object) -> object:
    taken = _taken(hall)
    names = [f"{chr(ord('A') + row)}{seat + 1}" for row in range(hall.rows) for seat in range(hall.row_seats)]
    by_fate = {fate: [seat for seat in names if taken.get(seat, "free") == fate] for fate in SEAT_LIFE}
    return {"title": hall.title, "price_minor": hall.price_minor, "currency": hall.currency, **by_fate}


# -- a person's order -------------------------------------------------------------------------------------------------

LIFE = {
    "none": Stage({"hold": "asking"}),
    "asking": Stage({"grant": "held", "refuse": "refused"}),
    "held": Stage({"book": "booking", "cancel": "cancelling", "give_back": "freed"}),
    "booking": Stage({"confirm": "booked", "give_back": "freed"}),
    "cancelling": Stage({"give_back": "freed"}),
    "refused": Stage({}, terminal=True),
    "freed": Stage({}, terminal=True),
    "booked": Stage({}, terminal=True),
}


class HoldSeats(Struct, frozen=True, tag="tickets.hold"):
    hall: Id
    seats: Seats


class Book(Struct, frozen=True, tag="tickets.book"):
    pass


class Cancel(Struct, frozen=True, tag="tickets.cancel"):
    pass


class Grant(Struct, frozen=True, tag="tickets.grant"):
    """The hall's: the seats are held, and this is what they will cost."""

    until_ms: int
    amount_minor: int
    currency: str
    merchant: str
    title: str


class Refuse(Struct, frozen=True, tag="tickets.refuse"):
    """The hall's: the seats cannot be held."""

    reason: str
    seat: str


class Confirm(Struct, frozen=True, tag="tickets.confirm"):
    """The hall's: the seats are sold to this order."""


class GiveBack(Struct, frozen=True, tag="tickets.give-back"):
    """The hall's: the seats are free again."""

    reason: str


class Asked(Struct, frozen=True, tag="tickets.asked"):
    hall: str
    seats: tuple[str, ...]


class Held(Struct, frozen=True, tag="tickets.held"):
    until_ms: int
    amount_minor: int
    currency: str
    merchant: str
    title: str


class HoldRefused(Struct, frozen=True, tag="tickets.hold-refused"):
    reason: str
    seat: str


class BookingAsked(Struct, frozen=True, tag="tickets.booking-asked"):
    pass


class CancelAsked(Struct, frozen=True, tag="tickets.cancel-asked"):
    pass


class Booked(Struct, frozen=True, tag="tickets.booked"):
    hall: str
    seats: tuple[str, ...]


class SeatsOwed(Owed, frozen=True, kw_only=True, tag="tickets.seats-owed"):
    """The seats of this order are the person's, and are to be paid."""


class HoldEnded(Struct, frozen=True, tag="tickets.hold-ended"):
    reason: str


class Order(Struct, frozen=True):
    """`state` is one of LIFE's; `reason` is why it was refused or its seats freed, `seat` the one in the way."""

    state: str = "none"
    hall: str = ""
    title: str = ""
    seats: tuple[str, ...] = ()
    until_ms: int = 0
    amount_minor: int = 0
    currency: str = ""
    merchant: str = ""
    reason: str = ""
    seat: str = ""


OrderCommand: TypeAlias = HoldSeats | Book | Cancel | Grant | Refuse | Confirm | GiveBack
OrderEvent: TypeAlias = Asked | Held | HoldRefused | BookingAsked | CancelAsked | Booked | SeatsOwed | HoldEnded


def decide_order(order: Order, command: OrderCommand, ctx: Context) -> Decision[OrderEvent]:
    if isinstance(command, HoldSeats | Book | Cancel):
        return _ask(order, command, ctx)
    ctx.only_from("tickets.hall", order.hall)
    match command:
        case Grant(until_ms, amount_minor, currency, merchant, title):
            after(LIFE, order.state, "grant")
            return accept(Held(until_ms, amount_minor, currency, merchant, title))
        case Refuse(reason, seat):
            after(LIFE, order.state, "refuse")
            return accept(HoldRefused(reason, seat))
        case Confirm():
            after(LIFE, order.state, "confirm")
            return accept(Booked(order.hall, order.seats), *_owed(order, ctx.entity_id))
        case GiveBack(reason):
            after(LIFE, order.state, "give_back")
            return accept(HoldEnded(reason))
        case _:
            assert_never(command)


def _ask(order: Order, command: HoldSeats | Book | Cancel, ctx: Context) -> Decision[OrderEvent]:
    """What the person asks for is passed on to the hall, which answers."""
    match command:
        case HoldSeats(hall, seats):
            state = after(LIFE, order.state, "hold")
            if "/" not in ctx.entity_id:
                raise Reject("not_an_order")  # an order is the person's: its id begins with theirs, as in ann/1
            twice = [seat for place, seat in enumerate(seats) if seat in seats[:place]]
            if twice:
                raise Reject("seat_twice", seat=twice[0])
            send = Send(HALL.at(hall), Reserve(seats), on_reject=Refuse("hall_refused", ""))
            return accept(Asked(hall, seats), reply={"state": state}, actions=(send,))
        case Book():
            state = after(LIFE, order.state, "book")
            return accept(BookingAsked(), reply={"state": state}, actions=(Send(HALL.at(order.hall), Sell()),))
        case Cancel():
            state = after(LIFE, order.state, "cancel")
            return accept(CancelAsked(), reply={"state": state}, actions=(Send(HALL.at(order.hall), Release()),))
        case _:
            assert_never(command)


def _owed(order: Order, reference: str) -> tuple[SeatsOwed, ...]:
    if not order.amount_minor:
        return ()
    what_for = f"{order.title}: {', '.join(order.seats)}"
    owed = SeatsOwed(
        amount_minor=order.amount_minor,
        currency=order.currency,
        to=order.merchant,
        what_for=what_for,
        reference=reference,
    )
    return (owed,)


def evolve_order(order: Order, event: OrderEvent) -> Order:
    match event:
        case Asked(hall, seats):
            return Order("asking", hall, seats=seats)
        case Held(until_ms, amount_minor, currency, merchant, title):
            return Order("held", order.hall, title, order.seats, until_ms, amount_minor, currency, merchant)
        case HoldRefused(reason, seat):
            return replace(order, state="refused", reason=reason, seat=seat)
        case BookingAsked():
            return replace(order, state="booking")
        case CancelAsked():
            return replace(order, state="cancelling")
        case Booked():
            return replace(order, state="booked")
        case SeatsOwed():
            return order
        case HoldEnded(reason):
            return replace(order, state="freed", reason=reason)
        case _:
            assert_never(event)


def person_of(order_id: str) -> str:
    return order_id.partition("/")[0]


HALL = Entity(
    "tickets.hall",
    Hall(),
    HallCommand,
    HallEvent,
    decide_hall,
    evolve_hall,
    views={"seats": seats_of},
    life={"seat": SEAT_LIFE},
    access={"tickets.hall.open": (Role.SERVER,), "seats": (Role.PERSON, Role.SERVER)},
    state_bytes_max=1 << 20,
)
ORDER = Entity(
    "tickets.order",
    Order(),
    OrderCommand,
    OrderEvent,
    decide_order,
    evolve_order,
    views={"order": lambda order, _: order},
    routing=person_of,
    life={"order": LIFE},
    access={
        **dict.fromkeys(("tickets.hold", "tickets.book", "tickets.cancel"), (Role.PERSON,)),
        "order": (Role.PERSON, Role.SERVER),
    },
    owner={Role.PERSON: person_of},
)
ENTITIES = (HALL, ORDER)
