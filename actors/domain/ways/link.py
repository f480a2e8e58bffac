"""A short link to a page: it is the first opener's from then on, and nobody's once its time is over."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.entity import FILLED, Context, Decision, Entity, Reject, SetTimer, Stage, accept, after

LIFE = {
    "none": Stage({"mint": "minted"}),
    "minted": Stage({"mint": "minted", "open": "bound", "expire": "expired"}),
    "bound": Stage({"mint": "bound", "open": "bound", "expire": "expired"}),
    "expired": Stage({"expire": "expired"}, terminal=True),
}
TTL_MS_MAX = 366 * DAY_MS
SCENE_BYTES_MAX = 8 * 1024
STATE_BYTES_MAX = 16 * 1024


class Mint(Struct, frozen=True, tag="ways.link.mint", rename={"filled": FILLED}):
    """`ttl_ms_max` is what the platform grants; a link that asks for longer is refused.

    Where the page is `gone` by now, a link that was minted before is told again, and another is refused.
    """

    page: Annotated[str, Meta(min_length=1, max_length=256)]
    ttl_ms: Annotated[int, Meta(ge=1, le=TTL_MS_MAX)]
    scene: Annotated[bytes, Meta(max_length=SCENE_BYTES_MAX)] = b""
    ttl_ms_max: Annotated[int, Meta(ge=1, le=TTL_MS_MAX)] = 30 * DAY_MS
    gone: bool = False
    filled: tuple[str, ...] = ("ttl_ms_max", "gone")


class Open(Struct, frozen=True, tag="ways.link.open"):
    """The caller opens it."""


class Expire(Struct, frozen=True, tag="ways.link.expire"):
    """The timer's command: its time is over."""


class Minted(Struct, frozen=True, tag="ways.link.minted"):
    page: str
    scene: bytes
    by: str
    at_ms: int
    expires_ms: int


class Bound(Struct, frozen=True, tag="ways.link.bound"):
    to: str
    at_ms: int


class Expired(Struct, frozen=True, tag="ways.link.expired"):
    pass


Command: TypeAlias = Mint | Open | Expire
Event: TypeAlias = Minted | Bound | Expired


class Link(Struct, frozen=True):
    state: str = "none"
    page: str = ""
    scene: bytes = b""
    by: str = ""
    minted_ms: int = 0
    expires_ms: int = 0
    bound_to: str = ""
    bound_ms: int = 0


def decide(link: Link, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Mint():
            after(LIFE, link.state, "mint")
            return _minted(link, command, ctx)
        case Open():
            return _opened(link, ctx)
        case Expire():
            ctx.only_from("ways.link", ctx.entity_id)
            after(LIFE, link.state, "expire")
            return accept() if link.state == "expired" else accept(Expired())
        case _:
            assert_never(command)


def check_ttl(mint: Mint) -> None:
    """Rejects a link that asks for a longer life than the platform grants."""
    if mint.ttl_ms > mint.ttl_ms_max:
        raise Reject("ttl_too_long", ttl_ms_max=str(mint.ttl_ms_max))


def _minted(link: Link, mint: Mint, ctx: Context) -> Decision[Event]:
    check_ttl(mint)
    if link.state == "none" and mint.gone:
        raise Reject("page_gone", page=mint.page)
    if link.state == "none":
        due_ms = ctx.now_ms + mint.ttl_ms
        event = Minted(mint.page, mint.scene, ctx.caller, ctx.now_ms, due_ms)
        return accept(event, actions=(SetTimer("expire", due_ms, Expire()),))
    wanted = (mint.page, mint.scene, ctx.caller, mint.ttl_ms)
    if (link.page, link.scene, link.by, link.expires_ms - link.minted_ms) != wanted:
        raise Reject("link_taken")
    return accept()


def _opened(link: Link, ctx: Context) -> Decision[Event]:
    """The timer may come late: whether its time is over is told by the log's, whenever somebody opens it."""
    if link.state == "expired" or (link.state != "none" and ctx.now_ms >= link.expires_ms):
        raise Reject("link_expired")
    after(LIFE, link.state, "open")
    if link.state == "minted":
        return accept(Bound(ctx.caller, ctx.now_ms))
    if link.bound_to != ctx.caller:
        raise Reject("link_of_another")
    return accept()


def evolve(link: Link, event: Event) -> Link:
    match event:
        case Minted(page, scene, by, at_ms, expires_ms):
            return Link("minted", page, scene, by, at_ms, expires_ms)
        case Bound(to, at_ms):
            return replace(link, state="bound", bound_to=to, bound_ms=at_ms)
        case Expired():
            return replace(link, state="expired")
        case _:
            assert_never(event)


def view_link(link: Link, _: object) -> object:
    """Where it leads, and whose it has become."""
    return link


LINK = Entity(
    "ways.link",
    Link(),
    Command,
    Event,
    decide,
    evolve,
    views={"link": view_link},
    life={"link": LIFE},
    state_bytes_max=STATE_BYTES_MAX,
    timers_max=1,
)
