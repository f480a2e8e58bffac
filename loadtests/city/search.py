"""`python -m loadtests search`: an index of a city's programs, and how long people wait for what they typed."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from actors.adapters.searching import SearchIndex, open_index
from actors.projections.search import Listed, Query
from loadtests.bench.effort import Tell, telling
from loadtests.bench.pace import quantile
from loadtests.bench.report import figures_table, rounded
from loadtests.bench.rows import Figures, Row
from loadtests.city.names import programs, typed

ROWS = (
    Row("search_p99_ms", "a search, p99", 50, None, "ms"),
    Row("nearby_p99_ms", "what is nearby, p99", 50, None, "ms"),
    Row("search_visible_p99_ms", "put in the index until found, p99", 2_000, None, "ms"),
)
_PUT_AT_ONCE = 20_000
_KNOWN_EVERY = 97
_NEW = 200


def run(count: int, queries: int, *, as_json: bool) -> None:
    """Measure, telling the progress on stderr; then a table, or one JSON object on one line, on stdout."""
    figures = measure(count, queries, telling())
    if as_json:
        print(json.dumps({key: rounded(value) for key, value in figures.items()}), flush=True)
    else:
        Console().print(figures_table(f"The search among {count:,} programs", ROWS, figures))


def measure(count: int, queries: int, tell: Tell) -> Figures:
    """Make an index of so many programs and look for so many things in it, one after the other."""
    with TemporaryDirectory(prefix="hutong-search-") as name:
        index = open_index(Path(name) / "search.db")
        try:
            return _measure(index, Path(name), count, queries, tell)
        finally:
            index.close()


def _measure(index: SearchIndex, folder: Path, count: int, queries: int, tell: Tell) -> Figures:
    began = time.monotonic()
    known = _make(index, count, tell)
    figures: Figures = {"search_programs": count, "search_make_s": time.monotonic() - began}
    figures["search_mb"] = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    tell(f"{queries:,} queries")
    waits: dict[str, list[float]] = {}
    cpu: list[float] = []
    for sort, query in typed(known, queries):
        before_s = time.thread_time()
        waits.setdefault(sort, []).append(_wait_ms(index.find, query))
        cpu.append((time.thread_time() - before_s) * 1_000)
    figures["search_p50_ms"], figures["search_p99_ms"] = quantiles([one for sort in waits.values() for one in sort])
    figures["search_cpu_p50_ms"], figures["search_cpu_p99_ms"] = quantiles(cpu)
    figures["search_ms_max"] = max(max(each) for each in waits.values())
    for sort, each in sorted(waits.items()):
        figures[f"search_{sort}_p99_ms"] = quantiles(each)[1]
    nearby = [_wait_ms(index.nearby, one.position) for one in known[:queries] if one.position is not None]
    figures["nearby_p50_ms"], figures["nearby_p99_ms"] = quantiles(nearby)
    figures["search_visible_p50_ms"], figures["search_visible_p99_ms"] = quantiles(list(_visible_ms(index)))
    return figures


def _make(index: SearchIndex, count: int, tell: Tell) -> list[Listed]:
    """Put the programs in; returns some of them."""
    stream, done = programs(count), 0
    known: list[Listed] = []
    while some := list(islice(stream, _PUT_AT_ONCE)):
        index.put(some)
        done += len(some)
        known += some[::_KNOWN_EVERY]
        if done % (10 * _PUT_AT_ONCE) == 0:
            tell(f"{done:,} programs in the index")
    return known


def _visible_ms(index: SearchIndex) -> Iterator[float]:
    """A program is listed; how long until it is found by its name."""
    for each in range(_NEW):
        fresh = Listed(f"new{each}", f"新开张{each} newcomer{each}")
        began = time.perf_counter()
        index.put([fresh])
        hits = index.find(Query(f"newcomer{each}"), 100)
        yield (time.perf_counter() - began) * 1_000
        assert fresh in hits, f"{fresh.name} was listed and is not found"


def _wait_ms(ask: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    ask(*arguments)
    return (time.perf_counter() - began) * 1_000


def quantiles(values: list[float]) -> tuple[float, float]:
    """The middle one, and that which one of a hundred passes."""
    return quantile(values, 0.5), quantile(values, 0.99)
