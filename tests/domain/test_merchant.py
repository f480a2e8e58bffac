"""Merchants: the life cycle as its table says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain import merchant as m
from actors.domain.merchant import LIFE, MERCHANT, Close, Merchant, Open, Rename, Resume, Suspend
from actors.testing import NOW_MS, Scenario

COMMANDS: dict[str, m.Command] = {
    "open": Open("Ann's"),
    "rename": Rename("Bob's"),
    "suspend": Suspend("audit"),
    "resume": Resume(),
    "close": Close(),
}


@pytest.mark.parametrize("state", LIFE)
@pytest.mark.parametrize("move", COMMANDS)
def test_every_move_does_what_the_table_says(state: str, move: str) -> None:
    scenario = Scenario(MERCHANT, Merchant(state=state))
    expected = LIFE[state].moves.get(move)
    if expected is None:
        with pytest.raises(Reject, match="wrong_state"):
            scenario.when(COMMANDS[move])
        assert scenario.state == Merchant(state=state)
    else:
        scenario.when(COMMANDS[move])
        assert scenario.state.state == expected


def test_a_merchant_is_opened_with_a_name_at_the_logs_time() -> None:
    scenario = Scenario(MERCHANT)
    assert scenario.when(Open("Ann's")).events == (m.Opened("Ann's", NOW_MS),)
    assert scenario.view("merchant") == {
        "state": "open",
        "name": "Ann's",
        "opened_ms": NOW_MS,
        "suspended_because": "",
    }


def test_the_reason_of_a_suspension_goes_with_it() -> None:
    scenario = Scenario(MERCHANT)
    scenario.when(Open("Ann's"))
    scenario.when(Suspend("audit"))
    assert scenario.state.suspended_because == "audit"
    assert scenario.when(Resume()).reply == {"state": "open"}
    assert scenario.state.suspended_because == ""


@given(st.lists(st.sampled_from(sorted(COMMANDS)), max_size=30))
def test_asking_twice_is_asking_once(moves: list[str]) -> None:
    scenario = Scenario(MERCHANT)
    for move in moves:
        try:
            scenario.when(COMMANDS[move])
        except Reject:
            continue
        if move != "open":
            assert scenario.when(COMMANDS[move]).events == ()
