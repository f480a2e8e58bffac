"""Which timers to fire now: in order, again until the log says that they are gone, so many at once."""

from actors.due import FIRES_MAX, RETRY_MS, DueTimers


def test_due_timers_come_in_order_and_again_until_they_are_gone() -> None:
    timers = DueTimers()
    timers.extend(10_000, [("b/2", "t", 2, 200), ("b/1", "t", 1, 100), ("b/3", "t", 3, 9_000)])
    assert timers.next_due_ms() == 100
    assert [f.entity for f in timers.due(200)] == ["b/1", "b/2"]
    assert timers.due(200 + RETRY_MS - 1) == []
    timers.remove("b/1", "t", 1)
    assert [(f.entity, f.due_ms) for f in timers.due(200 + RETRY_MS)] == [("b/2", 200)]
    assert timers.due(200 + 3 * RETRY_MS - 1) == [], "each time it waits twice as long"
    assert [f.entity for f in timers.due(200 + 3 * RETRY_MS)] == ["b/2"]


def test_a_timer_beyond_the_horizon_is_left_to_the_store() -> None:
    timers = DueTimers()
    timers.extend(1_000, [])
    timers.add("b/1", "t", 1, 1_000)
    assert timers.due(5_000) == []
    timers.extend(2_000, [("b/1", "t", 1, 1_000)])
    assert [f.generation for f in timers.due(5_000)] == [1]


def test_removing_an_older_generation_leaves_the_newer_one() -> None:
    timers = DueTimers()
    timers.extend(1_000, [("b/1", "t", 1, 100)])
    timers.add("b/1", "t", 2, 300)
    timers.remove("b/1", "t", 1)
    assert [(f.generation, f.due_ms) for f in timers.due(500)] == [(2, 300)]


def test_only_so_many_timers_are_fired_at_once() -> None:
    timers = DueTimers()
    timers.extend(1_000, [(f"b/{n}", "t", n, 100) for n in range(FIRES_MAX + 5)])
    assert len(timers.due(100)) == FIRES_MAX
    assert len(timers.due(100)) == 5
