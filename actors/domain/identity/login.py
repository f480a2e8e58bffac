"""One sign-in of a person on one device: by the newest of its refresh secrets it goes on without signing in anew.

Each is used once and leads to the next. Whoever shows a former one has it from somebody else, or is robbed: it ends.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.entity import FILLED, Context, Decision, Entity, Stage, accept, after

LIFE = {
    "none": Stage({"begin": "active"}),
    "active": Stage({"refresh": "active", "end": "ended"}),
    "ended": Stage({"end": "ended"}, terminal=True),
}
YEAR_MS = 366 * DAY_MS


class Begin(Struct, frozen=True, tag="identity.login.begin", rename={"filled": FILLED}):
    ttl_ms: Annotated[int, Meta(ge=1, le=YEAR_MS)]
    filled: tuple[str, ...] = ("ttl_ms",)


class Refresh(Struct, frozen=True, tag="identity.login.refresh", rename={"filled": FILLED}):
    """By the n-th secret; within `again_ms` of its use it leads to the same next one: an answer may be lost."""

    n: int
    ttl_ms: Annotated[int, Meta(ge=1, le=YEAR_MS)]
    again_ms: Annotated[int, Meta(ge=0, le=3_600_000)]
    filled: tuple[str, ...] = ("ttl_ms", "again_ms")


class End(Struct, frozen=True, tag="identity.login.end"):
    pass


class Begun(Struct, frozen=True, tag="identity.login.begun"):
    at_ms: int
    until_ms: int


class Refreshed(Struct, frozen=True, tag="identity.login.refreshed"):
    n: int
    at_ms: int
    until_ms: int


class Ended(Struct, frozen=True, tag="identity.login.ended"):
    why: str
    at_ms: int


Command: TypeAlias = Begin | Refresh | End
Event: TypeAlias = Begun | Refreshed | Ended


class Login(Struct, frozen=True):
    """`n` is the number of the secret that is good, until `until_ms`; `why` is why it has ended."""

    state: str = "none"
    n: int = 0
    at_ms: int = 0
    until_ms: int = 0
    why: str = ""


class Next(Struct, frozen=True):
    """What a refresh leads to: the number of the next secret, or 0 and why there is none."""

    n: int = 0
    until_ms: int = 0
    why: str = ""


def decide(login: Login, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Begin(ttl_ms):
            after(LIFE, login.state, "begin")
            begun = Begun(ctx.now_ms, ctx.now_ms + ttl_ms)
            return accept(begun, reply=Next(1, begun.until_ms))
        case Refresh():
            return _refresh(login, command, ctx.now_ms)
        case End():
            after(LIFE, login.state, "end")
            return accept() if login.state == "ended" else accept(Ended("signed_out", ctx.now_ms))
        case _:
            assert_never(command)


def _refresh(login: Login, command: Refresh, now_ms: int) -> Decision[Event]:
    """An end is an event, and so the answer tells of it: a refusal would leave nothing behind."""
    if login.state == "ended":
        return accept(reply=Next(why=login.why))
    after(LIFE, login.state, "refresh")
    if now_ms >= login.until_ms:
        return accept(Ended("login_expired", now_ms), reply=Next(why="login_expired"))
    if command.n == login.n:
        refreshed = Refreshed(login.n + 1, now_ms, now_ms + command.ttl_ms)
        return accept(refreshed, reply=Next(refreshed.n, refreshed.until_ms))
    if command.n == login.n - 1 and now_ms < login.at_ms + command.again_ms:
        return accept(reply=Next(login.n, login.until_ms))
    return accept(Ended("refresh_reused", now_ms), reply=Next(why="refresh_reused"))


def evolve(login: Login, event: Event) -> Login:
    match event:
        case Begun(at_ms, until_ms):
            return Login("active", 1, at_ms, until_ms)
        case Refreshed(n, at_ms, until_ms):
            return replace(login, n=n, at_ms=at_ms, until_ms=until_ms)
        case Ended(why):
            return replace(login, state="ended", why=why)
        case _:
            assert_never(event)


def view_login(login: Login, _: object) -> object:
    """How it stands; none of it is secret."""
    return login


LOGIN = Entity(
    "identity.login",
    Login(),
    Command,
    Event,
    decide,
    evolve,
    views={"login": view_login},
    life={"login": LIFE},
    timers_max=0,
)
