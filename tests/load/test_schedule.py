"""The schedule: exact, the same for a seed, split without overlap, compressed."""

import numpy as np
import pytest

from actors.errors import SetupError
from loadtests.driver.messages import Play, habits_of
from loadtests.habits import DAY_S, MINUTE_S, Habits, rates
from loadtests.schedule import Arrivals, Window, arrivals, busiest_per_s, window_of

DAY = window_of("24h:10s", 0.0)
USERS = 2_000


def habits(seed: int = 1) -> Habits:
    return habits_of(Play(users=USERS, seed=seed, day="workday", busiest=2.0, window=DAY, asks=0.0))


def key(found: Arrivals) -> list[tuple[float, int, int]]:
    return list(zip(found.at_s.tolist(), found.person.tolist(), found.program.tolist(), strict=True))


def test_a_whole_day_has_every_opening_of_everybody_in_order() -> None:
    found = arrivals(habits(), DAY)
    counts = habits().counts(np.arange(USERS, dtype=np.int64))
    assert (np.bincount(found.person, minlength=USERS) == counts).all()
    assert (np.diff(found.at_s) >= 0).all()
    assert found.at_s[0] >= 0
    assert found.at_s[-1] < DAY.run_s
    assert abs(len(found.at_s) / USERS - 2.57) < 0.15, len(found.at_s)
    assert abs(float(found.pages.mean()) - 3.31) < 0.2


def test_the_same_seed_plays_the_same_day_and_another_one_another() -> None:
    assert key(arrivals(habits(), DAY)) == key(arrivals(habits(), DAY))
    assert key(arrivals(habits(), DAY)) != key(arrivals(habits(2), DAY))


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_generators_share_the_day_without_overlap_and_leave_nothing_out(parts: int) -> None:
    split = [arrivals(habits(), DAY, part, parts) for part in range(parts)]
    persons = [set(found.person.tolist()) for found in split]
    assert sum(map(len, persons)) == len(set[int]().union(*persons))
    assert sorted(each for found in split for each in key(found)) == sorted(key(arrivals(habits(), DAY)))


def test_a_window_is_that_part_of_the_day_also_over_midnight() -> None:
    evening = Window(23 * 3_600.0, 2 * 3_600.0, 20.0)
    found, whole = arrivals(habits(), evening), arrivals(habits(), Window(0.0, float(DAY_S), float(DAY_S)))
    there = (whole.at_s >= 23 * 3_600) | (whole.at_s < 3_600)
    assert len(found.at_s) == int(there.sum())
    assert found.at_s[-1] < 20.0


def test_the_busiest_minute_is_as_busy_as_the_arrivals_in_it() -> None:
    hour = Window(19.5 * 3_600, 3_600.0, 60.0)
    due = arrivals(habits(), hour).at_s
    fullest = np.bincount((due * hour.compress / MINUTE_S).astype(int)).max() / MINUTE_S * hour.compress
    by_minute = rates(habits().population.world, habits().day)
    assert busiest_per_s(by_minute, hour) == pytest.approx(fullest, rel=0.5)  # few arrive in a minute, by chance
    assert busiest_per_s(by_minute, DAY) == by_minute.max() * DAY.compress
    midnight = Window(23.5 * 3_600, 3_600.0, 60.0)
    assert busiest_per_s(by_minute, midnight) == max(*by_minute[:30], *by_minute[-30:]) * 60


def test_what_is_due_in_a_second_is_found_without_the_rest() -> None:
    found = arrivals(habits(), DAY)
    some = found.between(3, 4)
    assert len(some.at_s) == int(((found.at_s >= 3) & (found.at_s < 4)).sum())
    assert set(some.at_s.astype(int).tolist()) == {3}


@pytest.mark.parametrize(
    "text", ["24h", "24h:", "h:10m", "25h:10m", "0s:10m", "24h:10", "24h:0s", "24h:10ms", "1h:25h", "-1h:1m"]
)
def test_a_compression_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SetupError):
        window_of(text, 0.0)


def test_a_day_is_not_stretched_and_the_right_order_is_named() -> None:
    with pytest.raises(SetupError, match=r"slower than people are.*1h:1m$"):
        window_of("1m:1h", 0.0)
    assert window_of("1h:1h", 0.0).compress == 1
