"""Code that a host's process does not survive: the watchdog leaves a note, and the next host stops at that record."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from actors.adapters.embedded.local import LocalLog
from actors.adapters.hosting import watchdog
from actors.adapters.rocksdb import RocksStates
from actors.kernel.record import Position
from actors.ownership import ANSWERING
from actors.verdicts import Verdict
from tests.hosting.stage import CLUSTER, Stage, added, play, put, say, verdicts

pytestmark = pytest.mark.slow

HOST = Path(__file__).with_name("bad_host.py")
ROOT = Path(__file__).parents[2]
LONG_MS = 60_000
LARGE_BYTES = 1 << 40
WAIT_S = 30.0


@contextlib.contextmanager
def log_in(folder: Path) -> Generator[LocalLog]:
    """The log of a folder, which one process at a time may hold."""
    log = LocalLog(folder / "log")
    try:
        log.create(CLUSTER.topics(("tally",)))
        yield log
    finally:
        log.close()


def start(
    folder: Path, assignment: int, decide_ms_max: int = LONG_MS, memory: int = LARGE_BYTES
) -> "subprocess.Popen[bytes]":
    """A host in a process of its own."""
    arguments = (str(folder), str(assignment), str(decide_ms_max), str(memory))
    return subprocess.Popen([sys.executable, "-m", "tests.hosting.bad_host", *arguments], cwd=ROOT)


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact that another process brings about."""
    end = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def killed_within(folder: Path, assignment: int, position: Position) -> None:
    """A host is killed while it applies this record, and its watchdog has noted that."""
    host = start(folder, assignment)
    progress = folder / "watchdog" / f"progress-{host.pid}"
    note = folder / "watchdog" / f"{host.pid}.json"
    within = watchdog.PROGRESS.pack(position.partition, position.offset, position.index, 1)
    try:
        until(lambda: progress.exists() and progress.read_bytes() == within)
    finally:
        host.kill()
        host.wait()
    until(note.exists)


def standing_of(folder: Path, lives: int) -> dict[Position, Verdict]:
    """What is said on the control topic once a host has come up after all that; partition 1 serves."""

    async def act() -> dict[Position, Verdict]:
        with log_in(folder) as log:
            stage = Stage(folder, RocksStates(), log)
            stage.lives = lives
            async with stage.host() as host:
                await stage.halted(host, 0)
                await stage.serving(host, 1)
            return verdicts(log)

    return play(act)


def test_a_decide_without_end_is_ended_and_its_record_is_halted_until_it_is_skipped(tmp_path: Path) -> None:
    with log_in(tmp_path) as log:
        bad = put(log, 0, "tally.break", how="loop")
        put(log, 0, "tally.add", n=3)
        put(log, 1, "tally.add", n=4)
    assert start(tmp_path, 1, decide_ms_max=200).wait(WAIT_S) == -signal.SIGKILL
    said = standing_of(tmp_path, 1)
    assert said[bad].word == "halted"
    assert "200 ms" in said[bad].why
    assert not list((tmp_path / "watchdog").glob("*.json"))

    async def skip() -> None:
        with log_in(tmp_path) as log:
            stage = Stage(tmp_path, RocksStates(), log)
            stage.lives = 2
            say(log, bad, "skip")
            async with stage.host() as host:
                await stage.serving(host, 0, bad.offset + 1)
            assert added(log, 0) == [3]
            assert added(log, 1) == [4]

    play(skip)


def test_a_record_without_end_is_told_with_its_position_and_what_to_do(tmp_path: Path) -> None:
    progress, notes = tmp_path / "progress", tmp_path / "notes"
    notes.mkdir()
    progress.write_bytes(watchdog.PROGRESS.pack(9, 5, 0, watchdog.APPLYING))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as host:
        arguments = [sys.executable, "-I", watchdog.__file__, str(progress), str(host.pid), str(notes), "100"]
        said = subprocess.run(arguments, stderr=subprocess.PIPE, check=True, timeout=WAIT_S, text=True).stderr
        assert host.wait(WAIT_S) == -signal.SIGKILL
    assert said.count("\n") == 1
    assert f"partition 9 halted at 9/5/0: one record took process {host.pid} over 100 ms" in said
    assert "`hutong retry 9/5/0`, or `hutong skip 9/5/0`" in said


def test_a_host_that_died_before_its_watchdog_began_leaves_a_note_all_the_same(tmp_path: Path) -> None:
    progress, notes = tmp_path / "progress", tmp_path / "notes"
    notes.mkdir()
    progress.write_bytes(watchdog.PROGRESS.pack(9, 5, 0, watchdog.APPLYING))
    with subprocess.Popen([sys.executable, "-c", ""]) as host:
        host.wait(WAIT_S)
    arguments = [sys.executable, "-I", watchdog.__file__, str(progress), str(host.pid), str(notes), "100"]
    subprocess.run(arguments, check=True, timeout=WAIT_S)
    assert '"died": true' in (notes / f"{host.pid}.json").read_text()


def test_code_that_fills_memory_halts_its_record_and_the_host_lives_on(tmp_path: Path) -> None:
    with log_in(tmp_path) as log:
        bad = put(log, 0, "tally.break", how="fill")
        put(log, 1, "tally.add", n=4)
    assert start(tmp_path, 1, memory=256 << 20).wait(WAIT_S) == 0
    said = standing_of(tmp_path, 1)
    assert said[bad].word == "halted"
    assert "MemoryError" in said[bad].why


def test_one_death_within_a_record_is_chance_and_the_second_halts_it(tmp_path: Path) -> None:
    with log_in(tmp_path) as log:
        bad = put(log, 0, "tally.break", how="loop")
    killed_within(tmp_path, 1, bad)
    killed_within(tmp_path, 2, bad)
    with log_in(tmp_path) as log:
        assert verdicts(log)[bad].word == "died"
    assert standing_of(tmp_path, 2)[bad].word == "halted"


def test_a_view_without_end_ends_the_host_and_is_blamed_on_no_record(tmp_path: Path) -> None:
    progress, notes = tmp_path / "progress", tmp_path / "notes"
    notes.mkdir()
    progress.write_bytes(watchdog.PROGRESS.pack(0, 7, -1, ANSWERING))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as host:
        arguments = [sys.executable, "-I", watchdog.__file__, str(progress), str(host.pid), str(notes), "100"]
        said = subprocess.run(arguments, stderr=subprocess.PIPE, check=True, timeout=WAIT_S)
        assert host.wait(WAIT_S) == -signal.SIGKILL
    assert b"a view of partition 0" in said.stderr
    assert list(notes.iterdir()) == []
