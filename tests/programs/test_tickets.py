"""Tickets: the saga between an order and a hall, and that no seat is ever sold twice or held for ever."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Owed, Reject, SetTimer
from actors.programs.tickets.program import (
    ENDS_MAX,
    ENTITIES,
    HALL,
    HOLD_MS,
    LIFE,
    ORDER,
    SEAT_LIFE,
    Book,
    Cancel,
    Confirm,
    EndHolds,
    GiveBack,
    Grant,
    Hall,
    HoldSeats,
    Open,
    Order,
    Refuse,
    Release,
    Reserve,
    SeatsOwed,
    Sell,
)
from actors.programs.tickets.program import Hold as HallHold
from actors.testing import NOW_MS, Ensemble, Scenario

SHOW = HALL.at("hamlet")
ANN, BOB = ORDER.at("ann/1"), ORDER.at("bob/1")
OPEN = Open("Hamlet", "globe", rows=2, row_seats=3, price_minor=8_000, currency="CNY")


def theatre(show: Open = OPEN) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(SHOW, show)
    return ensemble


def hold(ensemble: Ensemble, order: str, *seats: str) -> Order:
    ensemble.when(ORDER.at(order), HoldSeats("hamlet", seats))
    ensemble.settle()
    return ensemble.state(ORDER, order)


def seats(ensemble: Ensemble) -> dict[str, Any]:
    view: dict[str, Any] = ensemble.view(SHOW, "seats")
    return {fate: view[fate] for fate in ("free", "held", "sold")}


def test_seats_are_held_for_ten_minutes_and_then_sold_to_who_held_them() -> None:
    ensemble = theatre()
    assert ensemble.when(ANN, HoldSeats("hamlet", ("A1", "A2"))).reply == {"state": "asking"}
    ensemble.settle()
    order = ensemble.state(ORDER, "ann/1")
    assert (order.state, order.until_ms, order.amount_minor) == ("held", NOW_MS + HOLD_MS, 16_000)
    assert seats(ensemble) == {"free": ["A3", "B1", "B2", "B3"], "held": ["A1", "A2"], "sold": []}
    assert ensemble.when(ANN, Book()).reply == {"state": "booking"}
    ensemble.settle()
    assert ensemble.view(ANN, "order")["state"] == "booked"
    assert seats(ensemble) == {"free": ["A3", "B1", "B2", "B3"], "held": [], "sold": ["A1", "A2"]}
    assert ensemble.timers(SHOW) == {}


def test_a_booking_states_once_what_is_owed_to_whom_for_what() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1", "A2")
    ensemble.when(ANN, Book())
    owed = [event for played in ensemble.settle() for _, event in played.events if isinstance(event, Owed)]
    assert owed == [
        SeatsOwed(amount_minor=16_000, currency="CNY", to="globe", what_for="Hamlet: A1, A2", reference="ann/1")
    ]


def test_what_costs_nothing_is_not_owed() -> None:
    ensemble = theatre(Open("Rehearsal", "globe", 1, 1, 0, "CNY"))
    hold(ensemble, "ann/1", "A1")
    ensemble.when(ANN, Book())
    assert not [event for played in ensemble.settle() for _, event in played.events if isinstance(event, Owed)]
    assert ensemble.state(ORDER, "ann/1").state == "booked"


def test_seats_that_nobody_booked_in_time_are_free_again_and_the_order_is_told() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.fire(SHOW, "end-holds")
    assert ensemble.now_ms == NOW_MS + HOLD_MS
    ensemble.settle()
    assert seats(ensemble)["held"] == []
    order = ensemble.state(ORDER, "ann/1")
    assert (order.state, order.reason) == ("freed", "time_over")
    assert hold(ensemble, "bob/1", "A1").state == "held"


def test_a_hold_is_over_in_its_last_millisecond_though_the_timer_comes_later() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.when(ANN, Book(), now_ms=NOW_MS + HOLD_MS)
    ensemble.settle()
    assert ensemble.state(ORDER, "ann/1").reason == "time_over"
    assert seats(ensemble)["sold"] == []
    assert ensemble.timers(SHOW) == {}


def test_a_booking_one_millisecond_before_the_end_is_in_time() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.when(ANN, Book(), now_ms=NOW_MS + HOLD_MS - 1)
    ensemble.settle()
    assert seats(ensemble)["sold"] == ["A1"]


def test_whoever_asks_for_seats_whose_hold_is_over_gets_them() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.now_ms += HOLD_MS
    assert hold(ensemble, "bob/1", "A1").state == "held"
    assert ensemble.state(ORDER, "ann/1").reason == "time_over"
    assert ensemble.timers(SHOW)["end-holds"].due_ms == NOW_MS + 2 * HOLD_MS


def test_cancelled_seats_are_free_at_once() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1", "B3")
    assert ensemble.when(ANN, Cancel()).reply == {"state": "cancelling"}
    ensemble.settle()
    assert ensemble.state(ORDER, "ann/1").reason == "cancelled"
    assert len(seats(ensemble)["free"]) == 6
    assert ensemble.timers(SHOW) == {}


@pytest.mark.parametrize(
    ("wanted", "reason", "seat"),
    [
        (("B1", "A1"), "seat_sold", "A1"),
        (("B1", "A2"), "seat_held", "A2"),
        (("C1",), "no_such_seat", "C1"),
        (("A3", "A4"), "no_such_seat", "A4"),
    ],
)
def test_a_refusal_says_why_and_names_the_seat_and_holds_none_of_them(
    wanted: tuple[str, ...], reason: str, seat: str
) -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.when(ANN, Book())
    hold(ensemble, "bob/1", "A2")
    before = ensemble.state(HALL, "hamlet")
    order = hold(ensemble, "cid/1", *wanted)
    assert (order.state, order.reason, order.seat) == ("refused", reason, seat)
    assert ensemble.state(HALL, "hamlet") == before


def test_a_show_that_nobody_opened_is_not_on_sale() -> None:
    ensemble = Ensemble(ENTITIES)
    order = hold(ensemble, "ann/1", "A1")
    assert (order.state, order.reason) == ("refused", "not_on_sale")


def test_what_cannot_be_asked_is_rejected_with_its_reason() -> None:
    ensemble = theatre()
    with pytest.raises(Reject, match="seat_twice"):
        ensemble.when(ANN, HoldSeats("hamlet", ("A1", "A2", "A1")))
    with pytest.raises(Reject, match="not_an_order"):
        ensemble.when(ORDER.at("ann"), HoldSeats("hamlet", ("A1",)))
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, Book())
    hold(ensemble, "ann/1", "A1")
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, HoldSeats("hamlet", ("A2",)))
    ensemble.when(ANN, Book())
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, Cancel())
    ensemble.settle()
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, Cancel())


def test_a_show_is_opened_once_and_saying_the_same_again_changes_nothing() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    before = ensemble.state(HALL, "hamlet")
    assert ensemble.when(SHOW, OPEN).events == ()
    with pytest.raises(Reject, match="already_open"):
        ensemble.when(SHOW, Open("Hamlet", "globe", 2, 3, 1, "CNY"))
    assert ensemble.state(HALL, "hamlet") == before


def test_what_hall_and_order_say_to_each_other_is_not_for_clients() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    for answer in (Grant(1, 1, "CNY", "globe", "Hamlet"), Refuse("x", ""), Confirm(), GiveBack("x")):
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(ANN, answer)
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(ORDER, entity_id="ann/1").when(answer, sender="tickets.hall/hamlet")
    for question in (Reserve(("A1",)), Sell(), Release(), EndHolds()):
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(SHOW, question)


def test_an_end_that_crosses_a_booking_is_told_once_and_the_seat_stays_with_one() -> None:
    ensemble = theatre()
    hold(ensemble, "ann/1", "A1")
    ensemble.when(ANN, Book())
    ensemble.fire(SHOW, "end-holds")
    ensemble.settle()
    assert ensemble.state(ORDER, "ann/1").reason == "time_over"
    assert seats(ensemble) == {"free": ["A1", "A2", "A3", "B1", "B2", "B3"], "held": [], "sold": []}
    assert ensemble.dead_letters == []


def test_a_person_named_like_a_hall_holds_and_books_within_one_record() -> None:
    ensemble = theatre()
    assert ensemble.when(ORDER.at("hamlet/1"), HoldSeats("hamlet", ("A1",))).steps == 3
    ensemble.when(ORDER.at("hamlet/1"), Book())
    assert (ensemble.sent, ensemble.state(ORDER, "hamlet/1").state) == ([], "booked")


def full_hall(rows: str) -> Scenario[Hall, Any, Any]:
    """Each seat is held by an order of its own, with the longest id there is. Rows A to Z are the largest hall."""
    names = [f"{row}{seat}" for row in rows for seat in range(1, 41)]
    holds = {f"{seat:日<80}": HallHold((seat,), NOW_MS) for seat in names}
    hall = Scenario(HALL, Hall("Hamlet", "globe", len(rows), 40, 8_000, "CNY", holds), entity_id="hamlet")
    hall.timers["end-holds"] = SetTimer("end-holds", NOW_MS, EndHolds())
    return hall


def test_holds_of_a_full_hall_end_a_hundred_at_a_time_until_all_are_free() -> None:
    hall = full_hall("ABCDEF")
    for left in (240 - ENDS_MAX, 240 - 2 * ENDS_MAX, 0):
        assert len(hall.fire("end-holds").state.holds) == left
    assert hall.timers == {}


def test_a_hold_that_is_over_is_not_sold_though_others_ended_before_it() -> None:
    hall = full_hall("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    last = list(hall.state.holds)[-1]
    outcome = hall.when(Sell(), sender=f"tickets.order/{last}")
    assert (outcome.state.sold, len(outcome.events)) == ({}, ENDS_MAX)
    assert hall.timers["end-holds"].due_ms == NOW_MS


Ask: TypeAlias = tuple[str, HoldSeats | Book | Cancel, bool]
ORDERS = ("ann/1", "ann/2", "bob/1", "hamlet/1")
WANTED = st.lists(st.sampled_from(["A1", "A2", "B1"]), min_size=1, max_size=2, unique=True)
HOLDS = WANTED.map(lambda names: HoldSeats("hamlet", tuple(names)))
ASKS = st.tuples(st.sampled_from(ORDERS), st.one_of(HOLDS, st.just(Book()), st.just(Cancel())), st.booleans())
STEPS = st.one_of(ASKS, ASKS, st.just("deliver"), st.just("fire"), st.integers(1, HOLD_MS))


def fates(hall: Hall) -> dict[str, str]:
    """What has become of each seat; none stands in two places."""
    taken = [(seat, "held") for hold in hall.holds.values() for seat in hold.seats]
    taken += [(seat, "sold") for names in hall.sold.values() for seat in names]
    assert len(taken) == len(dict(taken))
    return {f"{row}{seat}": dict(taken).get(f"{row}{seat}", "free") for row in "AB" for seat in (1, 2, 3)}


def may_follow(before: str, after: str) -> bool:
    """Whether a seat can go from one to the other in one record, which may end a hold and begin another."""
    one = SEAT_LIFE[before].moves.values()
    return after == before or after in one or any(after in SEAT_LIFE[between].moves.values() for between in one)


def play(ensemble: Ensemble, step: Ask | str | int) -> None:
    match step:
        case "deliver":
            if ensemble.sent:
                ensemble.deliver()
        case "fire":
            if ensemble.timers(SHOW):
                ensemble.fire(SHOW, "end-holds")
        case (order, command, settles):
            with suppress(Reject):
                ensemble.when(ORDER.at(order), command)
            if settles:
                ensemble.settle()
        case _:
            assert isinstance(step, int), step
            ensemble.now_ms += step


@given(st.lists(STEPS, min_size=20, max_size=60))
def test_no_seat_is_sold_twice_or_held_for_ever_whatever_the_order_of_calls_sends_and_timers(
    steps: Sequence[Ask | str | int],
) -> None:
    ensemble = theatre()
    sold: dict[str, str] = {}
    seen = fates(ensemble.state(HALL, "hamlet"))
    for step in steps:
        play(ensemble, step)
        hall = ensemble.state(HALL, "hamlet")
        seen, earlier = fates(hall), seen
        assert all(may_follow(earlier[seat], fate) for seat, fate in seen.items())
        assert bool(hall.holds) == ("end-holds" in ensemble.timers(SHOW))
        now = {seat: order for order, names in hall.sold.items() for seat in names}
        assert sold.items() <= now.items()
        sold = now
    ensemble.settle()
    for _ in ORDERS:
        if ensemble.timers(SHOW):
            ensemble.fire(SHOW, "end-holds")
            ensemble.settle()
    assert ensemble.state(HALL, "hamlet").holds == {}
    orders = {order: ensemble.state(ORDER, order) for order in ORDERS}
    booked = {key: order.seats for key, order in orders.items() if order.state == "booked"}
    assert booked == ensemble.state(HALL, "hamlet").sold
    assert all(order.state == "none" or LIFE[order.state].terminal for order in orders.values())
    assert ensemble.dead_letters == []
