"""`python -m tests.simulation [--full] [--only NAME] [--report PATH]`: the worlds as campaigns of the proof.

Two halves of the seeds, for two processes; the first also plants the bugs. `pytest tests/simulation` is what runs them.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.proof.counts import Counts
from tests.proof.running import run

WORLDS = ("tests/simulation/test_worlds.py", "-k", "everything_holds")
TAIL_CHARS = 2_000


def worlds_and_bugs(folder: Path, seed: int, seeds: str) -> Counts:
    """These worlds, the planted bugs, the shrinker."""
    return _counted("worlds, planted bugs", folder, seed, ("tests/simulation", "--seeds", seeds))


def more_worlds(folder: Path, seed: int, seeds: str) -> Counts:
    """These worlds alone."""
    return _counted("more worlds", folder, seed, (*WORLDS, "--seeds", seeds))


def _counted(name: str, folder: Path, seed: int, arguments: tuple[str, ...]) -> Counts:
    """What pytest's report says; the seeds of worlds are their own, so `seed` is not used."""
    report = folder.with_suffix(".json")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", *arguments, "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = Counts(name, seed)
    if done.returncode != 0:
        counts.find(f"pytest ended with {done.returncode}: {done.stdout[-TAIL_CHARS:]}")
    if not report.exists():
        return counts
    said: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    counts.acked, counts.unknown = said["commands_acked"], said["commands_accepted"] - said["commands_acked"]
    counts.lost, counts.twice, counts.bad_inputs = said["lost"], said["applied_twice"], said["bad_inputs"]
    counts.faults = {kind.replace("_", " "): number for kind, number in said["faults_by_kind"].items()}
    counts.planted, counts.found = said.get("planted_bugs", 0), said.get("planted_bugs_found", 0)
    counts.figures = {f"{name}: {what}": said[what] for what in ("seeds", "commands_per_s", "faults_per_s")}
    for failed in said["failed_seeds"]:
        counts.find(f"world {failed} failed: `pytest tests/simulation --seed {failed}` tells its story")
    return counts


CAMPAIGNS = {
    "worlds": (worlds_and_bugs, "0:300", "0:5000"),
    "more-worlds": (more_worlds, "300:320", "5000:10000"),
}

if __name__ == "__main__":
    sys.exit(run("tests.simulation", CAMPAIGNS))
