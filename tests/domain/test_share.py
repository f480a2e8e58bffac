"""Shared cards: trees whose paths have an end and hold nobody twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import Reject
from actors.domain.ways.share import (
    PATH_MAX,
    SCENE_BYTES_MAX,
    SHARE,
    Card,
    Command,
    Event,
    Hop,
    Share,
    Shared,
    Withdraw,
    Withdrawn,
)
from actors.testing import NOW_MS, Scenario

PAGE = "pages/map/index"
ROOT = Share(PAGE, b"42")
Played = Scenario[Card, Command, Event]


def card(name: str = "A") -> Played:
    """One that nobody has shared yet."""
    return Scenario(SHARE, entity_id=f"bike/{name}")


def hops(count: int) -> tuple[Hop, ...]:
    """A path through so many hands."""
    return tuple(Hop(f"{number:016}", f"person/bike/{number:064}") for number in range(count))


def test_a_card_holds_the_path_over_which_it_came() -> None:
    root, child = card("A"), card("B")
    assert root.when(ROOT, caller="ann").events == (Shared(PAGE, b"42", (Hop("A", "ann"),), NOW_MS),)
    child.when(Share(PAGE, before=root.state.path), caller="bob")
    assert child.state.path == (Hop("A", "ann"), Hop("B", "bob"))
    assert (root.state.by, child.state.by, Card().by) == ("ann", "bob", "")
    assert child.view("share")["path"] == [{"share": "A", "by": "ann"}, {"share": "B", "by": "bob"}]


@pytest.mark.parametrize("caller", ["ann", "bob"])
def test_who_is_on_the_path_cannot_share_below_it(caller: str) -> None:
    with pytest.raises(Reject, match="share_loop"):
        card("C").when(Share(PAGE, before=(Hop("A", "ann"), Hop("B", "bob"))), caller=caller)


def test_of_a_page_that_is_gone_a_card_that_is_there_is_told_again_and_none_is_shared() -> None:
    scenario, gone = card(), replace(ROOT, gone=True)
    with pytest.raises(Reject, match="page_gone"):
        scenario.when(gone)
    scenario.when(ROOT)
    assert scenario.when(gone).events == ()


def test_a_path_of_32_hands_is_the_longest_and_fits_the_state() -> None:
    scenario = card()
    scenario.when(Share("p" * 256, bytes(SCENE_BYTES_MAX), hops(PATH_MAX - 1)))
    assert len(scenario.state.path) == PATH_MAX == 32
    with pytest.raises(Reject, match="path_too_long"):
        card("B").when(Share(PAGE, before=hops(PATH_MAX)))


def test_a_withdrawn_card_is_not_shared_again() -> None:
    scenario = card()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Withdraw())
    scenario.when(ROOT)
    assert scenario.when(Withdraw()).events == (Withdrawn("ann", NOW_MS),)
    assert scenario.when(Withdraw(), now_ms=NOW_MS + 1).events == ()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(ROOT)
    assert (scenario.state.state, scenario.state.withdrawn_ms) == ("withdrawn", NOW_MS)


@pytest.mark.parametrize(
    ("caller", "may"),
    [
        ("person/bike/ann", True),
        ("server/bike", True),
        ("operator/op", True),
        ("person/bike/bob", False),
        ("bob", False),
    ],
)
def test_a_card_is_withdrawn_by_its_sharer_or_by_those_who_run_the_program(caller: str, may: bool) -> None:
    scenario = card()
    scenario.when(ROOT, caller="person/bike/ann")
    if may:
        assert scenario.when(Withdraw(), caller=caller).events == (Withdrawn(caller, NOW_MS),)
    else:
        with pytest.raises(Reject, match="not_yours"):
            scenario.when(Withdraw(), caller=caller)


def test_a_second_share_of_the_same_changes_nothing_and_of_another_is_refused() -> None:
    scenario = card()
    scenario.when(ROOT)
    assert scenario.when(ROOT, now_ms=NOW_MS + 1).events == ()
    for other, caller in ((Share("pages/other", b"42"), "ann"), (Share(PAGE), "ann"), (ROOT, "bob")):
        with pytest.raises(Reject, match="share_taken"):
            scenario.when(other, caller=caller)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 39)), max_size=60))
def test_in_whatever_tree_no_path_is_longer_than_32_and_nobody_is_on_one_twice(asked: list[tuple[int, int]]) -> None:
    cards: list[Card] = []
    for below, person in [(0, 0), *((number, number + 1) for number in range(PATH_MAX - 1)), *asked]:
        before = cards[below % len(cards)].path if cards else ()
        share, scenario, name = Share(PAGE, before=before), card(f"N{len(cards)}"), f"p{person}"
        if name in {hop.by for hop in before} or len(before) == PATH_MAX:
            with pytest.raises(Reject, match="share_loop" if name in {hop.by for hop in before} else "path_too_long"):
                scenario.when(share, caller=name)
            continue
        path = scenario.when(share, caller=name).state.path
        cards.append(scenario.state)
        assert path == (*before, Hop(f"N{len(cards) - 1}", name))
        assert len(path) <= PATH_MAX
        assert len({hop.by for hop in path}) == len({hop.share for hop in path}) == len(path)
    assert max(len(one.path) for one in cards) == PATH_MAX
