"""A person on the platform: registered once, blocked and let in again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain import ENTITIES
from actors.domain.friends import FRIENDS, FRIENDS_MAX, Request
from actors.domain.identity.link import IDENTITY
from actors.domain.identity.person import (
    LINKS_MAX,
    PERSON,
    Block,
    Blocked,
    Command,
    Erase,
    Register,
    Registered,
    Unblock,
    Unblocked,
    Use,
)
from actors.testing import NOW_MS, Ensemble, Scenario


def test_a_person_registers_once_and_not_while_it_is_blocked() -> None:
    scenario = Scenario(PERSON)
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Block())
    assert scenario.when(Register()).events == (Registered(NOW_MS),)
    assert scenario.when(Register()).events == ()
    assert scenario.when(Block(), caller="operator/op").events == (Blocked("operator/op", NOW_MS),)
    with pytest.raises(Reject, match="person_blocked"):
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


@pytest.mark.parametrize("links", [0, 900, LINKS_MAX])
def test_a_person_of_as_many_programs_and_friends_as_there_may_be_is_erased(links: int) -> None:
    played, ann, ties = Ensemble(ENTITIES), PERSON.at("ann"), FRIENDS.at("ann")
    played.when(ann, Register())
    for n in range(links):
        played.when(ann, Use(f"p{n}/o{n}"))
    for n in range(FRIENDS_MAX):
        played.when(ties, Request(f"f{n}"))
    played.sent.clear()  # nobody hears of the requests here
    assert played.when(ann, Erase()).reply == {"state": "erasing"}
    while played.timers(ties):
        played.fire(ties, "erase")
    assert len(played.sent) == links + FRIENDS_MAX
    assert not any(played.view(ties, "friends").values())
    while played.sent:
        played.deliver()
    assert all(played.state(IDENTITY, f"p{n}/o{n}").erased for n in range(links))
