"""Food ordering: every step of an order, a stock that is never below nothing, and what is owed."""

from collections import Counter
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Personal, Ref, Reject, Role
from actors.programs.food.program import (
    ANSWER_MS,
    DISHES_MAX,
    ENTITIES,
    KITCHEN,
    LIFE,
    LINES_MAX,
    MENU,
    ORDER,
    PLACES_MAX,
    Advance,
    Cancel,
    Confirm,
    Cook,
    Create,
    Decline,
    Dish,
    Drop,
    Finish,
    Kitchen,
    Lapse,
    Line,
    MealOwed,
    Menu,
    Offer,
    OpenKitchen,
    OpenMenu,
    Order,
    OrderLeft,
    Pick,
    Place,
    PutBack,
    Take,
    Wish,
    Withdraw,
    total_of,
)
from actors.testing import Ensemble, Played, Scenario

M, K, O1, O2 = MENU.at("m1"), KITCHEN.at("m1"), ORDER.at("m1/ann/1"), ORDER.at("m1/ann/2")
TWO_BOWLS = Place((Wish("noodles", 2),))


def restaurant(noodles: int = 10, places: int = 2) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(M, OpenMenu("CNY"))
    ensemble.when(M, Offer("noodles", 1_800, noodles))
    ensemble.when(M, Offer("tea", 300, 100))
    ensemble.when(K, OpenKitchen(places))
    return ensemble


def stock(ensemble: Ensemble, dish: str = "noodles") -> int:
    return ensemble.state(MENU, "m1").dishes[dish].stock


def state_of(ensemble: Ensemble, order: str = "m1/ann/1") -> str:
    return ensemble.state(ORDER, order).state


def everything(ensemble: Ensemble) -> tuple[Menu, Kitchen, Order]:
    return ensemble.state(MENU, "m1"), ensemble.state(KITCHEN, "m1"), ensemble.state(ORDER, "m1/ann/1")


def owed_in(played: Played) -> list[MealOwed]:
    return [event for _, event in played.events if isinstance(event, MealOwed)]


def to_state(ensemble: Ensemble, state: str) -> None:
    """The first order, brought to this state by the shortest way."""
    ensemble.when(O1, TWO_BOWLS)
    if state == "cancelled":
        ensemble.when(O1, Cancel())
    for at, command in (("confirmed", Confirm("ann/1")), ("cooking", Cook("ann/1")), ("ready", Finish("ann/1"))):
        if list(LIFE).index(state) >= list(LIFE).index(at) and state != "cancelled":
            ensemble.when(K, command)
    if state == "picked":
        ensemble.when(O1, Pick())
    assert state_of(ensemble) == state


def test_an_order_keeps_the_contact_that_it_was_placed_with_until_it_is_over_and_cannot_read_it() -> None:
    ensemble, contact = restaurant(), Personal[str](b"sealed")
    ensemble.when(O1, Place((Wish("tea", 1),), contact))
    assert ensemble.state(ORDER, O1.id).contact == contact
    ensemble.when(O1, Cancel())
    assert ensemble.state(ORDER, O1.id).contact is None


def test_an_order_takes_its_dishes_off_the_menu_at_the_prices_of_the_moment() -> None:
    ensemble = restaurant()
    played = ensemble.when(O1, Place((Wish("noodles", 2), Wish("tea", 1))))
    assert (played.reply, played.steps) == ({"state": "created", "total_minor": 3_900, "currency": "CNY"}, 3)
    ensemble.when(M, Offer("noodles", 9_900, 8))
    assert ensemble.view(O1, "order") == {
        "state": "created",
        "lines": [
            {"dish": "noodles", "count": 2, "price_minor": 1_800},
            {"dish": "tea", "count": 1, "price_minor": 300},
        ],
        "total_minor": 3_900,
        "currency": "CNY",
        "contact": None,
    }
    assert (stock(ensemble), stock(ensemble, "tea")) == (8, 99)


def test_an_order_goes_its_way_and_owes_once_when_it_is_cooked() -> None:
    ensemble = restaurant()
    played = [ensemble.when(O1, TWO_BOWLS)]
    played += [ensemble.when(K, command) for command in (Confirm("ann/1"), Cook("ann/1"), Finish("ann/1"))]
    played += [ensemble.when(O1, Pick())]
    replies: list[Any] = [one.reply for one in played]
    assert [reply["state"] for reply in replies] == ["created", "confirmed", "cooking", "ready", "picked"]
    owed = MealOwed(amount_minor=3_600, currency="CNY", to="m1", what_for="meal", reference="m1/ann/1", customer="ann")
    assert [owed_in(one) for one in played] == [[], [], [owed], [], []]
    assert ensemble.view(K, "kitchen") == {"places": 2, "orders": []}
    assert stock(ensemble) == 8


