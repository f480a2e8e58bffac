"""The shop: what becomes of a line, that a line is all or nothing, and a year against an independent computation."""

from collections import Counter
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.kernel.action import Event, EventRecord
from actors.kernel.record import Invoke, Record
from actors.kernel.rules import Rules
from actors.programs.shop.program import (
    CUSTOMER,
    ENTITIES,
    SHOP,
    SKU,
    Buy,
    Customer,
    CustomerWelcomed,
    GiveBack,
    Judge,
    Line,
    LineRefused,
    LineReturned,
    LineSold,
    Move,
    Return,
    SetStock,
    Take,
    Welcome,
    reaches,
)
from actors.testing import Ensemble, Played, Scenario
from tests.kernel.folding import Fold, uuid7
from tests.programs.shop_reference import EXCERPT, Row, Year, line_sum, rows, year_of

M = SHOP.at("m42")
TOMATO = SKU.at("m42/tomato")


def shop(stock: int = 1_000) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(TOMATO, SetStock(stock))
    return ensemble


def line_of(row: Row) -> Buy | Return:
    kind = Return if row.is_return else Buy
    return kind(row.order, row.sku, row.customer, row.quantity, row.price_pence)


def outcome_of(event: object) -> str:
    match event:
        case LineSold():
            return "sold"
        case LineReturned():
            return "returned"
        case LineRefused():
            return event.reason
        case _:
            return ""


def checksum_of(events: list[object]) -> int:
    lines = [event for event in events if isinstance(event, Line)]
    return sum(
        line_sum(outcome_of(line), line.customer, line.order, line.sku, line.quantity, line.price_pence)
        for line in lines
    ) % (1 << 64)


def year_by_entities(lines: list[Row]) -> Year:
    """The same lines through the entities, in an ensemble."""
    ensemble = Ensemble(ENTITIES)
    for sku in {line.sku for line in lines}:
        ensemble.when(SKU.at(f"m42/{sku}"), SetStock(10**9))
    events: list[object] = []
    for line in lines:
        played = ensemble.when(M, line_of(line))
        events += [event for entity, event in played.events if entity == M]
    totals = ensemble.view(M, "totals")
    return Year(**totals, events_checksum=checksum_of(events))


def test_a_sale_is_three_decisions_once_the_customer_is_known() -> None:
    ensemble = shop()
    first = ensemble.when(M, Buy("o1", "tomato", "ann", 3, 50))
    second = ensemble.when(M, Buy("o2", "tomato", "ann", 2, 50))
    assert (first.steps, second.steps) == (4, 3)
    assert second.reply == {"outcome": "sold"}
    assert ensemble.view(CUSTOMER.at("m42/ann"), "articles") == {"tomato": 5}
    assert ensemble.view(TOMATO, "stock") == {"units": 995}


@pytest.mark.parametrize("line", [Buy("o1", "tomato", "ann", 3, 50), Return("o2", "tomato", "ann", 3, 50)])
def test_who_is_asked_about_a_line_is_told_beforehand(line: Buy | Return) -> None:
    ensemble = shop()
    ensemble.when(M, Buy("o0", "tomato", "ann", 9, 50))
    events = ensemble.when(M, line).events
    assert {str(of) for of, _ in events if of != M} == {str(ref) for ref in reaches(SHOP.initial, line, "m42")}


def test_a_line_beyond_the_stock_rejects_and_leaves_nothing_behind() -> None:
    ensemble = shop(stock=2)
    with pytest.raises(Reject, match="out_of_stock"):
        ensemble.when(M, Buy("o1", "tomato", "ann", 3, 50))
    assert ensemble.state(SHOP, "m42") == SHOP.initial
    assert ensemble.state(CUSTOMER, "m42/ann") == CUSTOMER.initial
    assert ensemble.view(TOMATO, "stock") == {"units": 2}


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (Buy("o", "tomato", "ann", 0, 0), "price_not_positive"),
        (Buy("o", "tomato", "ann", -1, 5), "quantity_not_positive"),
        (Return("Co", "tomato", "ann", -1, -5), "price_not_positive"),
        (Return("Co", "tomato", "ann", 0, 5), "quantity_not_positive"),
        (Return("Co", "tomato", "ann", 1, 5), "nothing_to_return"),
    ],
)
def test_the_first_rule_that_a_line_breaks_refuses_it(line: Buy | Return, outcome: str) -> None:
    ensemble = shop()
    played = ensemble.when(M, line)
    assert played.reply == {"outcome": outcome}
    assert [event for _, event in played.events if isinstance(event, Line)] == [
        LineRefused(line.order, line.sku, line.customer, line.quantity, line.price_pence, outcome)
    ]
    totals = ensemble.view(M, "totals")
    assert totals["lines_refused"] == {outcome: 1}
    assert (totals["customers"], totals["revenue_pence"], totals["lines_sold"]) == (1, 0, 0)


def test_a_return_puts_the_units_back_and_takes_the_price_off() -> None:
    ensemble = shop()
    ensemble.when(M, Buy("o1", "tomato", "ann", 3, 50))
    played = ensemble.when(M, Return("C1", "tomato", "ann", 3, 40))
    assert played.reply == {"outcome": "returned"}
    assert ensemble.view(TOMATO, "stock") == {"units": 1_000}
    assert ensemble.view(CUSTOMER.at("m42/ann"), "articles") == {}
    assert ensemble.view(M, "totals")["revenue_pence"] == 30
    assert ensemble.when(M, Return("C2", "tomato", "ann", 1, 40)).reply == {"outcome": "nothing_to_return"}


