"""Fortune telling: one lot a person a day, and an almanac that no replay depends on."""

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.programs.fortune import program
from actors.programs.fortune.program import ENTITIES, GRADES, LOT, LOTS, Draw, Drawn, Lot
from actors.testing import Ensemble, Scenario

CHINA = timezone(timedelta(hours=8))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1_000)


MORNING = ms("2026-11-21T08:30")


def test_a_lot_has_a_number_and_its_day_and_drawing_again_tells_the_same() -> None:
    lot = Scenario(LOT, entity_id="ann/2026-11-21", now_ms=MORNING)
    drawn = lot.when(Draw())
    assert drawn.events == (Drawn(lot.state.number, "2026-11-21"),)
    assert drawn.reply == lot.state
    again = lot.when(Draw(), now_ms=ms("2026-11-22T12:00"))
    assert (again.events, again.reply) == ((), drawn.reply)


@pytest.mark.parametrize("day", ["2026-11-20", "2026-11-22", "2026-11-21x", "21-11-2026", "today"])
def test_only_todays_lot_can_be_drawn(day: str) -> None:
    lot = Scenario(LOT, entity_id=f"ann/{day}", now_ms=MORNING)
    with pytest.raises(Reject, match="not_today") as reject:
        lot.when(Draw())
    assert reject.value.details == {"today": "2026-11-21"}
    assert lot.state == Lot()


@pytest.mark.parametrize("name", ["2026-11-21", "/2026-11-21"])
def test_a_lot_of_nobody_cannot_be_drawn(name: str) -> None:
    with pytest.raises(Reject, match="not_today"):
        Scenario(LOT, entity_id=name, now_ms=MORNING).when(Draw())


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-11-20T23:59:59.999", "2026-11-20"),
        ("2026-11-21T00:00", "2026-11-21"),  # still the 20th in Greenwich
        ("2026-11-21T23:59:59.999", "2026-11-21"),
        ("2028-02-29T12:00", "2028-02-29"),
    ],
)
def test_the_day_goes_from_midnight_to_midnight_in_china(time: str, day: str) -> None:
    assert Scenario(LOT, entity_id=f"ann/{day}", now_ms=ms(time)).when(Draw()).state.day == day


@given(st.integers(0, 4_000_000_000_000))
def test_at_every_time_the_day_of_china_can_be_drawn_and_no_other(now_ms: int) -> None:
    today = datetime.fromtimestamp(now_ms / 1_000, CHINA).date()
    lot = Scenario(LOT, entity_id=f"ann/{today}", now_ms=now_ms)
    assert lot.when(Draw()).events == (Drawn(lot.state.number, str(today)),)
    for other in (today - timedelta(days=1), today + timedelta(days=1)):
        with pytest.raises(Reject, match="not_today"):
            Scenario(LOT, entity_id=f"ann/{other}", now_ms=now_ms).when(Draw())


def test_every_number_can_be_drawn_and_none_beside_them() -> None:
    ensemble = Ensemble(ENTITIES, now_ms=MORNING)
    persons = [LOT.at(f"person-{n}/2026-11-21") for n in range(2_000)]
    numbers = Counter(event.number for person in persons for _, event in ensemble.when(person, Draw()).events)
    assert set(numbers) == set(range(1, LOTS + 1))
    assert max(numbers.values()) < 60, numbers.most_common(3)


def test_another_almanac_changes_the_view_and_nothing_that_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    def play() -> tuple[tuple[Drawn, ...], Lot]:
        lot = Scenario(LOT, entity_id="ann/2026-11-21", now_ms=MORNING)
        return lot.when(Draw()).events, lot.state

    before = play()
    monkeypatch.setattr(program, "SOLAR", None)
    assert play() == before
    with pytest.raises(AttributeError):
        Scenario(LOT, before[1]).view("almanac")


@pytest.mark.parametrize(
    ("day", "year"), [("2024-02-10", "甲辰龙年"), ("2025-01-29", "乙巳蛇年"), ("2026-02-17", "丙午马年")]
)
def test_the_almanac_knows_the_new_year(day: str, year: str) -> None:
    said = Scenario(LOT).given(Drawn(7, day)).view("almanac")
    assert (said["drawn"], said["number"], said["day"]) == (True, 7, day)
    assert said["lunar"] == f"{year} 正月初一"
    assert "春节" in said["festivals"]
    assert said["good_for"]
    assert said["bad_for"]


def test_a_lot_that_was_not_drawn_says_nothing() -> None:
    assert Scenario(LOT).view("almanac") == {"drawn": False}
    assert Scenario(LOT).view("lot") == {"number": 0, "day": ""}


def test_every_number_has_a_grade_and_the_best_and_the_worst_are_rare() -> None:
    grades = Counter(
        Scenario(LOT).given(Drawn(number, "2026-11-21")).view("almanac")["grade"] for number in range(1, LOTS + 1)
    )
    assert list(grades) == [grade for _, grade in GRADES]
    assert max(grades["上上"], grades["下下"]) < min(grades["上吉"], grades["中吉"], grades["中平"])


def test_the_lots_of_a_person_share_a_partition() -> None:
    assert {LOT.routing(f"ann/2026-11-{day}") for day in range(10, 30)} == {"ann"}
    assert LOT.routing("ann") == "ann"
