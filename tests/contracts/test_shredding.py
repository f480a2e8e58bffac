"""The follower's errand to erased persons: keys are destroyed before it is told, whenever it is killed."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from msgspec import msgpack

from actors.adapters.memory import MemoryLog
from actors.adapters.memory_keys import MemorySubjects
from actors.adapters.memory_states import MemoryRows
from actors.adapters.shredding import Shredding
from actors.clocks import wall_ms
from actors.domain.identity.person import FOLLOWER, PERSON, ErasureAsked, ProgramUsed, Shredded
from actors.errors import Unavailable
from actors.kernel.action import EventRecord
from actors.kernel.record import Invoke, Slice, decode_frame, encode_frame
from actors.ports import Appended, Place
from actors.projections.reading import follow
from actors.sealing import DAY_MS, is_over, nobody
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=2)
KEPT_MS = 90 * DAY_MS
TOPIC = CLUSTER.events_topic_of(PERSON.kind)
EVENTS = Slice(TOPIC, 0)
PEOPLE = {"ann": ("bike/o1", "taxi/o2"), "bob": (), "cat": ("bike/o3",)}
KEYS = [subject for person, links in PEOPLE.items() for subject in (person, *links)]


class Killed(BaseException):
    """Stands for kill -9: nothing after it is done."""


class Steps:
    """Counts what is done, and ends the process at one of it: before it, or after it and before anybody knows."""

    def __init__(self, kill_at: int = 0) -> None:
        self._kill_at = kill_at
        self.done = 0

    def step(self) -> None:
        self.done += 1
        if self.done == self._kill_at:
            raise Killed


class SteppedSubjects(MemorySubjects):
    steps = Steps()

    def destroy(self, subjects: Sequence[str], now_ms: int) -> None:
        for subject in subjects:  # a file does it in one transaction; here it can be cut short anywhere
            self.steps.step()
            super().destroy([subject], now_ms)
        self.steps.step()


class SteppedLog(MemoryLog):
    steps = Steps()

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        self.steps.step()
        appended = super().append(slice, frame, key)
        self.steps.step()
        return appended


@pytest.fixture
def log() -> Iterator[SteppedLog]:
    log = SteppedLog(lambda: 1_000)
    log.create([*CLUSTER.topics((PERSON.kind,))])
    said = [
        EventRecord(0, 0, n, 0, 0, 1_000, f"{PERSON.kind}/{person}", msgpack.encode(event))
        for n, (person, event) in enumerate(
            (person, event)
            for person, links in PEOPLE.items()
            for event in (*(ProgramUsed(link) for link in links), ErasureAsked(links, "me", 1))
        )
    ]
    log.append(EVENTS, encode_frame(TOPIC, 0, "host", 1, "", [msgpack.encode(one) for one in said])).result()
    yield log
    log.close()


def told(log: MemoryLog) -> dict[str, int]:
    """Of whom it was told, and how often."""
    found: dict[str, int] = {}
    for partition in range(CLUSTER.partitions):
        slice_ = Slice(CLUSTER.commands_topic, partition)
        for fetched in log.fetch(slice_, 0, 1 << 20):
            for record in decode_frame(*slice_, fetched.offset, fetched.frame).records:
                assert isinstance(record, Invoke)
                assert record.caller == FOLLOWER
                assert msgpack.decode(record.command, type=Shredded) == Shredded()
                person = record.entity.removeprefix(f"{PERSON.kind}/")
                found[person] = found.get(person, 0) + 1
    return found


def follows(log: MemoryLog, subjects: MemorySubjects, rows: MemoryRows) -> None:
    """What a follower's process does with all that stands on the topic."""
    errand = Shredding(log, CLUSTER, subjects, KEPT_MS)
    errand.begin(rows)
    places = rows.places()
    frames = log.fetch(EVENTS, places.get(EVENTS, Place()).next_offset, 1 << 20)
    followed = follow((errand.hearing,), places, frames)
    errand.act(followed.changes)
    rows.write(followed.changes, followed.places)


