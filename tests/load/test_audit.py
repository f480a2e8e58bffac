"""The audit: what was lost or doubled is found, and nothing else is taken for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from actors.adapters.memory import MemoryLog
from actors.clocks import wall_ms
from actors.errors import Unavailable
from actors.ports import Fetched, Slice, Span
from actors.settings import ClusterSettings
from loadtests.driver import audit
from loadtests.driver.audit import Found, Reader, audited, compared, effects
from loadtests.driver.ledger import DRAWN_EVERY, OPENED, Ledger, Places, place, read
from loadtests.journeys.table import LEAVES

ACCEPTED = {"shop.line-sold": np.array([place(0, n, 0) for n in range(100)], np.int64)}


def shown(*places: int) -> dict[str, Places]:
    return {"shop.line-sold": np.array(places, np.int64)}


def test_a_place_is_one_number_and_no_two_are_the_same() -> None:
    found = {place(p, o, i) for p in (0, 1, 1_023) for o in (0, 1, 1 << 31) for i in (0, 1, 65_535)}
    assert len(found) == 27
    assert max(found) < 1 << 62


def test_nothing_is_found_where_everything_is_in_its_place() -> None:
    assert compared(ACCEPTED, ACCEPTED) == Found(0, 0, 100)


def test_a_lost_effect_is_found() -> None:
    assert compared(ACCEPTED, shown(*ACCEPTED["shop.line-sold"][1:])) == Found(1, 0, 100)


def test_a_doubled_effect_is_found_at_the_same_place_and_at_another() -> None:
    there = ACCEPTED["shop.line-sold"]
    assert compared(ACCEPTED, shown(*there, there[3])) == Found(0, 1, 100)
    assert compared(ACCEPTED, shown(*there, place(7, 1, 1))) == Found(0, 1, 100)


def test_one_effect_for_two_accepted_calls_is_a_lost_one() -> None:
    twice = {"shop.line-sold": np.array([5, 5], np.int64)}
    assert compared(twice, shown(5)) == Found(1, 0, 2)


def test_effects_of_calls_of_which_nobody_knows_are_not_doubled() -> None:
    there, more = ACCEPTED["shop.line-sold"], (place(9, 1, 0), place(9, 2, 0))
    assert compared(ACCEPTED, shown(*there, *more), {"shop.line-sold": 2}) == Found(0, 0, 100)
    assert compared(ACCEPTED, shown(*there, *more), {"shop.line-sold": 1}) == Found(0, 1, 100)
    assert compared(ACCEPTED, shown(*there, *more), {"bike.asked": 2}) == Found(0, 2, 100), "theirs are of another kind"


def test_an_effect_that_comes_too_much_when_all_that_is_wanted_is_there_is_still_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(Reader):
        """Shows one event more at its second look."""

        def __init__(self) -> None:
            self.looks = 0

        @property
        def count(self) -> int:
            return 100 + (self.looks > 1)

        def read(self, is_over: object) -> dict[str, Places]:
            del is_over
            self.looks += 1
            return shown(*ACCEPTED["shop.line-sold"], *((place(9, 1, 0),) if self.looks > 1 else ()))

    monkeypatch.setattr(audit, "LOOK_S", 0.0)
    assert audited(Late(), ACCEPTED, {}, lambda: False) == Found(0, 1, 100)


def test_an_effect_that_nobody_asked_for_is_doubled_whatever_it_is() -> None:
    assert compared({}, shown(1, 2)) == Found(0, 2, 0)


class Stopped(MemoryLog):
    """A log that says what it has, and gives nothing of it."""

    def reader(self) -> "Silent":
        return Silent()

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        return dict.fromkeys(slices, Span(0, 5))


class Silent:
    """Its reader."""

    def assign(self, positions: Mapping[Slice, int]) -> None: ...

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        del timeout_ms
        return ()

    def wake(self) -> None: ...

    def close(self) -> None: ...


def test_a_log_that_gives_nothing_of_what_it_has_keeps_nobody_waiting() -> None:
    with pytest.raises(Unavailable, match="gives nothing from 0 on"):
        Reader(Stopped(wall_ms), ClusterSettings(partitions=1), "m", LEAVES).read(lambda: False)


def test_an_opening_leaves_its_visit_and_its_first_page() -> None:
    wanted = effects({OPENED[0]: np.array([1, 2], np.int64), OPENED[1]: np.array([9], np.int64)})
    assert wanted[OPENED[1]].tolist() == [1, 2, 9]
    assert wanted[OPENED[0]].tolist() == [1, 2]


def test_of_some_sessions_every_page_is_counted_unless_nobody_knows_how_many_there_were() -> None:
    ledger = Ledger()
    for n in range(2 * DRAWN_EVERY):
        ledger.opened(f"s{n}", n)
        ledger.turned(f"s{n}", n)
    assert ledger.drawn == {f"s{DRAWN_EVERY - 1}": 2, f"s{2 * DRAWN_EVERY - 1}": 2}
    ledger.doubted(f"s{DRAWN_EVERY - 1}")
    assert list(ledger.drawn) == [f"s{2 * DRAWN_EVERY - 1}"]


@pytest.mark.parametrize("left", [0, 130])
def test_a_ledger_that_was_cut_short_is_named(left: int, tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.accepted("jump.finished", 7)
    (name,) = ledger.write(tmp_path, 0)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:left])
    with pytest.raises(OSError, match=f"{name} is not what a generator wrote"):
        read(tmp_path, [name])


def test_ledgers_of_several_generators_are_read_as_one(tmp_path: Path) -> None:
    names: list[str] = []
    for part, places in enumerate(([3, 1], [2])):
        ledger = Ledger()
        for at in places:
            ledger.accepted("jump.finished", at)
        names += ledger.write(tmp_path, part)
    assert {tag: found.tolist() for tag, found in read(tmp_path, names).items()} == {"jump.finished": [1, 2, 3]}
