"""M3 and R4: what states and snapshots cost a platform, on `dev`, with the bounds of its host set lower."""

import statistics
from contextlib import ExitStack
from pathlib import Path

from loadtests.bars.effort import Effort
from loadtests.bench import processes
from loadtests.bench.effort import Tell
from loadtests.bench.platform import Platform
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker

SHARE = 50
"""Entities for each that may be resident: ten millions and two hundred thousand, in proportion."""
STEPS, SETTLED = 20, 6
SNAPSHOT_RECORDS = {"with": "20000", "without": "1000000000"}
PACE_PER_S = 500.0


def capped(folder: Path, effort: Effort, tell: Tell) -> Figures:
    """Memory while ever more entities come; then calls to the first of them, which left memory long ago."""
    resident, step = effort.created // SHARE, effort.created // STEPS
    env = {"HUTONG_RESIDENT_MAX": str(resident)}
    with Worker("loadtests.bars.callers") as caller, Platform(folder / "capped", "dev", env=env) as dev:
        with Worker("loadtests.bench.callers") as first:
            dev.wait_ready(first)
        held: list[float] = []
        address = dev.run().gateway
        for n in range(STEPS):
            caller.ask("create", address=address, first=n * step, count=step)
            held.append(sum(map(processes.rss_bytes, dev.pids())) / 1e6)
        activated = caller.ask("activate", address=address, first=step, count=effort.activated)
    settled = held[SETTLED:]
    tell(f"{effort.created:,} entities, {resident:,} resident: " + ", ".join(f"{mb:.0f}" for mb in held) + " MB")
    return {
        "capped_growth": 100 * (max(settled) / settled[0] - 1),
        "capped_mb": held[-1],
        "activation_p50_ms": activated["p50_ms"],
        "activation_p99_ms": activated["p99_ms"],
    }


def snapshots(folder: Path, effort: Effort, tell: Tell) -> Figures:
    """Streamed calls and p99 of paced ones on two platforms in turn: one takes snapshots ten times as often."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        caller = stack.enter_context(Worker("loadtests.bench.callers"))
        pacer = stack.enter_context(Worker("loadtests.bars.callers"))
        stands = {
            name: stack.enter_context(Platform(folder / name, "dev", env={"HUTONG_SNAPSHOT_RECORDS": records}))
            for name, records in SNAPSHOT_RECORDS.items()
        }
        for dev in stands.values():
            dev.wait_ready(caller)
        for _ in range(2 * effort.rounds):
            for name, dev in stands.items():
                address = dev.run().gateway
                streamed = caller.ask("stream", address=address, seconds=2 * effort.seconds)
                paced = pacer.ask("pace", address=address, per_s=PACE_PER_S, seconds=effort.seconds)
                found.setdefault(f"{name} per_s", []).append(streamed["per_s"])
                found.setdefault(f"{name} p99_ms", []).append(paced["p99_ms"])
            tell("snapshots: " + ", ".join(f"{name} {values[-1]:,.4g}" for name, values in found.items()))
    pairs = zip(found["with per_s"], found["without per_s"], strict=True)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        "snapshot_cost": 100 * (1 - statistics.median(some / none for some, none in pairs)),
        "snapshot_p99_ms": medians["with p99_ms"] - medians["without p99_ms"],
        "snapshots_per_s": medians["with per_s"],
    }
