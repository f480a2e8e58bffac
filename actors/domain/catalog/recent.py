"""The programs of a person: those used last, the latest first, and those that they keep at hand."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.erasable import LIFE, Erasable, check_kept
from actors.entity import Context, Decision, Entity, Reject, accept

RECENT_MAX = 100
FAVOURITES_MAX = 200

Program: TypeAlias = Annotated[str, Meta(min_length=1, max_length=63)]


class Used(Struct, frozen=True, tag="catalog.recent.used"):
    """The person's visit to this program began."""

    program: Program


class Favour(Struct, frozen=True, tag="catalog.recent.favour"):
    program: Program


class Unfavour(Struct, frozen=True, tag="catalog.recent.unfavour"):
    program: Program


class Erase(Struct, frozen=True, tag="catalog.recent.erase"):
    """The person is erased: forget all of it, and keep nothing any more."""


class WasUsed(Struct, frozen=True, tag="catalog.recent.was-used"):
    program: str
    at_ms: int


class Favoured(Struct, frozen=True, tag="catalog.recent.favoured"):
    program: str
    at_ms: int


class Unfavoured(Struct, frozen=True, tag="catalog.recent.unfavoured"):
    program: str


class Forgotten(Struct, frozen=True, tag="catalog.recent.forgotten"):
    pass


Command: TypeAlias = Used | Favour | Unfavour | Erase
Event: TypeAlias = WasUsed | Favoured | Unfavoured | Forgotten


class Programs(Erasable, Struct, frozen=True):
    """Each with the time at which the last visit to it began, or it was kept; the latest last."""

    recent: dict[str, int] = {}
    favourites: dict[str, int] = {}


def decide(programs: Programs, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Erase():
            ctx.only_from("identity.person", ctx.entity_id)
            return accept() if programs.erased else accept(Forgotten())
        case Used() | Favour() | Unfavour():
            check_kept(programs)
            return _keep(programs, command, ctx)
        case _:
            assert_never(command)


def _keep(programs: Programs, command: Used | Favour | Unfavour, ctx: Context) -> Decision[Event]:
    match command:
        case Used(program):
            return accept(WasUsed(program, ctx.now_ms))
        case Favour(program):
            if program in programs.favourites:
                return accept()
            if len(programs.favourites) >= FAVOURITES_MAX:
                raise Reject("too_many_favourites", favourites_max=str(FAVOURITES_MAX))
            return accept(Favoured(program, ctx.now_ms))
        case Unfavour(program):
            return accept(Unfavoured(program)) if program in programs.favourites else accept()
        case _:
            assert_never(command)


def evolve(programs: Programs, event: Event) -> Programs:
    match event:
        case WasUsed(program, at_ms):
            recent = {name: at for name, at in programs.recent.items() if name != program} | {program: at_ms}
            if len(recent) > RECENT_MAX:
                del recent[next(iter(recent))]
            return replace(programs, recent=recent)
        case Favoured(program, at_ms):
            return replace(programs, favourites=programs.favourites | {program: at_ms})
        case Unfavoured(program):
            return replace(programs, favourites={n: at for n, at in programs.favourites.items() if n != program})
        case Forgotten():
            return Programs(erased=True)
        case _:
            assert_never(event)


def view_programs(programs: Programs, _: object) -> object:
    """Everything, the latest first."""
    return {
        name: [{"program": program, "at_ms": at_ms} for program, at_ms in reversed(kept.items())]
        for name, kept in (("recent", programs.recent), ("favourites", programs.favourites))
    }


RECENT = Entity(
    "catalog.recent",
    Programs(),
    Command,
    Event,
    decide,
    evolve,
    views={"programs": view_programs},
    life={"programs": LIFE},
    collection="recents",
    takes_from=("identity",),
    timers_max=0,
)
