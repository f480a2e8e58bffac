"""Every life of every entity, of the platform and of the programs that ship: walked, and checked when it is loaded."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject, Stage, after
from actors.domain import ENTITIES as OURS
from actors.domain.merchant import LIFE, MERCHANT
from actors.errors import SetupError
from actors.kernel.rules import Kind
from actors.lifecycle import Table, flaws
from actors.registry import load_programs, shipped_programs
from actors.shape import check_entity
from tests.domain import walking

ENTITIES = tuple(load_programs(shipped_programs()).entities.values())
TABLES = [pytest.param(table, id=f"{entity.kind}-{name}") for entity in ENTITIES for name, table in entity.life.items()]


def test_every_entity_that_has_a_state_by_name_has_a_life_that_begins_with_it() -> None:
    for entity in ENTITIES:
        state = getattr(entity.initial, "state", None)
        if state is not None:
            assert state in [next(iter(table)) for table in entity.life.values()], entity.kind


@pytest.mark.parametrize("table", TABLES)
def test_every_move_of_every_state_leads_where_the_table_says_or_is_refused(table: Table) -> None:
    moves = {move for stage in table.values() for move in stage.moves}
    assert moves
    for state, stage in table.items():
        for move in moves:
            if move in stage.moves:
                assert after(table, state, move) in table
            else:
                with pytest.raises(Reject, match="wrong_state"):
                    after(table, state, move)


@pytest.mark.parametrize("table", TABLES)
@given(chosen=st.lists(st.integers(0, 99), max_size=30))
def test_a_walk_ends_where_the_table_says_and_nowhere_else(table: Table, chosen: list[int]) -> None:
    state = next(iter(table))
    for number in chosen:
        stage = table[state]
        possible = sorted(stage.moves)
        onward = after(table, state, possible[number % len(possible)]) if possible else state
        assert not stage.terminal or onward == state
        state = onward
    assert table[state].terminal == (set(table[state].moves.values()) <= {state})


def test_whatever_is_asked_of_entities_every_life_goes_from_state_to_state_as_its_table_says() -> None:
    seed = 7
    steps, lives = walking.walk(ENTITIES, random.Random(seed), size=1_600), walking.lives(ENTITIES)
    for life, table in lives.items():
        strays = walking.unlisted(table, steps[life])
        assert strays == [], f"seed {seed}: {life} goes where its table does not lead"
    moved = [life for life in lives if any(old != new for old, new in steps[life])]
    assert len(moved) > len(lives) * 3 // 4, f"seed {seed}: too little was walked to tell anything: {moved}"
    assert walking.PARTS.keys() <= set(moved), f"seed {seed}: {walking.PARTS.keys() - set(moved)} stood still"


def test_what_is_stored_without_a_look_whether_it_loads_is_the_platforms_own_which_was_walked() -> None:
    believed = [entity.kind for entity in ENTITIES if Kind(entity).is_ours]
    assert sorted(believed) == sorted(entity.kind for entity in OURS)
    assert len(believed) < len(ENTITIES)


def test_a_step_that_is_no_move_of_its_table_is_found() -> None:
    """The walk is held against a table without one of the moves."""
    steps = walking.walk((MERCHANT,), random.Random(7), size=300)["merchant merchant"]
    assert walking.unlisted(LIFE, steps) == []
    assert walking.unlisted({**LIFE, "none": Stage({})}, steps) == [("none", "open")]


@pytest.mark.parametrize("table", TABLES)
def test_no_state_is_out_of_reach_and_no_move_leads_out_of_the_table(table: Table) -> None:
    assert list(flaws(table)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"open": Stage({"close": "gone"})}, "close leads from open to gone"),
        ({"lost": Stage({"find": "open"})}, "nothing leads to lost"),
        ({"closed": Stage({"open": "open"}, terminal=True)}, "closed is marked as an end and is left"),
        ({"closed": Stage({"close": "closed"})}, "closed is an end without the mark"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused_when_it_is_loaded(change: Table, told: str) -> None:
    with pytest.raises(SetupError, match=told):
        check_entity(replace(MERCHANT, life={"merchant": {**LIFE, **change}}))
