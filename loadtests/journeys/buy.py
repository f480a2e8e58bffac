"""Somebody buys something in a shop of the own city, and now and then brings it back."""

from collections.abc import Generator
from typing import Any

import msgspec

from loadtests.journeys.browse import arrive, leave
from loadtests.journeys.steps import Invoke, Journey, Step, Think, Visit

SKU = "tea"
PRICE_PENCE = 4_990
PAYS_S = 12.0
TRIES_ON_S = 1_200.0


def buy(visit: Visit) -> Journey:
    """Buys, and keeps it."""
    yield from arrive(visit)
    yield from _bought(visit)
    yield from leave(visit)


def give_back(visit: Visit) -> Journey:
    """Buys, and brings it back."""
    yield from arrive(visit)
    line = yield from _bought(visit)
    yield from leave(visit)
    yield Think(TRIES_ON_S * (0.5 + visit.chance()))
    shop = f"programs/shop/shops/{visit.shop()}"
    yield Invoke(shop, "shop.return", line, "give back", "shop.line-returned")


def _bought(visit: Visit) -> Generator[Step, Any, bytes]:
    """One line of an order, whose number is chance."""
    yield Think(PAYS_S * (0.5 + visit.chance()))
    number = int(visit.chance() * 1e12)
    line = {"order": f"o{number}", "sku": SKU, "customer": visit.name, "quantity": 1, "price_pence": PRICE_PENCE}
    payload = msgspec.json.encode(line)
    yield Invoke(f"programs/shop/shops/{visit.shop()}", "shop.buy", payload, "buy", "shop.line-sold")
    return payload
