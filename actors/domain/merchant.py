"""A merchant: who sells. It is opened once, and may be suspended and resumed until it is closed for good."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.entity import Context, Decision, Entity, Stage, accept, after

LIFE = {
    "none": Stage({"open": "open"}),
    "open": Stage({"rename": "open", "suspend": "suspended", "resume": "open", "close": "closed"}),
    "suspended": Stage({"rename": "suspended", "suspend": "suspended", "resume": "open", "close": "closed"}),
    "closed": Stage({"close": "closed"}, terminal=True),
}

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


class Open(Struct, frozen=True, tag="merchant.open"):
    name: Name


class Rename(Struct, frozen=True, tag="merchant.rename"):
    name: Name


class Suspend(Struct, frozen=True, tag="merchant.suspend"):
    reason: Annotated[str, Meta(max_length=500)] = ""


class Resume(Struct, frozen=True, tag="merchant.resume"):
    pass


class Close(Struct, frozen=True, tag="merchant.close"):
    pass


class Opened(Struct, frozen=True, tag="merchant.opened"):
    name: str
    at_ms: int


class Renamed(Struct, frozen=True, tag="merchant.renamed"):
    name: str


class Suspended(Struct, frozen=True, tag="merchant.suspended"):
    reason: str
    at_ms: int


class Resumed(Struct, frozen=True, tag="merchant.resumed"):
    at_ms: int


class Closed(Struct, frozen=True, tag="merchant.closed"):
    at_ms: int


Command: TypeAlias = Open | Rename | Suspend | Resume | Close
Event: TypeAlias = Opened | Renamed | Suspended | Resumed | Closed


class Merchant(Struct, frozen=True):
    state: str = "none"
    name: str = ""
    opened_ms: int = 0
    suspended_because: str = ""


def decide(merchant: Merchant, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Open(name):
            return _moved(merchant, "open", Opened(name, ctx.now_ms))
        case Rename(name):
            after(LIFE, merchant.state, "rename")
            return accept() if name == merchant.name else accept(Renamed(name))
        case Suspend(reason):
            return _moved(merchant, "suspend", Suspended(reason, ctx.now_ms))
        case Resume():
            return _moved(merchant, "resume", Resumed(ctx.now_ms))
        case Close():
            return _moved(merchant, "close", Closed(ctx.now_ms))
        case _:
            assert_never(command)


def _moved(merchant: Merchant, move: str, event: Event) -> Decision[Event]:
    """A move that was made already is no error, and no second event."""
    state = after(LIFE, merchant.state, move)
    reply = {"state": state}
    return accept(reply=reply) if state == merchant.state else accept(event, reply=reply)


def evolve(merchant: Merchant, event: Event) -> Merchant:
    match event:
        case Opened(name, at_ms):
            return replace(merchant, state="open", name=name, opened_ms=at_ms)
        case Renamed(name):
            return replace(merchant, name=name)
        case Suspended(reason):
            return replace(merchant, state="suspended", suspended_because=reason)
        case Resumed():
            return replace(merchant, state="open", suspended_because="")
        case Closed():
            return replace(merchant, state="closed")
        case _:
            assert_never(event)


def view_merchant(merchant: Merchant, _: object) -> object:
    """All there is to know of a merchant."""
    return merchant


MERCHANT = Entity(
    "merchant",
    Merchant(),
    Command,
    Event,
    decide,
    evolve,
    views={"merchant": view_merchant},
    life={"merchant": LIFE},
)