@pytest.mark.parametrize(
    ("wishes", "reason", "details"),
    [
        ((Wish("noodles", 11),), "sold_out", {"dish": "noodles", "stock": "10"}),
        ((Wish("tea", 1), Wish("caviar", 1)), "not_on_the_menu", {"dish": "caviar"}),
        ((Wish("tea", 1), Wish("noodles", 1), Wish("tea", 2)), "dish_twice", {}),
    ],
)
def test_an_order_that_cannot_be_leaves_nothing_behind(
    wishes: tuple[Wish, ...], reason: str, details: dict[str, str]
) -> None:
    ensemble = restaurant()
    with pytest.raises(Reject, match=reason) as reject:
        ensemble.when(O1, Place(wishes))
    assert reject.value.details == details
    assert ensemble.state(ORDER, "m1/ann/1") == Order()
    assert (stock(ensemble), stock(ensemble, "tea")) == (10, 100)


def test_an_order_has_some_lines_and_not_too_many() -> None:
    for lines in ([], [{"dish": str(n), "count": 1} for n in range(LINES_MAX + 1)], [{"dish": "tea", "count": 0}]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"type": "food.order.place", "lines": lines}, Place)


def test_an_order_is_placed_once_and_by_its_name() -> None:
    ensemble = restaurant()
    ensemble.when(O1, TWO_BOWLS)
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(O1, TWO_BOWLS)
    for name in ("m1", "m1/ann", "m1/ann/1/2"):
        with pytest.raises(Reject, match="not_an_order"):
            ensemble.when(ORDER.at(name), TWO_BOWLS)
    assert stock(ensemble) == 8


