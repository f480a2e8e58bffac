"""The outbox's lanes: order, one frame in flight, and nothing written before it is stable. Passivation."""

import pytest

from actors import outbox
from actors.kernel.inbox import Changes
from actors.kernel.record import Slice
from actors.kernel.resident import Resident
from actors.outbox import AppliedFrame, Outbox
from actors.passivation import LOOKS_MIN, TURNS, passivate
from tests.kernel.box import RULES, Box

A, B = Slice("commands", 1), Slice("events", 0)


def applied(box: Outbox, offset: int, *said: tuple[Slice, bytes], release: int = 1) -> None:
    """A frame was applied that wants these on the log."""
    by_slice: dict[Slice, list[bytes]] = {}
    for slice_, record in said:
        by_slice.setdefault(slice_, []).append(record)
    box.add(AppliedFrame(offset, Changes({b"k%d" % offset: b""}), release, f"d{release}"), by_slice)


def taken(box: Outbox) -> list[tuple[Slice, list[bytes]]]:
    """What is appended now."""
    return [(slice_, records) for slice_, records, _, _ in box.take()]


def test_a_frame_that_says_nothing_is_stable_at_once() -> None:
    box = Outbox()
    applied(box, 0)
    applied(box, 1)
    assert box.stable() == (1, Changes({b"k0": b"", b"k1": b""}))
    assert box.stable() is None


def test_a_frame_is_stable_when_all_it_said_and_all_before_it_is_acknowledged() -> None:
    box = Outbox()
    applied(box, 0, (A, b"1"))
    applied(box, 1, (B, b"2"))
    applied(box, 2)
    assert taken(box) == [(A, [b"1"]), (B, [b"2"])]
    box.acknowledged(B)
    assert box.stable() is None
    box.acknowledged(A)
    found = box.stable()
    assert found is not None
    assert found[0] == 2
    assert box.records == 0


def test_what_was_decided_under_one_release_is_said_under_it_however_late() -> None:
    box = Outbox()
    applied(box, 0, (A, b"1"))
    applied(box, 1, (A, b"2"), (B, b"x"), release=2)
    applied(box, 2, (A, b"3"), release=2)
    assert box.take() == [(A, [b"1"], 1, "d1"), (B, [b"x"], 2, "d2")]
    box.failed(A)
    assert box.take() == [(A, [b"1"], 1, "d1")]
    box.acknowledged(A)
    assert box.take() == [(A, [b"2", b"3"], 2, "d2")]


def test_a_lane_has_one_frame_in_flight_and_collects_meanwhile() -> None:
    box = Outbox()
    applied(box, 0, (A, b"1"))
    assert taken(box) == [(A, [b"1"])]
    applied(box, 1, (A, b"2"), (B, b"x"))
    applied(box, 2, (A, b"3"))
    assert taken(box) == [(B, [b"x"])]
    box.acknowledged(A)
    assert taken(box) == [(A, [b"2", b"3"])]


def test_a_failed_frame_is_taken_again_from_its_oldest_record() -> None:
    box = Outbox()
    applied(box, 0, (A, b"1"))
    box.take()
    applied(box, 1, (A, b"2"))
    box.failed(A)
    assert taken(box) == [(A, [b"1", b"2"])]


def test_a_lanes_frame_is_bounded_in_records_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LANE_RECORDS_MAX", 3)
    box = Outbox()
    applied(box, 0, *[(A, b"%d" % n) for n in range(5)], *[(B, bytes(600_000)) for _ in range(2)])
    assert [len(records) for _, records in taken(box)] == [3, 1]


def test_a_later_frames_changes_win_over_an_earlier_ones() -> None:
    changes = Changes({b"a": b"1", b"b": b"1"}, {b"c"})
    changes.merge(Changes({b"a": b"2", b"c": b"2"}, {b"b"}))
    assert (changes.puts, changes.deletes) == ({b"a": b"2", b"c": b"2"}, {b"b"})


# -- passivation ------------------------------------------------------------------------------------------------------


def residents(*used_and_changed: tuple[int, int]) -> dict[str, Resident]:
    """Residents `r0`, `r1`, … with these times of last use and offsets of last change."""
    found: dict[str, Resident] = {}
    for n, (used_ms, changed) in enumerate(used_and_changed):
        found[f"r{n}"] = resident = Resident(RULES.kinds["box"], Box(), {})
        resident.used_ms, resident.changed = used_ms, changed
    return found


def test_nothing_leaves_memory_before_the_store_has_it() -> None:
    found = residents((0, 5), (0, 6), (0, -1))
    assert passivate(found, excess=3, now_ms=0, written=5) == 2
    assert list(found) == ["r1"]


def test_what_is_idle_leaves_memory_without_need() -> None:
    found = residents((0, 1), (90_000, 1))
    assert passivate(found, excess=0, now_ms=100_000, written=5) == 1
    assert list(found) == ["r1"]


def test_what_was_used_lately_goes_to_the_back_of_the_line() -> None:
    found = residents((50_000, 9), (100_000, 9), (60_000, 1))
    passivate(found, excess=0, now_ms=100_000, written=5)
    assert next(iter(found)) in {"r0", "r2"}
    assert list(found)[-1] == "r1" or "r1" not in list(found)[:1]


def test_each_time_only_some_are_looked_at_and_all_of_them_in_turn() -> None:
    many = 10_000
    found = residents(*((n, 1) for n in range(many)))
    now_ms = many + 1_000_000
    assert passivate(found, excess=0, now_ms=now_ms, written=5) == LOOKS_MIN + many // TURNS
    for _ in range(2 * TURNS):
        passivate(found, excess=0, now_ms=now_ms, written=5)
    assert found == {}
    crowd = residents(*((now_ms, 1) for _ in range(many)))
    assert passivate(crowd, excess=700, now_ms=now_ms, written=5) == 700
    assert passivate(crowd, excess=0, now_ms=now_ms, written=5) == 0
    assert len(crowd) == many - 700
