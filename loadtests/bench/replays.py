"""What is replayed: calls to the benchmark's accounts, and lines of a shop. Run as a worker."""

import random
from pathlib import Path

from actors.registry import shipped_programs
from loadtests.bench import worker
from loadtests.bench.replay import Call, measure, rules_of
from loadtests.bench.worker import Answer, Question

PROGRAMS = Path(__file__).parent / "programs"
KEYS = 1_000
CUSTOMERS = 200
SKUS = 300
MERCHANT = "m1"


def account_calls(count: int) -> list[Call]:
    """Calls to every account in turn."""
    return [_add(str(n % KEYS)) for n in range(count)]


def _add(account: str) -> Call:
    return Call(f"account/{account}", account, {"type": "account.add", "amount": 5})


def _line(seeded: random.Random) -> Call:
    number = seeded.randrange(10_000)
    line = {
        "type": "shop.buy",
        "order": f"5{number:05}",
        "sku": f"8{number % SKUS:04}",
        "customer": f"1{number % CUSTOMERS:04}",
        "quantity": 1 + number % 12,
        "price_pence": 100 + number % 900,
    }
    return Call(f"shop/{MERCHANT}", MERCHANT, line)


def shop_warm() -> list[Call]:
    """A shop opens, its articles are stocked."""
    stock = {"type": "shop.stock", "quantity": 10**7}
    return [Call(f"shop.sku/{MERCHANT}/8{sku:04}", MERCHANT, stock) for sku in range(SKUS)]


def shop_lines(count: int) -> list[Call]:
    """Lines of a shop, each of which touches the shop, an article and a customer."""
    seeded = random.Random(1)
    return [_line(seeded) for _ in range(count)]


def _account(question: Question) -> Answer:
    return measure(rules_of((PROGRAMS / "account",)), account_calls(KEYS), account_calls(int(question["records"])))


def _shop(question: Question) -> Answer:
    warm = [*shop_warm(), *shop_lines(2_000)]
    return measure(rules_of(shipped_programs()), warm, shop_lines(int(question["records"])))


if __name__ == "__main__":
    worker.serve({"account": _account, "shop": _shop})