MOVES: dict[str, tuple[Ref[Any], Any]] = {
    "confirm": (K, Confirm("ann/1")),
    "decline": (K, Decline("ann/1")),
    "cook": (K, Cook("ann/1")),
    "finish": (K, Finish("ann/1")),
    "cancel": (O1, Cancel()),
    "pick": (O1, Pick()),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("state", [state for state in LIFE if state != "none"])
def test_in_every_state_every_move_does_what_the_table_says_or_nothing(state: str, move: str) -> None:
    ensemble = restaurant()
    to_state(ensemble, state)
    before = everything(ensemble)
    to, command = MOVES[move]
    leads_to = LIFE[state].moves.get(move)
    if leads_to is not None:
        assert ensemble.when(to, command).reply == {"state": leads_to}
        assert state_of(ensemble) == leads_to
        return
    with pytest.raises(Reject, match="wrong_state") as reject:
        ensemble.when(to, command)
    assert reject.value.details == {"state": state, "move": move}
    assert everything(ensemble) == before


@pytest.mark.parametrize("state", ["created", "confirmed"])
@pytest.mark.parametrize("command", ["cancel", "decline"])
def test_a_cancelled_order_gives_its_dishes_and_its_place_back(state: str, command: str) -> None:
    ensemble = restaurant()
    to_state(ensemble, state)
    played = ensemble.when(*MOVES[command])
    assert (played.reply, owed_in(played)) == ({"state": "cancelled"}, [])
    assert (stock(ensemble), ensemble.state(KITCHEN, "m1").orders) == (10, ())
    assert ensemble.timers(O1) == {}


def test_an_order_that_the_kitchen_does_not_answer_is_cancelled_after_ten_minutes() -> None:
    ensemble = restaurant()
    begun_ms = ensemble.now_ms
    ensemble.when(O1, TWO_BOWLS)
    ensemble.fire(O1, "unanswered")
    assert ensemble.now_ms - begun_ms == ANSWER_MS == 600_000
    assert (state_of(ensemble), stock(ensemble)) == ("cancelled", 10)
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(K, Confirm("ann/1"))
    assert ensemble.state(KITCHEN, "m1").orders == ()


def test_a_confirmed_order_waits_as_long_as_it_takes() -> None:
    ensemble = restaurant()
    to_state(ensemble, "confirmed")
    assert ensemble.timers(O1) == {}
    ensemble.when(K, Cook("ann/1"), now_ms=ensemble.now_ms + 10 * ANSWER_MS)
    assert state_of(ensemble) == "cooking"


def test_a_kitchen_has_no_more_orders_in_hand_than_places() -> None:
    ensemble = restaurant(places=1)
    for order in (O1, O2):
        ensemble.when(order, TWO_BOWLS)
    ensemble.when(K, Confirm("ann/1"))
    with pytest.raises(Reject, match="kitchen_full") as reject:
        ensemble.when(K, Confirm("ann/2"))
    assert reject.value.details == {"places": "1"}
    assert state_of(ensemble, "m1/ann/2") == "created"
    ensemble.when(K, Cook("ann/1"))
    ensemble.when(K, Finish("ann/1"))
    ensemble.when(K, Confirm("ann/2"))
    assert ensemble.view(K, "kitchen")["orders"] == ["ann/2"]


def test_a_closed_kitchen_confirms_nothing_and_finishes_what_it_has() -> None:
    ensemble = restaurant()
    to_state(ensemble, "cooking")
    ensemble.when(O2, TWO_BOWLS)
    assert ensemble.when(K, OpenKitchen(0)).reply == {"places": 0, "orders": 1}
    with pytest.raises(Reject, match="kitchen_closed"):
        ensemble.when(K, Confirm("ann/2"))
    assert ensemble.when(K, Finish("ann/1")).reply == {"state": "ready"}


def test_a_kitchen_knows_no_order_that_was_not_placed() -> None:
    ensemble = restaurant()
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(K, Confirm("ann/9"))
    assert ensemble.state(KITCHEN, "m1") == Kitchen(2)


def test_only_who_placed_an_order_cancels_it_or_picks_it_up() -> None:
    ensemble = restaurant()
    ensemble.when(O1, TWO_BOWLS, caller="ann")
    for command in (Cancel(), Pick()):
        for caller in ("bob", ""):
            with pytest.raises(Reject, match="not_yours"):
                ensemble.when(O1, command, caller=caller)
        with pytest.raises(Reject, match="not_yours"):
            ensemble.when(O2, command, caller="")  # an order that nobody placed is nobody's
    ensemble.when(O1, Cancel(), caller="ann")
    assert state_of(ensemble) == "cancelled"


def test_a_menu_keeps_its_currency_and_must_be_open() -> None:
    ensemble = restaurant()
    assert ensemble.when(M, OpenMenu("CNY")).reply == {"currency": "CNY"}
    with pytest.raises(Reject, match="currency_is_fixed"):
        ensemble.when(M, OpenMenu("EUR"))
    with pytest.raises(Reject, match="not_open"):
        ensemble.when(MENU.at("m2"), Offer("tea", 300, 1))


def test_a_menu_has_only_so_many_dishes() -> None:
    menu = Scenario(MENU, Menu("CNY", {str(n): Dish(1, 1) for n in range(DISHES_MAX)}), entity_id="m1")
    with pytest.raises(Reject, match="too_many_dishes"):
        menu.when(Offer("tea", 1, 1))
    menu.when(Offer("7", 2, 2))
    menu.when(Withdraw("8"))
    assert len(menu.when(Offer("tea", 1, 1)).state.dishes) == DISHES_MAX


def test_a_dish_that_was_withdrawn_is_not_sold_and_does_not_come_back_with_a_cancelled_order() -> None:
    ensemble = restaurant()
    ensemble.when(O1, TWO_BOWLS)
    ensemble.when(M, Withdraw("noodles"))
    assert ensemble.when(M, Withdraw("noodles")).events == ()
    with pytest.raises(Reject, match="not_on_the_menu"):
        ensemble.when(O2, TWO_BOWLS)
    ensemble.when(O1, Cancel())
    assert list(ensemble.view(M, "menu")["dishes"]) == ["tea"]


def test_the_largest_menu_and_the_largest_kitchen_can_be_kept() -> None:
    name = "好" * 48
    menu = Scenario(MENU, Menu("CNY", {f"{n:03}{name[3:]}": Dish(10**9, 10**9) for n in range(DISHES_MAX)}))
    menu.when(Offer(f"000{name[3:]}", 10**9, 10**9))
    person = "好" * 70
    kitchen = Scenario(KITCHEN, Kitchen(PLACES_MAX, tuple(f"{person}/{n:03}{name[3:]}" for n in range(PLACES_MAX))))
    assert kitchen.when(Finish("ann/0")).events == (OrderLeft("ann/0"),)
    lines = tuple(Line(f"{n:03}{name[3:]}", 1_000, 10**9) for n in range(LINES_MAX))
    order = Scenario(ORDER, entity_id="m1/ann/1")
    order.when(Create(lines, "CNY"), sender="food.menu/m1")
    order.when(Advance("confirm"), sender="food.kitchen/m1")
    owed = order.when(Advance("cook"), sender="food.kitchen/m1").events[1]
    assert isinstance(owed, MealOwed)
    assert owed.amount_minor == LINES_MAX * 10**12


def test_names_that_would_mix_merchants_up_are_refused() -> None:
    ensemble = Ensemble(ENTITIES)
    with pytest.raises(Reject, match="not_a_merchant"):
        ensemble.when(MENU.at("m1/x"), OpenMenu("CNY"))
    with pytest.raises(Reject, match="not_a_merchant"):
        ensemble.when(KITCHEN.at("m1/x"), OpenKitchen(1))


def test_an_order_belongs_to_the_person_and_to_the_merchant_in_its_id() -> None:
    assert {role: owner("m1/ann/1") for role, owner in ORDER.owner.items()} == {Role.PERSON: "ann", Role.MERCHANT: "m1"}
    assert [ORDER.owner[Role.PERSON](key) for key in ("m1", "m1/ann", "m1/ann/1/2")] == ["", "", ""]


@pytest.mark.parametrize("sender", ["", "food.menu/m2", "food.kitchen/m2", "food.order/m1", "food.order/m2/ann/1"])
def test_what_menu_kitchen_and_order_say_to_each_other_is_not_for_others(sender: str) -> None:
    order = Scenario(ORDER, entity_id="m1/ann/1")
    for command in (Create((Line("tea", 1, 1),), "CNY"), Advance("confirm"), Lapse()):
        with pytest.raises(Reject, match="not_for_clients"):
            order.when(command, sender=sender)
    menu = Scenario(MENU, Menu("CNY", {"tea": Dish(1, 1)}), entity_id="m1")
    for said in (Take((Wish("tea", 1),)), PutBack((Line("tea", 1, 1),))):
        with pytest.raises(Reject, match="not_for_clients"):
            menu.when(said, sender=sender)
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(KITCHEN, Kitchen(1, ("ann/1",)), entity_id="m1").when(
            Drop("ann/1"), sender=sender or "food.order/m1/ann/2"
        )


def _place(noodles: int, tea: int) -> Place:
    return Place((Wish("noodles", noodles), Wish("tea", tea)))


NAMES = ("ann/1", "ann/2", "bob/1")
ORDERS = st.sampled_from(NAMES)
CALLS = st.one_of(
    st.tuples(
        ORDERS,
        st.builds(_place, st.integers(1, 4), st.integers(1, 3)),
    ),
    st.tuples(ORDERS, st.sampled_from([Cancel(), Pick(), Lapse()])),
    *(st.tuples(st.none(), st.builds(command, ORDERS)) for command in (Confirm, Decline, Cook, Finish)),
)


@given(st.lists(CALLS, max_size=60), st.integers(0, 9), st.integers(0, 2))
def test_stock_places_and_debts_agree_whatever_is_asked_in_whatever_order(
    calls: list[tuple[str | None, Any]], noodles: int, places: int
) -> None:
    ensemble = restaurant(noodles, places)
    owed: Counter[str] = Counter()
    for name, command in calls:
        with suppress(Reject):
            if isinstance(command, Lapse):
                played = ensemble.fire(ORDER.at(f"m1/{name}"), "unanswered") if _waits(ensemble, name) else Played()
            else:
                to: Ref[Any] = K if name is None else ORDER.at(f"m1/{name}")
                played = ensemble.when(to, command)
            for debt in owed_in(played):
                assert debt.amount_minor == total_of(ensemble.state(ORDER, debt.reference).lines)
                owed[debt.reference] += 1
        assert stock(ensemble) >= 0
        assert len(ensemble.state(KITCHEN, "m1").orders) <= places
    orders = {f"m1/{name}": ensemble.state(ORDER, f"m1/{name}") for name in NAMES}
    assert owed == Counter(key for key, order in orders.items() if order.state in ("cooking", "ready", "picked"))
    in_hand = sorted(key for key, order in orders.items() if order.state in ("confirmed", "cooking"))
    assert sorted(f"m1/{name}" for name in ensemble.state(KITCHEN, "m1").orders) == in_hand
    held: Counter[str] = Counter()
    for order in orders.values():
        if order.state != "cancelled":
            held.update({line.dish: line.count for line in order.lines})
    assert (stock(ensemble) + held["noodles"], stock(ensemble, "tea") + held["tea"]) == (noodles, 100)


def _waits(ensemble: Ensemble, name: str | None) -> bool:
    return "unanswered" in ensemble.timers(ORDER.at(f"m1/{name}"))
