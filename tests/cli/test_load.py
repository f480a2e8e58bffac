"""`hutong load`: a run in seconds on a platform that runs, and whatever keeps a run from being a good one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.client import TOKEN
from loadtests.driver import watching
from loadtests.driver.command import alone
from loadtests.driver.result import read_run
from tests.cli.running import Platform, Said, dev, hutong

SHORT = ("--users", 40, "--compress", "24h:2s")
SMALL_BYTES, PAGE_BYTES = 1 << 16, 1 << 12


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of these tests waits for no run of anybody else on this machine, and keeps nobody waiting."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def load(platform: Platform, out: Path, *arguments: object) -> Said:
    """A run on this platform."""
    return hutong("load", "--dir", platform.folder, "--out", out, "--json", *arguments)


@pytest.mark.timeout(900)
def test_a_run_in_seconds_loses_and_doubles_nothing_and_is_kept(platform: Platform, tmp_path: Path) -> None:
    said = load(platform, tmp_path / "run", *SHORT, "--generators", 2, "--threshold", "p99_ms=600000")
    run = read_run(tmp_path / "run" / "run.json")
    assert (run.lost, run.doubled, dict(run.errors)) == (0, 0, {}), said.err
    assert run.served == run.offered > 100
    assert {"open", "page", "all"} <= run.latency.keys()
    assert sum(second.offered for second in run.seconds) == run.offered
    assert any(process.role == "generator" for process in run.processes)
    assert all(threshold.met for threshold in run.thresholds)
    assert all("late" in why for why in run.invalid_because), run.invalid_because  # as on a loaded machine they are
    value = json.loads(said.out)
    assert (value["passed"], value["valid"], value["lost"], value["doubled"]) == (run.passed, run.valid, 0, 0)
    assert said.status == (0 if run.passed else 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--scenario", "knight"), "NO_SCENARIO"),
        (("--users", -1), "NO_USERS"),
        (("--users", 10**12), "NO_USERS"),
        (("--users", 10**7, "--compress", "24h:1s"), "NO_TIME"),
        (("--compress", "24h"), "NO_TIME"),
        (("--compress", "48h:1m"), "NO_TIME"),
        (("--compress", "24h:0s"), "NO_TIME"),
        (("--threshold", "p99_ms=1", "--threshold", "p50_ms=2"), "CONTRADICTION"),
        (("--threshold", "p99_ms=1", "--threshold", "p99_ms=2"), "CONTRADICTION"),
        (("--threshold", "recovered_s=1"), "CONTRADICTION"),
        (("--threshold", "speed=1"), "NO_THRESHOLD"),
        (("--generators", 1_000), "NO_GENERATORS"),
        (("--target", "127.0.0.1:1"), "NO_GATEWAY"),
        (("--target", "somewhere"), "NO_GATEWAY"),
        (("--target", "127.0.0.1:1", "--scenario", "host-loss"), "CONTRADICTION"),
        (("--target", "127.0.0.1:1", "--dir", "/nowhere"), "CONTRADICTION"),
        (("--dir", "/nowhere"), "NOT_RUNNING"),
        (("--out", "/dev/null/x"), "NO_FOLDER"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    arguments: tuple[object, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = hutong("load", *arguments, "--json")
    assert said.error["reason"] == reason, said.err
    assert list(tmp_path.glob("**/*.json")) == []


@pytest.mark.timeout(900)
def test_where_callers_prove_who_they_are_the_folder_signs_or_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    with dev(tmp_path / "dev", HUTONG_IDENTITY_REQUIRED="true") as proving:
        bare = hutong("load", "--target", proving.run["gateway"], "--out", tmp_path / "bare", "--json", *SHORT)
        assert bare.error["reason"] == "NO_TOKEN"
        assert "hutong keys issue operator/load" in bare.error["message"]
        said = load(proving, tmp_path / "run", *SHORT)
    run = read_run(tmp_path / "run" / "run.json")
    assert (run.lost, run.doubled, dict(run.errors)) == (0, 0, {}), said.err
    assert run.served == run.offered > 100
    assert "Share" in run.settings["left out for want of a person's token"]


def test_two_runs_at_once_are_one_too_many(platform: Platform, tmp_path: Path) -> None:
    with alone():
        said = load(platform, tmp_path / "run", *SHORT)
    assert said.error["reason"] == "RUN_GOES_ON"
    assert str(os.getpid()) in said.error["message"]
    assert not (tmp_path / "run" / "run.json").exists()


def test_where_there_are_no_hosts_to_kill_nobody_begins_to(platform: Platform, tmp_path: Path) -> None:
    said = load(platform, tmp_path / "run", "--scenario", "host-loss")
    assert said.error["reason"] == "CONTRADICTION"
    assert "hutong up" in said.error["message"]


@contextmanager
def begun(out: Path, *arguments: object) -> "Generator[subprocess.Popen[str]]":
    """A run in a process of its own, once the first persons are about to arrive; its locks and platform below `out`."""
    command = [sys.executable, "-m", "actors.cli", "load", "--out", out, "--json", "--users", 40, *arguments]
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(out.parent)},
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stderr is not None
        said: list[str] = []
        while "openings of" not in (line := running.stderr.readline()):
            assert line, "".join(said)
            said.append(line)
        yield running


def ended(running: "subprocess.Popen[str]") -> Any:
    """What it says at its end, of a run that is not a good one."""
    assert running.stdout is not None
    assert running.stderr is not None
    value, said = json.loads(running.stdout.read()), running.stderr.read()
    assert running.wait() == 1, said
    assert "Traceback" not in said
    return value


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_early_has_a_report_that_says_so_and_nothing_is_left_of_its_platform(
    number: int, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with begun(out, "--compress", "24h:10m") as running:
        os.killpg(running.pid, number)  # as a terminal does: whoever is of the group hears it
        value = ended(running)
    assert (value["valid"], value["passed"], value["ended"]) == (False, False, "cut")
    run = read_run(out / "run.json")
    assert (run.ended, run.lost, run.doubled) == ("cut", 0, 0)
    assert any("ended early" in why for why in run.invalid_because)
    assert (out / "report.html").exists()
    assert [path for path in tmp_path.glob("hutong-load-*") if path.is_dir()] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_platform_that_ends_in_the_middle_never_makes_it_a_good_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with dev(tmp_path / "dev") as mortal, begun(out, "--dir", mortal.folder, "--compress", "24h:10m") as running:
        mortal.process.kill()
        value = ended(running)
    assert (value["valid"], value["passed"], value["ended"]) == (False, False, "failed")
    assert "the platform ended in the middle of the run" in value["invalid_because"]


@pytest.mark.timeout(900)
def test_a_disk_that_fills_ends_the_run_and_never_makes_it_a_good_one(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = watching.Watch.look

    def fills(watch: watching.Watch) -> None:
        look(watch)
        monkeypatch.setattr(watching, "ROOM_BYTES_MIN", 1 << 62)

    monkeypatch.setattr(watching.Watch, "look", fills)
    said = load(platform, tmp_path / "run", "--users", 40, "--compress", "24h:10m")
    run = read_run(tmp_path / "run" / "run.json")
    assert (run.ended, run.valid, said.status) == ("failed", False, 1)
    assert any("MiB left" in why for why in run.invalid_because)


def test_on_a_disk_without_room_no_run_begins(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ROOM_BYTES_MIN", 1 << 62)
    said = load(platform, tmp_path / "run", *SHORT)
    assert said.error["reason"] == "NO_ROOM"
    assert "--out" in said.error["message"]
    assert not (tmp_path / "run").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few kilobytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small disk can only be mounted by root: NOT tried what a full disk does to a run")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_cannot_be_kept_for_want_of_room_is_an_error_and_leaves_nothing_half_written(
    platform: Platform, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ROOM_BYTES_MIN", 0)
    (small_disk / "ballast").write_bytes(bytes(SMALL_BYTES - PAGE_BYTES))
    said = load(platform, small_disk / "run", *SHORT)
    assert (said.status, said.error["reason"]) == (1, "SYSTEM")
    assert "No space left on device" in said.error["message"]
    assert [path.name for path in (small_disk / "run").glob("*") if path.suffix != ".npy"] == []
