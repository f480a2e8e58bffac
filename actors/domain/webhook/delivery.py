"""One event on its way to one endpoint: tried by a schedule until the server takes it, or given up until a replay."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.entity import FILLED, Action, CancelTimer, Context, Decision, Entity, SetTimer, Stage, accept, after

LIFE = {
    "none": Stage({"begin": "trying"}),
    "trying": Stage({"begin": "trying", "take": "delivered", "fail": "waiting", "give_up": "dead"}),
    "waiting": Stage({"begin": "waiting", "again": "trying"}),
    "delivered": Stage({"begin": "delivered"}, terminal=True),
    "dead": Stage({"begin": "dead", "replay": "trying"}),
}
_S, _M, _H = 1_000, 60_000, 3_600_000
WAITS_MS = (
    *(15 * _S, 15 * _S, 30 * _S, 3 * _M, 10 * _M, 20 * _M, 30 * _M, 30 * _M, 30 * _M, 60 * _M),
    *(3 * _H, 3 * _H, 3 * _H, 6 * _H, 6 * _H),
)
LOST_MS = 60_000
BODY_BYTES_MAX = 20_000
TRIES_KEPT = 20
NOTE_CHARS_MAX = 200
_Wait: TypeAlias = Annotated[int, Meta(ge=1, le=24 * _H)]
Waits: TypeAlias = Annotated[tuple[_Wait, ...], Meta(max_length=TRIES_KEPT - 1)]


class Begin(Struct, frozen=True, tag="webhook.delivery.begin", rename={"filled": FILLED}):
    """Tell `endpoint` of this; a try that failed is followed by the next after each of `waits_ms`."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=256)]
    body: Annotated[bytes, Meta(max_length=BODY_BYTES_MAX)]
    waits_ms: Waits = WAITS_MS
    lost_ms: _Wait = LOST_MS
    filled: tuple[str, ...] = ("lost_ms",)


class Tried(Struct, frozen=True, tag="webhook.delivery.tried"):
    """What a try came to: the server's status, or 0 when there was none."""

    attempt: int
    status: Annotated[int, Meta(ge=0, le=999)]
    note: Annotated[str, Meta(max_length=NOTE_CHARS_MAX)] = ""


class Again(Struct, frozen=True, tag="webhook.delivery.again"):
    """For this entity's own timer alone, as is `Lost`."""


class Lost(Struct, frozen=True, tag="webhook.delivery.lost"):
    """Nobody has said what became of the try."""


class Replay(Struct, frozen=True, tag="webhook.delivery.replay"):
    """Go through the whole schedule once more."""


class Begun(Struct, frozen=True, tag="webhook.delivery.begun"):
    endpoint: str
    body: bytes
    waits_ms: tuple[int, ...]
    lost_ms: int


class Trying(Struct, frozen=True, tag="webhook.delivery.trying"):
    """The try that whoever sends it is to make now. `left` is how many follow when it fails."""

    attempt: int
    left: int
    endpoint: str
    body: bytes


class Delivered(Struct, frozen=True, tag="webhook.delivery.delivered"):
    attempt: int
    status: int
    note: str
    at_ms: int
    endpoint: str


class TryFailed(Struct, frozen=True, tag="webhook.delivery.try-failed"):
    """`dead` when it was the last."""

    attempt: int
    status: int
    note: str
    at_ms: int
    dead: bool
    endpoint: str


Command: TypeAlias = Begin | Tried | Again | Lost | Replay
Event: TypeAlias = Begun | Trying | Delivered | TryFailed


class Try(Struct, frozen=True, array_like=True):
    """A try that ended."""

    attempt: int
    status: int
    note: str
    at_ms: int


class Delivery(Struct, frozen=True):
    """`attempt` is the latest try, from 1; `left` is how many follow when it fails. The latest `tries` are kept."""

    state: str = "none"
    endpoint: str = ""
    body: bytes = b""
    waits_ms: tuple[int, ...] = ()
    lost_ms: int = 0
    attempt: int = 0
    left: int = 0
    tries: tuple[Try, ...] = ()


