"""The benchmark's results for a person: a table of rows, and the plain figures under it."""

from rich.console import Console
from rich.table import Table

from loadtests.bench.rows import ROWS, Figures, Row

STYLES = {"met": "green", "aim met": "bold green", "short": "bold red", "not measured": "dim"}


def print_table(figures: Figures, console: Console) -> None:
    """Every row with its bars, then every other figure."""
    table = Table(title=f"Figures of this machine, {figures['partitions']:.0f} partitions")
    for column in ("", "measured", "must", "aim", ""):
        table.add_column(column, justify="left" if not column else "right")
    for row in ROWS:
        value = figures.get(row.key)
        verdict = row.verdict(value)
        shown = "–" if value is None else f"{number(value)} {row.unit}"
        table.add_row(row.text, shown, bound(row, row.must), bound(row, row.aim), f"[{STYLES[verdict]}]{verdict}[/]")
    console.print(table)
    plain = Table(show_header=False)
    keys = {row.key for row in ROWS}
    for key, value in figures.items():
        if key not in keys:
            plain.add_row(key, "–" if value is None else number(value))
    console.print(plain)


def bound(row: Row, bar: float | None) -> str:
    """A bar as it is told: nothing where there is none."""
    return "" if bar is None else f"{'≥' if row.more else '≤'} {number(bar)}"


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
