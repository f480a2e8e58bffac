"""A person on the platform: registered once, blocked and let in again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.identity.person import PERSON, Block, Blocked, Command, Register, Registered, Unblock, Unblocked
from actors.testing import NOW_MS, Scenario


def test_a_person_registers_once_and_not_while_it_is_blocked() -> None:
    scenario = Scenario(PERSON)
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Block())
    assert scenario.when(Register()).events == (Registered(NOW_MS),)
    assert scenario.when(Register()).events == ()
    assert scenario.when(Block(), caller="operator/op").events == (Blocked("operator/op", NOW_MS),)
    with pytest.raises(Reject, match="PERSON_BLOCKED"):
        scenario.when(Register())
    assert scenario.when(Unblock(), caller="operator/op").events == (Unblocked("operator/op", NOW_MS),)
    assert scenario.view("person") == {"state": "active", "registered_ms": NOW_MS, "links": []}


@given(st.lists(st.sampled_from([Register(), Block(), Unblock()]), max_size=20))
def test_blocking_and_its_end_take_turns_whatever_is_asked(commands: list[Command]) -> None:
    scenario, turns = Scenario(PERSON), list[type]()
    for command in commands:
        try:
            turns += [type(event) for event in scenario.when(command).events if not isinstance(event, Registered)]
        except Reject:
            continue
    assert turns == [Blocked, Unblocked] * (len(turns) // 2) + [Blocked] * (len(turns) % 2)
