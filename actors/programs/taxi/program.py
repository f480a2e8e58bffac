"""Hailing a taxi: cells of the map bring rides and drivers together, and those two say themselves whether it is so.

A cell only proposes. A driver that waits takes the offer, so it has one ride at most; a ride takes the first driver
that comes, so it is matched at most once. Who comes too late is told, and waits or looks on.
"""

from typing import Annotated, Any, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import (
    CancelTimer,
    Context,
    Decision,
    Entity,
    Owed,
    Personal,
    Push,
    Reject,
    Role,
    Send,
    SetTimer,
    Stage,
    accept,
    after,
)
from actors.geohash import neighbours

DRIVERS_MAX, RIDES_MAX = 500, 500  # that wait in one cell, and that look for a driver there
Place: TypeAlias = Personal[Annotated[str, Meta(max_length=100)]] | None
WIDEN_AFTER_MS = 30_000  # then the ride looks in the neighbouring cells too
LOOK_MS_MAX, ARRIVE_MS_MAX, BOARD_MS_MAX, RIDE_MS_MAX = 5 * 60_000, 30 * 60_000, 10 * 60_000, 12 * 3_600_000
CURRENCY, NO_SHOW_MINOR, METRES_PER_SECOND_MAX = "CNY", 600, 60
BASE_MINOR, BASE_M, KM_MINOR = 1_200, 3_000, 260  # the last for each further kilometre that was begun

Metres: TypeAlias = Annotated[int, Meta(ge=0, le=3_000_000)]
Action: TypeAlias = Send[Any] | Push | SetTimer | CancelTimer
Step: TypeAlias = Literal["arrive", "start", "end", "give_up"]


