"""`owed`: what programs stated stands in the read model soon after, and is still there after another start."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import PROGRAMS, READY_S_MAX, Platform, dev, hutong

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def drink(platform: Platform, guest: str, reference: str, amount: int, inn: str = "the-crown") -> Any:
    fields = {"what": "ale", "amount_minor": amount, "reference": reference, "inn": inn}
    return platform.call(f"slate/slates/{guest}", "slate.drink", **fields)


def owed(platform: Platform, debts: int, *options: str) -> Any:
    """What is owed once there are so many debts: an event comes to its topic just after its call is answered."""
    until = time.monotonic() + READY_S_MAX
    while len((said := platform("owed", *options).value)["debts"]) != debts:
        assert time.monotonic() < until, said
        threading.Event().wait(0.02)
    return said


def test_a_debt_is_told_with_who_owes_it_and_where_it_was_decided(platform: Platform) -> None:
    position = drink(platform, "ann", "first", 420)["position"]
    said = owed(platform, 1, "--entity", "programs/slate/slates/ann")
    (debt,) = said["debts"]
    assert (debt["entity"], debt["amount_minor"], debt["currency"]) == ("programs/slate/slates/ann", 420, "GBP")
    assert (debt["to"], debt["what_for"], debt["reference"]) == ("the-crown", "ale", "first")
    assert debt["position"] == position
    assert (said["totals"], said["more"], said["missing"]) == ({"GBP": 420}, False, 0)
    assert "420 GBP" in hutong("owed", "--dir", platform.folder).err
    assert "first" in platform.text("owed", "--entity", "programs/slate/slates/ann")


def test_a_debt_stated_again_is_owed_once_and_a_merchant_sees_its_own(platform: Platform) -> None:
    for reference, amount in (("one", 1), ("two", 2), ("one", 3)):
        drink(platform, "ben", reference, amount, inn="the-bell")
    drink(platform, "ben", "three", 10, inn="the-swan")
    drink(platform, "cid", "one", 5, inn="the-bell")
    assert owed(platform, 3, "--to", "the-bell")["totals"] == {"GBP": 10}
    assert owed(platform, 1, "--to", "the-bell", "--entity", "programs/slate/slates/cid")["totals"] == {"GBP": 5}
    assert owed(platform, 3, "--entity", "programs/slate/slates/ben")["totals"] == {"GBP": 15}
    assert owed(platform, 0, "--to", "nobody")["totals"] == {}
    assert "nothing is owed" in platform.text("owed", "--to", "nobody")


def test_an_entity_that_cannot_be_is_named(platform: Platform) -> None:
    assert platform("owed", "--entity", "programs/slate/nothing/x").error["reason"] == "NO_SUCH_KIND"


def test_rows_are_kept_and_made_anew_alike(tmp_path: Path) -> None:
    with dev(tmp_path / "own", "--programs", str(PROGRAMS)) as first:
        for number in range(5):
            drink(first, f"guest{number % 2}", str(number), number + 1)
        before = owed(first, 5)
    with dev(tmp_path / "own", "--programs", str(PROGRAMS)) as again:
        assert owed(again, 5) == before
    (tmp_path / "own" / "readmodels.db").write_bytes(b"damaged" * 4_096)
    with dev(tmp_path / "own", "--programs", str(PROGRAMS)) as anew:
        assert owed(anew, 5) == before
        drink(anew, "guest0", "5", 6)
        assert owed(anew, 6)["totals"] == {"GBP": 21}
