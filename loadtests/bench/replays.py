"""What is replayed: calls to the benchmark's accounts, and lines of a shop. Run as a worker."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from actors import programs
from actors.registry import shipped_programs
from loadtests.bench import worker
from loadtests.bench.replay import Call, measure, rules_of
from loadtests.bench.worker import Answer, Question
from loadtests.shop_year import Line, load_lines

PROGRAMS = Path(__file__).parent / "programs"
KEYS = 1_000
MERCHANT = "m1"


def account_calls(count: int) -> list[Call]:
    """Calls to every account in turn."""
    return [_add(str(n % KEYS)) for n in range(count)]


def _add(account: str) -> Call:
    return Call(f"account/{account}", account, {"type": "account.add", "amount": 5})


def shop_year() -> list[Line]:
    """The lines of the year that ships with the shop."""
    return load_lines(Path(programs.__path__[0]) / "shop" / "year.csv")


def stocked(lines: Sequence[Line]) -> list[Call]:
    """Every article of these lines is on its shelf."""
    stock = {"type": "shop.sku.stock", "units": 10**9}
    return [Call(f"shop.sku/{MERCHANT}/{sku}", MERCHANT, stock) for sku in sorted({line.sku for line in lines})]


def shop_calls(lines: Sequence[Line], count: int) -> list[Call]:
    """So many lines, in their order and then again; most touch the shop, a customer and an article."""
    calls = [Call(f"shop/{MERCHANT}", MERCHANT, {"type": line.command, **line.payload()}) for line in lines]
    return list(itertools.islice(itertools.cycle(calls), count))


def _account(question: Question) -> Answer:
    return measure(rules_of((PROGRAMS / "account",)), account_calls(KEYS), account_calls(int(question["records"])))


def _shop(question: Question) -> Answer:
    lines = shop_year()
    warm = [*stocked(lines), *shop_calls(lines, len(lines))]
    return measure(rules_of(shipped_programs()), warm, shop_calls(lines, int(question["records"])))


if __name__ == "__main__":
    worker.serve({"account": _account, "shop": _shop})
