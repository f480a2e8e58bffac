"""`python -m tests.disk [--full] [--seed N] [--only NAME] [--report PATH]`: every campaign, and what it counted.

Exits with 1 when anything is wrong; the line that says so names the seed that shows it again.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.disk.campaigns import CAMPAIGNS
from tests.disk.counts import Counts

SEED = 20_260_101


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.disk", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole sizes, about 12 minutes; else about 30 seconds")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=CAMPAIGNS, help="one campaign")
    parser.add_argument("--report", type=Path, help="where the counts are written as JSON")
    options = parser.parse_args(arguments)
    logging.getLogger("hutong").setLevel(logging.CRITICAL + 1)  # logs end by the thousand here, and say so
    began = time.monotonic()
    done: dict[str, Counts] = {}
    for name in [options.only] if options.only else CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="hutong-disk-") as folder:
            counts = CAMPAIGNS[name](Path(folder) / name, options.seed, options.full)
        done[name] = counts
        print(line_of(name, counts), flush=True)
        for said in (*counts.findings, *counts.skipped):
            print(f"    {said}", flush=True)
    report = report_of(done, options.seed, time.monotonic() - began)
    print(report["headline"])
    if options.report:
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    return 0 if all(counts.is_clean for counts in done.values()) else 1


def line_of(name: str, counts: Counts) -> str:
    """One campaign in one line."""
    faults = ", ".join(f"{number} × {kind}" for kind, number in counts.faults.items())
    return (
        f"{name}: {counts.acked} acknowledged, {counts.lost} lost, {counts.twice} twice, {counts.wrong} wrong; "
        f"{faults or 'no faults'}; {counts.seconds:.1f} s"
    )


def report_of(done: dict[str, Counts], seed: int, seconds: float) -> dict[str, Any]:
    """What all campaigns counted, for a machine."""
    scenarios = {name: msgspec.to_builtins(counts) for name, counts in done.items()}
    for name, counts in done.items():
        scenarios[name]["recovery_ms"] = _spread(counts.recovery_ms)
    parts = done.values()
    kinds = {kind for counts in parts for kind in counts.faults}
    faults = sum(number for counts in parts for number in counts.faults.values())
    headline = (
        f"{sum(c.acked for c in parts)} appends acknowledged, {sum(c.lost for c in parts)} lost, "
        f"{sum(c.twice for c in parts)} twice, {sum(c.wrong for c in parts)} wrong; "
        f"{faults} faults of {len(kinds)} kinds survived"
    )
    return {"headline": headline, "seed": seed, "seconds": round(seconds, 1), "scenarios": scenarios}


def _spread(times_ms: list[float]) -> dict[str, float]:
    if len(times_ms) < 2:
        return {}
    percentiles = statistics.quantiles(times_ms, n=100)
    return {"p50": round(percentiles[49], 1), "p99": round(percentiles[98], 1), "max": round(max(times_ms), 1)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
