"""Visits: openings of a person, their sessions in the same record, and where each came from."""

import contextlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.session import SESSION
from actors.domain.visit import (
    DEVICES_MAX,
    MERGE_MS,
    VISIT,
    Close,
    Erase,
    Open,
    SessionEnded,
    VisitBegan,
    VisitContinued,
    reaches,
)
from actors.domain.ways.sources import SCENES, Source
from actors.testing import NOW_MS, Ensemble, Played

ME = "bike/ann"
PAGE = "pages/map/index"
HERE = VISIT.at(ME)


def street() -> Ensemble:
    """Visits and sessions, nobody anywhere."""
    return Ensemble((VISIT, SESSION))


def session(street: Ensemble, n: int) -> Any:
    """The state of the n-th session."""
    return street.state(SESSION, f"{ME}/{n}")


def began(played: Played) -> bool:
    return any(isinstance(event, VisitBegan) for _, event in played.events)


def test_nothing_is_opened_on_a_page_that_is_there_no_more() -> None:
    city = street()
    with pytest.raises(Reject, match="page_gone"):
        city.when(HERE, Open("", asked="pages/menu"))
    assert (city.sent, city.state(VISIT, ME).opens, session(city, 1).state) == ([], 0, "none")


def test_an_opening_and_its_session_are_one_record() -> None:
    city = street()
    opening = Open(PAGE, "scan", "phone", "code/X", "1.0.0", "Oslo")
    played = city.when(HERE, opening)
    assert city.sent == [], "the session has the visit's routing key"
    assert played.reply == {"session": f"{ME}/1", "path": PAGE, "version": "1.0.0", "visit": 1, "began": True}
    assert played.events[0] == (
        HERE,
        VisitBegan(1, 1, PAGE, "scan", "phone", "code/X", "1.0.0", "Oslo", NOW_MS),
    )
    launched = session(city, 1)
    assert (launched.state, launched.program, launched.scene, launched.pages[0].path) == (
        *("launched", "bike"),
        *(1011, PAGE),
    )


@pytest.mark.parametrize(("ms", "is_new"), [(0, False), (MERGE_MS - 1, False), (MERGE_MS, True), (MERGE_MS + 1, True)])
def test_an_opening_within_30_s_of_the_last_is_the_same_visit(ms: int, is_new: bool) -> None:
    city = street()
    city.when(HERE, Open(PAGE))
    second = city.when(HERE, Open(PAGE), now_ms=NOW_MS + ms)
    assert began(second) is is_new
    assert second.reply == {"session": f"{ME}/2", "path": PAGE, "version": "", "visit": 1 + is_new, "began": is_new}
    assert MERGE_MS == 30_000


def test_a_visit_goes_on_as_long_as_each_opening_follows_the_last_soon_enough() -> None:
    city = street()
    visits = [city.when(HERE, Open(PAGE), now_ms=NOW_MS + n * (MERGE_MS - 1)).reply for n in range(4)]
    assert [said["visit"] for said in visits if isinstance(said, dict)] == [1, 1, 1, 1]


def test_a_session_is_launched_with_the_times_of_its_opening() -> None:
    city = street()
    city.when(HERE, Open(PAGE, hidden_ms=2_000, idle_ms=5_000))
    at = SESSION.at(f"{ME}/1")
    while city.timers(at):
        city.fire(at, "look")
    assert (session(city, 1).unloaded_because, city.now_ms) == ("idle", NOW_MS + 5_000)


def test_a_ninth_device_closes_the_oldest_session() -> None:
    city = street()
    for n in range(DEVICES_MAX):
        city.when(HERE, Open(PAGE, device=f"d{n}"))
    ninth = city.when(HERE, Open(PAGE, device="d8"))
    assert (HERE, SessionEnded(1, "too_many_devices", NOW_MS)) in ninth.events
    assert session(city, 1).state == "unloaded"
    assert [session(city, n).state for n in range(2, 10)] == ["launched"] * DEVICES_MAX
    assert len(city.state(VISIT, ME).sessions) == DEVICES_MAX


