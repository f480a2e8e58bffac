"""Generators run as actors on a Ray cluster: here on the platform's own session, which no other test starts for it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from actors.adapters import ray_session
from loadtests.driver.result import read_run
from tests.cluster.stage import Platform, command, environment

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
SHORT = ("--users", "40", "--compress", "24h:2s", "--threshold", "p99_ms=60000")


def address(platform: Platform) -> str:
    """Where the session of this platform is joined."""
    words = Path(f"/proc/{platform.processes('raylet')[0].pid}/cmdline").read_text().split("\0")
    return next(word.partition("=")[2] for word in words if word.startswith("--gcs-address="))


def load(platform: Platform, out: Path, at: str, *arguments: str) -> Any:
    """What a run says whose generators are on the cluster at this address."""
    environs = environment(**ray_session.environment(platform.folder), TMPDIR=str(out.parent))
    words = (
        "load",
        "--dir",
        str(platform.folder),
        "--out",
        str(out),
        "--ray-address",
        at,
        "--json",
        *SHORT,
        *arguments,
    )
    done = subprocess.run(command(*words), capture_output=True, text=True, env=environs, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_generator_on_a_ray_cluster_plays_its_part_and_its_ledger_comes_back(
    platform: Platform, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    value = load(platform, out, address(platform))
    run = read_run(out / "run.json")
    assert (run.lost, run.doubled, dict(run.errors)) == (0, 0, {}), value
    assert run.served == run.offered > 100
    assert int(run.settings["effects that the audit looked for"].replace(",", "")) > 100
    assert address(platform) in run.settings["generators"]
    assert all("late" in why for why in run.invalid_because), run.invalid_because
    assert list(out.glob("*.npy")) == []


def test_a_cluster_that_is_not_there_or_has_no_core_for_each_generator_is_refused(
    platform: Platform, tmp_path: Path
) -> None:
    for nowhere in ("127.0.0.1:1", "somewhere"):
        missing = load(platform, tmp_path / "run", nowhere)["error"]
        assert (missing["reason"], nowhere in missing["message"]) == ("NO_CLUSTER", True)
    small = load(platform, tmp_path / "run", address(platform), "--generators", "2")["error"]
    assert (small["reason"], "has 1 cores" in small["message"]) == ("NO_GENERATORS", True)
    assert not (tmp_path / "run").exists()
