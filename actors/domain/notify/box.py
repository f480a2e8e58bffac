"""The box: what is on its way to a person in a program, kept until it is acknowledged.

Whoever listens has it at once. What nobody acknowledged in time goes to the inbox, and so does the oldest when the box
is full: nothing that was put is ever refused or lost. One lazy timer looks for it: it is set whenever the box is not
empty.
"""

from typing import Annotated, TypeAlias, assert_never, cast

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.erasable import LIFE, Erasable, check_kept
from actors.domain.notify import inbox as inboxes
from actors.domain.notify.inbox import INBOX, Deliver
from actors.domain.notify.message import Message
from actors.entity import Context, Decision, Entity, Push, Reject, Send, SetTimer, accept

KEPT_MAX = 256
UNHEARD_MS = 10_000
MOVED_MAX = 16
"""How many go to the inbox in one record; the others follow at once."""
_SENDERS = ("notify.grants", "notify.window")


class Put(Struct, frozen=True, tag="notify.box.put"):
    message: Message
    unheard_ms: Annotated[int, Meta(ge=0)] = UNHEARD_MS


class Acknowledge(Struct, frozen=True, tag="notify.box.acknowledge"):
    """The person has all up to this one."""

    cursor: Annotated[int, Meta(ge=0)]


class Look(Struct, frozen=True, tag="notify.box.look"):
    """The timer's command: has nobody heard it?"""


class Erase(Struct, frozen=True, tag="notify.box.erase"):
    """The person is erased: nothing is on its way any more, and nothing will be."""


class WasPut(Struct, frozen=True, tag="notify.box.was-put"):
    cursor: int
    message: Message
    at_ms: int
    until_ms: int


class Acknowledged(Struct, frozen=True, tag="notify.box.acknowledged"):
    cursor: int


class Unheard(Struct, frozen=True, tag="notify.box.unheard"):
    """All up to this one has gone to the inbox."""

    cursor: int


class Forgotten(Struct, frozen=True, tag="notify.box.forgotten"):
    pass


Command: TypeAlias = Put | Acknowledge | Look | Erase
Event: TypeAlias = WasPut | Acknowledged | Unheard | Forgotten


class Kept(Struct, frozen=True):
    cursor: int
    message: Message
    at_ms: int
    until_ms: int


class Box(Erasable, Struct, frozen=True):
    put: int = 0
    acknowledged: int = 0
    kept: tuple[Kept, ...] = ()


def decide(box: Box, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Put():
            check_kept(box)
            return _put(box, command, ctx)
        case Acknowledge(cursor):
            check_kept(box)
            if cursor > box.put:
                raise Reject("cursor_ahead", cursor=str(cursor), last=str(box.put))
            return accept(Acknowledged(cursor)) if cursor > box.acknowledged else accept()
        case Look():
            ctx.only_from("notify.box", ctx.entity_id)
            return _look(box, ctx)
        case Erase():
            ctx.only_from("identity.link", ctx.entity_id)
            return accept() if box.erased else accept(Forgotten())
        case _:
            assert_never(command)


def _put(box: Box, put: Put, ctx: Context) -> Decision[Event]:
    ctx.only_from(_SENDERS, ctx.entity_id)
    made = WasPut(box.put + 1, put.message, ctx.now_ms, ctx.now_ms + put.unheard_ms)
    push = Push(made.cursor, payload_of(put.message))
    timer = () if box.kept else (_look_at(made.until_ms),)
    if len(box.kept) < KEPT_MAX:
        return accept(made, actions=(push, *timer))
    first = box.kept[0].cursor
    return accept(Unheard(first), made, actions=(*_to_inbox(box, first, ctx), push))


def _look(box: Box, ctx: Context) -> Decision[Event]:
    late = [kept.cursor for kept in box.kept if kept.until_ms <= ctx.now_ms][:MOVED_MAX]
    moved = late[-1] if late else 0
    again = tuple(_look_at(max(kept.until_ms, ctx.now_ms)) for kept in _above(box, moved)[:1])
    if not moved:
        return accept(actions=again)
    return accept(Unheard(moved), actions=(*_to_inbox(box, moved, ctx), *again))


def _to_inbox(box: Box, cursor: int, ctx: Context) -> tuple[Send[inboxes.Command], ...]:
    inbox = INBOX.at(ctx.entity_id)
    return tuple(Send(inbox, Deliver(kept.message, kept.at_ms)) for kept in box.kept if kept.cursor <= cursor)


def _look_at(due_ms: int) -> SetTimer:
    return SetTimer("unheard", due_ms, Look())


def payload_of(message: Message) -> object:
    """What whoever listens is told."""
    kind = "notify.message" if message.template else "notify.reply"
    return {"type": kind, **msgspec.to_builtins(message)}


def evolve(box: Box, event: Event) -> Box:
    match event:
        case WasPut(cursor, message, at_ms, until_ms):
            return replace(box, put=cursor, kept=(*box.kept, Kept(cursor, message, at_ms, until_ms)))
        case Acknowledged(cursor):
            return replace(box, acknowledged=cursor, kept=_above(box, cursor))
        case Unheard(cursor):
            return replace(box, kept=_above(box, cursor))
        case Forgotten():
            return Box(box.put, box.put, erased=True)
        case _:
            assert_never(event)


def _above(box: Box, cursor: int) -> tuple[Kept, ...]:
    return tuple(kept for kept in box.kept if kept.cursor > cursor)


def view_pushes(box: Box, args: object) -> object:
    """What was put after the cursor `after`, oldest first, each with its cursor.

    Where some of it has gone to the inbox a mark comes first, at the cursor of the last one that went.
    """
    given = cast("dict[str, object]", args).get("after", 0)
    cursor = given if isinstance(given, int) else 0
    gone = box.put - len(box.kept)
    moved = gone - max(cursor, box.acknowledged)
    pushes = [{"cursor": kept.cursor, "payload": payload_of(kept.message)} for kept in _above(box, cursor)]
    if moved > 0:
        pushes.insert(0, {"cursor": gone, "payload": {"type": "notify.moved", "moved": moved}})
    return pushes


BOX = Entity(
    "notify.box",
    Box(),
    Command,
    Event,
    decide,
    evolve,
    views={"pushes": view_pushes},
    life={"box": LIFE},
    collection="boxes",
    takes_from=("identity",),
    state_bytes_max=2 * 1024 * 1024,
    timers_max=1,
)
