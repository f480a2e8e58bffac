"""Hailing a taxi: who is matched with whom, and that every ride ends once, in whatever order things arrive."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Owed, Personal, Reject
from actors.geohash import neighbours
from actors.lifecycle import flaws
from actors.programs.taxi.program import (
    CELL,
    DRIVER,
    DRIVERS_MAX,
    ENTITIES,
    LIFE,
    RIDE,
    RIDES_MAX,
    Ask,
    Cancel,
    Cell,
    Confirm,
    Declined,
    Drive,
    Driver,
    Free,
    Late,
    Leave,
    Moved,
    Offer,
    Passed,
    Refused,
    Seek,
    Stand,
    Step,
    Take,
    Tell,
    Wait,
    fare_minor,
)
from actors.testing import Ensemble, Played, Scenario

HOME = "ws0e9"
NORTH_GATE: Personal[str] = Personal(b"north gate")
NEXT = neighbours(HOME)[0]
ANN, BOB = RIDE.at("ann/1"), RIDE.at("bob/1")
LI, WU = DRIVER.at("li"), DRIVER.at("wu")
MINUTE_MS = 60_000
ACTIVE = ("matched", "arrived", "riding")


def events_of(played: list[Played]) -> list[Any]:
    return [event for one in played for _, event in one.events]


def debts_of(*played: Played) -> list[tuple[int, str, str]]:
    """What was owed: how much, to whom, for which ride."""
    return [
        (event.amount_minor, event.to, event.reference) for event in events_of([*played]) if isinstance(event, Owed)
    ]


def street(cell: str = HOME) -> Ensemble:
    """Li waits here."""
    ensemble = Ensemble(ENTITIES)
    ensemble.when(LI, Stand(cell))
    ensemble.settle()
    return ensemble


def matched() -> Ensemble:
    ensemble = street()
    ensemble.when(ANN, Ask(HOME, NORTH_GATE))
    ensemble.settle()
    return ensemble


def drive(ensemble: Ensemble, *steps: Step, metres: int = 0) -> list[Played]:
    played: list[Played] = []
    for step in steps:
        played += [ensemble.when(LI, Drive(step, metres)), *ensemble.settle()]
    return played


def riding() -> Ensemble:
    ensemble = matched()
    drive(ensemble, "arrive", "start")
    return ensemble


def ride(ensemble: Ensemble, ref: Any = ANN) -> Any:
    return ensemble.state(RIDE, ref.id)


def driver(ensemble: Ensemble, ref: Any = LI) -> Any:
    return ensemble.state(DRIVER, ref.id)


def test_the_life_of_a_ride_is_a_table_without_flaws() -> None:
    assert list(flaws(LIFE)) == []
    assert [state for state, stage in LIFE.items() if stage.terminal] == ["ended", "cancelled"]


def test_a_ride_is_matched_with_a_driver_that_waits_in_its_cell() -> None:
    ensemble = matched()
    assert (ride(ensemble).state, ride(ensemble).driver) == ("matched", "li")
    assert (driver(ensemble).state, driver(ensemble).ride, driver(ensemble).place) == ("busy", "ann/1", NORTH_GATE)
    assert ensemble.view(CELL.at(HOME), "waiting") == {"drivers": 0, "rides": 0}


def test_a_driver_that_comes_later_takes_the_ride_that_looks_longest() -> None:
    ensemble = Ensemble(ENTITIES)
    for ref in (BOB, ANN):
        ensemble.when(ref, Ask(HOME))
    ensemble.settle()
    ensemble.when(LI, Stand(HOME))
    ensemble.settle()
    assert (ride(ensemble, BOB).state, ride(ensemble, ANN).state) == ("matched", "asked")


def test_a_whole_ride_states_its_fare_once_to_the_driver() -> None:
    ensemble = riding()
    ensemble.now_ms += 20 * MINUTE_MS
    played = drive(ensemble, "end", metres=7_400)
    assert debts_of(*played) == [(1_200 + 5 * 260, "li", "ann/1")]
    view = ensemble.view(ANN, "ride")
    assert (view["state"], view["metres"], view["owed_minor"], view["place"]) == ("ended", 7_400, 2_500, None)
    assert (driver(ensemble).state, driver(ensemble).ride, ensemble.timers(ANN)) == ("offline", "", {})


@pytest.mark.parametrize(
    ("metres", "minor"), [(0, 1_200), (3_000, 1_200), (3_001, 1_460), (4_000, 1_460), (4_001, 1_720), (23_000, 6_400)]
)
def test_each_kilometre_begun_beyond_the_third_costs(metres: int, minor: int) -> None:
    assert fare_minor(metres) == minor


def test_who_listens_to_a_ride_is_told_each_state_in_order() -> None:
    ensemble = street()
    played = [ensemble.when(ANN, Ask(HOME)), *ensemble.settle(), *drive(ensemble, "arrive", "start", "end")]
    pushes = [push for one in played for _, push in one.pushes]
    assert [push.payload for push in pushes] == [
        {"state": state} for state in ("asked", "matched", "arrived", "riding", "ended")
    ]
    assert [push.cursor for push in pushes] == sorted({push.cursor for push in pushes})


def test_after_half_a_minute_a_ride_looks_in_the_neighbouring_cells() -> None:
    ensemble = street(NEXT)
    ensemble.when(ANN, Ask(HOME))
    ensemble.settle()
    assert ride(ensemble).state == "asked"
    start_ms = ensemble.now_ms
    ensemble.fire(ANN, "late")
    ensemble.settle()
    assert (ensemble.now_ms - start_ms, ride(ensemble).driver) == (30_000, "li")
    assert all(ensemble.view(CELL.at(cell), "waiting")["rides"] == 0 for cell in (HOME, *neighbours(HOME)))


def test_a_ride_that_finds_nobody_is_cancelled_and_looks_nowhere_any_more() -> None:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(ANN, Ask(HOME))
    ensemble.settle()
    start_ms = ensemble.now_ms
    for _ in range(2):
        ensemble.fire(ANN, "late")
        ensemble.settle()
    assert (ride(ensemble).state, ride(ensemble).because) == ("cancelled", "no_driver")
    assert (ensemble.now_ms - start_ms, ensemble.timers(ANN)) == (5 * MINUTE_MS, {})
    assert all(ensemble.view(CELL.at(cell), "waiting")["rides"] == 0 for cell in (HOME, *neighbours(HOME)))


def test_a_cancelled_ride_owes_nothing_before_the_driver_is_there_and_the_driver_waits_on() -> None:
    ensemble = matched()
    assert debts_of(ensemble.when(ANN, Cancel())) == []
    ensemble.settle()
    assert (ride(ensemble).state, ride(ensemble).because) == ("cancelled", "rider")
    assert (driver(ensemble).state, driver(ensemble).cell) == ("waiting", HOME)
    assert ensemble.when(ANN, Cancel()).reply == {"state": "cancelled"}
    ensemble.when(BOB, Ask(HOME))
    ensemble.settle()
    assert ride(ensemble, BOB).driver == "li"


def test_a_rider_for_whom_the_driver_came_in_vain_owes_the_way() -> None:
    cancelled, missed = matched(), matched()
    for ensemble in (cancelled, missed):
        drive(ensemble, "arrive")
    assert debts_of(cancelled.when(ANN, Cancel())) == debts_of(missed.fire(ANN, "late")) == [(600, "li", "ann/1")]
    assert (ride(cancelled).because, ride(missed).because) == ("rider", "no_show")
    missed.settle()
    assert driver(missed).state == "waiting"


def test_a_driver_that_gives_up_or_never_comes_is_owed_nothing_and_waits_no_more() -> None:
    given_up, at_the_door, never = matched(), matched(), matched()
    played = [*drive(given_up, "give_up"), *drive(at_the_door, "arrive", "give_up")]
    played += [never.fire(ANN, "late"), *never.settle()]
    assert debts_of(*played) == []
    assert [ride(one).because for one in (given_up, at_the_door, never)] == ["driver", "driver", "driver_late"]
    assert [driver(one).state for one in (given_up, at_the_door, never)] == ["offline"] * 3


def test_a_ride_whose_driver_never_ends_it_ends_at_the_least_fare() -> None:
    ensemble = riding()
    start_ms = ensemble.now_ms
    assert debts_of(ensemble.fire(ANN, "late")) == [(1_200, "li", "ann/1")]
    assert (ensemble.now_ms - start_ms, ride(ensemble).state) == (12 * 60 * MINUTE_MS, "ended")


def test_a_meter_that_ran_faster_than_a_taxi_is_refused_and_the_ride_goes_on() -> None:
    ensemble = riding()
    ensemble.now_ms += MINUTE_MS
    refused = [one.rejected for one in drive(ensemble, "end", metres=3_601) if one.rejected]
    assert [(reject.reason, reject.details) for reject in refused] == [("faster_than_a_taxi", {"metres_max": "3600"})]
    assert (ride(ensemble).state, driver(ensemble).refused) == ("riding", "end")
    drive(ensemble, "end", metres=3_600)
    assert (ride(ensemble).state, ride(ensemble).owed_minor) == ("ended", 1_460)


@pytest.mark.parametrize("state", LIFE)
@pytest.mark.parametrize("step", ["arrive", "start", "end", "give_up"])
def test_a_driver_can_take_only_the_step_that_comes_next(state: str, step: Step) -> None:
    scenario = Scenario(RIDE, entity_id="ann/1")
    if state != "none":
        scenario.given(Moved(state, scenario.now_ms, "li"))
    following = LIFE[state].moves.get("cancel" if step == "give_up" else step)
    if state == "none":
        with pytest.raises(Reject, match="not_your_ride"):
            scenario.when(Tell(step), sender="taxi.driver/li")
    elif following is None:
        with pytest.raises(Reject, match="wrong_state"):
            scenario.when(Tell(step), sender="taxi.driver/li")
    else:
        assert scenario.when(Tell(step), sender="taxi.driver/li").state.state == following
        assert bool(scenario.timers) == (not LIFE[following].terminal)


def test_a_rider_cannot_cancel_a_ride_that_goes_or_is_over_nor_ask_for_it_again() -> None:
    ensemble = riding()
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, Cancel())
    drive(ensemble, "end")
    for command in (Cancel(), Ask(HOME)):
        with pytest.raises(Reject, match="wrong_state"):
            ensemble.when(ANN, command)
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(BOB, Cancel())


def test_a_driver_with_a_ride_can_neither_wait_elsewhere_nor_go_offline() -> None:
    ensemble = matched()
    for cell in (HOME, NEXT, ""):
        with pytest.raises(Reject, match="one_ride_a_driver"):
            ensemble.when(LI, Stand(cell))
    with pytest.raises(Reject, match="no_ride"):
        ensemble.when(WU, Drive("arrive"))


def test_a_driver_waits_where_it_said_last_and_keeps_its_place_when_it_says_it_twice() -> None:
    ensemble = street()
    assert ensemble.when(LI, Stand(HOME)).events == ()
    ensemble.when(LI, Stand(NEXT))
    ensemble.settle()
    assert [ensemble.view(CELL.at(cell), "waiting")["drivers"] for cell in (HOME, NEXT)] == [0, 1]
    ensemble.when(LI, Stand(""))
    ensemble.settle()
    assert (driver(ensemble).state, ensemble.view(CELL.at(NEXT), "waiting")["drivers"]) == ("offline", 0)


def test_when_cancel_crosses_the_match_the_driver_waits_on() -> None:
    ensemble = street()
    ensemble.when(ANN, Ask(HOME))
    ensemble.deliver()  # the cell has found the driver
    ensemble.when(ANN, Cancel())
    ensemble.settle()
    assert (ride(ensemble).state, ride(ensemble).driver) == ("cancelled", "")
    assert (driver(ensemble).state, ensemble.view(CELL.at(HOME), "waiting")) == ("waiting", {"drivers": 1, "rides": 0})


def test_when_the_driver_has_left_meanwhile_the_ride_looks_on() -> None:
    ensemble = street()
    ensemble.when(ANN, Ask(HOME))
    ensemble.deliver()
    ensemble.when(LI, Stand(""))
    ensemble.settle()
    assert (driver(ensemble).state, ride(ensemble).state) == ("offline", "asked")
    ensemble.when(WU, Stand(HOME))
    ensemble.settle()
    assert ride(ensemble).driver == "wu"


def test_two_cells_that_find_a_driver_each_leave_one_of_them_waiting() -> None:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(ANN, Ask(HOME))
    ensemble.settle()
    ensemble.fire(ANN, "late")
    ensemble.settle()
    ensemble.when(LI, Stand(HOME))
    ensemble.when(WU, Stand(NEXT))
    ensemble.settle()
    assert sorted([driver(ensemble, LI).state, driver(ensemble, WU).state]) == ["busy", "waiting"]
    assert ride(ensemble).driver in ("li", "wu")


def test_what_belongs_to_an_earlier_turn_of_a_driver_is_void() -> None:
    waiting = Scenario(DRIVER, Driver("waiting", HOME, turn=2), entity_id="li")
    with pytest.raises(Reject, match="not_waiting"):
        waiting.when(Offer("ann/1", 1), sender=f"taxi.cell/{HOME}")
    assert waiting.when(Offer("ann/1", 2), sender=f"taxi.cell/{HOME}").state.state == "busy"
    assert Scenario(DRIVER, Driver("waiting", HOME, turn=2)).when(Stand()).state == Driver(turn=2)
    cell = Scenario(CELL, Cell(drivers={"li": 2}), entity_id=HOME)
    assert cell.when(Leave(1), sender="taxi.driver/li").events == ()
    assert cell.when(Leave(2), sender="taxi.driver/li").state == Cell()


def test_what_comes_from_a_ride_that_is_no_longer_ones_own_changes_nothing() -> None:
    busy = Scenario(DRIVER, Driver("busy", HOME, turn=1, ride="ann/1"), entity_id="li")
    for command in (Free(waits=True), Free(waits=False), Confirm(NORTH_GATE), Refused("arrive")):
        outcome = busy.when(command, sender="taxi.ride/bob/1")
        assert (outcome.events, outcome.actions) == ((), ())
    cancelled = Scenario(RIDE, entity_id="ann/1").given(Moved("cancelled", 0, ""))
    assert cancelled.when(Passed(), sender=f"taxi.cell/{HOME}").actions == ()


def test_no_two_kinds_share_a_routing_key_and_a_group_in_an_id_counts() -> None:
    keys = [entity.routing("gold~x") for entity in ENTITIES]
    assert len(set(keys)) == len(ENTITIES)
    assert all(key.startswith("gold~") for key in keys)


def test_a_crowded_cell_takes_no_more_drivers_and_lists_no_more_rides() -> None:
    ensemble = Ensemble(ENTITIES)
    for number in range(DRIVERS_MAX + 1):
        ensemble.when(DRIVER.at(f"d{number}"), Stand(HOME))
    ensemble.settle()
    last = ensemble.state(DRIVER, f"d{DRIVERS_MAX}")
    assert (last.state, last.refused) == ("offline", "too_many_drivers")
    assert ensemble.view(CELL.at(HOME), "waiting")["drivers"] == DRIVERS_MAX
    full = Cell(rides={f"r/{number}": 0 for number in range(RIDES_MAX)})
    assert Scenario(CELL, full, entity_id=HOME).when(Seek(), sender="taxi.ride/ann/1").events == ()


def test_what_the_entities_say_to_each_other_is_not_for_clients() -> None:
    ensemble = matched()
    said: list[tuple[Any, Any]] = [
        *((CELL.at(HOME), command) for command in (Wait(1), Seek(), Leave(), Leave(1), Declined("ann/1"))),
        *((LI, command) for command in (Offer("ann/1", 1), Confirm(None), Free(True))),
        *((ANN, command) for command in (Take(), Tell("arrive"), Passed(), Late())),
    ]
    for ref, command in said:
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(ref, command)
    assert ensemble.when(LI, Refused("arrive")).events == ()
    with pytest.raises(Reject, match="not_your_ride"):
        Scenario(RIDE).given(Moved("matched", 0, "li")).when(Tell("arrive"), sender="taxi.driver/wu")


def test_the_neighbours_of_a_cell_are_those_of_the_map() -> None:
    assert sorted(neighbours("dqcjq")) == ["dqcjj", "dqcjm", "dqcjn", "dqcjp", "dqcjr", "dqcjt", "dqcjw", "dqcjx"]
    assert sorted(neighbours("ezzz")) == ["ezzw", "ezzx", "ezzy", "gbp8", "gbpb", "spbn", "spbp", "u000"]
    assert len(neighbours("zzzzz")) == 5  # at the pole, and across the date line


@given(st.text("0123456789bcdefghjkmnpqrstuvwxyz", min_size=1, max_size=12))
def test_neighbours_are_each_others_and_never_the_cell_itself(cell: str) -> None:
    around = neighbours(cell)
    assert len(set(around)) == len(around) in (5, 8)
    assert cell not in around
    assert all(len(other) == len(cell) and cell in neighbours(other) for other in around)


RIDES = st.sampled_from(["ann/1", "bob/1", "cid/1", "dan/1"])
DRIVERS = st.sampled_from(["li", "wu", HOME, "ann/1"])
STEPS: tuple[Step, ...] = ("arrive", "start", "end", "give_up")
STEP = st.one_of(
    st.tuples(st.just("ask"), RIDES, st.sampled_from([HOME, NEXT])),
    st.tuples(st.just("stand"), DRIVERS, st.sampled_from([HOME, NEXT, ""])),
    st.tuples(st.just("drive"), DRIVERS, st.sampled_from(STEPS)),
    st.tuples(st.just("cancel"), RIDES, st.just("")),
    st.tuples(st.just("fire"), RIDES, st.just("")),
    st.tuples(st.just("deliver"), st.integers(0, 7), st.just("")),
)


def play(ensemble: Ensemble, what: str, who: Any, how: Any) -> list[Played]:
    with suppress(Reject):
        match what:
            case "ask":
                return [ensemble.when(RIDE.at(who), Ask(how))]
            case "stand":
                return [ensemble.when(DRIVER.at(who), Stand(how))]
            case "drive":
                return [ensemble.when(DRIVER.at(who), Drive(how))]
            case "cancel":
                return [ensemble.when(RIDE.at(who), Cancel())]
            case "fire" if ensemble.timers(RIDE.at(who)):
                return [ensemble.fire(RIDE.at(who), "late")]
            case "deliver" if ensemble.sent:
                ensemble.sent.insert(0, ensemble.sent.pop(who % len(ensemble.sent)))
                return [ensemble.deliver()]
            case _:
                pass
    return []


def check_now(ensemble: Ensemble) -> None:
    """What holds after every single step."""
    rides = {who: ensemble.state(RIDE, who) for who in ("ann/1", "bob/1", "cid/1", "dan/1")}
    driven = Counter(one.driver for one in rides.values() if one.state in ACTIVE)
    assert all(count == 1 for count in driven.values())
    for who, one in rides.items():
        if one.state in ACTIVE:
            assert (driver(ensemble, DRIVER.at(one.driver)).state, driver(ensemble, DRIVER.at(one.driver)).ride) == (
                "busy",
                who,
            )
        assert bool(ensemble.timers(RIDE.at(who))) == (one.state in ("asked", *ACTIVE))


@given(st.lists(STEP, max_size=60))
def test_every_ride_is_matched_at_most_once_and_ends_whatever_the_order(steps: list[tuple[str, Any, Any]]) -> None:
    ensemble = Ensemble(ENTITIES)
    played: list[Played] = []
    for step in steps:
        played += play(ensemble, *step)
        check_now(ensemble)
    played += ensemble.settle()
    check_now(ensemble)
    for _ in range(3):  # nobody does anything any more: it looks farther, gives up; or the one step that is awaited
        for who in ("ann/1", "bob/1", "cid/1", "dan/1"):
            if ensemble.timers(RIDE.at(who)):
                played += [ensemble.fire(RIDE.at(who), "late"), *ensemble.settle()]
    moved = Counter((ref.id, event.state) for one in played for ref, event in one.events if isinstance(event, Moved))
    assert all(count == 1 for count in moved.values()), moved
    for who in ("ann/1", "bob/1", "cid/1", "dan/1"):
        end = ride(ensemble, RIDE.at(who))
        owed = [minor for minor, _, reference in debts_of(*played) if reference == who]
        assert end.state in ("none", "ended", "cancelled")
        assert owed == ([end.owed_minor] if end.owed_minor else [])
        assert bool(owed) or end.state != "ended"
    assert {driver(ensemble, DRIVER.at(who)).state for who in ("li", "wu", HOME, "ann/1")} <= {"offline", "waiting"}
    assert ensemble.dead_letters == []


@given(st.lists(STEP.filter(lambda step: step[0] != "deliver" or step[1] == 0), max_size=60))
def test_after_all_has_settled_no_ride_looks_where_a_driver_waits(steps: list[tuple[str, Any, Any]]) -> None:
    ensemble = Ensemble(ENTITIES)
    for step in steps:
        play(ensemble, *step)
    ensemble.settle()
    looking = {cell for who in ("ann/1", "bob/1", "cid/1", "dan/1") for cell in ride(ensemble, RIDE.at(who)).cells}
    drivers = {who: driver(ensemble, DRIVER.at(who)) for who in ("li", "wu", HOME, "ann/1")}
    waiting = {who: one for who, one in drivers.items() if one.state == "waiting"}
    assert not looking & {one.cell for one in waiting.values()}
    for cell in (HOME, NEXT):
        assert ensemble.state(CELL, cell).drivers == {who: one.turn for who, one in waiting.items() if one.cell == cell}
