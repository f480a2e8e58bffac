"""A shop without staff: one basket for each person inside, shelves that are never below nothing, and what is owed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject, Role
from actors.programs.store.program import (
    BASKET,
    DOOR,
    ENTITIES,
    ITEMS_MAX,
    SHELF,
    Admit,
    Basket,
    BasketCommand,
    BasketOwed,
    Begin,
    Enter,
    Fill,
    Lay,
    Leave,
    Left,
    Lend,
    Line,
    Open,
    PutBack,
    Receive,
    Release,
    Take,
)
from actors.testing import Ensemble, Played, Scenario

S1 = DOOR.at("s1")
ANN, BOB, CID = (BASKET.at(f"s1/{who}") for who in ("ann", "bob", "cid"))
TEA, RICE = SHELF.at("s1/tea"), SHELF.at("s1/rice")


def store(places: int = 2, tea: int = 10, rice: int = 5) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(S1, Open(places, "CNY"))
    ensemble.when(TEA, Fill(350, tea))
    ensemble.when(RICE, Fill(1_200, rice))
    return ensemble


def owed_in(played: Played) -> list[BasketOwed]:
    return [event for _, event in played.events if isinstance(event, BasketOwed)]


def test_who_comes_in_has_an_empty_basket_and_a_visit() -> None:
    ensemble = store()
    played = ensemble.when(ANN, Enter())
    visit = ensemble.state(BASKET, "s1/ann").visit
    assert (played.reply, played.steps) == ({"visit": visit, "currency": "CNY"}, 3)
    assert ensemble.view(ANN, "basket") == {"visit": visit, "lines": {}, "sum_minor": 0}
    assert ensemble.view(S1, "door") == {"places": 2, "currency": "CNY", "inside": 1}


def test_leaving_owes_the_sum_of_the_basket_once_and_the_next_visit_begins_with_nothing() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    visit = ensemble.state(BASKET, "s1/ann").visit
    assert ensemble.when(ANN, Take("tea", 3)).reply == {"sum_minor": 1_050}
    assert ensemble.when(ANN, Take("rice", 1)).reply == {"sum_minor": 2_250}
    assert ensemble.when(ANN, PutBack("tea", 1)).reply == {"sum_minor": 1_900}
    left = ensemble.when(ANN, Leave())
    assert left.reply == {"visit": visit, "owed_minor": 1_900, "currency": "CNY"}
    assert owed_in(left) == [
        BasketOwed(amount_minor=1_900, currency="CNY", to="s1", what_for="basket", reference=visit)
    ]
    assert ensemble.state(BASKET, "s1/ann") == Basket()
    assert (ensemble.state(SHELF, "s1/tea").units, ensemble.state(SHELF, "s1/rice").units) == (8, 4)
    ensemble.when(ANN, Enter())
    assert ensemble.state(BASKET, "s1/ann").visit not in ("", visit)
    assert owed_in(ensemble.when(ANN, Leave())) == []


def test_an_empty_basket_owes_nothing_also_when_all_was_put_back() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Take("tea", 2))
    ensemble.when(ANN, PutBack("tea", 2))
    assert ensemble.state(BASKET, "s1/ann").lines == {}
    left = ensemble.when(ANN, Leave())
    assert [type(event) for entity, event in left.events if entity == ANN] == [Left]
    assert ensemble.state(SHELF, "s1/tea").units == 10


def test_one_basket_a_person_inside() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Take("tea", 1))
    before = ensemble.state(BASKET, "s1/ann")
    with pytest.raises(Reject, match="already_inside"):
        ensemble.when(ANN, Enter())
    assert ensemble.state(BASKET, "s1/ann") == before
    assert list(ensemble.state(DOOR, "s1").inside) == ["ann"]


def test_nobody_leaves_twice_and_nobody_outside_takes_anything() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Leave())
    for command in (Leave(), Take("tea", 1), PutBack("tea", 1)):
        with pytest.raises(Reject, match="not_inside"):
            ensemble.when(ANN, command)
    assert ensemble.state(SHELF, "s1/tea").units == 10


def test_a_full_store_lets_nobody_in_until_somebody_leaves() -> None:
    ensemble = store(places=2)
    ensemble.when(ANN, Enter())
    ensemble.when(BOB, Enter())
    with pytest.raises(Reject, match="full") as reject:
        ensemble.when(CID, Enter())
    assert reject.value.details == {"places": "2"}
    assert ensemble.state(BASKET, "s1/cid") == Basket()
    ensemble.when(ANN, Leave())
    ensemble.when(CID, Enter())
    assert list(ensemble.state(DOOR, "s1").inside) == ["bob", "cid"]


def test_a_closed_store_lets_nobody_in_and_everybody_out() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Take("tea", 1))
    ensemble.when(S1, Open(0, "CNY"))
    with pytest.raises(Reject, match="closed"):
        ensemble.when(BOB, Enter())
    assert owed_in(ensemble.when(ANN, Leave()))[0].amount_minor == 350
    with pytest.raises(Reject, match="closed"):
        Ensemble(ENTITIES).when(ANN, Enter())


def test_a_shelf_gives_what_it_has_and_no_more() -> None:
    ensemble = store(tea=3)
    for who in (ANN, BOB):
        ensemble.when(who, Enter())
    ensemble.when(ANN, Take("tea", 2))
    with pytest.raises(Reject, match="sold_out") as reject:
        ensemble.when(BOB, Take("tea", 2))
    assert reject.value.details == {"item": "tea", "units": "1"}
    with pytest.raises(Reject, match="sold_out"):
        ensemble.when(BOB, Take("gold", 1))
    assert ensemble.state(BASKET, "s1/bob").lines == {}
    ensemble.when(BOB, Take("tea", 1))
    assert ensemble.state(SHELF, "s1/tea").units == 0


def test_only_what_is_in_the_basket_can_be_put_back() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Take("tea", 2))
    for command, held in ((PutBack("tea", 3), "2"), (PutBack("rice", 1), "0")):
        with pytest.raises(Reject, match="not_in_basket") as reject:
            ensemble.when(ANN, command)
        assert reject.value.details == {"units": held}
    assert ensemble.state(SHELF, "s1/rice").units == 5


def test_a_price_that_changes_changes_no_basket_that_has_the_item() -> None:
    ensemble = store()
    ensemble.when(ANN, Enter())
    ensemble.when(ANN, Take("tea", 1))
    ensemble.when(TEA, Fill(999, 9))
    assert ensemble.when(ANN, Take("tea", 1)).reply == {"sum_minor": 700}
    ensemble.when(BOB, Enter())
    assert ensemble.when(BOB, Take("tea", 1)).reply == {"sum_minor": 999}
    assert ensemble.view(TEA, "shelf") == {"price_minor": 999, "units": 7}


def test_a_store_keeps_its_currency() -> None:
    ensemble = store()
    with pytest.raises(Reject, match="currency_is_fixed"):
        ensemble.when(S1, Open(5, "EUR"))
    assert ensemble.when(S1, Open(5, "CNY")).reply == {"places": 5, "inside": 0}


def test_a_basket_holds_only_so_many_items() -> None:
    full = Basket("v", "CNY", {str(n): Line(1, 1) for n in range(ITEMS_MAX)})
    basket = Scenario(BASKET, full, entity_id="s1/ann")
    with pytest.raises(Reject, match="too_many_items"):
        basket.when(Take("tea", 1))
    assert basket.when(Take("7", 1)).actions


def test_names_that_would_mix_stores_up_are_refused() -> None:
    ensemble = Ensemble(ENTITIES)
    with pytest.raises(Reject, match="not_a_store"):
        ensemble.when(DOOR.at("s1/x"), Open(5, "CNY"))
    for name in ("s1", "s1/tea/green"):
        with pytest.raises(Reject, match="not_a_shelf"):
            ensemble.when(SHELF.at(name), Fill(1, 1))
    with pytest.raises(Reject, match="not_a_basket"):
        ensemble.when(BASKET.at("s1"), Enter())


@pytest.mark.parametrize("sender", ["", "store.basket/s2/ann", "store.basket/s1", "store.shelf/s1/rice"])
def test_what_door_basket_and_shelf_say_to_each_other_is_not_for_others(sender: str) -> None:
    inside = Basket("v", "CNY")
    for command in (Begin("CNY"), Lay("tea", 1, 1)):
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(BASKET, inside, entity_id="s1/ann").when(command, sender=sender)
    for asked in (Admit(), Release()):
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(DOOR, entity_id="s1").when(asked, sender=sender)
    for moved in (Lend(1), Receive(1)):
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(SHELF, entity_id="s1/tea").when(moved, sender=sender)


def test_a_basket_belongs_to_the_person_in_its_id() -> None:
    assert [BASKET.owner[Role.PERSON](key) for key in ("s1/ann", "s1")] == ["ann", ""]


def test_the_door_itself_knows_who_is_inside() -> None:
    door = Scenario(DOOR, entity_id="s1")
    door.when(Open(5, "CNY"))
    with pytest.raises(Reject, match="not_inside"):
        door.when(Release(), sender="store.basket/s1/ann")


STEPS = st.tuples(
    st.sampled_from(["ann", "bob", "cid"]),
    st.one_of(
        st.just(Enter()),
        st.just(Leave()),
        st.builds(Take, st.sampled_from(["tea", "rice"]), st.integers(1, 4)),
        st.builds(PutBack, st.sampled_from(["tea", "rice"]), st.integers(1, 4)),
    ),
)
PRICES = {"tea": 350, "rice": 1_200}


@given(st.lists(STEPS, max_size=60), st.integers(0, 8), st.integers(0, 3))
def test_units_and_sums_agree_whatever_everybody_does(
    steps: list[tuple[str, BasketCommand]], tea: int, places: int
) -> None:
    ensemble = store(places=places, tea=tea)
    bought = {"tea": 0, "rice": 0}
    visits: list[str] = []
    for who, command in steps:
        held = ensemble.state(BASKET, f"s1/{who}")
        played = Played()
        with suppress(Reject):
            played = ensemble.when(BASKET.at(f"s1/{who}"), command)
        for _, event in played.events:
            if isinstance(event, Left):
                visits.append(event.visit)
                bought = {item: units + held.lines.get(item, Line(0, 0)).units for item, units in bought.items()}
                worth = sum(PRICES[item] * line.units for item, line in held.lines.items())
                assert sum(owed.amount_minor for owed in owed_in(played)) == worth
                assert [owed.reference for owed in owed_in(played)] == ([event.visit] if worth else [])
    assert len(visits) == len(set(visits))
    baskets = {who: ensemble.state(BASKET, f"s1/{who}") for who in ("ann", "bob", "cid")}
    assert sorted(ensemble.state(DOOR, "s1").inside) == [who for who, basket in baskets.items() if basket.visit]
    assert len(ensemble.state(DOOR, "s1").inside) <= places
    for item, stock in (("tea", tea), ("rice", 5)):
        shelf = ensemble.state(SHELF, f"s1/{item}").units
        carried = sum(basket.lines[item].units for basket in baskets.values() if item in basket.lines)
        assert shelf >= 0
        assert shelf + carried + bought[item] == stock
