"""A card that a person shares: a page, and the path of persons over whom it came to the one who shares it."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.entity import FILLED, Context, Decision, Entity, Reject, Stage, accept, after
from actors.principal import Role

LIFE = {
    "none": Stage({"share": "shared"}),
    "shared": Stage({"share": "shared", "withdraw": "withdrawn"}),
    "withdrawn": Stage({"withdraw": "withdrawn"}, terminal=True),
}
PATH_MAX = 32
SCENE_BYTES_MAX = 8 * 1024
STATE_BYTES_MAX = 32 * 1024


class Hop(Struct, frozen=True):
    """One card of a path, and who shared it."""

    share: str
    by: str


Path: TypeAlias = Annotated[tuple[Hop, ...], Meta(max_length=PATH_MAX)]


class Share(Struct, frozen=True, tag="ways.share.share", rename={"filled": FILLED}):
    """`before` is the path of the card that the sharer had opened, to that card itself; empty at a root.

    Where the page is `gone` by now, a card that was shared before is told again, and another is refused.
    """

    page: Annotated[str, Meta(min_length=1, max_length=256)]
    scene: Annotated[bytes, Meta(max_length=SCENE_BYTES_MAX)] = b""
    before: Path = ()
    gone: bool = False
    filled: tuple[str, ...] = ("gone",)


class Withdraw(Struct, frozen=True, tag="ways.share.withdraw"):
    pass


class Shared(Struct, frozen=True, tag="ways.share.shared"):
    page: str
    scene: bytes
    path: tuple[Hop, ...]
    at_ms: int


class Withdrawn(Struct, frozen=True, tag="ways.share.withdrawn"):
    by: str
    at_ms: int


Command: TypeAlias = Share | Withdraw
Event: TypeAlias = Shared | Withdrawn


class Card(Struct, frozen=True):
    """`path` begins at the root and ends with this card."""

    state: str = "none"
    page: str = ""
    scene: bytes = b""
    path: tuple[Hop, ...] = ()
    shared_ms: int = 0
    withdrawn_ms: int = 0

    @property
    def by(self) -> str:
        """Who shared it."""
        return self.path[-1].by if self.path else ""


def decide(card: Card, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Share():
            after(LIFE, card.state, "share")
            return _shared(card, command, ctx)
        case Withdraw():
            after(LIFE, card.state, "withdraw")
            _check_whose(card, ctx)
            return accept() if card.state == "withdrawn" else accept(Withdrawn(ctx.caller, ctx.now_ms))
        case _:
            assert_never(command)


def check_path(before: Path, by: str) -> None:
    """Rejects a card that came over its sharer already, or over too many."""
    if any(hop.by == by for hop in before):
        raise Reject("share_loop")
    if len(before) >= PATH_MAX:
        raise Reject("path_too_long", path_max=str(PATH_MAX))


def _shared(card: Card, share: Share, ctx: Context) -> Decision[Event]:
    check_path(share.before, ctx.caller)
    path = (*share.before, Hop(ctx.entity_id.partition("/")[2], ctx.caller))
    if card.state == "none" and share.gone:
        raise Reject("page_gone", page=share.page)
    if card.state == "none":
        return accept(Shared(share.page, share.scene, path, ctx.now_ms))
    if (card.page, card.scene, card.path) != (share.page, share.scene, path):
        raise Reject("share_taken")
    return accept()


def _check_whose(card: Card, ctx: Context) -> None:
    """Who shared a card withdraws it; so do the program's server and who runs the platform."""
    principal = ctx.principal
    if card.by != ctx.caller and (principal is None or principal.role not in (Role.SERVER, Role.OPERATOR)):
        raise Reject("not_yours")


def evolve(card: Card, event: Event) -> Card:
    match event:
        case Shared(page, scene, path, at_ms):
            return Card("shared", page, scene, path, at_ms)
        case Withdrawn(_, at_ms):
            return replace(card, state="withdrawn", withdrawn_ms=at_ms)
        case _:
            assert_never(event)


def view_share(card: Card, _: object) -> object:
    """Where it leads, and over whom it came."""
    return card


SHARE = Entity(
    "ways.share",
    Card(),
    Command,
    Event,
    decide,
    evolve,
    views={"share": view_share},
    life={"share": LIFE},
    state_bytes_max=STATE_BYTES_MAX,
    timers_max=0,
)
