"""The follower over a log: caught up, killed at any statement, its file lost; the rows are always the same."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import apsw
import msgspec
import pytest

from actors.adapters.following import Follower
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryRows
from actors.adapters.readmodels import SqliteRows
from actors.domain.catalog.program import Released
from actors.errors import Corrupt, Unavailable
from actors.kernel.action import EventRecord
from actors.kernel.record import Slice, encode_frame
from actors.ports import Change, Place, Rows, Topic
from actors.projections.owed import DEBTS, TABLE
from actors.projections.reading import follow
from actors.projections.switches import SWITCHES
from actors.sensor import Sensor
from tests.projections.test_reading import TOPIC, dinner, event, frame

PROJECTIONS = (DEBTS,)
SLICES = [Slice(TOPIC, partition) for partition in range(2)]
WAIT_S_MAX = 20.0


class Killed(Exception):
    """Stands for kill -9: nothing after it is done."""


class Watch(Sensor):
    """Knows how many events were followed."""

    def __init__(self) -> None:
        self.followed = 0
        self.changed = threading.Condition()

    def events_followed(self, events: int, seconds: float) -> None:
        with self.changed:
            assert seconds >= 0
            self.followed += events
            self.changed.notify_all()

    def wait(self, events: int) -> None:
        with self.changed:
            came = self.changed.wait_for(lambda: self.followed >= events, WAIT_S_MAX)
            assert came, f"{self.followed} of {events} events after {WAIT_S_MAX} s"


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog(lambda: 1_000)
    log.create([Topic(TOPIC, len(SLICES))])
    yield log
    log.close()


def append(log: MemoryLog, partition: int, number: int) -> None:
    """Two debts of one guest; the second of the frame before stands there again."""
    said = [event(n, f"ann{partition}", dinner(f"d{n}", n + 1), partition) for n in (number, number + 1)]
    made = frame(number, said, partition)
    log.append(made.slice, made.frame).result()


def begin(log: MemoryLog, rows: Rows) -> tuple[Follower, Watch, threading.Thread, list[str]]:
    watch, told = Watch(), list[str]()

    def report(what: str, _facts: dict[str, object]) -> None:
        told.append(what)

    follower = Follower(log, rows, PROJECTIONS, SLICES, watch, report)
    thread = threading.Thread(target=follower.run)
    thread.start()
    return follower, watch, thread, told


def expected(log: MemoryLog) -> tuple[list[tuple[object, ...]], dict[Slice, Place]]:
    """What a follower makes that is never disturbed."""
    rows = MemoryRows(PROJECTIONS)
    follower, watch, thread, _ = begin(log, rows)
    watch.wait(sum(log.span(one).end + 1 for one in SLICES if log.span(one).end))
    follower.stop()
    thread.join()
    return rows.find(TABLE, {}, 99), rows.places()


def test_what_stood_there_and_what_comes_is_followed(log: MemoryLog) -> None:
    append(log, 0, 0)
    rows = MemoryRows(PROJECTIONS)
    follower, watch, thread, told = begin(log, rows)
    watch.wait(2)
    append(log, 1, 0)
    append(log, 0, 1)
    watch.wait(5)
    follower.stop()
    thread.join()
    assert [row[0] for row in rows.find(TABLE, {}, 9)] == [
        *(f"inn.guest/ann0 d{n}" for n in range(3)),
        *(f"inn.guest/ann1 d{n}" for n in range(2)),
    ]
    assert rows.places() == {SLICES[0]: Place(2, (0, 2, 0, 0)), SLICES[1]: Place(1, (0, 1, 0, 0))}
    assert told == []


def test_killed_at_any_statement_the_rows_are_the_same_in_the_end(log: MemoryLog, tmp_path: Path) -> None:
    for number in range(3):
        for partition in range(2):
            append(log, partition, number)
    wanted = expected(log)
    for kill_at in range(1, 400):
        path = tmp_path / f"{kill_at}.db"
        killed = _run_until_killed(log, path, kill_at)
        rows = SqliteRows(path, PROJECTIONS, "as now")
        reached = {one: rows.places().get(one, Place()).last[1] + 1 for one in SLICES}
        follower, watch, thread, _ = begin(log, rows)
        watch.wait(sum(log.span(one).end + 1 - reached[one] for one in SLICES) if killed else 0)
        follower.stop()
        thread.join()
        again = SqliteRows(path, PROJECTIONS)
        assert (again.find(TABLE, {}, 99), again.places()) == wanted, f"killed at statement {kill_at}"
        again.close()
        if not killed:
            return
    pytest.fail("it never came to its end")


def _run_until_killed(log: MemoryLog, path: Path, kill_at: int) -> bool:
    """Open the file and follow frame by frame until this statement would be run; whether it came to that."""
    statements = 0

    def count(*_statement: object) -> bool:
        nonlocal statements
        statements += 1
        if statements == kill_at:
            raise Killed
        return True

    def hook(connection: apsw.Connection) -> None:
        connections.append(connection)
        connection.exec_trace = count

    connections: list[apsw.Connection] = []
    apsw.connection_hooks.append(hook)
    try:
        rows = SqliteRows(path, PROJECTIONS, "as now")
        for offset in range(3):
            for one in SLICES:
                _step(log, rows, one, offset)
    except Killed:
        return True
    finally:
        apsw.connection_hooks.remove(hook)
        for connection in connections:
            connection.exec_trace = None
            connection.close()
    return False


def _step(log: MemoryLog, rows: Rows, slice_: Slice, offset: int) -> None:
    made = follow(PROJECTIONS, rows.places(), [log.fetch(slice_, offset, 1)[0]])
    rows.write(made.changes, made.places)


class Troubled(MemoryRows):
    """The first write fails."""

    def __init__(self, trouble: Exception) -> None:
        super().__init__(PROJECTIONS)
        self._trouble: Exception | None = trouble

    def write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        super().write(changes, places)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (Corrupt("the file is damaged", position=""), "the read models are made anew"),
        (Unavailable("the disk is full", outcome="NOT_APPENDED"), "the follower waits"),
    ],
)
def test_damage_begins_anew_and_a_full_disk_waits(log: MemoryLog, trouble: Exception, says: str) -> None:
    append(log, 0, 0)
    wanted = expected(log)
    rows = Troubled(trouble)
    follower, watch, thread, told = begin(log, rows)
    watch.wait(2)
    follower.stop()
    thread.join()
    assert told == [says]
    assert (rows.find(TABLE, {}, 9), rows.places()) == wanted


def test_a_topic_that_is_damaged_ends_the_follower(log: MemoryLog) -> None:
    log.append(SLICES[0], b"no frame of ours").result()
    follower = Follower(log, MemoryRows(PROJECTIONS), PROJECTIONS, SLICES, Sensor(), lambda _what, _facts: None)
    with pytest.raises(Corrupt, match=r"hutong\.events\.inn\.v1 0/0"):
        follower.run()


def test_a_chore_is_done_whether_or_not_there_are_events_and_tried_again_when_it_could_not_be(log: MemoryLog) -> None:
    done = threading.Event()
    tries: list[bool] = []

    def chore() -> None:
        tries.append(len(tries) > 0)
        if not tries[-1]:
            raise Unavailable("the keyring is held", outcome="NOT_APPENDED")
        done.set()

    reports: list[str] = []
    follower = Follower(
        log, MemoryRows(()), (), SLICES, Sensor(), lambda event, _: reports.append(event), chores=(chore,)
    )
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert done.wait(WAIT_S_MAX)
    follower.stop()
    thread.join()
    assert reports == ["the follower waits"]


# -- programs that come as packages -----------------------------------------------------------------------------------

CATALOG = Slice("hutong.events.catalog.v1", 0)


def release(log: MemoryLog, program: str, offset: int) -> None:
    """Somebody releases the first version of a program."""
    said = msgspec.msgpack.encode(Released(1, "a" * 64, program, "food"))
    record = EventRecord(0, 0, offset, 0, 0, 1_000, f"catalog.program/acme/{program}", said)
    log.append(CATALOG, encode_frame(*CATALOG, "h", 1, "", [msgspec.msgpack.encode(record)])).result()


def test_what_a_program_owes_that_came_as_a_package_is_known_from_its_begin_and_after_a_restart(log: MemoryLog) -> None:
    log.create([Topic(CATALOG.topic, 1)])
    append(log, 0, 0)
    projections, watch, asked = (DEBTS, SWITCHES), Watch(), list[str]()
    rows = MemoryRows(projections)

    def slices_of(program: str) -> list[Slice]:
        asked.append(program)
        return SLICES

    def begun() -> tuple[Follower, threading.Thread]:
        follower = Follower(log, rows, projections, [CATALOG], watch, lambda _, __: None, slices_of=slices_of)
        thread = threading.Thread(target=follower.run)
        thread.start()
        return follower, thread

    follower, thread = begun()
    release(log, "inn", 0)
    watch.wait(3)
    append(log, 1, 0)
    release(log, "inn", 1)
    watch.wait(6)
    follower.stop()
    thread.join()
    assert asked == ["inn"], "once"
    follower, thread = begun()
    append(log, 0, 1)
    watch.wait(7)
    follower.stop()
    thread.join()
    assert [row[0] for row in rows.find(TABLE, {}, 9)] == [
        *(f"inn.guest/ann0 d{n}" for n in range(3)),
        *(f"inn.guest/ann1 d{n}" for n in range(2)),
    ]
    assert asked == ["inn"] * 2