def test_keys_are_destroyed_for_ever_and_it_is_told_of_each_person_once(log: SteppedLog) -> None:
    subjects, rows = SteppedSubjects(), MemoryRows(())
    subjects.make([*KEYS, "dan"])
    subjects.enrol("by ann", "ann")
    follows(log, subjects, rows)
    assert [subjects.find(subject) for subject in KEYS] == [b""] * len(KEYS)
    assert subjects.find("dan")
    assert subjects.enrol("by ann", "another") == "another"
    assert told(log) == dict.fromkeys(PEOPLE, 1)
    follows(log, subjects, rows)
    assert told(log) == dict.fromkeys(PEOPLE, 1)


def test_killed_at_any_step_it_goes_on_and_never_tells_what_is_not_done(log: SteppedLog) -> None:
    for kill_at in itertools.count(1):
        subjects, rows = SteppedSubjects(), MemoryRows(())
        subjects.make(KEYS)
        before = told(log)
        subjects.steps = log.steps = Steps(kill_at)
        try:
            follows(log, subjects, rows)
        except Killed:
            pass
        else:
            assert kill_at > len(KEYS), "there were steps to be killed at"
            return
        if told(log) != before:
            assert {subjects.find(subject) for subject in KEYS} == {b""}, f"told too early, killed at {kill_at}"
        subjects.steps = log.steps = Steps()
        follows(log, subjects, rows)
        assert {subjects.find(subject) for subject in KEYS} == {b""}, f"killed at {kill_at}"
        again = told(log)
        assert all(again[person] > before.get(person, 0) for person in PEOPLE), f"killed at {kill_at}"


def test_what_cannot_be_destroyed_now_is_not_told_and_not_counted_as_read(log: SteppedLog) -> None:
    class Away(MemorySubjects):
        def destroy(self, subjects: Sequence[str], now_ms: int) -> None:
            del subjects, now_ms
            raise Unavailable("the keyring is held", outcome="NOT_APPENDED")

    rows: Any = MemoryRows(())
    with pytest.raises(Unavailable):
        follows(log, Away(), rows)
    assert told(log) == {}
    assert rows.places() == {}


def test_the_keys_of_what_was_said_of_nobody_are_destroyed_once_it_was_kept_for_long_enough(log: SteppedLog) -> None:
    now_ms = wall_ms()
    subjects = MemorySubjects()
    old, last, new = (nobody("parking", now_ms - days * DAY_MS) for days in (92, 89, 0))
    subjects.make([old, last, new, "parking/ann"])
    errand = Shredding(log, CLUSTER, subjects, KEPT_MS)
    errand.tend()
    assert subjects.find(old) == b""
    assert all(subjects.find(kept) for kept in (last, new, "parking/ann"))
    late = nobody("parking", now_ms - 95 * DAY_MS)
    subjects.make([late])
    errand.tend()
    assert subjects.find(late), "it is looked at once an hour"
    Shredding(log, CLUSTER, subjects, KEPT_MS).tend()
    assert subjects.find(late) == b""
    assert told(log) == {}, "there is nobody to be told of"


def test_what_is_said_of_nobody_is_over_so_long_after_the_end_of_its_day_and_of_a_person_never() -> None:
    day, subject = 20_000, nobody("parking", 20_000 * DAY_MS + 5)
    assert subject == nobody("parking", (day + 1) * DAY_MS - 1) != nobody("parking", (day + 1) * DAY_MS)
    ends_ms = (day + 1) * DAY_MS + KEPT_MS
    assert [is_over(subject, now_ms, KEPT_MS) for now_ms in (0, ends_ms - 1, ends_ms)] == [False, False, True]
    assert not any(is_over(other, 1 << 60, 0) for other in ("parking/ann", "ann", "parking/20000", "parking/~x"))
