"""A credential: one token that stands, its overlap with the next, forced refreshes within their bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Reject
from actors.domain.counting import DAY_MS
from actors.domain.identity import credential as k
from actors.domain.identity.credential import (
    CREDENTIAL,
    KEPT_MAX,
    Disable,
    Issue,
    Renew,
    Token,
    token_is_good,
)
from actors.testing import NOW_MS, Scenario

TTL_MS, OVERLAP_MS, GAP_MS = 7_200_000, 300_000, 30_000
START_MS = NOW_MS - NOW_MS % 1_000 + 7
"""Not a whole second."""


def issue(*, secret: int = 1, forced: bool = False, kid: str = "k1", lost: str = "") -> Issue:
    return Issue(secret, kid, forced, TTL_MS, OVERLAP_MS, 20, GAP_MS, lost)


def opened() -> Scenario[k.Credential, k.Command, k.Event]:
    """A credential with its first secret."""
    scenario = Scenario(CREDENTIAL, entity_id="server/bike", caller="member/acme/ann")
    assert scenario.when(Renew(OVERLAP_MS), now_ms=START_MS).reply == {"n": 1}
    return scenario


def token(scenario: Scenario[k.Credential, k.Command, k.Event], command: Issue, now_ms: int) -> Token:
    """What the command is answered."""
    reply = scenario.when(command, now_ms=now_ms).reply
    assert isinstance(reply, Token)
    return reply


def refusal(scenario: Scenario[k.Credential, k.Command, k.Event], command: k.Command, now_ms: int) -> str:
    with pytest.raises(Reject) as refused:
        scenario.when(command, now_ms=now_ms)
    return refused.value.reason


def good(scenario: Scenario[k.Credential, k.Command, k.Event], now_ms: int) -> list[int]:
    """Every version that is good then."""
    versions = range(scenario.state.version + 2)
    return [version for version in versions if token_is_good(scenario.state, version, now_ms)]


def test_the_token_is_the_same_until_five_minutes_before_it_expires_and_then_both_are_good() -> None:
    scenario = opened()
    first = token(scenario, issue(), START_MS)
    assert (first.version, first.until_ms) == (1, START_MS - 7 + TTL_MS)
    last_ms = first.until_ms - OVERLAP_MS - 1
    assert token(scenario, issue(kid="k2"), last_ms) == first, "also when another key signs by now"
    second = token(scenario, issue(kid="k2"), last_ms + 1)
    assert (second.version, second.kid) == (2, "k2")
    assert good(scenario, last_ms + 1) == good(scenario, first.until_ms - 1) == [1, 2]
    assert good(scenario, first.until_ms) == [2]
    assert second.until_ms - (last_ms + 1) > OVERLAP_MS


def test_a_forced_refresh_ends_the_former_token_after_five_minutes_and_not_before() -> None:
    scenario = opened()
    token(scenario, issue(), START_MS)
    forced = token(scenario, issue(forced=True), START_MS + 1)
    assert forced.version == 2
    assert good(scenario, START_MS + OVERLAP_MS) == [1, 2]
    assert good(scenario, START_MS + OVERLAP_MS + 1) == [2]
    assert token(scenario, issue(), START_MS + 2) == forced


def test_forced_refreshes_are_thirty_seconds_apart_and_twenty_in_any_day() -> None:
    scenario = opened()
    token(scenario, issue(forced=True), START_MS)
    assert refusal(scenario, issue(forced=True), START_MS + GAP_MS - 1) == "refresh_too_soon"
    for n in range(1, 20):
        token(scenario, issue(forced=True), START_MS + n * GAP_MS)
    later_ms = START_MS + DAY_MS - 1
    assert refusal(scenario, issue(forced=True), later_ms) == "too_many_refreshes"
    assert token(scenario, issue(), later_ms).version == 21, "an ordinary one is not bounded"
    assert token(scenario, issue(forced=True), later_ms + 1).version == 22
    assert refusal(scenario, issue(forced=True), later_ms + 1 + GAP_MS - 1) == "too_many_refreshes"


def test_a_new_secret_leaves_the_former_five_minutes_and_those_before_nothing() -> None:
    scenario = opened()
    for n in (2, 3):
        assert scenario.when(Renew(OVERLAP_MS), now_ms=START_MS + n).reply == {"n": n}
    assert refusal(scenario, issue(secret=1), START_MS + 3) == "secret_replaced"
    assert token(scenario, issue(secret=2), START_MS + 3 + OVERLAP_MS - 1) == token(
        scenario, issue(secret=3), START_MS + 3 + OVERLAP_MS
    )
    for secret in (0, 2, 4):
        assert refusal(scenario, issue(secret=secret), START_MS + 3 + OVERLAP_MS) == "secret_replaced"


def test_nothing_of_a_disabled_credential_is_good_and_a_new_secret_begins_anew_with_higher_numbers() -> None:
    scenario = opened()
    token(scenario, issue(), START_MS)
    scenario.when(Disable(), now_ms=START_MS)
    assert scenario.when(Disable(), now_ms=START_MS).events == ()
    assert good(scenario, START_MS) == []
    assert refusal(scenario, issue(), START_MS) == "credential_disabled"
    scenario.when(Renew(OVERLAP_MS), now_ms=START_MS)
    assert refusal(scenario, issue(secret=1), START_MS) == "secret_replaced"
    assert token(scenario, issue(secret=2), START_MS).version == 2
    assert good(scenario, START_MS) == [2]


def test_one_that_nobody_has_made_gives_nothing() -> None:
    scenario = Scenario(CREDENTIAL, entity_id="server/bike")
    assert refusal(scenario, issue(secret=0), START_MS) == "wrong_state"
    assert refusal(scenario, Disable(), START_MS) == "wrong_state"


def test_a_token_whose_key_is_lost_is_replaced_at_once_without_being_counted() -> None:
    scenario = opened()
    token(scenario, issue(), START_MS)
    assert token(scenario, issue(lost="k0"), START_MS).version == 1
    replaced = token(scenario, issue(kid="k2", lost="k1"), START_MS)
    assert (replaced.version, replaced.kid) == (2, "k2")
    assert good(scenario, START_MS) == [2]
    assert scenario.state.forced_ms == ()


def _is_too_much(credential: k.Credential, now_ms: int) -> bool:
    lately = [at_ms for at_ms in credential.forced_ms if at_ms > now_ms - DAY_MS]
    return len(lately) >= 20 or (lately != [] and now_ms < lately[-1] + GAP_MS)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4_000_000), st.booleans(), st.sampled_from(["", "k1", "k2"]))))
def test_whatever_is_asked_when_the_newest_token_is_good_for_five_minutes_and_few_are_kept(
    asked: list[tuple[int, bool, str]],
) -> None:
    scenario, now_ms, kid = opened(), START_MS, "k1"
    for wait_ms, forced, lost in asked:
        now_ms += wait_ms
        kid = "k2" if kid == "k1" and lost else "k1" if lost else kid
        asked_for = issue(forced=forced, kid=kid, lost=lost)
        if forced and _is_too_much(scenario.state, now_ms):
            assert refusal(scenario, asked_for, now_ms) in ("too_many_refreshes", "refresh_too_soon")
            continue
        given_ = token(scenario, asked_for, now_ms)
        assert given_.until_ms - now_ms >= OVERLAP_MS
        assert scenario.state.tokens[-1] == given_
        assert token_is_good(scenario.state, given_.version, now_ms)
        assert len(scenario.state.tokens) <= KEPT_MAX
