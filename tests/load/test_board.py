"""The load of a board: its players play honest games, and what everybody costs follows from what was measured."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from actors.programs.jump.program import ENTITIES, PLAYER, Finish, Start, score_of
from actors.testing import Ensemble
from loadtests.city.board import EVERYBODY, ROWS, Load, everybodys_cost, leaf_bytes, print_figures, size_bytes
from loadtests.city.players import game, player

LOAD = Load(1_000, 8, "embedded", 1, 1)
FIGURES = {
    "all_cpu_us": 36.0,
    "disc_bytes": 500.0,
    "leaf_bytes": 100.0,
    **{row.key: row.must for row in ROWS},
}


@given(st.integers(0, 1 << 20), st.text("0123456789abcdef", min_size=16, max_size=16))
def test_a_players_game_is_worth_what_the_player_says(n: int, seed: str) -> None:
    presses_ms, score = game(n, seed)
    assert score_of(seed, tuple(presses_ms)) == score


def test_a_players_game_is_taken_by_the_program() -> None:
    ensemble = Ensemble(ENTITIES)
    who = PLAYER.at(player(3, LOAD.board).removeprefix("programs/jump/players/"))
    ensemble.when(who, Start())
    seed = ensemble.state(PLAYER, who.id).seed
    presses_ms, score = game(3, seed)
    reply = ensemble.when(who, Finish(seed, tuple(presses_ms), score), now_ms=ensemble.now_ms + 60_000).reply
    assert reply == {"score": score, "best": score}


def test_what_everybody_costs_is_what_one_costs_times_their_number() -> None:
    cost = everybodys_cost(FIGURES)
    assert cost["core_hours"] == pytest.approx(EVERYBODY * 36e-6 / 3_600)
    assert cost["cores_over_a_day"] == pytest.approx(cost["core_hours"] / 24)
    assert cost["disc_gb"] == pytest.approx(50)
    assert cost["leaves_mb"] == pytest.approx(6.5536)


def test_a_leaf_grows_with_the_pace_and_not_with_the_players() -> None:
    assert leaf_bytes(1_024, 0.0) < leaf_bytes(1_024, 20_000.0) < leaf_bytes(64, 20_000.0)
    assert leaf_bytes(1, 1e6) == leaf_bytes(1, 1e9)


def test_the_figures_show_every_row_and_what_everybody_costs() -> None:
    said = io.StringIO()
    print_figures(LOAD, FIGURES | {"scores_per_s": 20_000.0}, Console(file=said, width=160))
    text = said.getvalue()
    assert all(row.text in text for row in ROWS)
    assert "met" in text
    assert "scores_per_s" in text
    assert "core_hours" in text


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")
    assert size_bytes(tmp_path) == 8
