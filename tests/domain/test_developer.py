"""Developers' accounts: open or not, and a team that is never without an admin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain import developer as d
from actors.domain.developer import ACCOUNT, Accept, Close, Grant, Invite, Open, Remove, Resume, Suspend
from actors.testing import NOW_MS, Scenario

NAMES = st.sampled_from(["ann", "bob", "cyd"])
ROLES = st.sampled_from(["admin", "developer", "operator", "tester"])
TEAM: st.SearchStrategy[d.Command] = st.one_of(
    st.builds(Invite, NAMES, ROLES, st.just(2)),
    st.builds(Accept, NAMES),
    st.builds(Grant, NAMES, ROLES),
    st.builds(Remove, NAMES),
)


def opened() -> Scenario[d.Account, d.Command, d.Event]:
    scenario = Scenario(ACCOUNT, entity_id="acme")
    assert scenario.when(Open("Acme", "ann")).events == (d.Opened("Acme", "ann", NOW_MS),)
    return scenario


def roles(scenario: Scenario[d.Account, d.Command, d.Event]) -> dict[str, tuple[str, str]]:
    members = scenario.view("account")["members"]
    return {name: (member["state"], member["role"]) for name, member in members.items()}


def test_who_opens_an_account_is_its_first_admin() -> None:
    assert roles(opened()) == {"ann": ("member", "admin")}


def test_a_member_is_invited_accepts_is_granted_a_role_and_removed() -> None:
    scenario = opened()
    assert scenario.when(Invite("bob", "tester")).events == (d.Invited("bob", "tester", "ann"),)
    assert scenario.when(Invite("bob", "tester")).events == ()
    scenario.when(Accept("bob"))
    assert scenario.when(Accept("bob")).events == ()
    assert scenario.when(Grant("bob", "developer")).events == (d.Granted("bob", "developer", "ann"),)
    assert roles(scenario)["bob"] == ("member", "developer")
    scenario.when(Remove("bob"))
    assert list(roles(scenario)) == ["ann"]
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Accept("bob"))


def test_the_last_admin_stays() -> None:
    scenario = opened()
    ends: tuple[d.Command, ...] = (Remove("ann"), Grant("ann", "tester"))
    for command in ends:
        with pytest.raises(Reject, match="last_admin"):
            scenario.when(command)
    scenario.when(Invite("bob", "admin"))
    scenario.when(Accept("bob"))
    scenario.when(Remove("ann"))
    assert roles(scenario) == {"bob": ("member", "admin")}


def test_a_suspended_account_changes_nothing_until_it_is_resumed_and_a_closed_one_never() -> None:
    scenario = opened()
    scenario.when(Suspend("audit"))
    assert scenario.when(Suspend("audit")).events == ()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Invite("bob", "tester"))
    scenario.when(Resume())
    scenario.when(Close())
    asked: tuple[d.Command, ...] = (Invite("bob", "tester"), Resume(), Suspend())
    for command in asked:
        with pytest.raises(Reject, match="wrong_state"):
            scenario.when(command)


def test_a_program_is_counted_only_when_it_says_so_itself() -> None:
    scenario = opened()
    with pytest.raises(Reject, match="not_for_clients"):
        scenario.when(d.AddProgram("cafe", 9))
    scenario.when(d.AddProgram("cafe", 1), sender="catalog.program/acme/cafe")
    assert scenario.when(d.AddProgram("cafe", 1), sender="catalog.program/acme/cafe").events == ()
    with pytest.raises(Reject, match="too_many_programs"):
        scenario.when(d.AddProgram("bar", 1), sender="catalog.program/acme/bar")


@given(st.lists(TEAM, max_size=30))
def test_whatever_is_asked_there_is_an_admin_and_no_more_members_than_allowed(commands: list[d.Command]) -> None:
    scenario = opened()
    for command in commands:
        before = scenario.state
        try:
            scenario.when(command)
        except Reject:
            assert scenario.state == before
        team = list(scenario.state.members.values())
        assert d.Member("member", "admin") in team
        assert len(team) <= 2
        assert all(member.state in d.MEMBER_LIFE for member in team)
