"""`hutong demo shop`, on a platform that runs already: what it says is what a computation of its own comes to."""

from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path

import pytest

from actors.cli import demo
from actors.cli.running import Run, read_run
from actors.cli.supervisor import Plan
from tests.cli.running import Platform, hutong
from tests.programs.shop_reference import EXCERPT, Year, rows, year_of

pytestmark = pytest.mark.cluster

LINES = 40


@pytest.fixture(autouse=True)
def on_platform(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is brought up."""

    async def play_here(_plan: Plan, play: Callable[[Run], Awaitable[None]], _stay: bool) -> None:
        run = read_run(platform.folder)
        assert run is not None
        await play(run)

    monkeypatch.setattr(demo, "on_own_platform", play_here)


def test_the_year_that_ships_comes_to_what_it_must() -> None:
    report = hutong("demo", "shop", "--json").value
    assert {name: report[name] for name in Year._fields} == year_of(rows(EXCERPT))._asdict()
    assert (report["host_kills"], report["log"]) == ([], "embedded")


def test_any_file_of_a_shop_is_played_and_told_as_a_table(tmp_path: Path) -> None:
    file = tmp_path / "year.csv"
    with EXCERPT.open(encoding="utf-8") as whole:
        file.write_text("".join(islice(whole, LINES + 1)), encoding="utf-8")
    year = year_of(rows(file))
    said = hutong("demo", "shop", "--file", file)
    assert (said.status, said.err) == (0, "")
    told = " ".join(said.out.split())
    assert f"lines sold {year.lines_sold}" in told
    assert f"events checksum {year.events_checksum}" in told


@pytest.mark.parametrize(("content", "told"), [("InvoiceNo\n", "has no column StockCode"), (None, "cannot read")])
def test_a_file_that_is_none_of_a_shop_plays_nothing(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "year.csv"
    if content is not None:
        file.write_text(content)
    assert told in hutong("demo", "shop", "--file", file, "--json").error["message"]
