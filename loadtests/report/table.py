"""A run's result for the terminal: the verdict, what was asked and reached, how long calls took."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from loadtests.driver.result import Run
from loadtests.report.course import effects
from loadtests.report.verdict import UNKNOWN, by_count, into_the_run, meaning, number, share, time, verdict

STYLES = {"PASSED": "bold white on green", "FAILED": "bold white on red", "INVALID": "bold black on yellow"}
STYLES["CUT"] = STYLES["INVALID"]


def print_run(run: Run, console: Console) -> None:
    """All of it; the words say it too where there are no colours."""
    said = verdict(run)
    text = Text.assemble((f" {said.word} ", STYLES[said.word]), f"  {said.sentence}")
    for line in said.because:
        text.append(f"\n  · {line}")
    if said.advice:
        text.append(f"\n{said.advice}")
    console.print(Panel(text, title=f"{run.scenario}, {run.users:,} persons, {run.compress}", title_align="left"))
    console.print(_counts(run))
    console.print(_latency(run))
    if run.thresholds:
        console.print(_thresholds(run))
    if run.faults:
        console.print(_faults(run))


def _grid(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left")
    return table


def _counts(run: Run) -> Table:
    table = _grid("Calls", "", "calls", "share")
    failed = sum(run.errors.values())
    for name, count in (("offered", run.offered), ("served", run.served), ("failed", failed)):
        table.add_row(name, f"{count:,}", share(count, run.offered))
    for reason, count in sorted(run.errors.items(), key=lambda one: -one[1]):
        table.add_row(Text(f"  {reason}"), f"{count:,}", share(count, run.offered))
    is_known = run.audited or run.lost or run.doubled
    for name, count in (("effects lost", run.lost), ("effects done twice", run.doubled)):
        table.add_row(name, f"{count:,}" if is_known else UNKNOWN, "")
    return table


def _latency(run: Run) -> Table:
    table = _grid("Time from the intended start to the answer", "", "calls", "p50", "p90", "p99", "p99.9", "longest")
    for kind, found in by_count(run.latency):
        times_ms = (found.p50_ms, found.p90_ms, found.p99_ms, found.p999_ms, found.max_ms)
        table.add_row(kind, f"{found.count:,}", *map(time, times_ms))
    return table


def _thresholds(run: Run) -> Table:
    table = _grid("What was asked", "", "bound", "measured", "", "that is")
    table.columns[-1].justify = "left"
    for threshold in run.thresholds:
        met = "[green]met[/]" if threshold.met else "[bold red]missed[/]"
        table.add_row(threshold.name, number(threshold.bound), number(threshold.measured), met, meaning(threshold))
    return table


def _faults(run: Run) -> Table:
    table = _grid("Faults", "", "at", "answers again after", "failed", "p99 before", "p99 after")
    for effect in effects(run):
        fault = effect.fault
        recovered = "not in this run" if fault.recovered_s is None else f"{fault.recovered_s:.2f} s"
        times = ("–" if ms is None else time(ms) for ms in (effect.p99_before_ms, effect.p99_after_ms))
        table.add_row(fault.what, into_the_run(fault.at_s), recovered, f"{effect.failed:,}", *times)
    return table
