"""What a shop is, told once more in plain Python: fed with the settled lines in the log's order. Imports none of ours.

It reads commands as they stand on the log and shares nothing with the program but their names.
"""

from typing import Any

import msgspec


class ShopModel:
    """Every shop of one partition."""

    def __init__(self) -> None:
        self.stock: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str, str], int] = {}
        self.customers: dict[str, set[str]] = {}
        self.totals: dict[str, dict[str, Any]] = {}

    def apply(self, entity: str, command: bytes) -> dict[str, Any]:
        """The reply to a command, or the reason of its rejection."""
        kind, _, entity_id = entity.partition("/")
        asked = msgspec.msgpack.decode(command)
        if kind == "shop.sku":
            merchant, _, sku = entity_id.partition("/")
            self.stock[merchant, sku] = asked["units"]
            return {"units": asked["units"]}
        return self._line(entity_id, asked)

    def _line(self, shop: str, line: dict[str, Any]) -> dict[str, Any]:
        sku, who, quantity, price = line["sku"], line["customer"], line["quantity"], line["price_pence"]
        bought = line["type"] == "shop.buy"
        held = self.held.get((shop, who, sku), 0)
        totals = self.totals.setdefault(shop, _nothing())
        refused = ""
        if price <= 0:
            refused = "price_not_positive"
        elif quantity <= 0:
            refused = "quantity_not_positive"
        elif not bought and held < quantity:
            refused = "nothing_to_return"
        elif bought and self.stock.get((shop, sku), 0) < quantity:
            return {"reason": "out_of_stock"}
        self.customers.setdefault(shop, set()).add(who)
        totals["customers"] = len(self.customers[shop])
        if refused:
            totals["lines_refused"][refused] = totals["lines_refused"].get(refused, 0) + 1
            return {"outcome": refused}
        sign, outcome = (1, "sold") if bought else (-1, "returned")
        self.held[shop, who, sku] = held + sign * quantity
        self.stock[shop, sku] = self.stock.get((shop, sku), 0) - sign * quantity
        totals[f"lines_{outcome}"] += 1
        totals[f"units_{outcome}"] += quantity
        totals["revenue_pence"] += sign * quantity * price
        return {"outcome": outcome}


def _nothing() -> dict[str, Any]:
    counts = ("lines_sold", "lines_returned", "units_sold", "units_returned", "revenue_pence", "customers")
    return {**dict.fromkeys(counts, 0), "lines_refused": {}}
