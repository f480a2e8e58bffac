"""A real year of a real shop, played through the gateway: each line of the file is one command, in order per customer.

A customer's next line goes only after the answer to the last; customers go in parallel. Every line has one request id,
kept over all retries.
"""

import asyncio
import csv
import hashlib
import time
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple, TextIO

from actors.errors import SetupError
from gateway.client import Client

COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "UnitPrice", "CustomerID")
CUSTOMERS_AT_ONCE_MAX = 64
STOCK = 10_000_000
OPENING = {"program": "shop", "scene": 1011, "path": "pages/index"}
"""How a customer comes in: by scanning a code (scene 1011)."""


class Line(NamedTuple):
    """One line of the file as a command."""

    returned: bool
    order: str
    sku: str
    customer: str
    quantity: int
    price_pence: int

    @property
    def command(self) -> str:
        """The command's tag."""
        return "shop.return" if self.returned else "shop.buy"

    def payload(self) -> dict[str, str | int]:
        """The command's fields."""
        return {
            "order": self.order,
            "sku": self.sku,
            "customer": self.customer,
            "quantity": self.quantity,
            "price_pence": self.price_pence,
        }


def read_lines(file: TextIO, name: str) -> list[Line]:
    """The lines of a shop's year. Raises SetupError naming the line and column that do not fit."""
    rows = csv.DictReader(file)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise SetupError(f"{name} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    lines: list[Line] = []
    for row in rows:
        try:
            lines.append(_line(row))
        except (ValueError, ArithmeticError, TypeError) as error:
            raise SetupError(f"{name}, line {rows.line_num}: {error}; check the quantity and the price") from error
    return lines


def load_lines(path: Path) -> list[Line]:
    """The lines of a file; see `read_lines`."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            return read_lines(file, str(path))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}. Name a CSV file with --file.") from error


def _line(row: dict[str, str]) -> Line:
    order = row["InvoiceNo"]
    returned = order.startswith("C")
    quantity = int(row["Quantity"])
    pence = (Decimal(row["UnitPrice"]) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    customer = row["CustomerID"] or f"guest-{order}"
    return Line(returned, order, row["StockCode"], customer, -quantity if returned else quantity, int(pence))


def checksum_part(outcome: str, customer: str, order: str, sku: str, quantity: int, price_pence: int) -> int:
    """What one outcome adds to the checksum: the first 8 bytes, big-endian, of the SHA-256 of its canonical text."""
    text = f"{outcome}|{customer}|{order}|{sku}|{quantity}|{price_pence}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def total_checksum(parts: Iterable[int]) -> int:
    """The sum of the parts modulo 2^64: the order of outcomes does not matter, their number does."""
    return sum(parts) % (1 << 64)


class Progress:
    """How far a run has come; others wait for it here."""

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self.answered = 0
        self._latest_begun_at = 0.0
        self._answered_at = 0.0
        self._changed = asyncio.Condition()

    async def answer(self, begun_at: float) -> None:
        """One more line was answered; its call began at this monotonic time."""
        async with self._changed:
            self.answered += 1
            self._latest_begun_at = max(self._latest_begun_at, begun_at)
            self._answered_at = time.monotonic()
            self._changed.notify_all()

    async def reached(self, lines: int) -> None:
        """Wait until so many lines were answered."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.answered >= lines)

    async def answered_begun_after(self, moment: float) -> float:
        """Wait for an answer to a call that began after this time; returns when it came."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._latest_begun_at > moment)
            return self._answered_at


async def open_shop(client: Client, merchant: str, skus: Iterable[str]) -> None:
    """A new merchant opens a shop, stocked so that nothing is refused for stock."""
    await client.invoke(f"merchants/{merchant}", "merchant.open", {"name": f"The shop of {merchant}"})
    stocking = [
        (f"programs/shop/skus/{merchant}/{sku}", "shop.sku.stock", {"units": STOCK}) for sku in sorted(set(skus))
    ]
    await client.invoke_many(stocking)


async def play(client: Client, merchant: str, lines: Sequence[Line], progress: Progress) -> None:
    """Play every line: customers in parallel, each one's lines in order, within a session that opens and closes."""
    by_customer: dict[str, list[Line]] = {}
    for line in lines:
        by_customer.setdefault(line.customer, []).append(line)
    room = asyncio.Semaphore(CUSTOMERS_AT_ONCE_MAX)

    async def visit(customer: str, mine: list[Line]) -> None:
        async with room:
            session = f"sessions/{merchant}-{customer}"
            await client.invoke(session, "session.open", OPENING)
            for line in mine:
                begun_at = time.monotonic()
                await client.invoke(f"programs/shop/shops/{merchant}", line.command, line.payload())
                await progress.answer(begun_at)
            await client.invoke(session, "session.close", {})

    async with asyncio.TaskGroup() as tasks:
        for customer, mine in by_customer.items():
            tasks.create_task(visit(customer, mine))
