"""A session: one opening of a mini program, from launch to unload, with its pages and what is pushed to it.

Its states are those of the W3C MiniApp life cycle. One lazy timer ends a session that was left: it is set for when the
session is to end as it is, looks when it fires, and is set again while there is life. Hiding and what is shown again
fire it, since from then on another time is due; nothing else touches it before the end.
"""

from typing import Annotated, Any, TypeAlias, assert_never, cast, final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.entity import (
    FILLED,
    Action,
    CancelTimer,
    Context,
    Decision,
    Entity,
    FireTimer,
    Reject,
    SetTimer,
    Stage,
    accept,
    after,
)
from actors.entity import Push as PushOut

HIDDEN_MS_MAX = 5 * 60_000
IDLE_MS_MAX = 30 * 60_000
PAGES_MAX = 10
PUSHES_MAX = 256
PUSH_BYTES_MAX = 2 * 1024
FIRED_RELEASE = 3
"""Before, nothing fired the timer: it looked every `hidden_ms`, for whatever was hidden since."""

LIFE = {
    "none": Stage({"launch": "launched"}),
    "launched": Stage({"show": "shown", "hide": "hidden", "unload": "unloaded", "use": "launched"}),
    "shown": Stage({"show": "shown", "hide": "hidden", "unload": "unloaded", "use": "shown"}),
    "hidden": Stage({"show": "shown", "hide": "hidden", "unload": "unloaded"}),
    "unloaded": Stage({"unload": "unloaded"}, terminal=True),
}
PAGE_LIFE = {
    "loaded": Stage({"render": "ready", "show": "loaded", "hide": "hidden", "unload": "unloaded"}),
    "ready": Stage({"render": "ready", "show": "shown", "hide": "hidden", "unload": "unloaded"}),
    "shown": Stage({"render": "shown", "show": "shown", "hide": "hidden", "unload": "unloaded"}),
    "hidden": Stage({"show": "shown", "hide": "hidden", "unload": "unloaded"}),
    "unloaded": Stage({}, terminal=True),
}

Path: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
Wait: TypeAlias = Annotated[int, Meta(ge=1_000, le=DAY_MS)]


@final
class Open(Struct, frozen=True, tag="session.open", omit_defaults=True):
    """A session that is hidden ends after `hidden_ms`, and one in which nothing happens after `idle_ms`."""

    program: Annotated[str, Meta(min_length=1, max_length=63)]
    path: Path
    scene: Annotated[int, Meta(ge=0, le=99_999)] = 1001
    hidden_ms: Wait = HIDDEN_MS_MAX
    idle_ms: Wait = IDLE_MS_MAX


@final
class EnterPage(Struct, frozen=True, tag="session.enter-page", rename={"filled": FILLED}, omit_defaults=True):
    """Where the page is `gone` by now, a call that was made before is told again, and another is refused."""

    path: Path
    gone: bool = False
    filled: tuple[str, ...] = ()


def gone(enter: EnterPage) -> EnterPage:
    """The same call where its page is there no more. A page that is there costs no word of this."""
    return replace(enter, gone=True, filled=("gone", FILLED))


class RenderPage(Struct, frozen=True, tag="session.render-page"):
    path: Path


class LeavePage(Struct, frozen=True, tag="session.leave-page"):
    path: Path


class Show(Struct, frozen=True, tag="session.show"):
    pass


class Hide(Struct, frozen=True, tag="session.hide"):
    pass


@final
class Close(Struct, frozen=True, tag="session.close"):
    pass


@final
class Look(Struct, frozen=True, tag="session.look", omit_defaults=True):
    """The timer's command: is anybody there? It takes along the times that the session was opened with."""

    hidden_ms: Wait = HIDDEN_MS_MAX
    idle_ms: Wait = IDLE_MS_MAX


class Push(Struct, frozen=True, tag="session.push"):
    payload: Any


class Acknowledge(Struct, frozen=True, tag="session.acknowledge"):
    cursor: Annotated[int, Meta(ge=0)]


@final
class Launched(Struct, frozen=True, tag="session.launched"):
    program: str
    path: str
    scene: int
    caller: str
    at_ms: int


class Shown(Struct, frozen=True, tag="session.shown"):
    at_ms: int


class Hidden(Struct, frozen=True, tag="session.hidden"):
    at_ms: int


@final
class Unloaded(Struct, frozen=True, tag="session.unloaded"):
    reason: str
    at_ms: int


@final
class PageLoaded(Struct, frozen=True, tag="session.page-loaded"):
    path: str
    at_ms: int


class PageReady(Struct, frozen=True, tag="session.page-ready"):
    path: str
    at_ms: int


class PageUnloaded(Struct, frozen=True, tag="session.page-unloaded"):
    path: str
    stay_ms: int
    at_ms: int


