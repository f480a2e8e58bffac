"""Timers are fired when they fall due, those that do so together by one frame: a host looks every so often, no more."""

import pytest

from actors.adapters.hosting.shell import TICK_S, TIMERS_S, next_tick_s
from actors.due import DueTimers

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("due_in_ms", "looks_in_s"),
    [
        (None, TICK_S),
        (60_000, TICK_S),
        (100, 0.1),
        (1_000 * TIMERS_S, TIMERS_S),
        (1, TIMERS_S),
        (0, TIMERS_S),
        (-60_000, TIMERS_S),
    ],
)
def test_a_host_looks_when_the_next_timer_falls_due_but_not_at_once_and_not_seldom(
    due_in_ms: int | None, looks_in_s: float
) -> None:
    due_ms = None if due_in_ms is None else NOW_MS + int(due_in_ms)
    assert next_tick_s(due_ms, NOW_MS) == pytest.approx(looks_in_s)


def test_a_thousand_timers_a_second_are_fired_by_a_hundred_frames_each_within_its_ten_milliseconds() -> None:
    timers, now_ms, frames = DueTimers(), NOW_MS, list[int]()
    timers.extend(NOW_MS + 60_000, [(f"b/{n}", "t", 1, NOW_MS + n) for n in range(1_000)])
    while now_ms < NOW_MS + 1_100:
        fires = timers.due(now_ms)
        for fire in fires:
            assert fire.due_ms <= now_ms <= fire.due_ms + 1_000 * TIMERS_S
            timers.remove(fire.entity, fire.timer, fire.generation)
        frames += [len(fires)] if fires else []
        now_ms += round(1_000 * next_tick_s(timers.next_due_ms(), now_ms))
    assert sum(frames) == 1_000
    assert len(frames) <= 1 / TIMERS_S + 1