def decide(delivery: Delivery, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Begin(endpoint, body, waits_ms, lost_ms):
            after(LIFE, delivery.state, "begin")
            if delivery.state != "none":
                return accept()  # whoever tells it may tell it again
            begun = Begun(endpoint, body, waits_ms, lost_ms)
            return _try(evolve(delivery, begun), len(waits_ms), ctx, begun)
        case Tried(attempt, status, note):
            if (delivery.state, delivery.attempt) != ("trying", attempt):
                return accept()  # told twice, or after it was given up as lost
            return _tried(delivery, status, note, ctx)
        case Again() | Lost():
            ctx.only_from(DELIVERY.kind, ctx.entity_id)
            if isinstance(command, Lost):
                return _tried(delivery, 0, "nobody said what became of it", ctx)
            after(LIFE, delivery.state, "again")
            return _try(delivery, delivery.left - 1, ctx)
        case Replay():
            after(LIFE, delivery.state, "replay")
            return _try(delivery, len(delivery.waits_ms), ctx)
        case _:
            assert_never(command)


def _try(delivery: Delivery, left: int, ctx: Context, *before: Event) -> Decision[Event]:
    attempt = delivery.attempt + 1
    lost = SetTimer("lost", ctx.now_ms + delivery.lost_ms, Lost())
    trying = Trying(attempt, left, delivery.endpoint, delivery.body)
    return accept(*before, trying, reply={"attempt": attempt}, actions=(lost,))


def _tried(delivery: Delivery, status: int, note: str, ctx: Context) -> Decision[Event]:
    """Any 2xx is taken."""
    heard: Action = CancelTimer("lost")
    is_last = not delivery.left
    taken = 200 <= status < 300
    after(LIFE, delivery.state, "take" if taken else "give_up" if is_last else "fail")
    if taken:
        return accept(Delivered(delivery.attempt, status, note, ctx.now_ms, delivery.endpoint), actions=(heard,))
    failed = TryFailed(delivery.attempt, status, note, ctx.now_ms, is_last, delivery.endpoint)
    if is_last:
        return accept(failed, actions=(heard,))
    wait_ms = delivery.waits_ms[-delivery.left]
    return accept(failed, actions=(heard, SetTimer("again", ctx.now_ms + wait_ms, Again())))


def evolve(delivery: Delivery, event: Event) -> Delivery:
    match event:
        case Begun(endpoint, body, waits_ms, lost_ms):
            return Delivery("none", endpoint, body, waits_ms, lost_ms)
        case Trying(attempt, left):
            return replace(delivery, state="trying", attempt=attempt, left=left)
        case Delivered(attempt, status, note, at_ms):
            return replace(_with(delivery, Try(attempt, status, note, at_ms)), state="delivered", body=b"")
        case TryFailed(attempt, status, note, at_ms, dead):
            failed = _with(delivery, Try(attempt, status, note, at_ms))
            return replace(failed, state="dead" if dead else "waiting")
        case _:
            assert_never(event)


def _with(delivery: Delivery, tried: Try) -> Delivery:
    return replace(delivery, tries=(*delivery.tries, tried)[-TRIES_KEPT:])


def view_delivery(delivery: Delivery, _: object) -> object:
    """How it stands and the tries that it took, without what it says."""
    tries = [
        {"attempt": one.attempt, "status": one.status, "note": one.note, "at_ms": one.at_ms} for one in delivery.tries
    ]
    return {"state": delivery.state, "endpoint": delivery.endpoint, "left": delivery.left, "tries": tries}


DELIVERY = Entity(
    "webhook.delivery",
    Delivery(),
    Command,
    Event,
    decide,
    evolve,
    views={"delivery": view_delivery},
    collection="deliveries",
    life={"delivery": LIFE},
    timers_max=2,
)
