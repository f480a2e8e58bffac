"""The bars: a row has its figure from one place, what is missing is said, what a report holds is taken as it is."""

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer import BadParameter

from actors.errors import SetupError
from actors.kernel.routing import partition_of
from loadtests.__main__ import app, bench
from loadtests.bars import callers, memory, taken
from loadtests.bars.command import Asked, Reports, measure, plain, print_table, run
from loadtests.bars.drained import figures_of
from loadtests.bars.rows import BARS, TAKEN, chosen, names
from loadtests.bench.effort import Effort, Tell
from loadtests.bench.measure import PARTS, Part, part_of
from loadtests.bench.rows import ROWS, Figures
from loadtests.compare import clocks

commands = {str(getattr(one.callback, "__name__", "")): one for one in app.registered_commands}
README = Path(__file__).parents[2] / "loadtests" / "bars" / "README.md"
NONE = Path("no-such-report.json")
PROOF = {
    "scenarios": [
        {
            "scenario": "killing",
            "figures": {"move_pause_ms_p99": 120.0, "gcs_goodput_share": 0.9},
            "faults": {"host killed": 70, "Ray's GCS killed": 4, "partition moved": 9},
            "lost": 0,
            "twice": 0,
            "wrong": 0,
        },
        {
            "scenario": "kafka_faults",
            "figures": {"broker restart, s until appends go on, max": 4.0},
            "faults": {"SIGKILL of the broker": 30},
            "lost": 0,
            "twice": 0,
            "wrong": 1,
        },
    ]
}
PEERS = {
    "ratios": {"embedded": {"unary_to_ray": 1.2, "p50_to_restate": 0.5}, "kafka": {"unary_to_ray": 0.9}},
    "rows": [{"row": {"key": "faust"}, "random": {"per_s": 5_000.0}}, {"row": {"key": "restate"}, "random": {}}],
}


def test_every_row_that_is_promised_is_there_once_under_its_key() -> None:
    promised = [f"T{n}" for n in (*range(1, 10), 11, 12)] + ["O1", "O2", "O3", "M1", "M2", "M3", "M5"]
    assert names() == [*promised, *(f"R{n}" for n in range(1, 7))]
    keys = [bar.row.key for bar in BARS]
    assert len(keys) == len(set(keys))


def test_rows_of_the_bench_are_the_benchs_own() -> None:
    own = [bar.row for bar in BARS if bar.source == "bench" and bar.row.key != "passive_bytes"]
    assert all(row in ROWS for row in own)
    assert len(own) >= 9


def test_the_readme_and_the_help_name_every_row() -> None:
    for said in (README.read_text(), _help("bars")):
        assert [name for name in names() if not re.search(rf"\b{name}\b", said)] == []
    assert [name for name in clocks.ROWS if name not in _help("bench")] == []
    assert all("minutes" in _help(command) for command in ("bars", "bench"))


def _help(command: str) -> str:
    return str(commands[command].callback.__doc__)


def test_of_the_bench_only_the_part_is_run_that_measures_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[set[Part]] = []

    def measured(_logs: tuple[str, ...], _effort: Effort, _tell: Tell, parts: set[Part]) -> Figures:
        ran.append(parts)
        return {}

    monkeypatch.setattr("loadtests.bench.measure.measure", measured)
    for only in (("M2",), ("R1", "R2"), ("T1",)):
        measure(chosen(only), Asked(only, Reports(None, NONE, NONE), kafka=False, quick=True), lambda _: None)
    assert ran == [{"sessions"}, {"replay", "up"}, {"calls"}]
    assert {part_of(row.key) for row in ROWS} == set(PARTS)
    assert taken.part_of("passive_bytes") == "sessions"


def test_single_rows_of_the_bench_are_not_heeded_silently_where_nothing_is_compared() -> None:
    with pytest.raises(BadParameter, match="only with --compare"):
        bench(rows=["unary"])


@pytest.mark.parametrize("value", [None, -0.5, float("nan")])
def test_what_is_missing_or_below_nothing_was_not_measured(value: float | None) -> None:
    (cost,) = (bar.row for bar in BARS if bar.row.key == "snapshot_cost")
    assert cost.verdict(value) == "not measured"
    assert cost.verdict(0.0) == "met"


