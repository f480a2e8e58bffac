"""Changes of a rule that look harmless: the checksums of a golden log must find each."""

import dataclasses
from typing import Any

from msgspec import structs

from actors.entity import AnyEntity, Context, Decision
from tests.releases.golden import RELEASES, changed

KINDS_OF = {
    "account": ("account",),
    "package": (),
    "bike": ("bike.station", "bike.rider"),
    "session": ("session",),
    "shop": ("shop", "shop.customer", "shop.sku"),
    "tariff": ("tariff",),
}
"""The kinds that each golden log speaks to, whose every event shows in some state."""

FORGOTTEN = 10


class Planted:
    """Kinds of which one was changed, and how often its rule was asked."""

    def __init__(self, kind: str, nth: int) -> None:
        """Its `evolve` forgets some events from the nth on that it is asked for.

        One alone might be of a record that was refused in the end.
        """
        self.nth = nth
        self.asked = 0
        self.kinds = changed(kind, self._forgetful)

    def _forgetful(self, entity: AnyEntity) -> AnyEntity:
        def evolve(state: object, event: object) -> object:
            self.asked += 1
            return state if self.nth <= self.asked < self.nth + FORGOTTEN else entity.evolve(state, event)

        return dataclasses.replace(entity, evolve=evolve)


def former_price() -> tuple[AnyEntity, ...]:
    """The tariff takes the former release's price for ever."""

    def change(entity: AnyEntity) -> AnyEntity:
        def decide(state: object, command: object, ctx: Context) -> Decision[Any]:
            return entity.decide(state, command, structs.replace(ctx, release=RELEASES[0]))

        return dataclasses.replace(entity, decide=decide)

    return changed("tariff", change)
