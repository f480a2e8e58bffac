"""A program's name: first come, first served. A claim that its program does not confirm within its time lapses."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.domain.developer import ID, check_id
from actors.entity import FILLED, CancelTimer, Context, Decision, Entity, Reject, SetTimer, Stage, accept, after

LIFE = {
    "free": Stage({"claim": "claimed"}),
    "claimed": Stage({"claim": "claimed", "confirm": "kept", "lapse": "free"}),
    "kept": Stage({"claim": "kept", "confirm": "kept"}, terminal=True),
}
HOLD_MS_MAX = DAY_MS


class Claim(Struct, frozen=True, tag="catalog.name.claim", rename={"filled": FILLED}):
    account: Annotated[str, Meta(pattern=f"^{ID.pattern}$")]
    hold_ms: Annotated[int, Meta(ge=1, le=HOLD_MS_MAX)] = 3_600_000
    filled: tuple[str, ...] = ("hold_ms",)


class Confirm(Struct, frozen=True, tag="catalog.name.confirm"):
    account: str


class Lapse(Struct, frozen=True, tag="catalog.name.lapse"):
    """The timer's command: nobody confirmed."""


class Claimed(Struct, frozen=True, tag="catalog.name.claimed"):
    account: str
    at_ms: int


class Confirmed(Struct, frozen=True, tag="catalog.name.confirmed"):
    pass


class Lapsed(Struct, frozen=True, tag="catalog.name.lapsed"):
    pass


Command: TypeAlias = Claim | Confirm | Lapse
Event: TypeAlias = Claimed | Confirmed | Lapsed


class Name(Struct, frozen=True):
    state: str = "free"
    account: str = ""
    claimed_ms: int = 0


def decide(name: Name, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Claim(account, hold_ms):
            after(LIFE, name.state, "claim")
            check_id(ctx.entity_id)
            if name.state != "free":
                _check_theirs(name, account)
                return accept()
            timer = SetTimer("unconfirmed", ctx.now_ms + hold_ms, Lapse())
            return accept(Claimed(account, ctx.now_ms), actions=(timer,))
        case Confirm(account):
            after(LIFE, name.state, "confirm")
            _check_theirs(name, account)
            return accept() if name.state == "kept" else accept(Confirmed(), actions=(CancelTimer("unconfirmed"),))
        case Lapse():
            ctx.only_from("catalog.name", ctx.entity_id)
            return accept(Lapsed()) if name.state == "claimed" else accept()
        case _:
            assert_never(command)


def _check_theirs(name: Name, account: str) -> None:
    if name.account != account:
        raise Reject("name_taken")


def evolve(name: Name, event: Event) -> Name:
    match event:
        case Claimed(account, at_ms):
            return Name("claimed", account, at_ms)
        case Confirmed():
            return replace(name, state="kept")
        case Lapsed():
            return Name()
        case _:
            assert_never(event)


def view_name(name: Name, _: object) -> object:
    """Whose it is."""
    return name


NAME = Entity(
    "catalog.name",
    Name(),
    Command,
    Event,
    decide,
    evolve,
    views={"name": view_name},
    collection="program-names",
    life={"name": LIFE},
    timers_max=1,
)
