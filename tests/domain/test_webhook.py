"""Webhooks: where a program's developer is told of events, and each telling until it is taken or given up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.webhook import delivery as d
from actors.domain.webhook import endpoint as e
from actors.domain.webhook import roster
from actors.domain.webhook.delivery import (
    DELIVERY,
    LOST_MS,
    WAITS_MS,
    Begin,
    Delivered,
    Replay,
    Tried,
    TryFailed,
    Trying,
)
from actors.domain.webhook.endpoint import ENDPOINT, Changed, Endpoint, Pause, Remove, Resume, Rotate, Set
from actors.domain.webhook.roster import ROSTER
from actors.entity import Send
from actors.testing import NOW_MS, Scenario

URL = "https://hooks.shop.com/in"
SET = Set(URL, ("bike.ride-ended",))
BEGIN = Begin("bike/main", b"{}")


def endpoint() -> Scenario[Endpoint, e.Command, Changed]:
    return Scenario(ENDPOINT, entity_id="bike/main")


def delivery() -> Scenario[d.Delivery, d.Command, d.Event]:
    return Scenario(DELIVERY, entity_id="bike/d1")


def test_an_endpoint_is_set_changed_and_set_again_to_no_effect() -> None:
    scenario = endpoint()
    first = Endpoint("active", URL, ("bike.ride-ended",), 1, 0, NOW_MS)
    assert scenario.when(SET).events == (Changed(first),)
    assert scenario.when(SET, now_ms=NOW_MS + 5).events == ()
    changed = scenario.when(Set(URL, ("owed",))).state
    assert (changed.events, changed.since_ms) == (("owed",), NOW_MS)
    assert scenario.view("endpoint")["url"] == URL


def test_an_endpoint_enters_the_roster_when_it_is_set_first_and_leaves_it_when_it_is_removed() -> None:
    scenario = endpoint()
    assert scenario.when(Set(URL, ("owed",), 3)).actions == (Send(ROSTER.at("bike"), roster.Enter("main", 3)),)
    assert [scenario.when(one).actions for one in (SET, Rotate(), Pause(), Resume())] == [()] * 4
    assert scenario.when(Remove()).actions == (Send(ROSTER.at("bike"), roster.Leave("main")),)
    assert scenario.when(Remove()).actions == ()


def test_a_roster_has_no_more_than_it_may_and_room_again_once_one_has_left() -> None:
    scenario = Scenario(ROSTER, entity_id="bike")
    by = "webhook.endpoint/bike/a"
    for name in ("a", "b", "a"):
        scenario.when(roster.Enter(name, 2), sender=by)
    with pytest.raises(Reject, match="too_many_endpoints"):
        scenario.when(roster.Enter("c", 2), sender=by)
    for name in ("a", "a"):
        scenario.when(roster.Leave(name), sender=by)
    assert scenario.when(roster.Enter("c", 2), sender=by).state.endpoints == ("b", "c")
    with pytest.raises(Reject, match="not_for_clients"):
        scenario.when(roster.Enter("d", 9))


def test_a_rotation_keeps_the_former_secret_for_a_while() -> None:
    scenario = endpoint()
    scenario.when(SET)
    rotated = scenario.when(Rotate(1_000))
    assert (rotated.state.version, rotated.state.both_until_ms) == (2, NOW_MS + 1_000)
    assert rotated.reply == {"version": 2}


def test_what_happens_in_a_pause_is_not_told_and_a_removed_endpoint_is_gone() -> None:
    scenario = endpoint()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Pause())
    scenario.when(SET)
    scenario.when(Pause())
    assert scenario.when(Pause()).events == ()
    resumed = scenario.when(Resume(), now_ms=NOW_MS + 9).state
    assert (resumed.state, resumed.since_ms) == ("active", NOW_MS + 9)
    assert scenario.when(Resume(), now_ms=NOW_MS + 99).events == ()
    assert scenario.when(Remove()).state.state == "removed"
    assert scenario.when(Remove()).events == ()
    for command in (SET, Rotate(), Resume(), Pause()):
        with pytest.raises(Reject, match="wrong_state"):
            scenario.when(command)


def test_a_first_try_that_is_taken_is_all() -> None:
    scenario = delivery()
    begun = scenario.when(BEGIN)
    assert begun.events[1:] == (Trying(1, len(WAITS_MS), "bike/main", b"{}"),)
    assert scenario.when(BEGIN).events == ()
    assert scenario.when(Tried(1, 204)).events == (Delivered(1, 204, "", NOW_MS, "bike/main"),)
    assert (scenario.state.state, scenario.state.body, scenario.timers) == ("delivered", b"", {})
    assert scenario.when(Tried(1, 500)).events == ()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Replay())


def test_a_dead_endpoint_walks_the_whole_schedule_and_a_replay_delivers() -> None:
    scenario = delivery()
    scenario.when(BEGIN)
    for attempt, wait_ms in enumerate(WAITS_MS, 1):
        before_ms = scenario.now_ms
        scenario.when(Tried(attempt, 503, "busy"))
        assert (scenario.state.state, list(scenario.timers)) == ("waiting", ["again"])
        assert scenario.fire("again").events == (Trying(attempt + 1, len(WAITS_MS) - attempt, "bike/main", b"{}"),)
        assert scenario.now_ms == before_ms + wait_ms
    assert scenario.now_ms - NOW_MS == sum(WAITS_MS)
    last = scenario.when(Tried(len(WAITS_MS) + 1, 0, "no"))
    assert last.events == (TryFailed(len(WAITS_MS) + 1, 0, "no", scenario.now_ms, dead=True, endpoint="bike/main"),)
    assert (scenario.state.state, scenario.timers) == ("dead", {})
    replayed = scenario.when(Replay())
    assert replayed.events == (Trying(len(WAITS_MS) + 2, len(WAITS_MS), "bike/main", b"{}"),)
    assert scenario.when(Tried(len(WAITS_MS) + 2, 200)).state.state == "delivered"


def test_the_schedule_is_that_of_the_sheet() -> None:
    minutes = [wait_ms / 60_000 for wait_ms in WAITS_MS]
    assert minutes == [0.25, 0.25, 0.5, 3, 10, 20, 30, 30, 30, 60, 180, 180, 180, 360, 360]


def test_a_try_that_nobody_answers_for_is_lost_and_followed_by_the_next() -> None:
    scenario = delivery()
    scenario.when(BEGIN)
    (failed,) = scenario.fire("lost").events
    assert isinstance(failed, TryFailed)
    assert (failed.status, failed.at_ms) == (0, NOW_MS + LOST_MS)
    assert scenario.when(Tried(1, 200)).events == (), "it was given up"
    scenario.fire("again")
    assert scenario.when(Tried(2, 200)).state.state == "delivered"


def test_the_timers_commands_are_for_the_timers_alone() -> None:
    scenario = delivery()
    scenario.when(BEGIN)
    for command in (d.Again(), d.Lost()):
        with pytest.raises(Reject, match="not_for_clients"):
            scenario.when(command)


@pytest.mark.parametrize(("status", "taken"), [(199, False), (200, True), (299, True), (300, False), (302, False)])
def test_any_2xx_is_taken_and_a_redirect_is_not(status: int, *, taken: bool) -> None:
    scenario = delivery()
    scenario.when(BEGIN)
    assert (scenario.when(Tried(1, status)).state.state == "delivered") is taken


@given(st.lists(st.sampled_from([0, 200, 500, "replay", "again", "lost"]), max_size=80))
def test_whatever_is_told_the_latest_20_tries_are_kept_and_one_is_taken_at_most(told: list[Any]) -> None:
    scenario = delivery()
    scenario.when(Begin("bike/main", b"{}", (1, 1)))
    taken = 0
    for one in told:
        if isinstance(one, int):
            outcome = scenario.when(Tried(scenario.state.attempt, one))
            taken += sum(isinstance(event, Delivered) for event in outcome.events)
        elif one in scenario.timers:
            scenario.fire(one)
        elif one == "replay" and scenario.state.state == "dead":
            scenario.when(Replay())
    tries = scenario.view("delivery")["tries"]
    assert len(tries) <= d.TRIES_KEPT
    assert taken == sum(200 <= one["status"] < 300 for one in tries) <= 1
    assert (set(scenario.timers) == {"lost"}) is (scenario.state.state == "trying")
    assert (set(scenario.timers) == {"again"}) is (scenario.state.state == "waiting")
