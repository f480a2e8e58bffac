"""`hutong load`: a run in seconds on a platform that runs, and whatever keeps a run from being a good one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.client import TOKEN
from loadtests.driver import watching
from loadtests.driver.command import alone
from loadtests.driver.result import read_run
from tests.cli.running import Platform, Said, dev, hutong

SHORT = ("--users", 40, "--compress", "24h:2s")


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of these tests waits for no run of anybody else on this machine, and keeps nobody waiting."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def load(platform: Platform, out: Path, *arguments: object) -> Said:
    """A run on this platform."""
    return hutong("load", "--dir", platform.folder, "--out", out, "--json", *arguments)


@pytest.mark.timeout(900)
def test_a_run_in_seconds_loses_and_doubles_nothing_and_is_kept(platform: Platform, tmp_path: Path) -> None:
    said = load(platform, tmp_path / "run", *SHORT, "--generators", 2, "--threshold", "p99_ms=60000")
    run = read_run(tmp_path / "run" / "run.json")
    assert (run.lost, run.doubled, dict(run.errors)) == (0, 0, {}), said.err
    assert run.served == run.offered > 100
    assert {"open", "page", "all"} <= run.latency.keys()
    assert sum(second.offered for second in run.seconds) == run.offered
    assert any(process.role == "generator" for process in run.processes)
    late_only = all("late" in why for why in run.invalid_because)
    assert run.passed or late_only, run.invalid_because  # a loaded machine makes generators late, and says so
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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_early_has_a_report_that_says_so_and_nothing_is_left_of_its_platform(
    number: int, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("load", "--out", str(out), "--json", "--users", "40", "--compress", "24h:10m")
    command, environment = [sys.executable, "-m", "actors.cli", *arguments], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True, start_new_session=True
    ) as running:
        assert running.stderr is not None
        assert running.stdout is not None
        for line in running.stderr:
            if "openings of" in line:
                break
        os.killpg(running.pid, number)  # as a terminal does: whoever is of the group hears it
        value = json.loads(running.stdout.read())
        running.stderr.read()
    assert running.returncode == 1
    assert (value["valid"], value["passed"], value["ended"]) == (False, False, "cut")
    run = read_run(out / "run.json")
    assert (run.ended, run.lost, run.doubled) == ("cut", 0, 0)
    assert any("ended early" in why for why in run.invalid_because)
    assert (out / "report.html").exists()
    assert [path for path in tmp_path.glob("hutong-load-*") if path.is_dir()] == []


@pytest.mark.timeout(900)
def test_a_disk_that_fills_ends_the_run_and_never_makes_it_a_good_one(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ROOM_BYTES_MIN", 1 << 62)
    said = load(platform, tmp_path / "run", "--users", 40, "--compress", "24h:10m")
    run = read_run(tmp_path / "run" / "run.json")
    assert (run.ended, run.valid, said.status) == ("failed", False, 1)
    assert any("MiB left" in why for why in run.invalid_because)