def test_a_device_has_one_session_at_a_time() -> None:
    city = street()
    city.when(HERE, Open(PAGE, device="phone"))
    city.when(HERE, Open(PAGE, device="watch"))
    again = city.when(HERE, Open(PAGE, device="phone"))
    assert (HERE, SessionEnded(1, "reopened", NOW_MS)) in again.events
    assert [session(city, n).state for n in (1, 2, 3)] == ["unloaded", "launched", "launched"]


def test_a_session_is_closed_once_and_its_visit_with_the_last() -> None:
    city = street()
    for device in ("phone", "watch"):
        city.when(HERE, Open(PAGE, device=device))
    assert (HERE, SessionEnded(2, "closed", NOW_MS)) in city.when(HERE, Close(2)).events
    assert city.state(VISIT, ME).state == "open"
    assert city.when(HERE, Close(2)).events == ()
    city.when(HERE, Close(1))
    assert (city.state(VISIT, ME).state, session(city, 1).unloaded_because) == ("away", "closed")
    assert city.when(HERE, Close(1)).events == ()
    with pytest.raises(Reject, match="no_such_session"):
        city.when(HERE, Close(3))


def test_a_session_that_ended_of_itself_is_closed_all_the_same() -> None:
    city = street()
    city.when(HERE, Open(PAGE))
    at = SESSION.at(f"{ME}/1")
    while city.timers(at):
        city.fire(at, "look")
    assert session(city, 1).unloaded_because == "idle"
    city.when(HERE, Close(1))
    assert (city.state(VISIT, ME).state, session(city, 1).unloaded_because) == ("away", "idle")


def test_every_source_has_its_scene_and_stays_on_record() -> None:
    assert set(SCENES) == set(get_args(Source))
    assert len(set(SCENES.values())) == len(SCENES)
    city = street()
    for n, source in enumerate(SCENES, 1):
        played = city.when(HERE, msgspec.convert({"type": "visit.open", "path": PAGE, "source": source}, Open))
        opened = next(event for _, event in played.events if isinstance(event, VisitBegan | VisitContinued))
        assert (opened.source, session(city, n).scene, city.state(VISIT, ME).last_source) == (
            *(source, SCENES[source]),
            source,
        )


@given(
    st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, MERGE_MS + 9), st.integers(0, 9)), max_size=25)
)
def test_whatever_is_opened_and_closed_what_the_visit_calls_open_is_open(steps: list[tuple[str, int, int]]) -> None:
    city, now_ms = street(), NOW_MS
    for device, wait_ms, close in steps:
        now_ms += wait_ms
        city.when(HERE, Open(PAGE, device=device, devices_max=3), now_ms=now_ms)
        visits = city.state(VISIT, ME)
        if 0 < close <= visits.opens:
            city.when(HERE, Close(close))
        visits = city.state(VISIT, ME)
        running = [each.n for each in visits.sessions]
        alive = [n for n in range(1, visits.opens + 1) if session(city, n).state != "unloaded"]
        assert running == alive
        assert len(running) <= 3
        assert (visits.state == "open") is bool(running)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_sessions_that_a_command_is_sent_on_to_are_foreseen(steps: list[tuple[str, int]]) -> None:
    city = street()
    commands: list[Any] = [
        Close(n) if 0 < n <= at else Open(PAGE, device=device, devices_max=3) for at, (device, n) in enumerate(steps)
    ]
    for command in commands:
        foreseen = reaches(city.state(VISIT, ME), command, ME)
        with contextlib.suppress(Reject):
            played = city.when(HERE, command)
            assert {ref for ref, _ in played.events} <= {HERE, *foreseen}
            assert len(foreseen) <= 1 + len(played.events)
    visits = city.state(VISIT, ME)
    assert reaches(visits, Erase(), ME) == tuple(SESSION.at(f"{ME}/{each.n}") for each in visits.sessions)


def test_only_a_persons_session_is_where_the_persons_visits_are() -> None:
    assert SESSION.routing(f"{ME}/7") == ME == VISIT.routing(ME)
    for name in ("s1", "bike/ann", "0190-1"):
        assert SESSION.routing(name) == name
