"""The embedded log, in process and over its owner's port: the contract, restarts, kills."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path

import pytest

from actors.adapters.embedded.client import RemoteLog
from actors.adapters.embedded.local import LocalLog
from actors.errors import SetupError, Unavailable
from actors.ports import Appended, Log, Slice, Span, Topic
from actors.settings import ProcessSettings
from tests.contracts.log_contract import WAIT_S, LogContract, append_all, bodies, eventually, read, read_through
from tests.contracts.log_owner import LogOwner, spawn

SLICE = Slice("t", 0)
KILLS = 20
_names = count()


@pytest.fixture(scope="module")
def shared_owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogOwner]:
    owner = LogOwner(tmp_path_factory.mktemp("log"))
    yield owner
    assert owner.end() == 0


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[LogOwner]:
    owner = LogOwner(tmp_path)
    yield owner
    owner.kill()


class TestLocalLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = LocalLog(tmp_path)
        yield log
        log.close()

    @pytest.fixture
    def topic(self) -> str:
        return "commands"


class TestRemoteLog(LogContract):
    @pytest.fixture
    def log(self, shared_owner: LogOwner) -> Iterator[Log]:
        log = shared_owner.client()
        yield log
        log.close()

    @pytest.fixture
    def topic(self) -> str:
        return f"commands-{next(_names)}"


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    log.create([Topic("t", 2), Topic("k", 1, compacted=True)])
    before = (log.topic_id("t"), append_all(log, SLICE, [b"a", b"b", b"c"]))
    log.trim(SLICE, 1)
    log.append(Slice("k", 0), b"old", key=b"x").result(WAIT_S)
    log.append(Slice("k", 0), b"new", key=b"x").result(WAIT_S)
    log.close()

    log = LocalLog(tmp_path, clock_ms=lambda: 0)  # a clock that went back
    log.create([Topic("u", 3)])
    assert log.topic_id("t") == before[0]
    assert log.spans([SLICE, Slice("t", 1), Slice("u", 2)]) == {
        SLICE: Span(1, 3),
        Slice("t", 1): Span(0, 0),
        Slice("u", 2): Span(0, 0),
    }
    assert log.append(SLICE, b"d").result(WAIT_S) == Appended(3, before[1][-1].stamp_ms)
    reader = log.reader()
    reader.assign({SLICE: 1, Slice("k", 0): 0})
    assert sorted(bodies(read(reader, 4))) == [b"b", b"c", b"d", b"new"]
    log.close()


def test_a_slice_trimmed_to_its_end_keeps_offset_and_stamp_over_a_restart(tmp_path: Path) -> None:
    log = LocalLog(tmp_path, clock_ms=lambda: 77)
    log.create([Topic("t", 1)])
    append_all(log, SLICE, [b"a"] * 1_000)
    log.trim(SLICE, 1_000)
    log.close()
    log = LocalLog(tmp_path, clock_ms=lambda: 5)
    assert log.append(SLICE, b"next").result(WAIT_S) == Appended(1_000, 77)
    log.close()


def test_a_second_owner_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    with pytest.raises(SetupError, match=f"process {os.getpid()}"):
        LocalLog(tmp_path)
    second = spawn(tmp_path)
    _, said = second.communicate(timeout=WAIT_S)
    assert second.returncode == 1
    assert f"process {os.getpid()}".encode() in said
    log.close()
    LocalLog(tmp_path).close()


def test_a_wrong_token_is_refused_and_said_so(shared_owner: LogOwner) -> None:
    log = RemoteLog(shared_owner.address, "guessed", ProcessSettings(append_deadline_ms=300))
    with pytest.raises(SetupError, match="token"):
        log.spans([])
    with pytest.raises(Unavailable, match="token") as refused:
        log.append(SLICE, b"x").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    reader = log.reader()
    reader.assign({SLICE: 0})
    with pytest.raises(SetupError, match="token"):
        reader.poll(int(WAIT_S * 1_000))
    reader.close()
    log.close()


def test_the_owner_ends_cleanly_and_keeps_its_port(tmp_path: Path) -> None:
    owner = LogOwner(tmp_path)
    before = owner.address
    log = owner.client()
    log.create([Topic("t", 1)])
    append_all(log, SLICE, [b"a", b"b"])
    assert owner.end() == 0
    owner.restart()
    reader = log.reader()
    reader.assign({SLICE: 0})
    assert bodies(read_through(reader, 2)) == [b"a", b"b"]
    assert owner.address == before
    reader.close()
    log.close()
    assert owner.end() == 0


@pytest.mark.cluster
def test_the_owner_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, time; from tests.contracts.log_owner import LogOwner;"
        "print(LogOwner(pathlib.Path(sys.argv[1])).process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    owner_pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait(WAIT_S)
    parent.stdout.close()
    eventually(lambda: not _alive(owner_pid))


def test_while_the_owner_is_away_appends_say_not_appended(owner: LogOwner) -> None:
    log = owner.client(append_deadline_ms=500)
    log.create([Topic("t", 1)])
    owner.kill()
    # The first ones may still leave over the broken connection, and then nobody knows.
    eventually(lambda: _reason(log.append(SLICE, b"x")) == "NOT_APPENDED")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        log.spans([SLICE])
    owner.restart()
    eventually(lambda: not _reason(log.append(SLICE, b"back")))
    assert log.spans([SLICE])[SLICE].end >= 1
    log.close()


def test_an_append_to_a_stopped_owner_is_unknown_after_its_deadline_and_may_appear(owner: LogOwner) -> None:
    log = owner.client(append_deadline_ms=300)
    log.create([Topic("t", 1)])
    append_all(log, SLICE, [b"a"])
    owner.process.send_signal(signal.SIGSTOP)
    with pytest.raises(Unavailable) as unknown:
        log.append(SLICE, b"b").result(WAIT_S)
    assert unknown.value.reason == "OUTCOME_UNKNOWN"
    owner.process.send_signal(signal.SIGCONT)
    reader = log.reader()
    reader.assign({SLICE: 0})
    assert bodies(read(reader, 2)) == [b"a", b"b"]
    reader.close()
    log.close()


def test_a_client_that_is_closed_while_it_connects_ends(owner: LogOwner) -> None:
    logs = [owner.client() for _ in range(100)]
    for log in logs:
        log.close()
    with pytest.raises(Unavailable, match="closed"):
        logs[-1].append(SLICE, b"late").result(WAIT_S)


@pytest.mark.cluster
def test_no_acknowledged_frame_is_lost_by_kills_under_load(owner: LogOwner) -> None:
    """Every frame is acknowledged, refused or unknown; what was acknowledged stands where it was said to stand."""
    log = owner.client()
    log.create([Topic("t", 4)])
    reader = log.reader()
    reader.assign({Slice("t", partition): 0 for partition in range(4)})
    acked: dict[tuple[int, int], bytes] = {}
    seen: dict[tuple[int, int], bytes] = {}
    names = count()
    for _ in range(KILLS):
        eventually(lambda: _appends(log))  # the client may not know yet that the killed owner is back
        futures: list[tuple[int, bytes, Future[Appended]]] = []
        for _ in range(400):
            name = next(names)
            frame = b"%d:" % name + bytes(1_000)
            futures.append((name % 4, frame, log.append(Slice("t", name % 4), frame)))
        futures[40][2].result(WAIT_S)
        owner.kill()
        owner.restart()
        for partition, frame, future in futures:
            error = future.exception(WAIT_S)
            assert error is None or isinstance(error, Unavailable)
            if error is None:
                acked[partition, future.result().offset] = frame
    eventually(lambda: _connected(log))
    wanted = sum(span.end for span in log.spans([Slice("t", partition) for partition in range(4)]).values())
    while len(seen) < wanted:
        for row in read_through(reader, 1):
            assert (row.slice.partition, row.offset) not in seen
            seen[row.slice.partition, row.offset] = row.frame
    assert len(acked) >= 40 * KILLS
    assert {place: seen.get(place) for place in acked} == acked
    ours = [frame for frame in seen.values() if frame != PROBE]
    assert len(set(ours)) == len(ours), "a frame stands twice"
    reader.close()
    log.close()


PROBE = b"probe"


def _appends(log: Log) -> bool:
    """Whether the owner takes frames now."""
    return log.append(Slice("t", 0), PROBE).exception(WAIT_S) is None


def _reason(future: "Future[Appended]") -> str:
    error = future.exception(WAIT_S)
    return error.reason if isinstance(error, Unavailable) else ""


def _connected(log: RemoteLog) -> bool:
    try:
        log.spans([])
    except Unavailable:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
