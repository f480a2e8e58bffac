"""What clients ask for: shops with too little stock, purses that pay each other, and now and then nonsense."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

import msgspec

from actors.entity import AnyEntity
from actors.kernel.rules import Rules
from actors.placement import RELEASE_MIN
from actors.programs.shop.program import ENTITIES, Buy, Return, SetStock
from tests.simulation.evening import Area, Asking
from tests.simulation.packages import PACKAGES
from tests.simulation.purse import PURSE, Confirm, Open, Pay

RULES = Rules([*ENTITIES, PURSE], RELEASE_MIN)
MERCHANTS = ("m1", "m2", "m3")
SKUS = ("mug", "lamp", "cup")
CUSTOMERS = ("c1", "c2", "c3", "c4")
PURSES = tuple(f"p{n}" for n in range(6))
TICKS = 3
TICK_MS = 700
GARBLED = b"\xc1" * 40
"""What was garbled ends with this: no msgpack and no UTF-8 has that byte, and it is longer than any number and any
short text: where nobody asks for one, nobody looks at its bytes."""
BAD = 0.05

encode = msgspec.msgpack.Encoder().encode
POISON = encode(Confirm("a payment that is not there"))
NONSENSE = (
    ("shop/m1", b"\x81\xa4type\xa8shop.fly"),
    ("nothing/1", b"\x80"),
    ("purse/p1", b"\xc1"),
    ("purse/p1", POISON),
    ("purse/p3", POISON),
)


class Work(NamedTuple):
    """What is done in a world."""

    rules: Rules
    areas: tuple[Area, ...]
    """Those of a city; none where shops and purses are at work."""
    opening: Callable[[Random], list[Asking]]
    calls: Callable[[Random, int], Iterator[Asking]]
    """What one client asks, one call after the other."""
    looks: tuple[tuple[str, str], ...]
    """Entities, and a view of each."""
    timers_ms: int = 1 << 50
    """A world has settled when no timer is due within this time."""
    packages: Mapping[str, Sequence[AnyEntity]] = {}
    """What may be loaded beside the rules."""
    follows: str = ""
    """The program whose packages a follower brings to partitions, as the catalogue says; else they switch by chance."""

    def new_rules(self, *, loaded: bool) -> Rules:
        """Rules of one's own, with every package or with none."""
        rules = Rules((), self.rules.release, self.rules.digest)
        rules.kinds = self.rules.kinds
        for package, entities in self.packages.items() if loaded else ():
            rules.add(package, entities)
        return rules


def is_bad(entity: str, command: bytes) -> bool:
    """Whether a command is one that no program takes."""
    return command.endswith(GARBLED) or (entity, command) in NONSENSE


def opening(chance: Random) -> list[Asking]:
    """Stock on the shelves and money in the purses."""
    stock = [Asking(f"shop.sku/{m}/{sku}", encode(SetStock(chance.randint(5, 60)))) for m in MERCHANTS for sku in SKUS]
    money = [Asking(f"purse/{p}", encode(Open(100, TICKS, chance.randint(50, TICK_MS)))) for p in PURSES]
    return stock + money


def calls(chance: Random, count: int) -> Iterator[Asking]:
    """What one client asks, one call after the other."""
    for n in range(count):
        good = _line(chance, f"o{n}") if chance.random() < 0.56 else _payment(chance)
        yield spoilt(chance, good) if chance.random() < BAD else good


def _payment(chance: Random) -> Asking:
    source, to = chance.sample(PURSES, 2)
    return Asking(f"purse/{source}", encode(Pay(to, chance.randint(1, 60), chance.randint(20, 3_000))))


def spoilt(chance: Random, good: Asking) -> Asking:
    """Nonsense, or a good command cut short or with other bytes in it."""
    if chance.random() < 0.5:
        return Asking(*chance.choice(NONSENSE), is_bad=True)
    command = bytearray(good.command[: chance.randint(0, len(good.command) - 1)])
    for _ in range(chance.randint(0, min(3, len(command)))):
        command[chance.randrange(len(command))] = chance.randrange(256)
    return Asking(good.entity, bytes(command) + GARBLED, is_bad=True)


def _line(chance: Random, order: str) -> Asking:
    kind = Return if chance.random() < 0.3 else Buy
    merchant, sku, customer = chance.choice(MERCHANTS), chance.choice(SKUS), chance.choice(CUSTOMERS)
    line = kind(order, sku, customer, chance.randint(-1, 5), chance.randint(0, 900))
    return Asking(f"shop/{merchant}", encode(line))


LOOKS = tuple((f"shop/{merchant}", "totals") for merchant in MERCHANTS)
SHOPS = Work(RULES, (), opening, calls, LOOKS, packages=PACKAGES)
