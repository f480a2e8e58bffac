"""Sessions: the life cycle as its table says, the lazy timer, pages, and pushes that wait to be acknowledged."""

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors import Push as PushOut
from actors import Reject
from actors.domain import session as s
from actors.domain.session import SESSION, Acknowledge, Close, EnterPage, Hide, LeavePage, Open, Push, RenderPage, Show
from actors.kernel.record import Invoke, body_sum
from actors.placement import RELEASE_MIN
from actors.shape import canonical
from actors.testing import NOW_MS, Scenario

OPEN = Open("shop", "pages/index", 1011)
MINUTE_MS = 60_000
RELEASES = (s.FIRED_RELEASE - 1, RELEASE_MIN)


def opened(release: int = RELEASE_MIN) -> Scenario[s.Session, s.Command, s.Event]:
    scenario = Scenario(SESSION, release=release)
    scenario.when(OPEN)
    return scenario


def shown(release: int = RELEASE_MIN) -> Scenario[s.Session, s.Command, s.Event]:
    scenario = opened(release)
    scenario.when(Show())
    return scenario


def passes(scenario: Scenario[s.Session, s.Command, s.Event], wait_ms: int) -> list[s.Event]:
    """So long a time passes: what happens of itself, since the timer fires as often as it falls due."""
    until_ms, events = scenario.now_ms + wait_ms, list[s.Event]()
    while scenario.timers and scenario.timers["look"].due_ms <= until_ms:
        events += scenario.fire("look").events
    scenario.now_ms = until_ms
    return events


def left_alone(scenario: Scenario[s.Session, s.Command, s.Event]) -> list[s.Event]:
    """All that happens when nobody comes back."""
    events: list[s.Event] = []
    while scenario.timers:
        assert list(scenario.timers) == ["look"]
        events += scenario.fire("look").events
    return events


@pytest.mark.parametrize("state", s.LIFE)
@pytest.mark.parametrize(
    ("move", "command"), [("launch", OPEN), ("show", Show()), ("hide", Hide()), ("unload", Close())]
)
def test_every_move_does_what_the_table_says(state: str, move: str, command: s.Command) -> None:
    scenario = Scenario(SESSION, s.Session(state=state))
    expected = s.LIFE[state].moves.get(move)
    if expected is None:
        with pytest.raises(Reject, match="wrong_state") as reject:
            scenario.when(command)
        assert reject.value.details == {"state": state, "move": move}
        assert scenario.state == s.Session(state=state)
    else:
        outcome = scenario.when(command)
        assert outcome.reply == {"state": expected}
        assert scenario.state.state == expected
        assert bool(outcome.events) == (expected != state)


def test_opening_launches_and_loads_the_first_page() -> None:
    scenario = Scenario(SESSION, caller="ann")
    events = scenario.when(OPEN).events
    assert events == (s.Launched("shop", "pages/index", 1011, "ann", NOW_MS), s.PageLoaded("pages/index", NOW_MS))
    assert list(scenario.timers) == ["look"]


def test_a_session_is_launched_once() -> None:
    with pytest.raises(Reject, match="wrong_state"):
        opened().when(OPEN)


def test_a_page_is_ready_when_rendered_and_shown_with_its_session() -> None:
    scenario = opened()
    scenario.when(RenderPage("pages/index"))
    assert [page.state for page in scenario.state.pages] == ["ready"]
    scenario.when(Show())
    assert [page.state for page in scenario.state.pages] == ["shown"]
    scenario.when(EnterPage("pages/article"))
    assert [page.state for page in scenario.state.pages] == ["hidden", "loaded"]
    scenario.when(RenderPage("pages/article"))
    assert [page.state for page in scenario.state.pages] == ["hidden", "shown"]


def test_leaving_a_page_says_how_long_it_was_looked_at_and_shows_the_one_below() -> None:
    scenario = shown()
    scenario.when(RenderPage("pages/index"))
    scenario.when(EnterPage("pages/article"), now_ms=NOW_MS + 1_000)
    outcome = scenario.when(LeavePage("pages/article"), now_ms=NOW_MS + 4_000)
    assert outcome.events == (s.PageUnloaded("pages/article", 3_000, NOW_MS + 4_000),)
    assert [(page.path, page.state) for page in scenario.state.pages] == [("pages/index", "shown")]


def test_only_the_top_page_can_be_left_and_there_are_ten_at_most() -> None:
    scenario = shown()
    with pytest.raises(Reject, match="not_the_top_page"):
        scenario.when(LeavePage("pages/other"))
    for n in range(s.PAGES_MAX - 1):
        scenario.when(EnterPage(f"pages/{n}"))
    with pytest.raises(Reject, match="too_many_pages"):
        scenario.when(EnterPage("pages/one-more"))


