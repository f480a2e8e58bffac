"""A meter that counts units at a price, which is another one from the second release on; late, it bills a neighbour."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Ref, Reject, Send, SetTimer, accept

BILL_AFTER_MS = 30_000
SECOND = 2


class Count(Struct, frozen=True, tag="tariff.count"):
    units: int
    neighbour: str


class Bill(Struct, frozen=True, tag="tariff.bill"):
    neighbour: str


class Pay(Struct, frozen=True, tag="tariff.pay"):
    pence: int


class Counted(Struct, frozen=True, tag="tariff.counted"):
    units: int
    pence: int


class Billed(Struct, frozen=True, tag="tariff.billed"):
    pence: int


class Paid(Struct, frozen=True, tag="tariff.paid"):
    pence: int
    release: int


class Meter(Struct, frozen=True):
    units: int = 0
    owed_pence: int = 0
    paid_pence: dict[int, int] = {}


Command: TypeAlias = Count | Bill | Pay
Event: TypeAlias = Counted | Billed | Paid


def decide(meter: Meter, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Count(units, neighbour):
            if units <= 0:
                raise Reject("no_units", release=str(ctx.release))
            pence = units * (3 if ctx.release >= SECOND else 2)
            timer = SetTimer("bill", ctx.now_ms + BILL_AFTER_MS, Bill(neighbour))
            return accept(Counted(units, pence), reply={"pence": pence, "id": ctx.id()}, actions=(timer,))
        case Bill(neighbour):
            other: Ref[Command] = Ref("tariff", neighbour)
            return accept(Billed(meter.owed_pence), actions=(Send(other, Pay(meter.owed_pence)),))
        case Pay(pence):
            return accept(Paid(pence, ctx.release))
        case _:
            assert_never(command)


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Counted(units, pence):
            return replace(meter, units=meter.units + units, owed_pence=meter.owed_pence + pence)
        case Billed(pence):
            return replace(meter, owed_pence=meter.owed_pence - pence)
        case Paid(pence, release):
            paid = meter.paid_pence.get(release, 0) + pence
            return replace(meter, paid_pence={**meter.paid_pence, release: paid})
        case _:
            assert_never(event)


METER = Entity("tariff", Meter(), Command, Event, decide, evolve)

ENTITIES = (METER,)
