"""Cold opens: everybody gets to the first page, and what they waited is told beside the bars."""

import io

import pytest
from rich.console import Console

from loadtests.city.opens import ROWS, measure, table_of
from loadtests.city.search import quantiles

FIGURES = {
    "opens": 300.0,
    "open_p50_ms": 15.7,
    "open_p99_ms": 1_200.0,
    "crowd_p50_ms": 108.0,
    "relayed_opens_per_s": 2_100.0,
}


def test_a_figure_that_misses_its_bar_is_told_so() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(table_of(FIGURES))
    lines = out.getvalue().splitlines()
    for row, verdict in zip(ROWS, ("met", "short", "met"), strict=True):
        told = next(line for line in lines if row.text in line)
        assert told.rstrip(" │").endswith(verdict)
    assert any("crowd_p50_ms" in line and "108" in line for line in lines)


def test_the_middle_one_and_the_one_that_one_in_a_hundred_passes() -> None:
    assert quantiles([float(n) for n in range(100, 0, -1)]) == (51.0, 100.0)
    assert quantiles([7.0]) == (7.0, 7.0)


@pytest.mark.cluster
@pytest.mark.timeout(180)
def test_every_person_gets_to_the_first_page() -> None:
    figures = measure(40, "embedded")
    assert figures["opens"] == 40
    assert {row.key for row in ROWS} < figures.keys()
