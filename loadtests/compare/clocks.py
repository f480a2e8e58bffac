"""`python -m loadtests bench --compare REV`: quick rows on two revisions, in turn; ratios and their spread."""

import json
import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeAlias

from rich.console import Console
from rich.table import Table

from actors.errors import SetupError
from loadtests.bench.effort import Tell, telling
from loadtests.bench.platform import Platform
from loadtests.bench.report import number
from loadtests.bench.worker import Worker
from loadtests.compare.paired import PAIRS_MIN, Compared, Measure, compared
from loadtests.compare.revisions import Side, beside

CALLERS = "loadtests.bench.callers"
REPLAYED = 50_000
SECONDS = 2.0


class Stand(NamedTuple):
    """One side while it is measured: its platform, its workers, and a client of this tree's."""

    platform: Platform
    caller: Worker
    client: Worker
    replays: Worker


Found: TypeAlias = dict[str, float]


class Row(NamedTuple):
    """Something to measure on one side, and the measures that come of it."""

    measures: tuple[Measure, ...]
    measure: Callable[[Stand], Found]


def _replay(what: str) -> Callable[[Stand], Found]:
    return lambda stand: {f"replay-{what}": stand.replays.ask(what, records=REPLAYED)["records_per_s"]}


def _unary(stand: Stand) -> Found:
    found = stand.caller.ask("invoke", address=stand.platform.run().gateway, seconds=SECONDS)
    return {"unary": found["per_s"], "unary-p50": found["p50_ms"], "unary-cpu": _cpu_us(stand, stand.client, "many")}


def _stream(stand: Stand) -> Found:
    before = stand.platform.cpu_s()
    found = stand.caller.ask("stream", address=stand.platform.run().gateway, seconds=SECONDS)
    return {"stream": found["per_s"], "stream-cpu": 1e6 * (stand.platform.cpu_s() - before) / found["calls"]}


def _cpu_us(stand: Stand, caller: Worker, task: str) -> float:
    before = stand.platform.cpu_s()
    found = caller.ask(task, address=stand.platform.run().gateway, seconds=SECONDS / 2)
    return 1e6 * (stand.platform.cpu_s() - before) / found["calls"]


ROWS: dict[str, Row] = {
    "replay-account": Row(
        (Measure("replay-account", "replay of the bench's entity", "records/s a core", more=True),), _replay("account")
    ),
    "replay-shop": Row(
        (Measure("replay-shop", "replay of the shop's lines", "records/s a core", more=True),), _replay("shop")
    ),
    "unary": Row(
        (
            Measure("unary", "unary calls on `dev`, 64 in flight", "calls/s", more=True),
            Measure("unary-p50", "… p50 with 1 in flight", "ms"),
            Measure("unary-cpu", "… CPU of the platform a call, one client for both", "µs"),
        ),
        _unary,
    ),
    "stream": Row(
        (
            Measure("stream", "streamed calls on `dev`", "calls/s", more=True),
            Measure("stream-cpu", "… CPU of the platform a call", "µs"),
        ),
        _stream,
    ),
}


def run(revision: str, rows: Collection[str], pairs: int, *, as_json: bool) -> None:
    """Compare, telling the progress on stderr; then a table, or one JSON object on one line, on stdout."""
    if unknown := sorted(set(rows) - set(ROWS)):
        raise SetupError(f"there is no row {unknown[0]!r} to compare; there are {', '.join(ROWS)}")
    if pairs < PAIRS_MIN:
        raise SetupError(f"of {pairs} pairs nothing could be said; take {PAIRS_MIN} or more")
    with beside(revision) as (here, there):
        wanted = [row for name, row in ROWS.items() if not rows or name in rows]
        found = measure((here, there), wanted, pairs, telling())
        names = (here.name, there.name)
    if as_json:
        print(json.dumps({one.measure.key: _plain(one) for one in found}), flush=True)
    else:
        print_table(names, found, Console())


def measure(sides: tuple[Side, Side], rows: Sequence[Row], pairs: int, tell: Tell) -> list[Compared]:
    """Both sides are up at once; each pair measures both, and who goes first changes."""
    taken: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hutong-compare-")))
        stands = [_stand(stack, folder / str(number), side) for number, side in enumerate(sides)]
        for pair in range(-1, pairs):  # the first round is not counted
            for row in rows:
                found: dict[int, Found] = {at: row.measure(stands[at]) for at in ((0, 1) if pair % 2 else (1, 0))}
                for one in row.measures if pair >= 0 else ():
                    taken.setdefault(one.key, []).append((found[0][one.key], found[1][one.key]))
            last = (f"{key} {some[-1][0] / some[-1][1]:.3f}" for key, some in taken.items())
            tell(f"pair {pair + 1}: " + ", ".join(last) if taken else "warm")
    return [compared(one, taken[one.key]) for row in rows for one in row.measures]


def _stand(stack: ExitStack, folder: Path, side: Side) -> Stand:
    platform = stack.enter_context(Platform(folder, "dev", tree=side.tree))
    caller = stack.enter_context(Worker(CALLERS, tree=side.tree))
    client = stack.enter_context(Worker(CALLERS))
    replays = stack.enter_context(Worker("loadtests.bench.replays", tree=side.tree))
    platform.wait_ready(caller)
    return Stand(platform, caller, client, replays)


def print_table(names: tuple[str, str], found: Sequence[Compared], console: Console) -> None:
    """A row for each measure: medians, their ratio with its spread, and what may be said."""
    table = Table(title=f"{names[0]} beside {names[1]}")
    for column in ("", *names, "ratio", "95 % of it", ""):
        table.add_column(column, justify="right" if column else "left")
    styles = {"better": "green", "worse": "bold red", "no difference seen": "dim"}
    for one in found:
        medians = (f"{number(value)} {one.measure.unit}" for value in (one.here, one.there))
        said = f"[{styles[one.said]}]{one.said}[/]"
        table.add_row(one.measure.text, *medians, f"{one.ratio:.3f}", f"{one.low:.3f} to {one.high:.3f}", said)
    console.print(table)


def _plain(one: Compared) -> dict[str, float | str]:
    numbers = {"here": one.here, "there": one.there, "ratio": one.ratio, "low": one.low, "high": one.high}
    return {**{name: float(f"{value:.5g}") for name, value in numbers.items()}, "said": one.said}
