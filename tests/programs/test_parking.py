"""Parking and tolls: the counts of barriers and gates, what a stay or a trip costs, and that each is owed once."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Owed, Personal, Reject
from actors.lifecycle import flaws
from actors.programs.parking.program import (
    ENTITIES,
    GATE,
    LIFE,
    LOT,
    STAY,
    TRIP,
    Begin,
    Charge,
    DriveOff,
    DriveOn,
    Enter,
    Exit,
    Finish,
    GoOff,
    GoOn,
    OpenGate,
    OpenLot,
    Price,
    Tariff,
    fee_minor,
)
from actors.testing import Ensemble, Played, Scenario

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
TARIFF = Tariff(period_minor=500, day_minor_max=4_000)
P1 = LOT.at("p1")
NORTH, SOUTH = GATE.at("s15/north"), GATE.at("s15/south")


def debts_of(played: Played) -> list[tuple[int, str, str, str]]:
    """What was owed: how much, in what, to whom, for which ticket."""
    owed = [event for _, event in played.events if isinstance(event, Owed)]
    return [(event.amount_minor, event.currency, event.to, event.reference) for event in owed]


def lot(places: int = 2) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(P1, OpenLot(places, TARIFF, "m42"))
    return ensemble


def road() -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(NORTH, OpenGate(0, 45, "s15-ltd"))
    ensemble.when(SOUTH, OpenGate(12_300, 45, "s15-ltd", prices={"west": 900}))
    ensemble.when(GATE.at("s15/west"), OpenGate(4_000, 45, "s15-ltd"))
    return ensemble


def ticket_of(ensemble: Ensemble, driver: str = "") -> str:
    reply: Any = ensemble.when(P1, Enter(driver)).reply
    return str(reply["ticket"])


def trip_of(ensemble: Ensemble, gate: Any = NORTH) -> str:
    reply: Any = ensemble.when(gate, DriveOn("ann")).reply
    return str(reply["trip"])


def test_the_life_of_a_ticket_is_a_table_without_flaws() -> None:
    assert list(flaws(LIFE)) == []


def test_a_stay_is_entered_left_and_owed_in_one_record_each() -> None:
    ensemble = lot()
    entered = ensemble.when(P1, Enter("ann"))
    reply: Any = entered.reply
    ticket = reply["ticket"]
    assert (reply, entered.steps, ensemble.sent) == ({"ticket": ticket, "left": 1}, 2, [])
    ensemble.now_ms += 90 * MINUTE_MS
    left = ensemble.when(P1, Exit(ticket))
    assert left.reply == {"fee_minor": 1_000, "currency": "CNY", "stay_ms": 90 * MINUTE_MS}
    assert debts_of(left) == [(1_000, "CNY", "m42", f"p1/{ticket}")]
    assert ensemble.view(P1, "lot")["inside"] == 0
    stay = ensemble.view(STAY.at(f"p1/{ticket}"), "stay")
    assert (stay["state"], stay["driver"], stay["fee_minor"]) == ("left", "ann", 1_000)


@pytest.mark.parametrize(
    ("minutes", "minor"),
    [
        *((0, 0), (15, 0), (16, 500), (60, 500), (61, 1_000), (8 * 60, 4_000), (9 * 60, 4_000)),
        *((24 * 60, 4_000), (24 * 60 + 1, 4_500), (33 * 60, 8_000), (72 * 60, 12_000)),
    ],
)
def test_a_stay_costs_each_period_begun_and_so_much_a_day_at_most(minutes: int, minor: int) -> None:
    assert fee_minor(TARIFF, minutes * MINUTE_MS) == minor


def test_a_minute_counts_when_it_has_begun() -> None:
    assert [fee_minor(TARIFF, 15 * MINUTE_MS + more) for more in (0, 1)] == [0, 500]


@given(
    st.builds(Tariff, st.integers(0, 2_000), st.integers(0, 9_000), st.integers(0, 1_440), st.integers(1, 1_440)),
    st.integers(0, 5 * DAY_MS),
    st.integers(0, 2 * DAY_MS),
)
def test_to_stay_longer_never_costs_less_and_never_more_than_the_days_begun(
    tariff: Tariff, stay_ms: int, more_ms: int
) -> None:
    fee = fee_minor(tariff, stay_ms)
    assert 0 <= fee <= fee_minor(tariff, stay_ms + more_ms)
    assert fee <= (stay_ms // DAY_MS + 1) * tariff.day_minor_max


def test_a_short_stay_owes_nothing() -> None:
    ensemble = lot()
    left = ensemble.when(P1, Exit(ticket_of(ensemble)))
    assert (debts_of(left), left.reply) == ([], {"fee_minor": 0, "currency": "CNY", "stay_ms": 0})


def test_a_full_lot_lets_nobody_in_until_somebody_leaves() -> None:
    ensemble = lot(places=1)
    ticket = ticket_of(ensemble)
    with pytest.raises(Reject, match="full") as reject:
        ensemble.when(P1, Enter())
    assert reject.value.details == {"places": "1"}
    ensemble.when(P1, Exit(ticket))
    assert ticket_of(ensemble) != ticket


def test_a_lot_and_its_stays_share_a_routing_key_as_do_gates_and_trips_of_one_road() -> None:
    lot_key, stay_key, gate_key, trip_key = (entity.routing("gold~x/1") for entity in ENTITIES)
    assert lot_key == stay_key != gate_key == trip_key
    assert all(key.startswith("gold~x") for key in (lot_key, gate_key))


def test_a_ticket_opens_the_exit_once_and_only_in_its_own_lot() -> None:
    ensemble = lot()
    ensemble.when(LOT.at("p2"), OpenLot(2, TARIFF, "m42"))
    ticket = ticket_of(ensemble)
    for place, shown in ((P1, "0" * 32), (LOT.at("p2"), ticket)):
        with pytest.raises(Reject, match="not_inside"):
            ensemble.when(place, Exit(shown))
    ensemble.when(P1, Exit(ticket))
    with pytest.raises(Reject, match="not_inside"):
        ensemble.when(P1, Exit(ticket))
    assert (ensemble.state(LOT, "p1").exits, ensemble.state(LOT, "p2").exits) == (1, 0)


def test_who_is_inside_pays_what_was_said_at_the_entrance() -> None:
    ensemble = lot()
    ticket = ticket_of(ensemble)
    ensemble.when(P1, OpenLot(5, Tariff(period_minor=9_999, day_minor_max=99_999), "m43"))
    ensemble.now_ms += 30 * MINUTE_MS
    assert debts_of(ensemble.when(P1, Exit(ticket))) == [(500, "CNY", "m42", f"p1/{ticket}")]


def test_a_lot_is_opened_before_it_is_entered_and_never_with_fewer_places_than_cars() -> None:
    ensemble = Ensemble(ENTITIES)
    with pytest.raises(Reject, match="not_open"):
        ensemble.when(P1, Enter())
    for name in ("p1/x", "p" * 129):
        with pytest.raises(Reject, match="not_a_lot"):
            ensemble.when(LOT.at(name), OpenLot(2, TARIFF, "m42"))
    ensemble.when(P1, OpenLot(2, TARIFF, "m42"))
    ticket_of(ensemble)
    with pytest.raises(Reject, match="more_cars_than_places") as reject:
        ensemble.when(P1, OpenLot(0, TARIFF, "m42"))
    assert reject.value.details == {"inside": "1"}
    assert ensemble.when(P1, OpenLot(1, TARIFF, "m42")).reply == {"left": 0}


def test_a_trip_costs_each_kilometre_begun_between_its_gates() -> None:
    ensemble = road()
    trip = trip_of(ensemble)
    left = ensemble.when(SOUTH, DriveOff(trip))
    assert left.reply == {"toll_minor": 13 * 45, "currency": "CNY", "from": "north", "to": "south"}
    assert debts_of(left) == [(585, "CNY", "s15-ltd", f"s15/{trip}")]
    assert (left.steps, ensemble.sent) == (4, [])
    view = ensemble.view(TRIP.at(f"s15/{trip}"), "trip")
    assert (view["state"], view["driver"], view["toll_minor"]) == ("left", "ann", 585)


def test_a_price_in_the_exits_table_is_taken_before_the_distance() -> None:
    ensemble = road()
    assert debts_of(ensemble.when(SOUTH, DriveOff(trip_of(ensemble, GATE.at("s15/west")))))[0][0] == 900


def test_the_way_back_costs_the_same_and_to_turn_at_once_nothing() -> None:
    ensemble = road()
    assert debts_of(ensemble.when(NORTH, DriveOff(trip_of(ensemble, SOUTH))))[0][0] == 585
    turned = ensemble.when(NORTH, DriveOff(trip_of(ensemble)))
    assert (debts_of(turned), ensemble.state(GATE, "s15/north").exits) == ([], 2)


def test_a_trip_ends_once_and_on_its_own_road() -> None:
    ensemble = road()
    ensemble.when(GATE.at("s16/south"), OpenGate(0, 1, "s16-ltd"))
    trip = trip_of(ensemble)
    for gate, shown in ((GATE.at("s16/south"), trip), (SOUTH, "0" * 32)):
        with pytest.raises(Reject, match="not_on_the_road"):
            ensemble.when(gate, DriveOff(shown))
    ensemble.when(SOUTH, DriveOff(trip))
    with pytest.raises(Reject, match="not_on_the_road"):
        ensemble.when(NORTH, DriveOff(trip))


def test_a_gate_is_opened_before_a_car_passes_and_has_a_road() -> None:
    ensemble = Ensemble(ENTITIES)
    for command in (DriveOn(), DriveOff("t")):
        with pytest.raises(Reject, match="not_open"):
            ensemble.when(NORTH, command)
    for name in ("north", "s15/north/1", "s15/" + "n" * 125):
        with pytest.raises(Reject, match="not_a_gate"):
            ensemble.when(GATE.at(name), OpenGate(0, 45, "s15-ltd"))


def test_what_the_entities_say_to_each_other_is_not_for_clients_nor_for_another_lot_or_road() -> None:
    stay, trip = Scenario(STAY, entity_id="p1/t"), Scenario(TRIP, entity_id="s15/t")
    for sender in ("", "parking.lot/p2", "parking.gate/p1/a"):
        for command in (Begin("", TARIFF, "m42"), Finish()):
            with pytest.raises(Reject, match="not_for_clients"):
                stay.when(command, sender=sender)
    for sender in ("", "parking.gate/s16/north", "parking.lot/s15"):
        for said in (GoOn("north", 0, ""), GoOff(), Charge(1, "CNY", "x")):
            with pytest.raises(Reject, match="not_for_clients"):
                trip.when(said, sender=sender)
    ensemble = road()
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(SOUTH, Price("t", "north", 0))


CARS = st.tuples(st.sampled_from(["p1", "p2"]), st.booleans(), st.integers(0, 9), st.integers(0, 3 * 3_600_000))


@given(st.lists(CARS, max_size=60), st.integers(0, 4))
def test_inside_is_who_entered_and_has_not_left_and_never_more_than_places(
    steps: list[tuple[str, bool, int, int]], places: int
) -> None:
    ensemble = Ensemble(ENTITIES)
    inside: dict[str, list[str]] = {"p1": [], "p2": []}
    played: list[Played] = []
    for name in inside:
        ensemble.when(LOT.at(name), OpenLot(places, TARIFF, "m42"))
    tickets: list[str] = []
    for name, enters, which, later_ms in steps:
        ensemble.now_ms += later_ms
        ticket = tickets[which % len(tickets)] if tickets else "none"
        with suppress(Reject):
            played.append(ensemble.when(LOT.at(name), Enter() if enters else Exit(ticket)))
            reply: Any = played[-1].reply
            if enters:
                tickets.append(reply["ticket"])
                inside[name].append(reply["ticket"])
            else:
                inside[name].remove(ticket)
        assert {at: ensemble.view(LOT.at(at), "lot")["inside"] for at in inside} == {
            at: len(tickets_in) for at, tickets_in in inside.items()
        }
        assert all(len(tickets_in) <= places for tickets_in in inside.values())
    debts = [debt for one in played for debt in debts_of(one)]
    stays = [ensemble.state(STAY, f"{name}/{ticket}") for name in inside for ticket in tickets]
    assert sum(amount for amount, *_ in debts) == sum(stay.fee_minor for stay in stays)
    assert len({reference for *_, reference in debts}) == len(debts)


@given(st.lists(st.tuples(st.sampled_from(["north", "south", "west"]), st.booleans(), st.integers(0, 9)), max_size=40))
def test_every_trip_that_left_was_counted_at_two_gates_and_owed_at_most_once(
    steps: list[tuple[str, bool, int]],
) -> None:
    ensemble = road()
    trips: list[str] = []
    played: list[Played] = []
    for name, comes, which in steps:
        gate = GATE.at(f"s15/{name}")
        if comes:
            trips.append(trip_of(ensemble, gate))
        else:
            with suppress(Reject):
                played.append(ensemble.when(gate, DriveOff(trips[which % len(trips)] if trips else "none")))
    gates = [ensemble.state(GATE, f"s15/{name}") for name in ("north", "south", "west")]
    states = Counter(ensemble.state(TRIP, f"s15/{trip}").state for trip in trips)
    assert sum(gate.entries for gate in gates) == len(trips)
    assert sum(gate.exits for gate in gates) == states["left"] == len(played)
    assert states["inside"] == len(trips) - len(played)
    debts = [debt for one in played for debt in debts_of(one)]
    assert len({reference for *_, reference in debts}) == len(debts)
    assert sum(amount for amount, *_ in debts) == sum(ensemble.state(TRIP, f"s15/{trip}").toll_minor for trip in trips)


def test_a_plate_is_kept_by_the_stay_and_by_the_trip_and_read_by_neither() -> None:
    plate = Personal[str](b"sealed")
    ensemble = lot()
    stay: Any = ensemble.when(P1, Enter("ann", plate)).reply
    assert ensemble.state(STAY, f"p1/{stay['ticket']}").plate == plate
    ensemble = road()
    trip: Any = ensemble.when(NORTH, DriveOn("ann", plate)).reply
    assert ensemble.state(TRIP, f"s15/{trip['trip']}").plate == plate