class Pushed(Struct, frozen=True, tag="session.pushed"):
    cursor: int
    payload: Any


class Acknowledged(Struct, frozen=True, tag="session.acknowledged"):
    cursor: int


Command: TypeAlias = Open | EnterPage | RenderPage | LeavePage | Show | Hide | Close | Look | Push | Acknowledge
Event: TypeAlias = Launched | Shown | Hidden | Unloaded | PageLoaded | PageReady | PageUnloaded | Pushed | Acknowledged


class Page(Struct, frozen=True, array_like=True):
    path: str
    state: str
    entered_ms: int


class Kept(Struct, frozen=True, array_like=True):
    cursor: int
    payload: Any


class Session(Struct, frozen=True, array_like=True):
    state: str = "none"
    program: str = ""
    scene: int = 0
    caller: str = ""
    launched_ms: int = 0
    active_ms: int = 0
    pages: tuple[Page, ...] = ()
    pages_loaded: int = 0
    pushed: int = 0
    acknowledged: int = 0
    pushes: tuple[Kept, ...] = ()
    unloaded_because: str = ""


def decide(session: Session, command: Command, ctx: Context) -> Decision[Event]:
    # What is asked most is told by its very type: to learn by a pattern what a struct is takes Python long.
    if type(command) is EnterPage:
        return _entered(session, command, ctx.now_ms)
    if type(command) is Look:
        return _looked(session, command, ctx)
    decision = _decided(session, command, ctx)
    # Whoever opens or closes through a visit is answered by the visit.
    return replace(decision, reply=None) if ctx.sender.startswith("visit/") else decision


def _decided(
    session: Session,
    command: Open | RenderPage | LeavePage | Show | Hide | Close | Push | Acknowledge,
    ctx: Context,
) -> Decision[Event]:
    now_ms = ctx.now_ms
    if type(command) is Open:
        after(LIFE, session.state, "launch")
        path = command.path
        events = (Launched(command.program, path, command.scene, ctx.caller, now_ms), PageLoaded(path, now_ms))
        first = _look_at(now_ms + command.idle_ms, ctx, Look(command.hidden_ms, command.idle_ms))
        return accept(*events, reply={"state": "launched"}, actions=(first,))
    if type(command) is Close:
        return _moved(session, "unload", Unloaded("closed", now_ms), CancelTimer("look"))
    match command:
        case RenderPage() | LeavePage():
            return _turned(session, command, now_ms)
        case Show():
            return _moved(session, "show", Shown(now_ms), *(_look_now(ctx) if session.state == "hidden" else ()))
        case Hide():
            return _moved(session, "hide", Hidden(now_ms), *_look_now(ctx))
        case Push(payload):
            return _pushed(session, payload)
        case Acknowledge(cursor):
            if cursor > session.pushed:
                raise Reject("cursor_ahead", cursor=str(cursor), last=str(session.pushed))
            return accept(Acknowledged(cursor)) if cursor > session.acknowledged else accept()
        case _:
            assert_never(command)


def _moved(session: Session, move: str, event: Event, *actions: Action) -> Decision[Event]:
    """A move that was made already is no error, and no second event."""
    state = after(LIFE, session.state, move)
    reply = {"state": state}
    return accept(reply=reply) if state == session.state else accept(event, reply=reply, actions=actions)


def _entered(session: Session, command: EnterPage, now_ms: int) -> Decision[Event]:
    after(LIFE, session.state, "use")
    path = command.path
    if command.gone:
        raise Reject("page_gone", path=path)
    if len(session.pages) == PAGES_MAX:
        raise Reject("too_many_pages", pages_max=str(PAGES_MAX))
    return accept(PageLoaded(path, now_ms))


def _turned(session: Session, command: RenderPage | LeavePage, now_ms: int) -> Decision[Event]:
    after(LIFE, session.state, "use")
    path = command.path
    if not session.pages or session.pages[-1].path != path:
        raise Reject("not_the_top_page", path=path)
    page = session.pages[-1]
    if isinstance(command, LeavePage):
        return accept(PageUnloaded(path, now_ms - page.entered_ms, now_ms))
    return accept(PageReady(path, now_ms)) if page.state == "loaded" else accept()


def _looked(session: Session, look: Look, ctx: Context) -> Decision[Event]:
    ctx.only_from("session", ctx.entity_id)
    if LIFE[session.state].terminal:
        return accept()
    left_ms = look.hidden_ms if session.state == "hidden" else look.idle_ms
    ends_ms = session.active_ms + left_ms
    if ctx.now_ms >= ends_ms:
        return accept(Unloaded("idle", ctx.now_ms))
    return accept(actions=(_look_at(ends_ms, ctx, look),))


