"""The clothing shop: sizes, exchanges and returns, and that the shop's shelves and lines say the same as the orders."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Owed, Ref, Reject
from actors.kernel.record import Invoke
from actors.kernel.rules import Rules
from actors.programs.shop import program as shop
from actors.programs.wear.program import (
    ENTITIES,
    ORDER,
    RETURN_MS,
    STYLE,
    AddLine,
    Buy,
    Exchange,
    GarmentOwed,
    GarmentReturned,
    Offer,
    Order,
    Quote,
    Return,
    Wanted,
)
from actors.testing import Ensemble
from tests.kernel.folding import Fold, uuid7

ANN = ORDER.at("mode/ann/1")
COAT, SCARF = STYLE.at("mode/coat"), STYLE.at("mode/scarf")
SIZES = ("S", "M", "L")


def boutique(stock: int = 5) -> Ensemble:
    ensemble = Ensemble((*ENTITIES, *shop.ENTITIES))
    ensemble.when(COAT, Offer("Coat", 40_000, "CNY"))
    ensemble.when(SCARF, Offer("Scarf", 9_900, "CNY"))
    for style in ("coat", "scarf"):
        for size in SIZES:
            ensemble.when(shop.SKU.at(f"mode/{style}-{size}"), shop.SetStock(stock))
    return ensemble


def shelf(ensemble: Ensemble, sku: str) -> int:
    return ensemble.state(shop.SKU, f"mode/{sku}").units


def has(ensemble: Ensemble, order: str = "mode/ann/1") -> dict[str, int]:
    return {sku: line.units for sku, line in ensemble.state(ORDER, order).lines.items()}


def test_an_order_is_one_record_with_the_shops_lines_and_stock_in_it() -> None:
    ensemble = boutique()
    played = ensemble.when(ANN, Buy((Wanted("coat", "M"), Wanted("scarf", "S", 2))))
    assert (played.reply, ensemble.sent) == ({"outcome": "sold"}, [])
    assert has(ensemble) == {"coat-M": 1, "scarf-S": 2}
    assert (shelf(ensemble, "coat-M"), shelf(ensemble, "scarf-S")) == (4, 3)
    totals = ensemble.state(shop.SHOP, "mode")
    assert (totals.lines_sold, totals.units_sold, totals.revenue_pence) == (2, 3, 59_800)


def test_each_line_states_once_what_is_owed() -> None:
    played = boutique().when(ANN, Buy((Wanted("scarf", "S", 2),)))
    assert [event for _, event in played.events if isinstance(event, Owed)] == [
        GarmentOwed(
            amount_minor=19_800, currency="CNY", to="mode", what_for="2 × Scarf, S", reference="mode/ann/1/scarf-S"
        )
    ]


def test_an_order_of_which_one_shelf_is_empty_leaves_nothing_behind() -> None:
    ensemble = boutique(stock=1)
    with pytest.raises(Reject, match="out_of_stock"):
        ensemble.when(ANN, Buy((Wanted("coat", "M"), Wanted("scarf", "S", 2))))
    assert ensemble.state(ORDER, "mode/ann/1") == ORDER.initial
    assert ensemble.state(shop.SHOP, "mode") == shop.SHOP.initial
    assert shelf(ensemble, "coat-M") == 1


def test_an_exchange_is_another_size_at_what_was_paid_though_the_price_has_changed() -> None:
    ensemble = boutique()
    ensemble.when(ANN, Buy((Wanted("coat", "M", 2),)))
    ensemble.when(COAT, Offer("Coat", 99_900, "CNY"))
    played = ensemble.when(ANN, Exchange("coat", "M", "L"))
    assert not [event for _, event in played.events if isinstance(event, Owed)]
    assert has(ensemble) == {"coat-M": 1, "coat-L": 1}
    assert (shelf(ensemble, "coat-M"), shelf(ensemble, "coat-L")) == (4, 4)
    assert ensemble.state(shop.SHOP, "mode").revenue_pence == 80_000


def test_an_exchange_for_a_size_that_is_not_there_keeps_the_old_one() -> None:
    ensemble = boutique()
    ensemble.when(ANN, Buy((Wanted("coat", "M"),)))
    before = ensemble.state(shop.SHOP, "mode")
    with pytest.raises(Reject, match="out_of_stock"):
        ensemble.when(ANN, Exchange("coat", "M", "XS"))
    assert (has(ensemble), ensemble.state(shop.SHOP, "mode")) == ({"coat-M": 1}, before)


def test_a_return_says_what_is_to_be_given_back_and_fills_the_shelf() -> None:
    ensemble = boutique()
    ensemble.when(ANN, Buy((Wanted("coat", "M", 2),)))
    played = ensemble.when(ANN, Return("coat", "M", 2))
    assert played.reply == {"outcome": "returned"}
    assert GarmentReturned("coat-M", 2, 80_000, "CNY") in [event for _, event in played.events]
    assert (has(ensemble), shelf(ensemble, "coat-M")) == ({}, 5)


def test_what_was_not_bought_or_is_brought_too_late_stays_with_its_person() -> None:
    ensemble = boutique()
    ensemble.when(ANN, Buy((Wanted("coat", "M"),)))
    for command in (Return("coat", "M", 2), Return("coat", "L"), Exchange("scarf", "M", "L")):
        with pytest.raises(Reject, match="not_bought"):
            ensemble.when(ANN, command)
    with pytest.raises(Reject, match="same_size"):
        ensemble.when(ANN, Exchange("coat", "M", "M"))
    bought_ms = ensemble.now_ms
    ensemble.when(ANN, Exchange("coat", "M", "L"), now_ms=bought_ms + RETURN_MS - 1)
    with pytest.raises(Reject, match="too_late"):
        ensemble.when(ANN, Return("coat", "L"), now_ms=bought_ms + RETURN_MS)
    assert has(ensemble) == {"coat-L": 1}


def test_what_cannot_be_ordered_is_rejected_with_its_reason() -> None:
    ensemble = boutique()
    with pytest.raises(Reject, match="no_such_style"):
        ensemble.when(ANN, Buy((Wanted("hat", "M"),)))
    with pytest.raises(Reject, match="garment_twice"):
        ensemble.when(ANN, Buy((Wanted("coat", "M"), Wanted("coat", "M"))))
    for order in ("mode", "mode/ann", "mode/ann/1/2", f"mode/{'x' * 41}/1"):
        with pytest.raises(Reject, match="not_an_order"):
            ensemble.when(ORDER.at(order), Buy((Wanted("coat", "M"),)))
    with pytest.raises(Reject, match="not_a_style"):
        ensemble.when(STYLE.at("mode"), Offer("Coat", 1, "CNY"))
    ensemble.when(ANN, Buy((Wanted("coat", "M"),)))
    with pytest.raises(Reject, match="already_placed"):
        ensemble.when(ANN, Buy((Wanted("coat", "L"),)))


def test_what_order_and_style_say_to_each_other_is_not_for_clients() -> None:
    ensemble = boutique()
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(COAT, Quote("M", 1))
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(ANN, AddLine("coat", "M", 1, "Coat", 1, "CNY"))


def test_a_partition_decides_the_order_as_the_ensemble_does() -> None:
    """The shop's commands are types of this program here and of the other there: one form on the log makes them one."""
    encode = msgspec.msgpack.Encoder().encode
    buy = Buy((Wanted("coat", "M"), Wanted("scarf", "S", 2)))
    calls = [
        ("wear.style/mode/coat", Offer("Coat", 40_000, "CNY")),
        ("wear.style/mode/scarf", Offer("Scarf", 9_900, "CNY")),
        ("shop.sku/mode/coat-M", shop.SetStock(5)),
        ("shop.sku/mode/scarf-S", shop.SetStock(5)),
        ("wear.order/mode/ann/1", buy),
        ("wear.order/mode/ann/1", Return("scarf", "S")),
    ]
    fold = Fold(rules=Rules((*ENTITIES, *shop.ENTITIES)), route=lambda _: 0)
    fold.frame(*(Invoke(to, encode(command), uuid7(n), "ann") for n, (to, command) in enumerate(calls)))
    ensemble = boutique()
    ensemble.when(ANN, buy)
    ensemble.when(ANN, Return("scarf", "S"))
    residents = fold.partition.residents
    order = residents["wear.order/mode/ann/1"].state
    assert isinstance(order, Order)
    assert order.lines == ensemble.state(ORDER, "mode/ann/1").lines
    assert residents["shop/mode"].state == ensemble.state(shop.SHOP, "mode")


