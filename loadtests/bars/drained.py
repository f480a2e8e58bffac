"""T6, T7 and T11: one filled log, taken by a host in a plain process, in an actor of Ray, and without metrics."""

import secrets
import statistics
import subprocess
import sys
from pathlib import Path

from actors.adapters.logs import open_log
from actors.registry import load_programs
from actors.settings import ClusterSettings, ProcessSettings
from loadtests.bars.effort import Effort
from loadtests.bench import processes, sessions
from loadtests.bench.effort import Tell
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker

WAYS = ("plain", "ray", "metered", "bare")


def measure(folder: Path, effort: Effort, tell: Tell) -> Figures:
    """Records a second by way, and their ratios. The ways take turns; figures are medians of the rounds."""
    token, log_folder = secrets.token_hex(16), folder / "log"
    command = [sys.executable, "-m", "loadtests.bench.owner", str(log_folder), token]
    owner = subprocess.Popen(command)
    try:
        url = f"embedded://{sessions.address_of(log_folder)}"
        _fill(url, token, effort.records)
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        with Worker("loadtests.bars.drains") as drains:
            for turn in range(effort.rounds):
                for at, way in enumerate(WAYS):
                    n = 1 + turn * len(WAYS) + at
                    task = "plain" if way == "metered" else way
                    place = {"url": url, "token": token, "folder": str(folder / f"host-{n}")}
                    asked = drains.ask(task, **place, n=n, records=effort.records, metered=way == "metered")
                    found[way].append(asked["per_s"])
                tell("drained " + ", ".join(f"{way} {some[-1]:,.0f}/s" for way, some in found.items()))
    finally:
        processes.end(owner, 10)
    return figures_of({way: statistics.median(some) for way, some in found.items()})


def _fill(url: str, token: str, records: int) -> None:
    cluster, registry = ClusterSettings(), load_programs(())
    log = open_log(url, ProcessSettings(), token)
    try:
        log.create(cluster.topics(tuple(registry.entities)))
        sessions.feed(log, cluster, range(records))
    finally:
        log.close()


def figures_of(per_s: dict[str, float]) -> Figures:
    """The ratios that need nothing else; those to peers follow where peers were measured."""
    return {
        **{f"drained_{way}_per_s": rate for way, rate in per_s.items()},
        "ray_to_plain": per_s["ray"] / per_s["plain"],
        "drained_to_bare": per_s["ray"] / per_s["bare"],
        "metrics_cost": 100 * (1 - per_s["metered"] / per_s["plain"]),
    }