def test_a_page_that_is_gone_is_not_entered_and_the_call_is_the_one_that_it_was_before() -> None:
    scenario, enter = shown(), EnterPage("pages/article")
    with pytest.raises(Reject, match="page_gone"):
        scenario.when(s.gone(enter))
    calls = (Invoke("session/1", canonical(each, "command"), b"i" * 16, "ann") for each in (enter, s.gone(enter)))
    assert len({body_sum(call) for call in calls}) == 1
    assert canonical(enter, "command") == msgspec.msgpack.encode({"type": "session.enter-page", "path": enter.path})


def test_a_hidden_session_takes_no_pages() -> None:
    scenario = shown()
    scenario.when(Hide())
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(EnterPage("pages/article"))


def test_a_session_that_was_left_is_unloaded_after_its_time() -> None:
    scenario = shown()
    assert left_alone(scenario) == [s.Unloaded("idle", NOW_MS + s.IDLE_MS_MAX)]
    assert scenario.state.pages == ()


@given(st.sampled_from(RELEASES), st.integers(0, 10), st.integers(0, 25 * MINUTE_MS))
def test_a_hidden_session_is_unloaded_exactly_in_time_however_long_it_was_used(
    release: int, uses: int, hidden_after_ms: int
) -> None:
    scenario = shown(release)
    for n in range(uses):
        assert passes(scenario, 25 * MINUTE_MS) == []
        scenario.when(LeavePage("pages/a") if n % 2 else EnterPage("pages/a"))
    assert passes(scenario, hidden_after_ms) == []
    scenario.when(Hide())
    assert left_alone(scenario) == [
        s.Unloaded("idle", NOW_MS + uses * 25 * MINUTE_MS + hidden_after_ms + s.HIDDEN_MS_MAX)
    ]


@pytest.mark.parametrize(
    ("last", "release", "looks"),
    [(Show(), s.FIRED_RELEASE, 2), (Hide(), s.FIRED_RELEASE, 1), (Show(), s.FIRED_RELEASE - 1, 7), (Hide(), 1, 2)],
)
def test_a_session_that_is_left_is_looked_at_twice_at_most_but_by_former_releases(
    last: s.Command, release: int, looks: int
) -> None:
    scenario = opened(release)
    for n in range(3):
        passes(scenario, 20_000)
        scenario.when(EnterPage(f"pages/{n}"))
    scenario.when(last)
    fired = 0
    while scenario.timers:
        scenario.fire("look")
        fired += 1
    assert (fired, scenario.state.state) == (looks, "unloaded")


USES = st.sampled_from([Show(), Hide(), EnterPage("a"), LeavePage("a"), RenderPage("a"), Push(1)])


@given(
    st.integers(1_000, MINUTE_MS),
    st.integers(1_000, MINUTE_MS),
    st.lists(st.tuples(USES, st.integers(0, MINUTE_MS)), max_size=20),
)
@example(30_000, 5_000, [(Hide(), 0), (Show(), 0)])
def test_whatever_is_done_a_session_ends_exactly_when_it_is_to(
    hidden_ms: int, idle_ms: int, uses: list[tuple[s.Command, int]]
) -> None:
    scenario = Scenario(SESSION)
    scenario.when(Open("shop", "pages/index", 1011, hidden_ms, idle_ms))
    for use, wait_ms in [*uses, (Push(1), 2 * MINUTE_MS)]:
        ends_ms = scenario.state.active_ms + (hidden_ms if scenario.state.state == "hidden" else idle_ms)
        happened = passes(scenario, wait_ms)
        assert happened == ([s.Unloaded("idle", ends_ms)] if ends_ms <= scenario.now_ms else [])
        if happened:
            return
        with contextlib.suppress(Reject):
            scenario.when(use)
    raise AssertionError("it has not ended")


@given(st.integers(1_000, MINUTE_MS), st.integers(1_000, MINUTE_MS), st.booleans())
def test_a_session_ends_by_the_times_that_it_was_opened_with(hidden_ms: int, idle_ms: int, hides: bool) -> None:
    scenario = Scenario(SESSION)
    scenario.when(Open("shop", "pages/index", 1011, hidden_ms, idle_ms))
    scenario.when(Hide() if hides else Show())
    assert left_alone(scenario) == [s.Unloaded("idle", NOW_MS + (hidden_ms if hides else idle_ms))]


def test_what_the_timer_takes_along_is_stored_only_where_it_is_not_the_default() -> None:
    """A session that was opened before these were settings has the same timer."""
    assert canonical(s.Look(), "command") == msgspec.msgpack.encode({"type": "session.look"})
    assert b"idle_ms" in canonical(s.Look(idle_ms=MINUTE_MS), "command")


