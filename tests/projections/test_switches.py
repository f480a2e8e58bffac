"""What is shown to whom, folded from the catalogue's events: a program's last switch, and the packages it names."""

from typing import Any

import msgspec

from actors.domain.catalog.program import GraySet, Judged, Released, Uploaded
from actors.domain.catalog.versions import Rule
from actors.kernel.action import EventRecord
from actors.kernel.record import Share
from actors.ports import Put
from actors.projections.switches import (
    GRAY,
    HASHES_TABLE,
    LIVE,
    SWITCHES_TABLE,
    Switch,
    fold_hashes,
    fold_switches,
    generation_of,
    shares_of,
)
from actors.shares import WHOLE

OLD, NEW = "a" * 64, "b" * 64


def event(said: Any, offset: int = 7, index: int = 0) -> EventRecord:
    return EventRecord(0, 0, offset, index, 0, 1, "catalog.program/acme/cafe", msgspec.msgpack.encode(said))


def test_a_release_is_for_all_and_ends_what_a_part_was_shown() -> None:
    released = event(Released(2, NEW, "Café", "food"))
    number = generation_of(released)
    assert fold_switches(released) == (
        Put(SWITCHES_TABLE, f"cafe/{LIVE}", Switch(2, WHOLE, number)),
        Put(SWITCHES_TABLE, f"cafe/{GRAY}", Switch(0, 0, number)),
    )
    gray = event(GraySet(3, Rule(share=500)), offset=8)
    assert fold_switches(gray) == (Put(SWITCHES_TABLE, f"cafe/{GRAY}", Switch(3, 500, generation_of(gray))),)


def test_the_package_of_each_version_is_known_and_nothing_else_is_told() -> None:
    assert fold_hashes(event(Uploaded(1, "1.1", OLD))) == (Put(HASHES_TABLE, "cafe/1", (OLD,)),)
    judged = event(Judged(1, "approved", "", "op"))
    assert fold_hashes(judged) == fold_switches(judged) == fold_switches(event(Uploaded(1, "1.1", OLD))) == ()


def test_the_newest_decides_first_and_what_has_no_package_decides_nothing() -> None:
    live, gray = Switch(1, WHOLE, 2), Switch(2, 500, 4)
    assert shares_of(live, gray, {1: OLD, 2: NEW}) == (Share(NEW, 2, 500), Share(OLD, 1, WHOLE))
    assert shares_of(live, Switch(2, 0, 4), {1: OLD, 2: NEW}) == (Share(OLD, 1, WHOLE),)
    assert shares_of(Switch(), gray, {2: NEW}) == (Share(NEW, 2, 500),)
    assert shares_of(live, Switch(), {}) == ()


def test_generations_grow_with_events_and_leave_room_to_take_one_back() -> None:
    events = [event(Judged(1, "approved", "", "op"), offset, index) for offset in (7, 8) for index in (0, 1, 900)]
    numbers = [generation_of(one) for one in events]
    assert numbers == sorted(set(numbers))
    assert all(number % 2 == 0 for number in numbers)