def test_rows_are_chosen_by_name_in_any_letters_and_unknown_ones_refused() -> None:
    assert {bar.name for bar in chosen(("t12", "M5"))} == {"T12", "M5"}
    with pytest.raises(SetupError, match="no bar 'T10'"):
        run(Asked(("T10",), Reports(None, NONE, NONE), kafka=False, quick=True), as_json=True)


def test_a_proofs_figures_are_taken_and_its_kills_and_harm_added_up() -> None:
    found = taken.proof(PROOF)
    assert (found["kills"], found["harm"], found["kafka_lost"]) == (104, 1, 0)
    assert found["move_pause_ms_p99"] == 120
    assert taken.proof({"scenarios": PROOF["scenarios"][:1]})["kafka_lost"] is None


def test_peers_are_compared_over_kafka_where_that_was_measured() -> None:
    found = taken.peers(PEERS)
    assert (found["unary_to_ray"], found["p50_to_restate"]) == (0.9, 0.5)
    assert (found["faust_per_s"], found["restate_per_s"]) == (5_000, None)


def test_the_benchs_memory_is_shared_by_its_sessions_only_at_its_full_size() -> None:
    figures = {"log": "kafka", "sessions_rss_mb": 400.0, "sessions_rss_empty_mb": 190.0, "sessions_resident": 50_000.0}
    assert taken.bench(figures)["passive_bytes"] == 200
    assert "log" not in taken.bench(figures)
    assert "passive_bytes" not in taken.bench({**figures, "sessions_resident": 90_000.0})


def test_a_report_that_is_missing_is_told_with_what_writes_it_and_its_rows_are_not_measured() -> None:
    said: list[str] = []
    asked = Asked(("R3", "T3"), Reports(None, NONE, NONE), kafka=False, quick=True)
    figures = measure(chosen(asked.only), asked, said.append)
    assert any("prove.sh" in line for line in said)
    assert any("peers.sh" in line for line in said)
    rows = json.loads(json.dumps(plain(chosen(asked.only), figures)))["rows"]
    assert {row["verdict"] for row in rows} == {"not measured"}


def test_a_report_that_is_there_gives_its_rows_and_the_table_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(PROOF))
    asked = Asked(("R3", "R5", "R6"), Reports(None, path, NONE), kafka=False, quick=True)
    bars, said = chosen(asked.only), io.StringIO()
    print_table(bars, measure(bars, asked, lambda _: None), Console(file=said, width=160))
    assert "4 of 7 rows met, 2 short, 1 not measured" in said.getvalue()


def test_what_is_no_report_is_told(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text("{")
    with pytest.raises(SetupError, match="is no report"):
        taken.read(path)


def test_the_memory_of_an_entity_and_of_a_sender_is_counted() -> None:
    assert memory.source_bytes() > 0
    assert memory.active_bytes() > 100


def test_ways_to_drain_a_log_are_compared() -> None:
    found = figures_of({"plain": 100.0, "ray": 90.0, "metered": 75.0, "bare": 400.0})
    assert (found["ray_to_plain"], found["drained_to_bare"], found["metrics_cost"]) == (0.9, 0.225, 25)


def test_calls_at_a_pace_do_not_wait_for_answers_and_are_timed_from_when_they_were_due() -> None:
    class Slow:
        """Answers the first call when the last was made."""

        def __init__(self) -> None:
            self.calls = 0
            self.all_there = asyncio.Event()

        async def invoke(self, *_: object) -> None:
            self.calls += 1
            if self.calls == 20:
                self.all_there.set()
            await self.all_there.wait()

    client = Slow()
    found = asyncio.run(callers.paced(client, ["a", "b"], 200.0, 0.1))
    assert found["served"] == 1
    assert found["p99_ms"] > found["p50_ms"] > 0


def test_neighbours_are_of_one_partition_and_as_many_as_are_needed() -> None:
    keys = callers.neighbours(16)
    assert len(set(keys)) == len(keys) == callers.OTHERS + 1
    assert len({partition_of(str(n), 16, {}) for n in keys}) == 1


def test_what_is_taken_from_reports_is_a_source_of_rows_and_not_the_only_one() -> None:
    assert set(TAKEN) < {bar.source for bar in BARS}
