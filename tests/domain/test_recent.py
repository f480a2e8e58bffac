"""A person's programs: the latest first, each once, never more than are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.catalog.listing import LISTING, Describe, Described
from actors.domain.catalog.recent import (
    FAVOURITES_MAX,
    RECENT,
    RECENT_MAX,
    Favour,
    Favoured,
    Programs,
    Unfavour,
    Unfavoured,
    Used,
    WasUsed,
)
from actors.testing import Scenario

PROGRAMS = st.sampled_from([f"p{n}" for n in range(RECENT_MAX + 5)])


@given(st.lists(PROGRAMS, max_size=300))
def test_the_latest_program_comes_first_and_each_stands_there_once(used: list[str]) -> None:
    person = Scenario(RECENT)
    for n, program in enumerate(used):
        person.when(Used(program), now_ms=n)
    expected = list(dict.fromkeys(reversed(used)))[:RECENT_MAX]
    shown = RECENT.views["programs"](person.state, {})
    assert [one["program"] for one in shown["recent"]] == expected  # type: ignore[index]


def test_a_further_visit_renews_the_time_of_a_program_that_comes_first_already() -> None:
    person = Scenario(RECENT, now_ms=7)
    for now_ms in (7, 9):
        assert person.when(Used("bike"), now_ms=now_ms).events == (WasUsed("bike", now_ms),)
    assert person.state.recent == {"bike": 9}


def test_a_favourite_is_kept_once_until_it_is_no_more() -> None:
    person = Scenario(RECENT, now_ms=5)
    assert person.when(Favour("bike")).events == (Favoured("bike", 5),)
    assert person.when(Favour("bike")).events == ()
    assert person.when(Unfavour("bike")).events == (Unfavoured("bike"),)
    assert person.when(Unfavour("bike")).events == ()


def test_so_many_favourites_are_kept_and_not_one_more() -> None:
    person = Scenario(RECENT, Programs(favourites={f"p{n}": n for n in range(FAVOURITES_MAX)}))
    before = person.state
    with pytest.raises(Reject, match="too_many_favourites"):
        person.when(Favour("bike"))
    assert person.state == before
    assert person.when(Favour("p7")).events == ()


def test_a_description_is_said_anew_as_a_whole_and_the_same_one_changes_nothing() -> None:
    program = Scenario(LISTING)
    first = Describe(("单车",), "广州", (23.1, 113.3))
    assert program.when(first).events == (Described(("单车",), "广州", (23.1, 113.3)),)
    assert program.when(first).events == ()
    assert program.when(Describe()).events == (Described((), "", None),)
