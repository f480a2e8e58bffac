"""An independent computation of a shop's year from its file: what the platform's totals and events must equal.

It shares no code with the program, on purpose.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

EXCERPT = Path(__file__).parents[2] / "actors" / "programs" / "shop" / "year.csv"


class Row(NamedTuple):
    """One line of the file, as the call that it becomes."""

    is_return: bool
    order: str
    sku: str
    customer: str
    quantity: int
    price_pence: int


class Year(NamedTuple):
    """What a year comes to."""

    lines_sold: int
    lines_returned: int
    lines_refused: dict[str, int]
    units_sold: int
    units_returned: int
    revenue_pence: int
    customers: int
    events_checksum: int


def rows(path: Path) -> Iterator[Row]:
    """The lines of a file of the shop, in order."""
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            order = line["InvoiceNo"]
            is_return = order.startswith("C")
            quantity = int(line["Quantity"])
            price = (Decimal(line["UnitPrice"]) * 100).quantize(Decimal(1), ROUND_HALF_UP)
            customer = line["CustomerID"] or f"guest-{order}"
            yield Row(is_return, order, line["StockCode"], customer, -quantity if is_return else quantity, int(price))


def line_sum(outcome: str, customer: str, order: str, sku: str, quantity: int, price_pence: int) -> int:
    """What one line adds to the checksum of events."""
    text = f"{outcome}|{customer}|{order}|{sku}|{quantity}|{price_pence}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def year_of(lines: Iterable[Row]) -> Year:
    """The totals of these lines, taken one after the other."""
    held: Counter[tuple[str, str]] = Counter()
    count: Counter[str] = Counter()
    units: Counter[str] = Counter()
    customers: set[str] = set()
    revenue_pence = checksum = 0
    for line in lines:
        outcome = _outcome(line, held[line.customer, line.sku])
        sign = {"sold": 1, "returned": -1}.get(outcome, 0)
        held[line.customer, line.sku] += sign * line.quantity
        revenue_pence += sign * line.quantity * line.price_pence
        count[outcome] += 1
        units[outcome] += line.quantity
        customers.add(line.customer)
        checksum += line_sum(outcome, line.customer, line.order, line.sku, line.quantity, line.price_pence)
    refused = {outcome: lines for outcome, lines in count.items() if outcome not in ("sold", "returned")}
    return Year(
        count["sold"],
        count["returned"],
        refused,
        units["sold"],
        units["returned"],
        revenue_pence,
        len(customers),
        checksum % (1 << 64),
    )


def _outcome(line: Row, held: int) -> str:
    if line.price_pence <= 0:
        return "price_not_positive"
    if line.quantity <= 0:
        return "quantity_not_positive"
    if line.is_return:
        return "returned" if held >= line.quantity else "nothing_to_return"
    return "sold"
