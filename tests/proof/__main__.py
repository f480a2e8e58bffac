"""`python -m tests.proof [--full] [--folder DIR] [--only NAME]`: every campaign, one headline, one table, one report.

With --beside, what computes begins at once, with what others leave idle; the rest waits for a line on stdin.

Exits with 1 when anything was lost, done twice, wrong or cut off. A figure that fell short is told, and fails nothing.
"""

import argparse
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.proof import page
from tests.proof.counts import Counts, summed
from tests.proof.scenarios import ALONE, COMPUTING, PAIRED, Scenario, read_report

LANES = 2
TAIL_LINES = 15
END_S_MAX = 10.0
BESIDE_NICE = 10
BESIDE_TIMES = 4
"""So many times as long may take what gives way to others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; the exit code."""
    parser = argparse.ArgumentParser(prog="bash infra/prove.sh", description=__doc__, allow_abbrev=False)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, about five minutes (the default)")
    size.add_argument("--full", action="store_true", help="the whole sizes, about forty minutes")
    names = [scenario.name for scenario in (*COMPUTING, *PAIRED, *ALONE)]
    parser.add_argument("--only", action="append", choices=names, help="this one alone; may be given again")
    parser.add_argument("--folder", type=Path, default=Path(".proof"), help="where the report is written")
    parser.add_argument("--beside", action="store_true", help="beside others, until stdin says that they are through")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    only = [name for name in names if name in (options.only or ())]
    run = Run(options.folder.resolve(), full=options.full, beside=options.beside)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.stop)
    began = time.monotonic()
    parts = run.lanes(only or names)
    words = ["--full" if options.full else "--quick", *(f"--only {name}" for name in only)]
    command = " ".join(["bash infra/prove.sh", *words])
    report = page.Report(time.strftime("%Y-%m-%d"), command, round(time.monotonic() - began), parts)
    print(f"\n{page.headline(report)}\n\n{page.as_markdown(report)}")
    stem = "-".join(["proof", *only])
    html, json = options.folder / f"{stem}.html", options.folder / f"{stem}.json"
    html.write_text(page.as_html(report))
    json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    print(f"report: {html} and {json}")
    return 0 if all(part.is_clean for part in parts) else 1


class Run:
    """The scenarios of one run, and the processes that are under way."""

    def __init__(self, folder: Path, *, full: bool, beside: bool) -> None:
        self._folder = folder
        self._full = full
        self._beside = beside
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopped = threading.Event()

    def stop(self, number: int, _: object) -> None:
        """A signal's handler: end what is under way, and this process."""
        self._stopped.set()
        for process in self._processes:
            _end(process)
        os._exit(128 + number)

    def lanes(self, wanted: Sequence[str]) -> list[Counts]:
        """Two lanes side by side, in one of them first what computes; then what measures, one after the other."""
        computing, paired, alone = ([one for one in some if one.name in wanted] for some in (COMPUTING, PAIRED, ALONE))
        with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
            first = lanes.submit(lambda: [*map(self._one, computing)])
            if self._beside:
                self._wait()
            done = [*lanes.map(self._one, paired)]
        return [*first.result(), *done, *map(self._one, alone)]

    def _wait(self) -> None:
        """Until whoever runs beside this says that it is through; where it ends without a word, this ends, too."""
        if not sys.stdin.readline():
            self.stop(signal.SIGTERM, None)
        self._beside = False

    def _one(self, scenario: Scenario) -> Counts:
        """Run a scenario to its end, or to its time's; what it counted."""
        if self._stopped.is_set():
            return Counts(scenario.name)  # which nobody will read
        report, said = self._folder / f"{scenario.name}.json", self._folder / f"{scenario.name}.txt"
        report.unlink(missing_ok=True)
        began = time.monotonic()
        print(f"{scenario.name}: {scenario.what} …", flush=True)
        seconds_max = scenario.full_s_max if self._full else scenario.quick_s_max
        command = scenario.command(report, full=self._full)
        if self._beside:
            seconds_max *= BESIDE_TIMES
            command = ["nice", "-n", str(BESIDE_NICE), *command]
        with said.open("wb") as file:
            nothing = subprocess.DEVNULL
            process = subprocess.Popen(
                command, stdin=nothing, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
            self._processes.append(process)
            try:
                status = process.wait(seconds_max)
            except subprocess.TimeoutExpired:
                status = _end(process)
        if self._stopped.is_set():
            return Counts(scenario.name)
        counts = _counts(scenario, report)
        counts.seconds = time.monotonic() - began
        for missing in (scenario.full if self._full else scenario.quick).missing(counts):
            counts.find(missing)
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
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S_MAX)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return -1


if __name__ == "__main__":
    sys.exit(main())
