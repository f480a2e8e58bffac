"""A client that keeps away while its calls would be turned away."""

from gateway.shedding import HOLD_MS, PROBE_EVERY, Shedding, level_text, levels_from


def test_calls_below_the_level_are_kept_back_for_a_while_but_for_a_few() -> None:
    shedding = Shedding()
    shedding.learn(100, 99, now_ms=5)
    went = [shedding.admits(6) for _ in range(10 * PROBE_EVERY)]
    assert went.count(True) == 10
    assert shedding.is_holding
    assert shedding.admits(5 + HOLD_MS)


def test_calls_at_the_level_go_out() -> None:
    shedding = Shedding()
    shedding.learn(100, 100, now_ms=5)
    assert all(shedding.admits(6) for _ in range(PROBE_EVERY))


def test_a_level_that_is_gone_ends_the_wait_at_once() -> None:
    shedding = Shedding()
    shedding.learn(100, 99, now_ms=5)
    shedding.learn(0, 0, now_ms=6)
    assert all(shedding.admits(6) for _ in range(PROBE_EVERY))
    assert not shedding.is_holding


def test_levels_come_back_from_metadata_and_nonsense_is_no_level() -> None:
    assert levels_from(level_text(8_192, 77)) == (8_192, 77)
    assert [levels_from(text) for text in ("", "7", "a/b", "-1/2", "1/")] == [(0, 0)] * 5