def test_a_customer_is_counted_once_whatever_the_first_line_was() -> None:
    ensemble = shop()
    ensemble.when(M, Buy("o1", "tomato", "ann", 1, 0))
    ensemble.when(M, Return("C1", "tomato", "bob", 1, 5))
    for who in ("ann", "bob", "cid", "ann"):
        ensemble.when(M, Buy("o2", "tomato", who, 1, 5))
    assert ensemble.view(M, "totals")["customers"] == 3


def test_one_shop_knows_nothing_of_another() -> None:
    ensemble = shop()
    ensemble.when(M, Buy("o1", "tomato", "ann", 3, 50))
    assert ensemble.when(SHOP.at("m43"), Return("C1", "tomato", "ann", 1, 5)).reply == {"outcome": "nothing_to_return"}


def test_what_the_entities_say_to_each_other_is_not_for_clients() -> None:
    ensemble = shop()
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(M, Judge("o", "tomato", "ann", 1, 5, ""))
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(M, Welcome())
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(CUSTOMER.at("m42/ann"), Take("tomato", 1))
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(TOMATO, Move(1))


def test_only_the_shop_of_the_same_merchant_may_move_its_stock() -> None:
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(SKU, entity_id="m42/tomato").when(Move(1), sender="shop/m4")
    with pytest.raises(Reject, match="not_a_shop"):
        Ensemble(ENTITIES).when(SHOP.at("m42/x"), Buy("o", "tomato", "ann", 1, 5))


def test_a_customer_can_hold_only_so_many_articles() -> None:
    full = Customer(True, {str(n): 1 for n in range(4_000)})
    customer = Scenario(CUSTOMER, full, entity_id="m42/ann")
    with pytest.raises(Reject, match="too_many_articles"):
        customer.when(Take("tomato", 1), sender="shop/m42")
    customer.when(Take("7", 1), sender="shop/m42")
    customer.when(GiveBack("C1", "8", "ann", 1, 5), sender="shop/m42")
    assert len(customer.when(Take("tomato", 1), sender="shop/m42").state.units) == 4_000


def test_the_excerpt_has_what_real_data_has() -> None:
    year = year_of(rows(EXCERPT))
    assert year.lines_sold >= 2_000
    assert year.lines_returned > 20
    assert set(year.lines_refused) == {"price_not_positive", "nothing_to_return"}
    assert any(line.customer.startswith("guest-") for line in rows(EXCERPT))


def test_the_excerpt_comes_to_what_an_independent_computation_says() -> None:
    lines = list(rows(EXCERPT))
    assert year_by_entities(lines) == year_of(lines)


LINES = st.builds(
    Row,
    is_return=st.booleans(),
    order=st.sampled_from(["o1", "o2"]),
    sku=st.sampled_from(["tomato", "onion"]),
    customer=st.sampled_from(["ann", "bob", "guest-o1"]),
    quantity=st.integers(-2, 4),
    price_pence=st.integers(-1, 3),
)


@given(st.lists(LINES, max_size=40))
def test_any_lines_come_to_what_an_independent_computation_says(lines: list[Row]) -> None:
    assert year_by_entities(lines) == year_of(lines)


@given(st.lists(LINES, max_size=40), st.integers(0, 8))
def test_units_are_neither_made_nor_lost(lines: list[Row], stock: int) -> None:
    ensemble = Ensemble(ENTITIES)
    for sku in ("tomato", "onion"):
        ensemble.when(SKU.at(f"m42/{sku}"), SetStock(stock))
    for line in lines:
        with suppress(Reject):
            ensemble.when(M, line_of(line))
    held: Counter[str] = Counter()
    for who in ("ann", "bob", "guest-o1"):
        held.update(ensemble.state(CUSTOMER, f"m42/{who}").units)
    for sku in ("tomato", "onion"):
        assert ensemble.state(SKU, f"m42/{sku}").units + held[sku] == stock
    totals = ensemble.state(SHOP, "m42")
    assert totals.units_sold - totals.units_returned == held.total()


def test_an_ensemble_does_what_a_partition_does() -> None:
    encode = msgspec.msgpack.Encoder().encode
    lines = [line_of(row) for row in list(rows(EXCERPT))[:400]]
    calls: list[tuple[str, object]] = [(f"shop.sku/m42/{sku}", SetStock(40)) for sku in {line.sku for line in lines}]
    calls += [("shop/m42", line) for line in lines]
    records: list[Record] = [Invoke(to, encode(command), uuid7(n), "ann") for n, (to, command) in enumerate(calls)]
    fold = Fold(rules=Rules(ENTITIES), route=lambda _: 0)
    decode = msgspec.msgpack.Decoder(EventRecord).decode
    said = [decode(action.record) for action in fold.frame(*records) if isinstance(action, Event)]

    ensemble = Ensemble(ENTITIES)
    played: list[Played] = []
    for to, command in calls:
        kind, _, entity_id = to.partition("/")
        try:
            played.append(ensemble.when(ensemble.entities[kind].at(entity_id), command))
        except Reject:
            played.append(Played())
    events = [(str(entity), encode(event)) for one in played for entity, event in one.events]
    assert [(event.entity, event.payload) for event in said] == events
    assert fold.partition.residents["shop/m42"].state == ensemble.state(SHOP, "m42")
    assert any(not one.events for one in played)
    assert any(isinstance(event, CustomerWelcomed) for one in played for _, event in one.events)
