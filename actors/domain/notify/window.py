"""The windows of customer service: what a person does opens one, and within it so many replies may be sent.

A window is refreshed by what opened it, never added to; windows that different acts opened stand side by side. A reply
and the message in the box are one record.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from actors.domain.counting import DAY_MS, MINUTE_MS
from actors.domain.erasable import LIFE, Erasable, check_kept
from actors.domain.notify.box import BOX, UNHEARD_MS, Put
from actors.domain.notify.message import Message, digest_of, was_sent, with_sent
from actors.entity import FILLED, Context, Decision, Entity, Reject, Send, accept

TWO_DAYS_MS = 2 * DAY_MS
UNLIMITED = 1_000_000

ACTS: Mapping[str, tuple[int, int]] = {
    "message": (5, TWO_DAYS_MS),
    "enter": (2, MINUTE_MS),
    "menu": (3, MINUTE_MS),
    "follow": (3, MINUTE_MS),
    "scan": (3, MINUTE_MS),
    "pay": (UNLIMITED, TWO_DAYS_MS),
}
"""What opens a window: how many replies it has, and how long it stays open, where nothing else is said."""

Act: TypeAlias = Literal["message", "enter", "menu", "follow", "scan", "pay"]


class Note(Struct, frozen=True, tag="notify.window.note", rename={"filled": FILLED}):
    """The person has done this: so many replies may be sent within `open_ms`."""

    act: Act
    replies_max: Annotated[int, Meta(ge=1, le=UNLIMITED)] | UnsetType = UNSET
    open_ms: Annotated[int, Meta(ge=1_000, le=366 * DAY_MS)] | UnsetType = UNSET
    filled: tuple[str, ...] = ("replies_max", "open_ms")


class Reply(Struct, frozen=True, tag="notify.window.reply", rename={"filled": FILLED}):
    """Send this. The same message id again is the same reply."""

    message: Message
    unheard_ms: Annotated[int, Meta(ge=0)] = UNHEARD_MS
    filled: tuple[str, ...] = ("unheard_ms",)


class Erase(Struct, frozen=True, tag="notify.window.erase"):
    """The person is erased: close every window, for ever."""


class Noted(Struct, frozen=True, tag="notify.window.noted"):
    """`left` replies until then."""

    act: str
    left: int
    until_ms: int


class Replied(Struct, frozen=True, tag="notify.window.replied"):
    """By the window that this act had opened."""

    act: str
    message_id: str
    digest: str
    at_ms: int


class Forgotten(Struct, frozen=True, tag="notify.window.forgotten"):
    pass


Command: TypeAlias = Note | Reply | Erase
Event: TypeAlias = Noted | Replied | Forgotten


class Window(Struct, frozen=True):
    left: int
    until_ms: int


class Windows(Erasable, Struct, frozen=True):
    windows: dict[str, Window] = {}
    messages: dict[str, str] = {}
    """The last replies by their ids, oldest first, each with the digest of what it says."""


def decide(windows: Windows, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Erase():
            ctx.only_from("identity.link", ctx.entity_id)
            return accept() if windows.erased else accept(Forgotten())
        case Note(act, replies_max, open_ms):
            check_kept(windows)
            replies, within_ms = ACTS[act]
            return accept(Noted(act, replies_max or replies, ctx.now_ms + (open_ms or within_ms)))
        case Reply():
            check_kept(windows)
            return _reply(windows, command, ctx)
        case _:
            assert_never(command)


def _reply(windows: Windows, reply: Reply, ctx: Context) -> Decision[Event]:
    message, digest = reply.message, digest_of(reply.message)
    if was_sent(windows.messages, message, digest):
        return accept(reply={"again": True})
    is_open = {act: window for act, window in windows.windows.items() if ctx.now_ms < window.until_ms}
    if not is_open:
        raise Reject("window_closed")
    free = {act: window for act, window in is_open.items() if window.left}
    if not free:
        raise Reject("window_full")
    act = min(free, key=lambda name: (free[name].until_ms, name))  # what ends first is used first
    put = Send(BOX.at(ctx.entity_id), Put(message, reply.unheard_ms))
    return accept(Replied(act, message.message_id, digest, ctx.now_ms), reply={"again": False}, actions=(put,))


def evolve(windows: Windows, event: Event) -> Windows:
    match event:
        case Noted(act, left, until_ms):
            return replace(windows, windows={**windows.windows, act: Window(left, until_ms)})
        case Replied(act, message_id, digest):
            window = windows.windows[act]
            messages = with_sent(windows.messages, message_id, digest)
            return Windows({**windows.windows, act: replace(window, left=window.left - 1)}, messages)
        case Forgotten():
            return Windows(erased=True)
        case _:
            assert_never(event)


def view_windows(windows: Windows, _: object) -> object:
    """By what opened them: how many replies are left, until when. Those that have closed are there, too."""
    return windows.windows


WINDOW = Entity(
    "notify.window",
    Windows(),
    Command,
    Event,
    decide,
    evolve,
    views={"windows": view_windows},
    life={"windows": LIFE},
    takes_from=("identity",),
    timers_max=0,
)
