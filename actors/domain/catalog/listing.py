"""How a program is found beside its title and category: its other names, its city, and where it stands."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from actors.entity import Context, Decision, Entity, Stage, accept, after

LIFE = {
    "none": Stage({"describe": "described"}),
    "described": Stage({"describe": "described"}, terminal=True),
}
ALIASES_MAX = 16

Text: TypeAlias = Annotated[str, Meta(max_length=64)]
Alias: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Position: TypeAlias = tuple[Annotated[float, Meta(ge=-90, le=90)], Annotated[float, Meta(ge=-180, le=180)]]
"""Latitude and longitude in degrees."""


class Describe(Struct, frozen=True, tag="catalog.listing.describe"):
    """All of it anew; what is left out is no more."""

    aliases: Annotated[tuple[Alias, ...], Meta(max_length=ALIASES_MAX)] = ()
    city: Text = ""
    position: Position | None = None


class Described(Struct, frozen=True, tag="catalog.listing.described"):
    aliases: tuple[str, ...]
    city: str
    position: tuple[float, float] | None


class Listing(Struct, frozen=True):
    state: str = "none"
    aliases: tuple[str, ...] = ()
    city: str = ""
    position: tuple[float, float] | None = None


def decide(listing: Listing, command: Describe, _ctx: Context) -> Decision[Described]:
    after(LIFE, listing.state, "describe")
    described = Described(command.aliases, command.city, command.position)
    return accept() if evolve(listing, described) == listing else accept(described)


def evolve(_listing: Listing, event: Described) -> Listing:
    return Listing("described", event.aliases, event.city, event.position)


def _account_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


LISTING = Entity(
    "catalog.listing",
    Listing(),
    Describe,
    Described,
    decide,
    evolve,
    views={"listing": lambda listing, _: listing},
    routing=_account_of,
    life={"listing": LIFE},
    timers_max=0,
)