def fare_minor(metres: int) -> int:
    return BASE_MINOR + KM_MINOR * (max(0, metres - BASE_M + 999) // 1_000)


# -- a cell -----------------------------------------------------------------------------------------------------------


class Wait(Struct, frozen=True, tag="taxi.cell.wait"):
    """A driver's: I stand here. `turn` counts how often it has said so; what belongs to an earlier turn is void."""

    turn: int


class Seek(Struct, frozen=True, tag="taxi.cell.seek"):
    """A ride's: I look for a driver."""


class Leave(Struct, frozen=True, tag="taxi.cell.leave"):
    """A driver's, of that turn; or a ride's: I am here no more."""

    turn: int = 0


class Declined(Struct, frozen=True, tag="taxi.cell.declined"):
    """The platform's, when the driver rejected an offer, since it no longer waits."""

    ride: str


class DriverWaits(Struct, frozen=True, tag="taxi.cell.driver-waits"):
    driver: str
    turn: int


class RideSeeks(Struct, frozen=True, tag="taxi.cell.ride-seeks"):
    ride: str
    at_ms: int


class Left(Struct, frozen=True, tag="taxi.cell.left"):
    """A driver, or a ride; where both are named they were brought together."""

    driver: str
    ride: str


class Cell(Struct, frozen=True, array_like=True):
    """Who waits (with its turn) and which rides look (since when), the first first. Never both after a command."""

    drivers: dict[str, int] = {}
    rides: dict[str, int] = {}


CellCommand: TypeAlias = Wait | Seek | Leave | Declined
CellEvent: TypeAlias = DriverWaits | RideSeeks | Left


def decide_cell(cell: Cell, command: CellCommand, ctx: Context) -> Decision[CellEvent]:
    match command:
        case Wait(turn):
            driver = ctx.only_from("taxi.driver")
            if cell.rides:
                return _paired(driver, turn, next(iter(cell.rides)))
            if driver not in cell.drivers and len(cell.drivers) >= DRIVERS_MAX:
                raise Reject("too_many_drivers", drivers_max=str(DRIVERS_MAX))
            return accept(DriverWaits(driver, turn))
        case Seek():
            ride = ctx.only_from("taxi.ride")
            if cell.drivers:
                return _paired(*next(iter(cell.drivers.items())), ride)
            listed = ride in cell.rides or len(cell.rides) >= RIDES_MAX  # one too many finds no driver in time
            return accept() if listed else accept(RideSeeks(ride, ctx.now_ms))
        case Leave(turn):
            if not turn:
                ride = ctx.only_from("taxi.ride")
                return accept(Left("", ride)) if ride in cell.rides else accept()
            driver = ctx.only_from("taxi.driver")
            return accept(Left(driver, "")) if cell.drivers.get(driver) == turn else accept()
        case Declined(ride):
            ctx.only_from("taxi.driver")
            return accept(actions=(Send(RIDE.at(ride), Passed()),))
        case _:
            assert_never(command)


def _paired(driver: str, turn: int, ride: str) -> Decision[CellEvent]:
    return accept(Left(driver, ride), actions=(Send(DRIVER.at(driver), Offer(ride, turn), on_reject=Declined(ride)),))


def evolve_cell(cell: Cell, event: CellEvent) -> Cell:
    match event:
        case DriverWaits(driver, turn):
            return replace(cell, drivers={**cell.drivers, driver: turn})
        case RideSeeks(ride, at_ms):
            return replace(cell, rides={**cell.rides, ride: at_ms})
        case Left(driver, ride):
            return Cell(_without(cell.drivers, driver), _without(cell.rides, ride))
        case _:
            assert_never(event)


def _without(waiting: dict[str, int], name: str) -> dict[str, int]:
    return {other: since for other, since in waiting.items() if other != name}


# -- a driver ---------------------------------------------------------------------------------------------------------


class Stand(Struct, frozen=True, tag="taxi.stand"):
    """I wait for a ride in this cell, or have moved there; without a cell: I wait no more."""

    cell: Annotated[str, Meta(pattern="^([0-9b-hjkmnp-z]{5})?$")] = ""


class Drive(Struct, frozen=True, tag="taxi.drive"):
    """The driver's next step; `metres` is what the meter says at the end."""

    step: Step
    metres: Metres = 0


class Offer(Struct, frozen=True, tag="taxi.driver.offer"):
    ride: str
    turn: int


class Confirm(Struct, frozen=True, tag="taxi.driver.confirm"):
    """The ride's: it is you. The rider stands at this `place`."""

    place: Place


class Free(Struct, frozen=True, tag="taxi.driver.free"):
    """The ride's: it is over. Or the platform's, when it rejected this driver: it has another one, or is over."""

    waits: bool


class Refused(Struct, frozen=True, tag="taxi.driver.refused"):
    """The platform's: the cell is crowded, or it is not the time for this step of the ride."""

    what: str


class WentOnline(Struct, frozen=True, tag="taxi.driver.went-online"):
    cell: str
    turn: int


class WentOffline(Struct, frozen=True, tag="taxi.driver.went-offline"):
    because: str


class OfferTaken(Struct, frozen=True, tag="taxi.driver.offer-taken"):
    ride: str


class Confirmed(Struct, frozen=True, tag="taxi.driver.confirmed"):
    place: Place


class StepRefused(Struct, frozen=True, tag="taxi.driver.step-refused"):
    step: str


DRIVER_LIFE = {
    "offline": Stage({"stand": "waiting"}),
    "waiting": Stage({"stand": "waiting", "leave": "offline", "offer": "busy"}),
    "busy": Stage({"drive": "busy", "wait": "waiting", "leave": "offline"}),
}


class Driver(Struct, frozen=True):
    """`state` is one of DRIVER_LIFE; `refused` is what last came to nothing."""

    state: str = "offline"
    cell: str = ""
    turn: int = 0
    ride: str = ""
    place: Place = None
    refused: str = ""


DriverCommand: TypeAlias = Stand | Drive | Offer | Confirm | Free | Refused
DriverEvent: TypeAlias = WentOnline | WentOffline | OfferTaken | Confirmed | StepRefused


def decide_driver(driver: Driver, command: DriverCommand, ctx: Context) -> Decision[DriverEvent]:
    match command:
        case Stand(cell):
            if "stand" not in DRIVER_LIFE[driver.state].moves:
                raise Reject("one_ride_a_driver", ride=driver.ride)
            if cell == driver.cell:
                return accept(reply={"cell": cell})
            leave = (Send(CELL.at(driver.cell), Leave(driver.turn)),) if driver.cell else ()
            return _wait(driver, cell, *leave) if cell else accept(WentOffline(""), reply={"cell": ""}, actions=leave)
        case Drive(step, metres):
            if "drive" not in DRIVER_LIFE[driver.state].moves:
                raise Reject("no_ride", state=driver.state)
            told = Send(RIDE.at(driver.ride), Tell(step, metres), on_reject=Refused(step))
            return accept(reply={"ride": driver.ride}, actions=(told,))
        case Offer(ride, turn):
            ctx.only_from("taxi.cell")
            if (driver.state, driver.turn) != ("waiting", turn):
                raise Reject("not_waiting", state=driver.state)
            return accept(OfferTaken(ride), actions=(Send(RIDE.at(ride), Take(), on_reject=Free(waits=True)),))
        case Confirm(place):
            return accept(Confirmed(place)) if ctx.only_from("taxi.ride") == driver.ride else accept()
        case Free(waits):
            if ctx.only_from("taxi.ride") != driver.ride:
                return accept()
            return _wait(driver, driver.cell) if waits else accept(WentOffline(""))
        case Refused(what):
            if ctx.sender == f"taxi.cell/{driver.cell}" and driver.state == "waiting":
                return accept(WentOffline(what))
            return accept(StepRefused(what)) if ctx.sender == f"taxi.ride/{driver.ride}" else accept()
        case _:
            assert_never(command)


def _wait(driver: Driver, cell: str, *leave: Send[CellCommand]) -> Decision[DriverEvent]:
    waits = Send(CELL.at(cell), Wait(driver.turn + 1), on_reject=Refused("too_many_drivers"))
    return accept(WentOnline(cell, driver.turn + 1), reply={"cell": cell}, actions=(*leave, waits))


def evolve_driver(driver: Driver, event: DriverEvent) -> Driver:
    match event:
        case WentOnline(cell, turn):
            return Driver("waiting", cell, turn)
        case WentOffline(because):
            return Driver(turn=driver.turn, refused=because)
        case OfferTaken(ride):
            return replace(driver, state="busy", ride=ride, refused="")
        case Confirmed(place):
            return replace(driver, place=place)
        case StepRefused(step):
            return replace(driver, refused=step)
        case _:
            assert_never(event)


# -- a ride -----------------------------------------------------------------------------------------------------------

LIFE = {
    "none": Stage({"ask": "asked"}),
    "asked": Stage({"match": "matched", "cancel": "cancelled"}),
    "matched": Stage({"arrive": "arrived", "cancel": "cancelled"}),
    "arrived": Stage({"start": "riding", "cancel": "cancelled"}),
    "riding": Stage({"end": "ended"}),
    **dict.fromkeys(("ended", "cancelled"), Stage({}, terminal=True)),
}


class Ask(Struct, frozen=True, tag="taxi.ask"):
    """A taxi to this cell, please; `place` tells the driver where in it."""

    cell: Annotated[str, Meta(pattern="^[0-9b-hjkmnp-z]{5}$")]
    place: Place = None


class Cancel(Struct, frozen=True, tag="taxi.cancel"):
    pass


class Take(Struct, frozen=True, tag="taxi.ride.take"):
    """The driver's: I take you."""


class Tell(Drive, frozen=True, tag="taxi.ride.tell"):
    """The driver's: I take this step."""


class Passed(Struct, frozen=True, tag="taxi.ride.passed"):
    """The cell's: the driver that I had found for you is gone."""


class Late(Struct, frozen=True, tag="taxi.ride.late"):
    """The timer's: the next step did not come in time."""


class Asked(Struct, frozen=True, tag="taxi.ride.asked"):
    cell: str
    place: Place


class Widened(Struct, frozen=True, tag="taxi.ride.widened"):
    cells: tuple[str, ...]


class Moved(Struct, frozen=True, tag="taxi.ride.moved"):
    """The ride is matched, the driver there, the rider aboard, or all over: `state` is one of LIFE."""

    state: str
    at_ms: int
    driver: str
    metres: int = 0
    because: str = ""


class FareOwed(Owed, frozen=True, tag="taxi.fare-owed"):
    pass


class Ride(Struct, frozen=True):
    """`state` is one of LIFE, since `at_ms`; `cells` are where it looks; `because` says why it was cancelled."""

    state: str = "none"
    at_ms: int = 0
    cells: tuple[str, ...] = ()
    place: Place = None
    driver: str = ""
    metres: int = 0
    owed_minor: int = 0
    because: str = ""


RideCommand: TypeAlias = Ask | Cancel | Take | Tell | Passed | Late
RideEvent: TypeAlias = Asked | Widened | Moved | FareOwed


def decide_ride(ride: Ride, command: RideCommand, ctx: Context) -> Decision[RideEvent]:
    match command:
        case Ask(cell, place):
            looks = (Send(CELL.at(cell), Seek()), _late_at(ctx.now_ms + WIDEN_AFTER_MS))
            asked = _moved(ride, "ask", Moved("asked", ctx.now_ms, ""), *looks)
            return replace(asked, events=(*asked.events, Asked(cell, place)))
        case Cancel():
            return accept(reply={"state": ride.state}) if ride.state == "cancelled" else _cancel(ride, "rider", ctx)
        case Take():
            driver, late = ctx.only_from("taxi.driver"), _late_at(ctx.now_ms + ARRIVE_MS_MAX)
            confirm = Send(DRIVER.at(driver), Confirm(ride.place))
            return _moved(ride, "match", Moved("matched", ctx.now_ms, driver), confirm, late)
        case Tell(step, metres):
            if ctx.only_from("taxi.driver") != ride.driver:
                raise Reject("not_your_ride")
            return _step(ride, step, metres, ctx)
        case Passed():
            seek = Send(CELL.at(ctx.only_from("taxi.cell")), Seek())
            return accept(actions=(seek,)) if ride.state == "asked" else accept()
        case Late():
            ctx.only_from("taxi.ride")
            return _late(ride, ctx)
        case _:
            assert_never(command)


def _step(ride: Ride, step: Step, metres: int, ctx: Context) -> Decision[RideEvent]:
    if step == "give_up":
        return _cancel(ride, "driver", ctx)
    if step != "end":
        state, late_ms = ("arrived", BOARD_MS_MAX) if step == "arrive" else ("riding", RIDE_MS_MAX)
        return _moved(ride, step, Moved(state, ctx.now_ms, ride.driver), _late_at(ctx.now_ms + late_ms))
    metres_max = (ctx.now_ms - ride.at_ms) * METRES_PER_SECOND_MAX // 1_000
    if ride.state == "riding" and metres > metres_max:
        raise Reject("faster_than_a_taxi", metres_max=str(metres_max))
    return _over(ride, "end", Moved("ended", ctx.now_ms, ride.driver, metres), fare_minor(metres), ctx)


def _late(ride: Ride, ctx: Context) -> Decision[RideEvent]:
    """Whatever others do not do, a ride comes to an end: it looks farther, then no more, and no meter runs for ever."""
    if ride.state == "riding":
        return _over(ride, "end", Moved("ended", ctx.now_ms, ride.driver), BASE_MINOR, ctx)
    if ride.state == "asked" and len(ride.cells) == 1:
        around = neighbours(ride.cells[0])
        looks = tuple(Send(CELL.at(cell), Seek()) for cell in around)
        return accept(Widened(around), actions=(*looks, _late_at(ride.at_ms + LOOK_MS_MAX)))
    because = {"asked": "no_driver", "matched": "driver_late", "arrived": "no_show"}
    return _cancel(ride, because[ride.state], ctx)


def _cancel(ride: Ride, because: str, ctx: Context) -> Decision[RideEvent]:
    """A rider for whom the driver has come, and who does not come along, owes the way. The driver waits on."""
    waits = because in ("rider", "no_show")
    owed_minor = NO_SHOW_MINOR if waits and ride.state == "arrived" else 0
    return _over(ride, "cancel", Moved("cancelled", ctx.now_ms, ride.driver, 0, because), owed_minor, ctx, waits=waits)


def _over(ride: Ride, move: str, moved: Moved, minor: int, ctx: Context, *, waits: bool = False) -> Decision[RideEvent]:
    free = (Send(DRIVER.at(ride.driver), Free(waits)),) if ride.driver else ()
    over = _moved(ride, move, moved, CancelTimer("late"), *free)
    if not minor:
        return over
    to, what_for, ride_id = ride.driver, f"taxi ride, {moved.state}", ctx.entity_id
    owed = FareOwed(amount_minor=minor, currency=CURRENCY, to=to, what_for=what_for, reference=ride_id)
    return replace(over, events=(moved, owed))


def _moved(ride: Ride, move: str, moved: Moved, *actions: Action) -> Decision[RideEvent]:
    """The move, if it may follow. It looks nowhere any more, and who listens to the ride is told the new state."""
    assert after(LIFE, ride.state, move) == moved.state
    told = Push(list(LIFE).index(moved.state), {"state": moved.state})  # each state is there once, in this order
    todo: tuple[Action, ...] = (*actions, *(Send(CELL.at(cell), Leave()) for cell in ride.cells), told)
    return accept(moved, reply={"state": moved.state}, actions=todo)


def _late_at(due_ms: int) -> SetTimer:
    return SetTimer("late", due_ms, Late())


def evolve_ride(ride: Ride, event: RideEvent) -> Ride:
    match event:
        case Asked(cell, place):
            return replace(ride, cells=(cell,), place=place)
        case Widened(cells):
            return replace(ride, cells=ride.cells + cells)
        case Moved(state, at_ms, driver, metres, because):
            return Ride(state, at_ms, (), None if LIFE[state].terminal else ride.place, driver, metres, because=because)
        case FareOwed():
            return replace(ride, owed_minor=event.amount_minor)
        case _:
            assert_never(event)


CELL = Entity(
    "taxi.cell",
    Cell(),
    CellCommand,
    CellEvent,
    decide_cell,
    evolve_cell,
    views={"waiting": lambda cell, _: {"drivers": len(cell.drivers), "rides": len(cell.rides)}},
    routing=lambda cell: f"{cell} cell",  # a driver that is named like a cell or a ride is still apart from it
    state_bytes_max=1 << 19,
)
DRIVER = Entity(
    "taxi.driver",
    Driver(),
    DriverCommand,
    DriverEvent,
    decide_driver,
    evolve_driver,
    views={"driver": lambda driver, _: driver},
    routing=lambda driver: f"{driver} driver",
    access=dict.fromkeys(("taxi.stand", "taxi.drive", "driver"), (Role.PERSON,)),
    opens_to={"driver": (Role.PERSON,)},  # where the rider stands, as long as they ride together
    owner={Role.PERSON: lambda openid: openid},
    life={"driver": DRIVER_LIFE},
)
RIDE = Entity(
    "taxi.ride",
    Ride(),
    RideCommand,
    RideEvent,
    decide_ride,
    evolve_ride,
    views={"ride": lambda ride, _: ride},
    routing=lambda ride: f"{ride} ride",
    access={**dict.fromkeys(("taxi.ask", "taxi.cancel"), (Role.PERSON,)), "ride": (Role.PERSON, Role.SERVER)},
    owner={Role.PERSON: lambda ride: ride.partition("/")[0]},
    life={"ride": LIFE},
)
ENTITIES = (CELL, DRIVER, RIDE)
