"""The door by itself: when it chooses, whom, and how it opens again. Time is given."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import (
    CALLS_MIN,
    HOUR_MS,
    KEYS_MAX,
    LONG,
    OTHERS,
    TENANTS_MAX,
    USER_LEVELS,
    Admission,
    Cursor,
    Limits,
    Window,
    cursor_for,
    fill,
    level_of,
)

WINDOW_MS = Limits().window_ms
LINE_MIN, STREAMED_LINE_MIN = 10, 100


class Play:
    """A door and the windows that went by."""

    def __init__(self) -> None:
        self.door = Admission(Limits(line_min=LINE_MIN, streamed_line_min=STREAMED_LINE_MIN), 0)
        self.now_ms = 0

    def window(self, calls: list[tuple[str, int, str]], queueing_ms: float, *, streamed: bool = False) -> list[str]:
        """A window with these calls (tenant, level, key), which queued so long; why each was refused, or nothing."""
        if self.door.active:
            said = [self.door.admit(*call) for call in calls]
        else:
            self.door.count(len(calls))
            said = [""] * len(calls)
        self.door.waited("lane", queueing_ms * len(calls), len(calls), streamed=streamed)
        self.end()
        return said

    def end(self) -> Window:
        """End the window."""
        self.now_ms += WINDOW_MS
        window = self.door.tick(self.now_ms)
        assert window is not None
        return window


def calls(count: int, tenant: str = "", keys: int = 100) -> list[tuple[str, int, str]]:
    """Calls of all levels alike."""
    return [(tenant, nth % 100 * USER_LEVELS, f"k{nth % keys}") for nth in range(count)]


def test_nobody_is_refused_while_queues_are_short() -> None:
    play = Play()
    for _ in range(10):
        assert not any(play.window(calls(1_500), 19.9))
    assert not play.door.active


def test_an_overloaded_window_is_followed_by_five_percent_less_each_time() -> None:
    play = Play()
    play.window(calls(1_000), 30)
    admitted = [play.window(calls(1_000), 30).count("") for _ in range(5)]
    assert admitted[0] == 1_000  # nobody was counted by level before, so nobody could be chosen
    assert admitted[1:] == pytest.approx([902, 857, 815, 774], abs=3)


def test_the_least_important_are_turned_away_first() -> None:
    play, said = Play(), [""]
    for _ in range(12):
        said = play.window(calls(1_000), 30)
    refused = [nth % 100 for nth, reason in enumerate(said) if reason]
    served = [nth % 100 for nth, reason in enumerate(said) if not reason]
    assert max(refused) <= min(served)
    assert max(refused) > 30
    assert set(said) == {"", "OVERLOADED"}


def test_it_lets_in_one_percent_of_what_came_more_in_each_good_window_until_all_fit() -> None:
    play = Play()
    for _ in range(7):
        play.window(calls(1_000), 30)
    before = play.window(calls(1_000), 1).count("")
    assert play.window(calls(1_000), 1).count("") == pytest.approx(before + 10, abs=3)
    for _ in range(10):
        play.window(calls(1_000), 1)
    assert not play.door.active


def test_what_a_moment_of_trouble_has_cut_is_back_within_seconds() -> None:
    play, windows = Play(), 0
    for _ in range(60):  # a machine that is busy with something else, say
        play.window(calls(100), 3_000)
    cut = play.window(calls(2_000), 1).count("")
    assert cut < 200
    while play.door.active:
        play.window(calls(2_000), 1)
        windows += 1
    assert windows < 10


def test_it_opens_within_a_window_when_the_crowd_has_gone() -> None:
    play = Play()
    for _ in range(20):
        play.window(calls(5_000), 100)
    play.window(calls(100), 1)
    assert not play.door.active
    assert not any(play.window(calls(100), 1))


def test_calls_that_wait_one_by_one_are_no_crowd() -> None:
    play = Play()
    rate = 200
    for _ in range(3):
        play.window(calls(rate), WINDOW_MS * (LINE_MIN - 1) / rate)
    assert not play.door.active
    play.window(calls(rate), WINDOW_MS * (LINE_MIN + 1) / rate)
    assert play.door.active


def test_a_line_of_streamed_calls_that_moves_is_no_crowd_until_it_is_long_or_waits_long() -> None:
    late_ms = Limits().streamed_ms_max + 1
    about_fifty, a_hundred, half_a_second_each = (500, late_ms), (1_000, late_ms), (500, LONG * late_ms)
    chooses: list[bool] = []
    for rate, waited_ms in (about_fifty, a_hundred, half_a_second_each):
        play = Play()
        for _ in range(3):
            play.window(calls(rate), waited_ms, streamed=True)
        chooses.append(play.door.active)
    assert chooses == [False, True, True]


def test_streams_that_stall_for_a_moment_are_no_crowd_and_calls_one_by_one_are() -> None:
    for streamed, stalled_ms, active in ((True, 300, False), (True, 600, True), (False, 300, True)):
        play = Play()
        play.door.count(200)
        play.door.keep("stall", stalled_ms, streamed=streamed)
        play.end()
        assert play.door.active == active, (streamed, stalled_ms)


def test_few_calls_that_wait_are_no_crowd() -> None:
    play = Play()
    for _ in range(3):
        play.window(calls(CALLS_MIN - 1), 5_000)
    assert not play.door.active


def test_a_stream_may_queue_longer_since_it_pushes_back() -> None:
    play = Play()
    play.window(calls(1_000), 99, streamed=True)
    assert not play.door.active
    play.window(calls(1_000), 101, streamed=True)
    assert play.door.active


def test_a_stall_counts_before_any_call_has_left_the_queue() -> None:
    play = Play()
    play.door.count(100)
    play.door.keep("stall", 400)
    assert play.end().queueing_ms == 400
    assert play.door.active


def test_a_window_ends_early_when_enough_calls_have_left() -> None:
    door = Admission(Limits(), 0)
    door.count(2_000)
    door.waited("lane", 0, 1_999, streamed=False)
    assert door.tick(5) is None
    door.waited("lane", 0, 1, streamed=False)
    assert door.tick(5) is not None


def test_a_greedy_tenant_leaves_the_others_their_share() -> None:
    play, said = Play(), [""]
    offered = calls(2_000, "greedy") + calls(100, "modest")
    for _ in range(12):
        said = play.window(offered, 30)
    assert not any(said[2_000:])
    assert said[:2_000].count("OVERLOADED") > 500
    assert play.door.level("greedy") > play.door.level("modest") == 0


def test_a_tenant_with_a_new_name_in_each_window_gets_no_more_than_one_that_keeps_its_name() -> None:
    def let_in(name_of: Callable[[int], str]) -> tuple[float, float, int]:
        play, came, windows = Play(), (0, 0), list[tuple[int, int]]()
        for nth in range(40):
            offered = calls(300, "modest") + calls(2_000, name_of(nth))
            said = play.window(offered, 60 if sum(came) > 600 else 1)
            came = said[:300].count(""), said[300:].count("")
            windows.append(came)
        modest, greedy = (sum(counts) / 20 for counts in zip(*windows[20:], strict=True))
        return modest, greedy, play.door.level("somebody-else")

    modest, greedy, _ = let_in(lambda _: "greedy")
    assert modest > 270
    modest_beside, renamed, level = let_in(lambda nth: f"greedy-{nth}")
    assert modest_beside == pytest.approx(modest, abs=10)
    assert renamed == pytest.approx(greedy, rel=0.3)
    assert level > 0


def test_the_level_is_told_to_tenants_above_the_bound() -> None:
    play = Play()
    for _ in range(8):
        play.window([(f"tenant-{nth}", nth % 90, "k") for nth in range(3 * TENANTS_MAX)], 30)
    for nth in range(TENANTS_MAX):
        play.door.admit(f"tenant-{nth}", 0, "k")
    assert play.door.level(f"tenant-{2 * TENANTS_MAX}") > 0


def test_callers_without_a_name_share_one_place() -> None:
    assert level_of(64, "~gateway-1/ipv4:127.0.0.1:5", 0) == level_of(64, "~gateway-2/other", 0) == level_of(64, "", 0)


def test_a_hot_key_is_cut_before_anybody_is_turned_away_for_its_level() -> None:
    play, said = Play(), [""]
    offered = calls(1_000) + [("", 99 * USER_LEVELS, "hot")] * 1_000
    for _ in range(8):
        said = play.window(offered, 30)
    assert not any(said[:1_000])
    assert said[1_000:].count("KEY_SHARE") > 200


def test_memory_is_bounded_whoever_calls() -> None:
    play = Play()
    play.window(calls(1_000), 30)
    for nth in range(2 * KEYS_MAX):
        play.door.admit(f"tenant-{nth}", nth % 9, f"key-{nth}")
    assert len(play.door._levels) == TENANTS_MAX + 1  # pyright: ignore[reportPrivateUsage]
    assert OTHERS in play.door._levels  # pyright: ignore[reportPrivateUsage]
    assert len(play.door._keys) == KEYS_MAX  # pyright: ignore[reportPrivateUsage]


def test_callers_change_places_with_the_hour_but_not_within() -> None:
    callers = [f"caller-{nth}" for nth in range(500)]
    now = [level_of(64, caller, 5 * HOUR_MS) for caller in callers]
    assert now == [level_of(64, caller, 6 * HOUR_MS - 1) for caller in callers]
    later = [level_of(64, caller, 6 * HOUR_MS) for caller in callers]
    assert sum(a == b for a, b in zip(now, later, strict=True)) < 30
    assert len(set(now)) > 100
    assert max(level_of(63, caller, 0) for caller in callers) < min(level_of(64, caller, 0) for caller in callers)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1_000), max_size=20), st.floats(0, 10_000))
def test_shares_use_all_there_is_and_no_more(demands: dict[str, int], total: float) -> None:
    share = fill(demands, total)
    given_out = sum(min(demand, share) for demand in demands.values())
    assert given_out == pytest.approx(min(total, sum(demands.values())))


@given(st.dictionaries(st.integers(0, 16_383), st.integers(1, 500), max_size=30), st.floats(0, 10_000))
def test_the_line_lets_in_what_is_expected_within_a_call(arrived: dict[int, int], expected: float) -> None:
    cursor = cursor_for(arrived, expected)
    let_in = sum(sum((cursor or Cursor(-1, 1)).passes(level) for _ in range(count)) for level, count in arrived.items())
    assert let_in == pytest.approx(min(expected, sum(arrived.values())), abs=1.01)
