"""What the planner's commands print: the plan, what would change it, the costs, and how well it predicts."""

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.bench.effort import telling
from loadtests.plan.costs import ROLES, Costs, all_costs, keep_costs, read_costs
from loadtests.plan.measure import measure
from loadtests.plan.model import Fit, unfitted
from loadtests.plan.planner import Plan, WhatIf, plan, sensitivity
from loadtests.plan.validate import BAR, FIGURES, Validation, all_validations, keep_validation, validate
from loadtests.plan.wish import Wish
from loadtests.report.verdict import number, share
from loadtests.wholeday.command import ASKS, simulated

PARTITIONS = 256
"""What the day is simulated with; the plan says how many there should be."""


def run_plan(
    *, users: int, world: str, day: str, log: str, wish: Wish, seed: int, what_if: bool, as_json: bool
) -> None:
    """Simulate the day, and print the machines and why."""
    costs = read_costs(log)
    fit = fit_of(costs)
    outcome = simulated(users, world, day, PARTITIONS, ASKS, seed)
    found = plan(outcome, costs, fit, wish)
    others = sensitivity(outcome, costs, fit, wish) if what_if else ()
    if as_json:
        print(msgspec.json.encode({"plan": found, "what_if": others}).decode(), flush=True)
        return
    console = Console()
    for table in (plan_table(found), limits_table(found), *([what_if_table(others)] if others else [])):
        console.print(table)
    for note in found.notes:
        console.print(note, highlight=False)
    console.print(f"costs: {found.costs}; {judged(costs.log)}", highlight=False)
    console.print("cores are of standard speed; what yours are worth: python -m loadtests speed", highlight=False)


def fit_of(costs: Costs) -> Fit:
    """The corrections of the last validation on this log; without any the measured costs as they are."""
    validations = all_validations()
    return validations[costs.log].fit if costs.log in validations else unfitted()


def judged(log: str) -> str:
    """How well the planner predicted on this log, in a sentence."""
    validation = all_validations().get(log)
    if validation is None:
        return f"never validated on the {log} log: python -m loadtests validate --log {log}"
    others = [run for run in validation.runs if not run.fitted]
    within = ", ".join(f"{figure} {sum(run.off(figure) <= BAR for run in others)}" for figure in FIGURES)
    return (
        f"validated {validation.taken_at}: of {len(others)} runs that it was not fitted on, within {BAR:.0%}: {within}"
    )


def plan_table(found: Plan) -> Table:
    """The machines."""
    wish = found.wish
    title = (
        f"{found.persons:,} persons, {found.day}, {wish.peak:g} times the day's mean at the peak: "
        f"{found.calls_peak_s:,.0f} calls/s, {found.commands_peak_s:,.0f} on the log"
    )
    table = Table("", "how many", "each", "because", title=title)
    for row in found.rows:
        table.add_row(row.what, row.count, row.each, row.because)
    table.columns[1].justify = "right"
    return table


def limits_table(found: Plan) -> Table:
    """What ends, the first at the top."""
    title = "what ends before machines do: more of them do not help there"
    table = Table("", "used at the peak", "", title=title)
    for limit in found.limits:
        table.add_row(limit.what, share(limit.share, 1), limit.says)
    table.columns[1].justify = "right"
    return table


def what_if_table(others: tuple[WhatIf, ...]) -> Table:
    """What changes the plan, against the first line."""
    table = Table("what if", "machines", "cores used", "a month", "", title="what changes it")
    base = others[0]
    for one in others:
        if not one.machines:
            table.add_row(one.what, "none do", "–", "–", one.says)
            continue
        change = f" ({one.money_month / base.money_month - 1:+.0%})" if base.money_month and one is not base else ""
        table.add_row(one.what, f"{one.machines:,}", number(one.cores), f"${one.money_month:,.0f}{change}", one.says)
    for column in table.columns[1:4]:
        column.justify = "right"
    return table


def run_costs(log: str, *, as_json: bool) -> None:
    """Measure what calls cost, keep it, and print it."""
    all_costs()  # what could not be kept beside the others is not measured
    costs = measure(log, telling())
    keep_costs(costs)
    if as_json:
        print(msgspec.json.encode(costs).decode(), flush=True)
        return
    Console().print(costs_table(costs))


def costs_table(costs: Costs) -> Table:
    """What each kind of call costs."""
    table = Table(
        "call",
        "path",
        "calls",
        "a second",
        *(f"{role} µs" for role in ROLES),
        "log",
        "store",
        "wire",
        title=_title(costs),
    )
    for cost in costs.calls:
        used = (f"{cost.cpu_us[role]:.1f}" for role in ROLES)
        sizes = (f"{size:,.0f} B" for size in (cost.log_bytes, cost.store_bytes, cost.wire_bytes))
        table.add_row(cost.kind, cost.path, f"{cost.calls:,}", f"{cost.per_s:,.0f}", *used, *sizes)
    table.add_row("a frame of its own", "", "", "", *(f"{costs.frame_us[role]:.1f}" for role in ROLES), "", "", "")
    table.add_row("idle, of a core", "", "", "", *(f"{costs.idle_cores[role]:.3f}" for role in ROLES), "", "", "")
    table.add_row("memory, MiB", "", "", "", *(f"{costs.rss_bytes[role] / 2**20:,.0f}" for role in ROLES), "", "", "")
    for column in table.columns[2:]:
        column.justify = "right"
    return table


def _title(costs: Costs) -> str:
    return (
        f"{costs.log} log, {costs.partitions} partitions, {costs.taken_at}; replay {costs.replay_per_s:,.0f}/s, a lost "
        f"host {costs.recovers_s:.1f} s, a session {costs.session_bytes:,.0f} B, TLS {costs.tls_us_a_kb:.1f} µs a kB"
    )


def run_validate(log: str, *, as_json: bool) -> None:
    """Make the runs, judge the planner by them, keep and print it."""
    all_validations()  # as above
    validation = validate(read_costs(log), telling())
    keep_validation(validation)
    if as_json:
        print(msgspec.json.encode(validation).decode(), flush=True)
        return
    out = Console()
    out.print(validation_table(validation))
    out.print(judged(log), highlight=False)


def validation_table(validation: Validation) -> Table:
    """Predicted against measured, run by run."""
    heads = ("calls/s", "cores", "p50 ms", "p99 ms")
    table = Table(
        "run", "partitions", "hosts", *heads, title=f"predicted / measured, {validation.log} log, {validation.taken_at}"
    )
    for run in validation.runs:
        cells = [
            f"{run.predicted[figure]:,.{digits}f} / {run.measured[figure]:,.{digits}f} {_mark(run.off(figure))}"
            for figure, digits in zip(FIGURES, (0, 2, 0, 0), strict=True)
        ]
        name = f"{run.name}{' (fitted on)' if run.fitted else ''}{'' if run.valid else ' (not valid)'}"
        table.add_row(name, str(run.partitions), str(run.hosts), *cells)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _mark(off: float) -> str:
    return f"{off:.0%}" + ("" if off <= BAR else " ✗")