def test_life_in_between_puts_the_end_off_without_touching_the_timer() -> None:
    scenario = shown()
    due_ms = scenario.timers["look"].due_ms
    assert scenario.when(EnterPage("pages/article"), now_ms=NOW_MS + 4 * MINUTE_MS).actions == ()
    assert scenario.timers["look"].due_ms == due_ms
    left_alone(scenario)
    assert scenario.now_ms == NOW_MS + 4 * MINUTE_MS + s.IDLE_MS_MAX


def test_closing_forgets_the_timer_and_clients_cannot_look() -> None:
    scenario = shown()
    with pytest.raises(Reject, match="not_for_clients"):
        scenario.when(s.Look())
    scenario.when(Close())
    assert scenario.timers == {}
    assert scenario.when(Close()).events == ()
    assert scenario.when(s.Look(), sender="session/1").events == ()


def test_a_push_goes_out_and_stays_until_it_is_acknowledged() -> None:
    scenario = shown()
    outcome = scenario.when(Push({"text": "ready"}), sender="shop/m42")
    assert outcome.reply == {"cursor": 1}
    assert outcome.actions == (PushOut(1, {"text": "ready"}),)
    scenario.when(Push({"text": "gone"}))
    assert scenario.view("pushes", after=1) == [{"cursor": 2, "payload": {"text": "gone"}}]
    scenario.when(Acknowledge(1))
    assert [push["cursor"] for push in scenario.view("pushes")] == [2]
    assert scenario.when(Acknowledge(1)).events == ()
    with pytest.raises(Reject, match="cursor_ahead"):
        scenario.when(Acknowledge(3))


def test_pushes_beyond_the_bound_are_missed_and_counted() -> None:
    scenario = shown()
    for n in range(s.PUSHES_MAX + 3):
        scenario.when(Push(n))
    mark, *pushes = scenario.view("pushes", after=0)
    assert mark == {"cursor": 3, "payload": {"type": "session.missed", "missed": 3}}
    assert [push["cursor"] for push in pushes] == list(range(4, s.PUSHES_MAX + 4))
    assert scenario.view("pushes", after=2)[0]["payload"]["missed"] == 1
    assert scenario.view("pushes", after=3) == pushes
    scenario.when(Acknowledge(s.PUSHES_MAX + 3))
    assert scenario.view("pushes", after=0) == []


def test_a_push_is_small_and_for_a_session_that_lives() -> None:
    scenario = shown()
    with pytest.raises(Reject, match="push_too_big"):
        scenario.when(Push("x" * s.PUSH_BYTES_MAX))
    scenario.when(Close())
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Push("x"))
    with pytest.raises(Reject, match="wrong_state"):
        Scenario(SESSION).when(Push("x"))


def test_the_view_of_a_session_says_where_it_is() -> None:
    view = shown().view("session")
    assert (view["state"], view["program"], view["scene"], view["caller"]) == ("shown", "shop", 1011, "ann")
    assert view["pages"] == [{"path": "pages/index", "state": "loaded", "entered_ms": NOW_MS}]


STEPS = st.one_of(
    st.sampled_from([OPEN, Show(), Hide(), Close(), RenderPage("a"), LeavePage("a"), EnterPage("a"), Push(1), "fire"]),
    st.builds(Acknowledge, st.integers(0, 4)),
)


@given(st.lists(st.tuples(STEPS, st.integers(0, 10 * MINUTE_MS)), max_size=40))
def test_whatever_is_asked_of_a_session_it_keeps_to_the_tables(steps: list[tuple[s.Command | str, int]]) -> None:
    scenario = Scenario(SESSION)
    launches = 0
    for step, wait_ms in steps:
        before = scenario.state
        try:
            if isinstance(step, str):
                if not scenario.timers:
                    continue
                outcome = scenario.fire("look")
            else:
                outcome = scenario.when(step, now_ms=scenario.now_ms + wait_ms)
        except Reject:
            assert scenario.state == before
            continue
        launches += sum(isinstance(event, s.Launched) for event in outcome.events)
        after = scenario.state
        assert after.state in {before.state, *s.LIFE[before.state].moves.values()}
        assert bool(scenario.timers) == (after.state not in ("none", "unloaded"))
        assert all(page.state in s.PAGE_LIFE and not s.PAGE_LIFE[page.state].terminal for page in after.pages)
        assert all(page.state == "hidden" for page in after.pages[:-1])
        assert sum(page.state == "shown" for page in after.pages) <= (after.state == "shown")
        assert [push.cursor for push in after.pushes] == list(range(after.acknowledged + 1, after.pushed + 1))
    assert launches <= 1
