"""The benchmark's results for a person: a table of rows, and the plain figures under it."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from loadtests.bench.rows import ROWS, Figures, Row, Verdict

STYLES: Mapping[Verdict, str] = {"met": "green", "aim met": "bold green", "short": "bold red", "not measured": "dim"}


def print_table(figures: Figures, console: Console) -> None:
    """Every row with its bars, then every other figure."""
    table = Table(title=f"Figures of this machine, {figures['partitions']:.0f} partitions")
    for column in ("", "measured", "must", "aim", ""):
        table.add_column(column, justify="left" if not column else "right")
    for row in ROWS:
        value = figures.get(row.key)
        verdict = row.verdict(value)
        table.add_row(row.text, shown(row, value), bound(row, row.must), bound(row, row.aim), styled(verdict))
    console.print(table)
    plain = Table(show_header=False)
    keys = {row.key for row in ROWS}
    for key, value in figures.items():
        if key not in keys:
            plain.add_row(key, number(value))
    console.print(plain)


def figures_table(title: str, rows: Iterable[Row], figures: Mapping[str, float | None]) -> Table:
    """Every figure, and beside one that has a bar how it stands."""
    table, bars = Table(title=title, show_header=False), {row.key: row for row in rows}
    for key, value in figures.items():
        row = bars.get(key)
        bar = "" if row is None else f"{bound(row, row.must)} {row.unit}: {row.verdict(value)}"
        table.add_row(row.text if row else key, number(value), bar)
    return table


def shown(row: Row, value: float | None) -> str:
    """What was measured of a row, with its unit."""
    return number(value) if value is None else f"{number(value)} {row.unit}"


def styled(verdict: Verdict) -> str:
    """How a row stands, in the colour of it."""
    return f"[{STYLES[verdict]}]{verdict}[/]"


def bound(row: Row, bar: float | None) -> str:
    """A bar as it is told: nothing where there is none."""
    return "" if bar is None else f"{'≥' if row.more else '≤'} {number(bar)}"


def number(value: float | None) -> str:
    """Three digits that mean something; a dash for what was not measured."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rounded(value: float | None) -> float | None:
    """Four digits, which is more than is known."""
    return None if value is None else float(f"{value:.4g}")
