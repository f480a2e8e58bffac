"""`python -m loadtests bars`: every row as must, aim, measured and how it stands. Timing never fails; it is told."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from actors.errors import SetupError
from loadtests.bars import drained, memory, stored, taken
from loadtests.bars.effort import QUICK, Effort
from loadtests.bars.rows import TAKEN, Bar, Source, chosen, names
from loadtests.bars.served import Served
from loadtests.bench import effort as bench_effort
from loadtests.bench import measure as bench
from loadtests.bench.busy import busy_percent, told
from loadtests.bench.effort import Tell, telling
from loadtests.bench.measure import Part
from loadtests.bench.report import bound, rounded, shown, styled
from loadtests.bench.rows import Figures


class Reports(NamedTuple):
    """What other runs wrote. Without one of the bench the bench is run; the others are only ever read."""

    bench: Path | None
    proof: Path
    peers: Path


class Asked(NamedTuple):
    """What is to be measured, and how."""

    only: tuple[str, ...]
    reports: Reports
    kafka: bool
    quick: bool


def run(asked: Asked, *, as_json: bool) -> None:
    """Measure, telling the progress on stderr; then the table, or one JSON object on one line, on stdout."""
    bars, began = chosen(asked.only), time.monotonic()
    if unknown := [name for name in asked.only if name.upper() not in names()]:
        raise SetupError(f"there is no bar {unknown[0]!r}; there are {', '.join(names())}")
    busy = busy_percent()
    figures = measure(bars, asked, telling())
    if as_json:
        print(json.dumps(plain(bars, figures) | {"seconds": round(time.monotonic() - began)}), flush=True)
    else:
        print_table(bars, figures, Console())
        if busy_told := told(busy):
            Console().print(busy_told)


def measure(bars: Sequence[Bar], asked: Asked, tell: Tell) -> Figures:
    """The figures of these rows, and what else was found on the way. What cannot be had is told and left out."""
    effort, figures = QUICK if asked.quick else Effort(), Figures()
    wanted: set[Source] = {bar.source for bar in bars}
    with tempfile.TemporaryDirectory(prefix="hutong-bars-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for source in TAKEN:
            if source in wanted or (source == "peers" and "drained" in wanted):
                figures |= _taken(source, bars, asked, tell)
        if "memory" in wanted:
            figures |= memory.measure()
        alone: dict[Source, Callable[[Path, Effort, Tell], Figures]] = {
            "drained": drained.measure,
            "capped": stored.capped,
            "snapshots": stored.snapshots,
        }
        for source, of in alone.items():
            if source in wanted:
                figures |= of(folder / source, effort, tell)
        figures |= _served(folder, wanted, effort, tell)
    for peer in ("faust", "quixstreams"):
        ours, theirs = figures.get("drained_ray_per_s"), figures.get(f"{peer}_per_s")
        figures[f"drained_to_{peer}"] = ours / theirs if ours and theirs else None
    return figures


def _served(folder: Path, wanted: set[Source], effort: Effort, tell: Tell) -> Figures:
    """The rows that one platform is enough for."""
    figures = Figures()
    if wanted & {"fronted", "paced", "hot"}:
        with Served(folder, effort, tell) as served:
            measures: dict[Source, Callable[[], Figures]] = {
                "fronted": served.fronted,
                "paced": served.paced,
                "hot": served.hot,
            }
            for source, of in measures.items():
                if source in wanted:
                    figures |= of()
    return figures


def _taken(source: Source, bars: Sequence[Bar], asked: Asked, tell: Tell) -> Figures:
    """The figures of another run. A missing report is told, and of the bench what these rows need is run instead."""
    reports = asked.reports
    if source == "bench" and reports.bench is None:
        size = bench_effort.QUICK if asked.quick else bench_effort.Effort()
        logs = ("embedded", "kafka") if asked.kafka else ("embedded",)
        parts: set[Part] = {taken.part_of(bar.row.key) for bar in bars if bar.source == source}
        return taken.bench(bench.measure(logs, size, tell, parts))
    path = {"bench": reports.bench, "proof": reports.proof, "peers": reports.peers}[source]
    assert path is not None
    try:
        figures = {"bench": taken.bench, "proof": taken.proof, "peers": taken.peers}[source](taken.read(path))
    except SetupError as error:
        tell(f"{error}: its rows are not measured; {HOW[source]}")
        return {}
    tell(f"from {path}")
    return figures


HOW = {
    "bench": "python -m loadtests bench --json > FILE, or leave --bench out",
    "proof": "bash infra/prove.sh --full writes one",
    "peers": "bash infra/peers.sh writes one",
}


def plain(bars: Sequence[Bar], figures: Figures) -> dict[str, object]:
    """Every row for a script, and every other figure."""
    rows = [
        {
            "name": bar.name,
            "key": bar.row.key,
            "must": bar.row.must,
            "aim": bar.row.aim,
            "measured": rounded(figures.get(bar.row.key)),
            "verdict": bar.row.verdict(figures.get(bar.row.key)),
            "source": bar.source,
        }
        for bar in bars
    ]
    return {"rows": rows, "figures": {key: rounded(value) for key, value in figures.items()}}


def print_table(bars: Sequence[Bar], figures: Figures, console: Console) -> None:
    """A row for each bar, and how many of them are met."""
    table = Table(title="What must be, and what is")
    for column in ("", "row", "must", "aim", "measured", "", "from"):
        table.add_column(column, justify="right" if column in ("must", "aim", "measured") else "left")
    before = ""
    for bar in bars:
        row, value = bar.row, figures.get(bar.row.key)
        source = bar.source if bar.source in TAKEN else "here"
        name = bar.name if bar.name != before else ""
        cells = (bound(row, row.must), bound(row, row.aim), shown(row, value), styled(row.verdict(value)))
        table.add_row(name, row.text, *cells, source)
        before = bar.name
    console.print(table)
    verdicts = [bar.row.verdict(figures.get(bar.row.key)) for bar in bars]
    met = sum(verdict in ("met", "aim met") for verdict in verdicts)
    console.print(
        f"{met} of {len(bars)} rows met, {verdicts.count('short')} short, {verdicts.count('not measured')} not measured"
    )
