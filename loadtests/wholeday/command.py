"""`hutong load simulate`: a whole day, counted person by person, as a table or as JSON."""

import os

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from actors.errors import SetupError
from loadtests.endings import interrupt, on_end
from loadtests.habits import MINUTE_S, day_named
from loadtests.plan.costs import all_costs
from loadtests.population import WORLDS, of_size
from loadtests.report.verdict import number
from loadtests.wholeday.simulate import Outcome, simulate

ASKS = 0.05
"""The share of openings whose telephone asks the platform for the way; the others know it."""
TB_FROM = 1e11
BLOCKS = " ▁▂▃▄▅▆▇█"


def run(
    *, users: int, world: str, day: str, partitions: int, asks: float, seed: int, processes: int | None, as_json: bool
) -> None:
    """Simulate, with the progress on stderr; the outcome goes to stdout."""
    outcome = simulated(users, world, day, partitions, asks, seed, processes)
    if as_json:
        print(msgspec.json.encode(outcome).decode(), flush=True)
    else:
        for table in tables(outcome):
            Console().print(table)


def simulated(
    users: int, world: str, day: str, partitions: int, asks: float, seed: int, processes: int | None = None
) -> Outcome:
    """The day of so many persons. Raises SetupError for a world or a day that is not known."""
    if world not in WORLDS:
        raise SetupError(f"{world!r} is no world; there are {', '.join(WORLDS)}")
    of_day = day_named(day)
    chosen = msgspec.structs.replace(of_size(WORLDS[world], users), seed=seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    if not console.is_terminal:  # where nothing can move, one line says that something goes on
        console.print(f"counting the {day} of {users:,} persons …", highlight=False)
    with on_end(interrupt), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{day} of {users:,} persons", total=users)
        return simulate(
            chosen,
            of_day,
            partitions=partitions,
            asks=asks,
            processes=processes or len(os.sched_getaffinity(0)),
            told=lambda count: progress.advance(task, count),
        )


def tables(outcome: Outcome) -> list[Table]:
    """What a person reads: the day in figures, calls by kind, and what has most to do."""
    day = Table(title=f"{outcome.persons:,} persons, {outcome.day} of the world of {outcome.world}", show_header=False)
    for name, value in _figures(outcome):
        day.add_row(name, value)
    kinds = Table("calls", "on the day", "a second", f"at {clock(outcome.peak_minute)}", title="by kind")
    for kind in sorted(outcome.kinds, key=lambda kind: -kind.day):
        kinds.add_row(kind.name, f"{kind.day:,.0f}", number(kind.mean_s), number(kind.peak_s))
    hottest = Table("hottest", "", "on the day", "a second at its peak", title="what has most to do")
    for one in outcome.hottest:
        hottest.add_row(one.what, one.name, f"{one.day:,.0f}" if one.day else "", number(one.peak_s))
    for table in (kinds, hottest):
        for column in table.columns[1:]:
            column.justify = "right"
    return [day, kinds, hottest]


def _figures(outcome: Outcome) -> list[tuple[str, str]]:
    busiest, gib = max(outcome.calls_by_hour_s), outcome.rss_bytes_max / 2**30
    curve = "".join(BLOCKS[round(8 * rate / busiest)] for rate in outcome.calls_by_hour_s)
    return [
        ("opens; pages", f"{outcome.opens:,}; {outcome.pages:,}"),
        ("… of a person", f"{outcome.opens / outcome.persons:.2f}; {outcome.pages / outcome.persons:.2f}"),
        ("calls; of them on the log", f"{outcome.calls:,.0f}; {outcome.commands:,.0f}"),
        ("calls a second: mean; at the peak", f"{number(outcome.calls_mean_s)}; {number(outcome.calls_peak_s)}"),
        ("the peak is at", clock(outcome.peak_minute)),
        ("hour by hour", curve),
        ("sessions at most, when", f"{outcome.sessions_peak:,.0f}, {clock(outcome.sessions_minute)}"),
        ("visits that have a state by the evening", f"{outcome.visits:,}"),
        ("persons who played the giant; its share of all openings", f"{outcome.players:,}; {outcome.giant_share:.1%}"),
        ("merchants who sold; programs that were opened", f"{outcome.merchants:,}; {outcome.programs:,}"),
        ("openings by tier 1 to 4", " ".join(f"{share:.1%}" for share in outcome.tiers)),
        ("openings by way", " ".join(f"{way} {share:.0%}" for way, share in outcome.ways.items())),
        ("exact", outcome.exact),
        ("drawn", outcome.drawn),
        *_bytes(outcome),
        ("took; processor time; memory at most", f"{outcome.seconds:,.0f} s; {outcome.cpu_s:,.0f} s; {gib:.1f} GiB"),
    ]


def _bytes(outcome: Outcome) -> list[tuple[str, str]]:
    """By what calls were measured to take, if they were."""
    found: list[tuple[str, str]] = []
    for log, costs in all_costs().items():
        a_day = {
            what: sum(
                kind.day * float(getattr(costs.of(kind.name), f"{what}_bytes")) for kind in outcome.kinds if kind.day
            )
            for what in ("log", "store", "wire")
        }
        peak_gbit = a_day["wire"] / outcome.calls * outcome.calls_peak_s * 8 / 1e9
        words = f"{_size(a_day['log'])} a copy; {_size(a_day['store'])}; {number(peak_gbit)} Gbit/s"
        found.append((f"log; stores; network at the peak ({log}, as measured {costs.taken_at})", words))
    return found


def _size(size_bytes: float) -> str:
    return f"{number(size_bytes / 1e12)} TB" if size_bytes >= TB_FROM else f"{number(size_bytes / 1e9)} GB"


def clock(minute: int) -> str:
    """A minute of the day as people say it."""
    return f"{minute // MINUTE_S:02d}:{minute % MINUTE_S:02d}"
