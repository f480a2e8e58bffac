"""`why` and `replay`: what the log says of calls and entities, on a platform that runs."""

import json
import re
from typing import Any

import pytest

from actors.cli import tracing
from actors.clocks import wall_ms
from gateway.client import uuid7
from tests.cli.running import Platform

pytestmark = pytest.mark.cluster

SHOP = "programs/shop/shops"


def _why(platform: Platform, what: str) -> Any:
    """The one call that is explained."""
    calls = platform("why", what).value["calls"]
    assert len(calls) == 1
    return calls[0]


def _do(platform: Platform, entity: str, what: str, to: str = "") -> Any:
    """Ask a trap, whether it accepts or not."""
    said = platform("call", f"programs/trap/traps/{entity}", "trap.do", json.dumps({"what": what, "to": to}))
    return said.value["error"] if said.status else said.value


def _stock(platform: Platform, merchant: str) -> None:
    platform.call(f"shop/skus/{merchant}/pen", "shop.sku.stock", units=10)


def _buy(platform: Platform, merchant: str, *options: object, quantity: int = 2) -> Any:
    line = {"order": "1", "sku": "pen", "customer": "ann", "quantity": quantity, "price_pence": 100}
    said = platform("call", f"{SHOP}/{merchant}", "shop.buy", json.dumps(line), *options)
    return said.value["error"] if said.status else said.value


def test_a_sale_is_explained_with_all_three_entities_before_and_after(platform: Platform) -> None:
    _stock(platform, "m1")
    sold = _buy(platform, "m1", "--caller", "ann")
    call = _why(platform, sold["request_id"])
    assert call["asked"]["caller"] == "ann"
    assert call["asked"]["command"]["type"] == "shop.buy"
    assert [copy["position"] for copy in call["copies"]] == [sold["position"]]
    decided = call["decided"]
    assert (decided["outcome"], decided["reply"]["value"]) == ("accepted", {"outcome": "sold"})
    assert {state["entity"]: state["difference"] for state in decided["states"]} == {
        f"{SHOP}/m1": [
            {"path": "lines_sold", "before": 0, "after": 1},
            {"path": "units_sold", "before": 0, "after": 2},
            {"path": "revenue_pence", "before": 0, "after": 200},
            {"path": "customers", "before": 0, "after": 1},
        ],
        "programs/shop/customers/m1/ann": [
            {"path": "came", "before": False, "after": True},
            {"path": "units.pen", "before": None, "after": 2},
        ],
        "programs/shop/skus/m1/pen": [{"path": "units", "before": 10, "after": 8}],
    }
    assert [event["event"]["type"] for event in decided["events"]] == [
        "shop.line-sold",
        "shop.customer.held",
        "shop.sku.stocked",
        "shop.customer-welcomed",
    ]
    told = [(one["who"], one["name"]) for one in call["told"]]
    assert told[0] == ("caller", "ann")
    assert ("topic", "hutong.events.shop.v1") in told
    assert call["rules"]["same"]


def test_a_copy_is_shown_as_one_that_changed_nothing(platform: Platform) -> None:
    _stock(platform, "m2")
    name = _buy(platform, "m2")["request_id"]
    _buy(platform, "m2", "--request-id", name)
    call = _why(platform, name)
    assert [copy["outcome"] for copy in call["copies"]] == ["accepted", "duplicate"]
    (repeat,) = call["repeated"]
    assert repeat["reply"]["decided_at"] == call["copies"][0]["position"]
    assert not repeat["events"]
    assert not any(state["difference"] for state in repeat["states"])
    assert [one["at"] for one in call["told"] if one["who"] == "caller"] == [c["position"] for c in call["copies"]]


def test_the_same_id_with_another_body_is_shown_as_refused(platform: Platform) -> None:
    _stock(platform, "m3")
    name = _buy(platform, "m3")["request_id"]
    assert _buy(platform, "m3", "--request-id", name, quantity=3)["reason"] == "REQUEST_ID_REUSED"
    assert _why(platform, name)["repeated"][0]["reply"]["code"] == "REQUEST_ID_REUSED"


def test_one_id_of_two_callers_is_two_calls(platform: Platform) -> None:
    name = uuid7_now()
    for caller in ("ann", "bob"):
        platform.call("trap/traps/shared", "trap.do", "--request-id", name, "--caller", caller, what=caller)
    calls = platform("why", name).value["calls"]
    assert [(call["asked"]["caller"], call["decided"]["outcome"]) for call in calls] == [
        ("ann", "accepted"),
        ("bob", "accepted"),
    ]


def uuid7_now() -> str:
    """An id of now."""
    return uuid7(wall_ms())


def test_a_rejection_is_explained_with_its_reason(platform: Platform) -> None:
    rejected = _buy(platform, "m4")
    decided = _why(platform, rejected["request_id"])["decided"]
    assert decided["outcome"] == "rejected"
    assert (decided["reply"]["reason"], decided["reply"]["details"]["units"]) == ("out_of_stock", "0")
    assert not decided["events"]
    assert not any(state["difference"] for state in decided["states"])


