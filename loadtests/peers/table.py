"""What the rounds came to: medians, and one table in Markdown. Pure."""

import statistics
from collections.abc import Iterable, Sequence

from msgspec import Struct

from loadtests.bench.report import number
from loadtests.peers.contestant import Figures, Row


class Standing(Struct, frozen=True):
    """A row as it is told: medians over the rounds, and what the campaign of kills found."""

    row: Row
    random: Figures
    hot: Figures
    killed: Figures
    left_out: str = ""
    rounds: int = 0


def medians(rounds: Iterable[Figures]) -> Figures:
    """Of each figure the median over the rounds that have it."""
    found: dict[str, list[float]] = {}
    for figures in rounds:
        for key, value in figures.items():
            found.setdefault(key, []).append(value)
    return {key: statistics.median(values) for key, values in found.items()}


COLUMNS = (
    *("", "load", "calls/s", "p50 / p99 ms, 64 in flight", "p50 ms, 1 in flight", "one hot key: calls/s", "p99 ms"),
    *("CPU µs a call", "MB", "killed → answers s", "lost / doubled"),
)


def markdown(standings: Sequence[Standing]) -> str:
    """The table, and under it what each promises, and what was left out and why."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(_cells(standing))} |" for standing in standings if not standing.left_out]
    lines += ["", *(f"- {standing.row.title}: {standing.row.promises}." for standing in standings)]
    lines += [f"- LEFT OUT: {standing.row.title}: {standing.left_out}" for standing in standings if standing.left_out]
    return "\n".join(lines)


def _cells(standing: Standing) -> Iterable[str]:
    random, hot, killed = standing.random, standing.hot, standing.killed
    yield standing.row.title
    yield standing.row.load
    yield number(random.get("per_s"))
    yield f"{number(random.get('p50_ms'))} / {number(random.get('p99_ms'))}"
    yield number(random.get("alone_p50_ms"))
    yield number(hot.get("per_s"))
    yield number(hot.get("p99_ms"))
    yield number(random.get("cpu_us"))
    yield number(random.get("memory_mb"))
    yield number(killed.get("recovery_s"))
    yield _harm(killed) if killed else "–"


def _harm(killed: Figures) -> str:
    harm = f"{killed['lost']:,.0f} / {killed['doubled']:,.0f}"
    return f"{harm} of {killed['acknowledged']:,.0f}, {killed['kills']:.0f} kills"
