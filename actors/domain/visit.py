"""A person's visits to a program: every opening with where it came from, and the sessions that are open, one a device.

Its id is `<program>/<openid>`, and its sessions are `<program>/<openid>/<n>`: all of them have one routing key, so an
opening and the session that it launches are one record, all or nothing.
"""

from typing import Annotated, Literal, TypeAlias, assert_never, final

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain import session
from actors.domain.ways.sources import SCENES, Source
from actors.entity import FILLED, Context, Decision, Entity, Ref, Reject, Send, Stage, accept, after

LIFE = {
    "none": Stage({"open": "open", "erase": "erased"}),
    "open": Stage({"open": "open", "close": "open", "leave": "away", "erase": "erased"}),
    "away": Stage({"open": "open", "close": "away", "erase": "erased"}),
    "erased": Stage({"erase": "erased"}, terminal=True),
}
"""`leave` closes the last session that is open; `close` any other, or one that was closed already."""
MERGE_MS = 30_000
DEVICES_MAX = 8

Text: TypeAlias = Annotated[str, Meta(max_length=64)]


@final
class Open(Struct, frozen=True, tag="visit.open", rename={"filled": FILLED}):
    """`via` names what was scanned, tapped or shared. What is opened `merge_ms` after the last opening is a new visit.

    Of a device one session is open at a time, and at most `devices_max` in all: the oldest is closed for a new one.
    What nobody comes back to ends after `hidden_ms` in the background, and after `idle_ms` wherever it is.
    `asked` is the page that the person named; "" for the first one, which `path` has as it is by now. Where `path` is
    "", that page is there no more: an opening that was made before is told again, and another is refused.
    """

    path: Annotated[str, Meta(max_length=512)]
    source: Source = "other"
    device: Text = ""
    via: Annotated[str, Meta(max_length=256)] = ""
    version: Text = ""
    city: Text = ""
    merge_ms: Annotated[int, Meta(ge=0)] = MERGE_MS
    devices_max: Annotated[int, Meta(ge=1, le=64)] = DEVICES_MAX
    hidden_ms: session.Wait = session.HIDDEN_MS_MAX
    idle_ms: session.Wait = session.IDLE_MS_MAX
    asked: Annotated[str, Meta(max_length=512)] = ""
    filled: tuple[str, ...] = ("path", "version", "merge_ms", "devices_max", "hidden_ms", "idle_ms")


class Close(Struct, frozen=True, tag="visit.close"):
    """Close the n-th session; one that is closed already stays so."""

    n: Annotated[int, Meta(ge=1)]


class Erase(Struct, frozen=True, tag="visit.erase"):
    """The person is erased: close what is open, and forget the rest."""


class _Opening(Struct, frozen=True):
    """The n-th opening, which belongs to this visit."""

    visit: int
    n: int
    path: str
    source: str
    device: str
    via: str
    version: str
    city: str
    at_ms: int


@final
class VisitBegan(_Opening, frozen=True, tag="visit.began"):
    """The first opening of a visit."""


@final
class VisitContinued(_Opening, frozen=True, tag="visit.continued"):
    """Another opening of the same visit."""


class SessionEnded(Struct, frozen=True, tag="visit.session-ended"):
    """`because`: the person closed it, its device opened another, or there were too many devices."""

    n: int
    because: Literal["closed", "reopened", "too_many_devices"]
    at_ms: int


class VisitsErased(Struct, frozen=True, tag="visit.erased"):
    at_ms: int


Command: TypeAlias = Open | Close | Erase
Event: TypeAlias = VisitBegan | VisitContinued | SessionEnded | VisitsErased


class Running(Struct, frozen=True):
    """A session that nobody has closed, though it may have ended of itself."""

    n: int
    device: str
    opened_ms: int


class Visits(Struct, frozen=True):
    """What is known of a person in a program. The sessions are the oldest first."""

    state: str = "none"
    visits: int = 0
    opens: int = 0
    last_open_ms: int = 0
    last_source: str = ""
    last_via: str = ""
    sessions: tuple[Running, ...] = ()