Ask: TypeAlias = tuple[str, Buy | Exchange | Return]
PEOPLE = ("mode/ann/1", "mode/bob/1", "mode/bob/2")
STYLES, SIZE, UNITS = st.sampled_from(["coat", "scarf"]), st.sampled_from(SIZES), st.integers(1, 3)
GARMENTS = st.lists(st.builds(Wanted, STYLES, SIZE, UNITS), min_size=1, max_size=3).map(tuple)
ASKS = st.tuples(
    st.sampled_from(PEOPLE),
    st.one_of(
        st.builds(Buy, GARMENTS),
        st.builds(Exchange, STYLES, SIZE, SIZE, UNITS),
        st.builds(Return, STYLES, SIZE, UNITS),
    ),
)


@settings(max_examples=40)
@given(st.lists(ASKS, min_size=10, max_size=30), st.integers(0, 4))
def test_shelves_customers_and_orders_always_say_the_same(asks: Sequence[Ask], stock: int) -> None:
    ensemble = boutique(stock)
    owed = given_back = 0
    for order, command in asks:
        with suppress(Reject):
            for _, event in ensemble.when(ORDER.at(order), command).events:
                owed += event.amount_minor if isinstance(event, GarmentOwed) else 0
                given_back += event.amount_minor if isinstance(event, GarmentReturned) else 0
    held: Counter[str] = Counter()
    for person in ("ann", "bob"):
        mine = sum((Counter(has(ensemble, order)) for order in PEOPLE if person in order), Counter[str]())
        assert mine == Counter(ensemble.state(shop.CUSTOMER, f"mode/wear.{person}").units)
        held += mine
    assert all(
        held[f"{style}-{size}"] + shelf(ensemble, f"{style}-{size}") == stock
        for style in ("coat", "scarf")
        for size in SIZES
    )
    totals = ensemble.state(shop.SHOP, "mode")
    assert (totals.revenue_pence, totals.lines_refused) == (owed - given_back, {})
    assert (ensemble.sent, ensemble.timers(Ref("shop", "mode"))) == ([], {})
