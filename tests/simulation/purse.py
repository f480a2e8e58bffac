"""A purse: pays purses of other partitions over the log, takes refused money back, reminds itself by timers.

Small, but a whole saga: hold, send, confirm or give back. It exists for the simulation alone.
"""

from typing import Any, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors import CancelTimer, Context, Decision, Entity, Ref, Reject, Send, SetTimer, accept

LIMIT = 150


class Open(Struct, frozen=True, tag="purse.open"):
    """Put money into a new purse, and tick so many times, `every_ms`."""

    amount: int
    ticks: int
    every_ms: int


class Pay(Struct, frozen=True, tag="purse.pay"):
    """Pay another purse; `remind_ms` from now, look whether it was done."""

    to: str
    amount: int
    remind_ms: int


class Receive(Struct, frozen=True, tag="purse.receive"):
    payment: str
    amount: int


class Confirm(Struct, frozen=True, tag="purse.confirm"):
    payment: str


class GiveBack(Struct, frozen=True, tag="purse.give-back"):
    payment: str


class Remind(Struct, frozen=True, tag="purse.remind"):
    payment: str


class Tick(Struct, frozen=True, tag="purse.tick"):
    every_ms: int
    left: int


class Opened(Struct, frozen=True, tag="purse.opened"):
    amount: int


class Held(Struct, frozen=True, tag="purse.held"):
    payment: str
    amount: int


class Received(Struct, frozen=True, tag="purse.received"):
    payment: str
    amount: int


class Settled(Struct, frozen=True, tag="purse.settled"):
    payment: str
    amount: int
    refunded: bool


class Reminded(Struct, frozen=True, tag="purse.reminded"):
    payment: str


class Ticked(Struct, frozen=True, tag="purse.ticked"):
    pass


class Purse(Struct, frozen=True):
    balance: int = 0
    held: dict[str, int] = {}
    received: int = 0
    confirmed: int = 0
    refunded: int = 0
    reminded: dict[str, int] = {}
    ticks: int = 0


Command: TypeAlias = Open | Pay | Receive | Confirm | GiveBack | Remind | Tick
Event: TypeAlias = Opened | Held | Received | Settled | Reminded | Ticked


def decide(purse: Purse, command: Command, ctx: Context) -> Decision[Event]:
    """Hold before paying; whatever is refused there comes back."""
    match command:
        case Open(amount, ticks, every_ms):
            tick = SetTimer("tick", ctx.now_ms + every_ms, Tick(every_ms, ticks - 1))
            return accept(Opened(amount), reply={"balance": purse.balance + amount}, actions=(tick,) if ticks else ())
        case Pay(to, amount, remind_ms):
            return _pay(purse, to, amount, remind_ms, ctx)
        case Receive(payment, amount):
            if purse.balance + amount > LIMIT:
                raise Reject("purse_full")
            kind, _, sender = ctx.sender.partition("/")
            return accept(Received(payment, amount), actions=(Send(Ref(kind, sender), Confirm(payment)),))
        case Confirm(payment) | GiveBack(payment):
            refunded = isinstance(command, GiveBack)
            return accept(Settled(payment, purse.held[payment], refunded), actions=(CancelTimer(payment),))
        case Remind(payment):
            return accept(Reminded(payment))
        case Tick(every_ms, left):
            again = (SetTimer("tick", ctx.now_ms + every_ms, Tick(every_ms, left - 1)),) if left else ()
            return accept(Ticked(), actions=again)
        case _:
            assert_never(command)


def _pay(purse: Purse, to: str, amount: int, remind_ms: int, ctx: Context) -> Decision[Event]:
    if amount > purse.balance:
        raise Reject("too_little", balance=str(purse.balance))
    if len(purse.held) >= 8:
        raise Reject("too_many_payments")
    payment = ctx.id()[:8]
    actions: tuple[Send[Any] | SetTimer, ...] = (
        Send(Ref("purse", to), Receive(payment, amount), GiveBack(payment)),
        SetTimer(payment, ctx.now_ms + remind_ms, Remind(payment)),
    )
    return accept(Held(payment, amount), reply={"payment": payment}, actions=actions)


def evolve(purse: Purse, event: Event) -> Purse:
    """Money is in a balance, or held for a payment."""
    match event:
        case Opened(amount):
            return replace(purse, balance=purse.balance + amount)
        case Held(payment, amount):
            return replace(purse, balance=purse.balance - amount, held={**purse.held, payment: amount})
        case Received(_, amount):
            return replace(purse, balance=purse.balance + amount, received=purse.received + amount)
        case Settled(payment, amount, refunded):
            held = {other: value for other, value in purse.held.items() if other != payment}
            if refunded:
                return replace(purse, balance=purse.balance + amount, held=held, refunded=purse.refunded + amount)
            return replace(purse, held=held, confirmed=purse.confirmed + amount)
        case Reminded(payment):
            return replace(purse, reminded={**purse.reminded, payment: purse.reminded.get(payment, 0) + 1})
        case Ticked():
            return replace(purse, ticks=purse.ticks + 1)
        case _:
            assert_never(event)


PURSE = Entity("purse", Purse(), Command, Event, decide, evolve, views={"balance": lambda purse, _: purse.balance})
