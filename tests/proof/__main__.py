"""`python -m tests.proof [--full] [--folder DIR] [--only NAME]`: every campaign, one headline, one table, one report.

Exits with 1 when anything was lost, done twice, wrong or cut off. A figure that fell short is told, and fails nothing.
"""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.proof import page
from tests.proof.counts import Counts, summed
from tests.proof.scenarios import ALONE, BUSY, WAITING, Scenario, read_report

TAIL_LINES = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; the exit code."""
    parser = argparse.ArgumentParser(prog="bash infra/prove.sh", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, about four minutes (the default)")
    size.add_argument("--full", action="store_true", help="the whole sizes, about forty minutes")
    names = [scenario.name for scenario in (*BUSY, *WAITING, *ALONE)]
    parser.add_argument("--only", action="append", choices=names, help="this one alone; may be given again")
    parser.add_argument("--folder", type=Path, default=Path(".proof"), help="where the report is written")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    parts = _run(options.folder.resolve(), set(options.only or names), full=options.full)
    report = page.Report(time.strftime("%Y-%m-%d"), options.full, round(time.monotonic() - began), parts)
    print(f"\n{page.headline(report)}\n\n{page.as_markdown(report)}")
    html, json = options.folder / "proof.html", options.folder / "proof.json"
    html.write_text(page.as_html(report))
    json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    print(f"report: {html} and {json}")
    return 0 if all(part.is_clean for part in parts) else 1


def _run(folder: Path, wanted: set[str], *, full: bool) -> list[Counts]:
    """Two lanes side by side, then what measures, one after the other."""

    def lane(scenarios: Sequence[Scenario]) -> list[Counts]:
        return [_one(scenario, folder, full=full) for scenario in scenarios if scenario.name in wanted]

    with concurrent.futures.ThreadPoolExecutor(2) as lanes:
        busy, waiting = lanes.map(lane, (BUSY, WAITING))
    return [*busy, *waiting, *lane(ALONE)]


def _one(scenario: Scenario, folder: Path, *, full: bool) -> Counts:
    """Run a scenario to its end, or to its time's; what it counted."""
    report, said = folder / f"{scenario.name}.json", folder / f"{scenario.name}.txt"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    print(f"{scenario.name}: {scenario.what} …", flush=True)
    with said.open("wb") as file:
        command = scenario.command(report, full=full)
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(scenario.full_s_max if full else scenario.quick_s_max)
        except subprocess.TimeoutExpired:
            status = _end(process)
    counts = _counts(scenario, report)
    counts.seconds = time.monotonic() - began
    if status != 0 and counts.is_clean:
        tail = "\n".join(said.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        counts.find(f"it ended with status {status}; see {said}:\n{tail}")
    print(f"{scenario.name}: {counts.seconds:.0f} s, {'clean' if counts.is_clean else 'NOT CLEAN'}", flush=True)
    for line in (*counts.findings, *counts.short, *counts.skipped):
        print(f"    {line}", flush=True)
    return counts


def _counts(scenario: Scenario, report: Path) -> Counts:
    if not report.exists():
        counts = Counts(scenario.name)
        counts.find("it wrote no report")
        return counts
    return summed(scenario.name, read_report(report, scenario.name))


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Its time is over: end it, and all that it started."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return -1


if __name__ == "__main__":
    sys.exit(main())
