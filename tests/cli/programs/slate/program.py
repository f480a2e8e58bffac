"""A slate in an inn: what a guest drinks stands on it, and is owed."""

from typing import TypeAlias

from msgspec import Struct

from actors import Context, Decision, Entity, Owed, accept


class Drink(Struct, frozen=True, tag="slate.drink"):
    what: str
    amount_minor: int
    reference: str
    inn: str = "the-crown"


class Drunk(Struct, frozen=True, tag="slate.drunk"):
    what: str


class DrinkOwed(Owed, frozen=True, kw_only=True, tag="slate.drink-owed"):
    pass


class Slate(Struct, frozen=True):
    drinks: int = 0


Event: TypeAlias = Drunk | DrinkOwed


def decide(slate: Slate, command: Drink, ctx: Context) -> Decision[Event]:
    owed = DrinkOwed(
        amount_minor=command.amount_minor,
        currency="GBP",
        to=command.inn,
        what_for=command.what,
        reference=command.reference,
    )
    return accept(Drunk(command.what), owed)


def evolve(slate: Slate, event: Event) -> Slate:
    return Slate(slate.drinks + isinstance(event, Drunk))


SLATE = Entity("slate", Slate(), Drink, Event, decide, evolve)
ENTITIES = (SLATE,)
