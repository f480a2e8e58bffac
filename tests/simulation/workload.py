"""What clients ask for: shops with too little stock, purses that pay each other, and now and then nonsense."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

from actors.kernel.rules import Rules
from actors.programs.shop.program import ENTITIES, Buy, Return, SetStock
from tests.simulation.purse import PURSE, Open, Pay

RULES = Rules([*ENTITIES, PURSE])
MERCHANTS = ("m1", "m2", "m3")
SKUS = ("mug", "lamp", "cup")
CUSTOMERS = ("c1", "c2", "c3", "c4")
PURSES = tuple(f"p{n}" for n in range(6))
CLIENTS = 5
CALLS_EACH = 18
TICKS = 3
TICK_MS = 700
NONSENSE = (("shop/m1", b"\x81\xa4type\xa8shop.fly"), ("nothing/1", b"\x80"), ("purse/p1", b"\xc1"))

encode = msgspec.msgpack.Encoder().encode


class Asking(NamedTuple):
    """One call to be made."""

    entity: str
    command: bytes


def opening(chance: Random) -> list[Asking]:
    """Stock on the shelves and money in the purses."""
    stock = [Asking(f"shop.sku/{m}/{sku}", encode(SetStock(chance.randint(5, 30)))) for m in MERCHANTS for sku in SKUS]
    money = [Asking(f"purse/{p}", encode(Open(100, TICKS, chance.randint(50, TICK_MS)))) for p in PURSES]
    return stock + money


def calls(chance: Random) -> Iterator[Asking]:
    """What one client asks, one call after the other."""
    for n in range(CALLS_EACH):
        drawn = chance.random()
        if drawn < 0.55:
            yield _line(chance, f"o{n}")
        elif drawn < 0.97:
            source, to = chance.sample(PURSES, 2)
            pay = Pay(to, chance.randint(1, 60), chance.randint(20, 3_000))
            yield Asking(f"purse/{source}", encode(pay))
        else:
            yield Asking(*chance.choice(NONSENSE))


def _line(chance: Random, order: str) -> Asking:
    kind = Return if chance.random() < 0.3 else Buy
    merchant, sku, customer = chance.choice(MERCHANTS), chance.choice(SKUS), chance.choice(CUSTOMERS)
    line = kind(order, sku, customer, chance.randint(-1, 5), chance.randint(0, 900))
    return Asking(f"shop/{merchant}", encode(line))