def decide(visits: Visits, command: Command, ctx: Context) -> Decision[Event]:
    if type(command) is Open:  # most are, and to learn it by a pattern takes Python long
        return _open(visits, command, ctx)
    match command:
        case Close(n):
            return _close(visits, n, ctx)
        case Erase():
            ctx.only_from("identity.link", ctx.entity_id)
            after(LIFE, visits.state, "erase")
            if visits.state == "erased":
                return accept()
            return accept(VisitsErased(ctx.now_ms), actions=tuple(_closing(ctx, each.n) for each in visits.sessions))
        case _:
            assert_never(command)


def _open(visits: Visits, command: Open, ctx: Context) -> Decision[Event]:
    after(LIFE, visits.state, "open")
    if not command.path:
        raise Reject("page_gone", path=command.asked)
    program = ctx.entity_id.partition("/")[0]
    n, now_ms = visits.opens + 1, ctx.now_ms
    continues = visits.opens > 0 and now_ms - visits.last_open_ms < command.merge_ms
    ended = _ended(visits, command, now_ms) if visits.sessions else ()
    kind = VisitContinued if continues else VisitBegan
    visit = visits.visits + (not continues)
    said = (command.path, command.source, command.device, command.via, command.version, command.city)
    launch = session.Open(program, command.path, SCENES[command.source], command.hidden_ms, command.idle_ms)
    name = f"{ctx.entity_id}/{n}"
    sends = (*(_closing(ctx, event.n) for event in ended), Send(session.SESSION.at(name), launch))
    reply = {"session": name, "path": command.path, "version": command.version, "visit": visit, "began": not continues}
    return accept(*ended, kind(visit, n, *said, now_ms), reply=reply, actions=sends)


def _ended(visits: Visits, command: Open, now_ms: int) -> tuple[SessionEnded, ...]:
    """The sessions that end for a new one: the device's own, and the oldest beyond the bound."""
    own = [each for each in visits.sessions if each.device == command.device]
    others = [each for each in visits.sessions if each.device != command.device]
    oldest = others[: max(len(others) + 1 - command.devices_max, 0)]
    return (
        *(SessionEnded(each.n, "reopened", now_ms) for each in own),
        *(SessionEnded(each.n, "too_many_devices", now_ms) for each in oldest),
    )


def _close(visits: Visits, n: int, ctx: Context) -> Decision[Event]:
    if n > visits.opens:
        raise Reject("no_such_session", n=str(n))
    numbers = [each.n for each in visits.sessions]
    after(LIFE, visits.state, "leave" if numbers == [n] else "close")
    if n not in numbers:
        return accept()
    return accept(SessionEnded(n, "closed", ctx.now_ms), actions=(_closing(ctx, n),))


def _closing(ctx: Context, n: int) -> Send[session.Command]:
    return Send(session.SESSION.at(f"{ctx.entity_id}/{n}"), session.Close())


def evolve(visits: Visits, event: Event) -> Visits:
    if type(event) is VisitBegan or type(event) is VisitContinued:
        return replace(
            visits,
            state="open",
            visits=event.visit,
            opens=event.n,
            last_open_ms=event.at_ms,
            last_source=event.source,
            last_via=event.via,
            sessions=(*visits.sessions, Running(event.n, event.device, event.at_ms)),
        )
    match event:
        case SessionEnded(n):
            left = tuple(each for each in visits.sessions if each.n != n)
            return replace(visits, state="open" if left else "away", sessions=left)
        case VisitsErased():
            return Visits("erased", opens=visits.opens)
        case _:
            assert_never(event)


def reaches(visits: Visits, command: Command, visits_id: str) -> tuple[Ref[session.Command], ...]:
    """The sessions that are opened and closed by it."""
    if type(command) is Open:
        ended = _ended(visits, command, 0) if visits.sessions else ()
        numbers = [*(event.n for event in ended), visits.opens + 1]
        return tuple(session.SESSION.at(f"{visits_id}/{n}") for n in numbers)
    match command:
        case Close(n):
            numbers = [n]
        case Erase():
            numbers = [each.n for each in visits.sessions]
        case _:
            assert_never(command)
    return tuple(session.SESSION.at(f"{visits_id}/{n}") for n in numbers)


def view_visit(visits: Visits, _: object) -> object:
    """Everything."""
    return visits


VISIT: Entity[Visits, Command, Event] = Entity(
    "visit",
    Visits(),
    Command,
    Event,
    decide,
    evolve,
    views={"visit": view_visit},
    life={"visit": LIFE},
    takes_from=("identity",),
    reaches=reaches,
    timers_max=0,
)
