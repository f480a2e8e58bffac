"""Bike hire: the saga between a rider and a station, and that no bike is ever made or lost."""

import csv
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.programs.bike.program import (
    ENTITIES,
    RIDER,
    STATION,
    Ended,
    FareOwed,
    Hire,
    Lend,
    Open,
    Refused,
    Return,
    RideEnded,
    Started,
    Station,
)
from actors.testing import Ensemble

STATIONS = Path(__file__).parents[2] / "actors" / "programs" / "bike" / "stations.csv"
ANN, BOB = RIDER.at("ann"), RIDER.at("bob")


def city(bikes: int = 1, docks: int = 2) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    for name in ("north", "south"):
        ensemble.when(STATION.at(name), Open(name, docks, bikes))
    return ensemble


def test_a_hire_is_answered_at_once_and_settled_by_the_station() -> None:
    ensemble = city()
    assert ensemble.when(ANN, Hire("north")).reply == {"state": "asking", "ride": ensemble.state(RIDER, "ann").ride}
    ensemble.settle()
    assert ensemble.view(ANN, "rider")["state"] == "riding"
    assert ensemble.view(STATION.at("north"), "station") == {"name": "north", "docks": 2, "bikes": 0}


def test_a_ride_ends_at_another_station_and_takes_the_logs_time() -> None:
    ensemble = city()
    ensemble.when(ANN, Hire("north"))
    ensemble.settle()
    ensemble.now_ms += 600_000
    ensemble.when(ANN, Return("south"))
    events = [event for played in ensemble.settle() for _, event in played.events]
    assert [event.ride_ms for event in events if isinstance(event, RideEnded)] == [600_000]
    rider = ensemble.state(RIDER, "ann")
    assert (rider.state, rider.rides, rider.ridden_ms) == ("idle", 1, 600_000)
    assert ensemble.state(STATION, "south").bikes == 2


@pytest.mark.parametrize(("ride_ms", "owed_minor"), [(0, 150), (1_800_000, 150), (1_800_001, 300), (5_400_000, 450)])
def test_a_ride_owes_once_for_each_half_hour_that_has_begun(ride_ms: int, owed_minor: int) -> None:
    ensemble = city()
    ride = ensemble.when(ANN, Hire("north")).reply
    ensemble.settle()
    ensemble.now_ms += ride_ms
    ensemble.when(ANN, Return("south"))
    events = [event for played in ensemble.settle() for _, event in played.events]
    fares = [event for event in events if isinstance(event, FareOwed)]
    assert [(fare.amount_minor, fare.currency, fare.to) for fare in fares] == [(owed_minor, "CNY", "bike")]
    assert isinstance(ride, dict)
    assert fares[0].reference == ride["ride"]
    assert ensemble.settle() == []


def test_rides_of_logs_before_fares_owe_nothing_when_they_are_replayed() -> None:
    ensemble = Ensemble(ENTITIES, release=2)
    for name in ("north", "south"):
        ensemble.when(STATION.at(name), Open(name, 2, 1))
    ensemble.when(ANN, Hire("north"))
    ensemble.settle()
    ensemble.when(ANN, Return("south"))
    events = [event for played in ensemble.settle() for _, event in played.events]
    assert any(isinstance(event, RideEnded) for event in events)
    assert not any(isinstance(event, FareOwed) for event in events)


def test_an_empty_station_rejects_and_the_rider_is_told() -> None:
    ensemble = city()
    ensemble.when(ANN, Hire("north"))
    ensemble.when(BOB, Hire("north"))
    rejected = [played.rejected for played in ensemble.settle() if played.rejected]
    assert [reject.reason for reject in rejected] == ["no_bike"]
    assert (ensemble.state(RIDER, "bob").state, ensemble.state(RIDER, "bob").refused) == ("idle", "no_bike")
    assert ensemble.dead_letters == []


def test_a_full_station_takes_no_bike_and_the_ride_goes_on() -> None:
    ensemble = city(bikes=1, docks=1)
    ensemble.when(ANN, Hire("north"))
    ensemble.settle()
    ensemble.when(ANN, Return("south"))
    ensemble.settle()
    assert (ensemble.state(RIDER, "ann").state, ensemble.state(RIDER, "ann").refused) == ("riding", "no_dock")
    ensemble.when(ANN, Return("north"))
    ensemble.settle()
    assert ensemble.state(RIDER, "ann").state == "idle"


def test_one_bike_a_person_also_while_the_first_is_asked_for() -> None:
    ensemble = city(bikes=2)
    ensemble.when(ANN, Hire("north"))
    with pytest.raises(Reject, match="one_bike_a_person"):
        ensemble.when(ANN, Hire("south"))
    ensemble.settle()
    with pytest.raises(Reject, match="one_bike_a_person"):
        ensemble.when(ANN, Hire("south"))
    with pytest.raises(Reject, match="no_ride"):
        ensemble.when(BOB, Return("south"))


def test_what_rider_and_station_say_to_each_other_is_not_for_clients() -> None:
    ensemble = city()
    ensemble.when(ANN, Hire("north"))
    ride = ensemble.state(RIDER, "ann").ride
    for command in (Started(ride, "north"), Ended(ride, "north"), Refused(ride)):
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(ANN, command)
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(STATION.at("north"), Lend(ride))


def test_a_rider_named_like_a_station_hires_within_one_record() -> None:
    ensemble = city()
    played = ensemble.when(RIDER.at("north"), Hire("north"))
    assert (played.steps, ensemble.state(RIDER, "north").state) == (3, "riding")
    with pytest.raises(Reject, match="no_bike"):
        ensemble.when(RIDER.at("nowhere"), Hire("nowhere"))
    assert ensemble.state(RIDER, "nowhere") == RIDER.initial


def test_a_station_never_has_more_bikes_than_docks() -> None:
    with pytest.raises(Reject, match="more_bikes_than_docks"):
        Ensemble(ENTITIES).when(STATION.at("north"), Open("north", docks=1, bikes=2))


ASKS = st.tuples(
    st.sampled_from(["ann", "bob", "cid", "north"]), st.booleans(), st.sampled_from(["north", "south", "none"])
)


@given(st.lists(st.one_of(ASKS, st.just(None)), max_size=60), st.integers(0, 3))
def test_no_bike_is_made_or_lost_however_sends_and_calls_interleave(
    steps: list[tuple[str, bool, str] | None], bikes: int
) -> None:
    ensemble = city(bikes=bikes, docks=3)
    for step in steps:
        if step is None:
            if ensemble.sent:
                ensemble.deliver()
            continue
        who, hires, where = step
        with suppress(Reject):
            ensemble.when(RIDER.at(who), Hire(where) if hires else Return(where))
    ensemble.settle()
    riders = [ensemble.state(RIDER, who) for who in ("ann", "bob", "cid", "north")]
    stations = [ensemble.state(STATION, name) for name in ("north", "south")]
    assert {rider.state for rider in riders} <= {"idle", "riding"}
    assert all(0 <= station.bikes <= station.docks for station in stations)
    riding = sum(rider.state == "riding" for rider in riders)
    assert riding + sum(station.bikes for station in stations) == 2 * bikes
    assert ensemble.dead_letters == []


def test_the_real_stations_can_be_opened() -> None:
    ensemble = Ensemble(ENTITIES)
    with STATIONS.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        docks = int(line["capacity"])
        ensemble.when(STATION.at(line["station_id"]), Open(line["name"], docks, docks // 2))
    assert len({line["station_id"] for line in lines}) == len(lines) == 260
    assert ensemble.state(STATION, "2350") == Station("Blindern T-Bane", 25, 12)