def test_a_poison_is_explained_with_what_the_code_raised(platform: Platform) -> None:
    poisoned = _do(platform, "poisoned", "raise")
    decided = _why(platform, poisoned["request_id"])["decided"]
    assert decided["outcome"] == "poisoned"
    assert re.fullmatch(r"ValueError: as asked; program\.py:\d+ in decide", decided["raised"])
    assert decided["dead_letters"] == [{"entity": "programs/trap/traps/poisoned", "reason": "POISONED"}]


def test_a_send_is_followed_to_where_it_arrived(platform: Platform) -> None:
    sent = _do(platform, "sender", "send", "receiver")
    call = _why(platform, sent["request_id"])
    (send,) = call["decided"]["sends"]
    assert send["command"] == {"type": "trap.do", "what": "note", "to": ""}
    arrived = _why(platform, send["arrived_at"])
    assert (arrived["asked"]["what"], arrived["asked"]["sender"]) == ("send", "programs/trap/traps/sender")
    assert arrived["decided"]["states"][0]["after"] == {"done": ["note"]}
    assert call["decided"]["pushes"][0]["payload"] == {"sent": "receiver"}
    assert ("listeners", "programs/trap/traps/sender") in [(one["who"], one["name"]) for one in call["told"]]


def test_a_timer_is_told_with_when_it_is_due(platform: Platform) -> None:
    waiting = _do(platform, "waiting", "wait")
    (timer,) = _why(platform, waiting["request_id"])["decided"]["timers"]
    assert (timer["timer"], timer["change"]) == ("later", "set")


def test_a_position_is_explained_as_the_call_that_stands_there(platform: Platform) -> None:
    done = _do(platform, "placed", "here")
    assert _why(platform, done["position"]) == _why(platform, done["request_id"])


def test_a_long_log_is_searched_by_the_time_in_the_id(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = _do(platform, "searching", "send", "searched")
    read_through = _why(platform, sent["request_id"])
    monkeypatch.setattr(tracing, "SEARCH_FRAMES_MIN", 0)
    assert _why(platform, sent["request_id"]) == read_through
    assert platform("why", uuid7(1)).error["reason"] == "NO_SUCH_REQUEST"


def test_what_the_log_does_not_hold_is_not_explained(platform: Platform) -> None:
    assert platform("why", uuid7_now()).error["reason"] == "NO_SUCH_REQUEST"
    assert platform("why", "3f2504e0-4f89-41d3-9a0c-0305e82c3301").error["reason"] == "NO_SUCH_REQUEST"
    assert platform("why", "elephant").error["reason"] == "INVALID_REQUEST_ID"
    assert platform("why", "3/x/0").error["reason"] == "INVALID_POSITION"
    assert platform("why", "3/999999/0").error["reason"] == "NO_SUCH_POSITION"
    assert platform("why", "99/0/0").error["reason"] == "NO_SUCH_POSITION"


def test_why_reads_as_text(platform: Platform) -> None:
    _stock(platform, "m5")
    text = platform.text("why", _buy(platform, "m5")["request_id"])
    assert 'decided    accepted, reply {"outcome":"sold"}' in text
    assert "             units: 10 → 8" in text
    assert "told       the topic hutong.events.shop.v1" in text


# -- replay -----------------------------------------------------------------------------------------------------------


def test_an_entity_tells_every_record_that_touched_it(platform: Platform) -> None:
    _stock(platform, "m6")
    sold = _buy(platform, "m6")
    history = platform("replay", "programs/shop/skus/m6/pen").value
    assert [record["state"] for record in history["records"]] == [{"units": 10}, {"units": 8}]
    assert history["records"][1]["position"] == sold["position"]
    assert history["records"][1]["asked"]["entity"] == f"{SHOP}/m6"
    assert history["state"] == platform("query", "programs/shop/skus/m6/pen", "stock").value["value"]
    assert "units: 10 → 8" in platform.text("replay", "programs/shop/skus/m6/pen")


def test_the_state_is_told_at_a_position_a_frame_and_a_time(platform: Platform) -> None:
    first, second = (_do(platform, "history", what)["position"] for what in ("one", "two"))
    name = "programs/trap/traps/history"

    def at(place: str) -> Any:
        return platform("replay", name, "--at", place).value["state"]["done"]

    assert at(first) == ["one"]
    assert at(second.rpartition("/")[0]) == ["one", "two"]
    assert at("2001-01-01") == []
    assert at("2999-01-01T12:00:00Z") == ["one", "two"]
    (changed,) = platform("replay", name, "--from", first, "--at", second).value["difference"]
    assert (changed["before"], changed["after"]) == (["one"], ["one", "two"])


def test_a_place_that_is_none_is_refused(platform: Platform) -> None:
    number = int(_do(platform, "nowhere", "one")["position"].partition("/")[0])

    def refused(*options: str) -> str:
        return str(platform("replay", "programs/trap/traps/nowhere", *options).error["message"])

    assert "another partition" in refused("--at", f"{(number + 1) % 16}/0/0")
    assert "no time" in refused("--at", "yesterday")
    assert "--at" in refused("--from", "2001-01-01")
    assert platform("replay", "programs/nothing/x/1").error["reason"] == "NO_SUCH_KIND"


def test_an_entity_that_nobody_asked_has_no_history(platform: Platform) -> None:
    told = platform("replay", "programs/trap/traps/untouched").value
    assert (told["records"], told["state"]) == ([], {"done": []})