def _look_at(ends_ms: int, ctx: Context, look: Look) -> SetTimer:
    """When the session is to end, as it is."""
    due_ms = ends_ms if ctx.release >= FIRED_RELEASE else min(ends_ms, ctx.now_ms + look.hidden_ms)
    return SetTimer("look", due_ms, look)


def _look_now(ctx: Context) -> tuple[FireTimer, ...]:
    return (FireTimer("look"),) if ctx.release >= FIRED_RELEASE else ()


def _pushed(session: Session, payload: object) -> Decision[Event]:
    if session.state == "none" or LIFE[session.state].terminal:
        raise Reject("wrong_state", state=session.state, move="push")
    if len(msgspec.msgpack.encode(payload)) > PUSH_BYTES_MAX:
        raise Reject("push_too_big", bytes_max=str(PUSH_BYTES_MAX))
    cursor = session.pushed + 1
    return accept(Pushed(cursor, payload), reply={"cursor": cursor}, actions=(PushOut(cursor, payload),))


def evolve(session: Session, event: Event) -> Session:
    if type(event) is PageLoaded:
        at_ms = event.at_ms
        pages = (*_top(session.pages, "hide"), Page(event.path, "loaded", at_ms))
        return replace(session, active_ms=at_ms, pages=pages, pages_loaded=session.pages_loaded + 1)
    if type(event) is Launched:
        at_ms = event.at_ms
        return replace(
            session,
            state="launched",
            program=event.program,
            scene=event.scene,
            caller=event.caller,
            launched_ms=at_ms,
            active_ms=at_ms,
        )
    if type(event) is Unloaded:
        return replace(session, state="unloaded", active_ms=event.at_ms, pages=(), unloaded_because=event.reason)
    match event:
        case Shown(at_ms):
            return replace(session, state="shown", active_ms=at_ms, pages=_top(session.pages, "show"))
        case Hidden(at_ms):
            return replace(session, state="hidden", active_ms=at_ms, pages=_top(session.pages, "hide"))
        case PageReady(_, at_ms):
            pages = _top(session.pages, "render")
            return replace(session, active_ms=at_ms, pages=_top(pages, "show") if session.state == "shown" else pages)
        case PageUnloaded(_, _, at_ms):
            pages = session.pages[:-1]
            return replace(session, active_ms=at_ms, pages=_top(pages, "show") if session.state == "shown" else pages)
        case Pushed(cursor, payload):
            kept = (*session.pushes, Kept(cursor, payload))[-PUSHES_MAX:]
            return replace(session, pushed=cursor, pushes=kept)
        case Acknowledged(cursor):
            kept = tuple(push for push in session.pushes if push.cursor > cursor)
            return replace(session, acknowledged=cursor, pushes=kept)
        case _:
            assert_never(event)


def _top(pages: tuple[Page, ...], move: str) -> tuple[Page, ...]:
    if not pages:
        return pages
    page = pages[-1]
    return (*pages[:-1], replace(page, state=after(PAGE_LIFE, page.state, move)))


def routing(session_id: str) -> str:
    """A session of a person in a program, `<program>/<openid>/<n>`, is where the person's visits are."""
    parts = session_id.split("/")
    return "/".join(parts[:2]) if len(parts) >= 3 else session_id


def view_session(session: Session, _: object) -> object:
    """Everything but the pushes."""
    pages = [{"path": page.path, "state": page.state, "entered_ms": page.entered_ms} for page in session.pages]
    shown = ("state", "program", "scene", "caller", "launched_ms", "active_ms", "pages_loaded", "unloaded_because")
    return {**{name: getattr(session, name) for name in shown}, "pages": pages}


def view_pushes(session: Session, args: object) -> object:
    """What was pushed after the cursor `after`, oldest first, each with its cursor.

    Where some of it is gone for want of room, a mark comes first, at the cursor of the last one that is gone.
    """
    given = cast("dict[str, object]", args).get("after", 0)
    cursor = given if isinstance(given, int) else 0
    gone = session.pushed - len(session.pushes)
    missed = gone - max(cursor, session.acknowledged)
    pushes = [{"cursor": push.cursor, "payload": push.payload} for push in session.pushes if push.cursor > cursor]
    if missed > 0:
        pushes.insert(0, {"cursor": gone, "payload": {"type": "session.missed", "missed": missed}})
    return pushes


SESSION = Entity(
    "session",
    Session(),
    Command,
    Event,
    decide,
    evolve,
    views={"session": view_session, "pushes": view_pushes},
    routing=routing,
    life={"session": LIFE, "page": PAGE_LIFE},
    takes_from=("visit",),
    state_bytes_max=640 * 1024,
    timers_max=1,
)
