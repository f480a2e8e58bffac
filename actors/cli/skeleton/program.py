"""A card that collects stamps; ten of them are a coffee. Put your own rules in its place.

A command is what somebody asks, an event what happened. `decide` says yes (events) or no (a Reject), `evolve` what the
state is after an event. Both are called again on every replay: they read nothing but their arguments.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Reject, Role, accept

FULL = 10  # stamps for one coffee


class Stamp(Struct, frozen=True, tag="skeleton.stamp"):
    count: Annotated[int, Meta(ge=1, le=FULL)] = 1


class Redeem(Struct, frozen=True, tag="skeleton.redeem"):
    """A full card for a coffee."""


class Stamped(Struct, frozen=True, tag="skeleton.stamped"):
    count: int
    at_ms: int


class Redeemed(Struct, frozen=True, tag="skeleton.redeemed"):
    at_ms: int


class Card(Struct, frozen=True):
    stamps: int = 0
    coffees: int = 0


Command: TypeAlias = Stamp | Redeem
Event: TypeAlias = Stamped | Redeemed


def decide(card: Card, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Stamp(count):
            if card.stamps + count > FULL:
                raise Reject("card_full", stamps=str(card.stamps))  # final: nothing has changed
            return accept(Stamped(count, ctx.now_ms), reply={"stamps": card.stamps + count})
        case Redeem():
            if card.stamps < FULL:
                raise Reject("too_few", missing=str(FULL - card.stamps))
            return accept(Redeemed(ctx.now_ms), reply={"coffees": card.coffees + 1})
        case _:
            assert_never(command)


def evolve(card: Card, event: Event) -> Card:
    match event:
        case Stamped(count):
            return replace(card, stamps=card.stamps + count)
        case Redeemed():
            return replace(card, stamps=card.stamps - FULL, coffees=card.coffees + 1)
        case _:
            assert_never(event)


CARD = Entity(
    "skeleton.card",
    Card(),
    Command,
    Event,
    decide,
    evolve,
    views={"card": lambda card, _: card},
    # Who may do what, where callers prove who they are: a person reads its own card, the program's server stamps it.
    access={"skeleton.stamp": (Role.SERVER,), "skeleton.redeem": (Role.SERVER,), "card": (Role.PERSON, Role.SERVER)},
    owner={Role.PERSON: lambda card_id: card_id},
)
ENTITIES = (CARD,)
