"""One person in one program: codes that are used once, and one session key that is valid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Reject
from actors.domain.counting import DAY_MS
from actors.domain.identity import link as k
from actors.domain.identity.link import (
    IDENTITY,
    KEPT_MAX,
    CodeIssued,
    CodeRedeemed,
    IssueCode,
    Redeem,
    Revoke,
    SessionExpired,
    SessionOpened,
    SessionRevoked,
    SessionSuperseded,
    SessionTouched,
    Touch,
)
from actors.testing import NOW_MS, Scenario

TTL_MS, KEY_MS = 300_000, 86_400_000
ISSUE = IssueCode(TTL_MS, 100, 16)


def link() -> Scenario[k.Link, k.Command, k.Event]:
    """A person whom a program does not know yet."""
    return Scenario(IDENTITY, entity_id="bike/o1", caller="account/p1")


def redeem(n: int) -> Redeem:
    return Redeem(n, "k1", KEY_MS)


def test_a_code_is_exchanged_once_within_its_five_minutes() -> None:
    scenario = link()
    assert scenario.when(ISSUE).reply == {"n": 1, "until_ms": NOW_MS + TTL_MS}
    opened = scenario.when(redeem(1), now_ms=NOW_MS + TTL_MS - 1)
    at_ms = NOW_MS + TTL_MS - 1
    assert opened.events == (CodeRedeemed(1, at_ms), SessionOpened(1, "k1", at_ms + KEY_MS))
    assert opened.reply == {"version": 1, "until_ms": at_ms + KEY_MS}
    with pytest.raises(Reject, match="code_used"):
        scenario.when(redeem(1))
    scenario.when(ISSUE)
    with pytest.raises(Reject, match="code_expired"):
        scenario.when(redeem(2), now_ms=at_ms + TTL_MS)
    with pytest.raises(Reject, match="code_not_issued"):
        scenario.when(redeem(3))


def test_a_new_session_ends_the_one_before_in_the_same_record() -> None:
    scenario = link()
    for _ in range(2):
        scenario.when(ISSUE)
    scenario.when(redeem(2))
    assert scenario.when(redeem(1)).events == (
        *(CodeRedeemed(1, NOW_MS), SessionSuperseded(1, 2)),
        SessionOpened(2, "k1", NOW_MS + KEY_MS),
    )
    assert scenario.view("session") == {"state": "active", "version": 2, "kid": "k1", "until_ms": NOW_MS + KEY_MS}


def test_a_session_that_is_used_lives_on_and_one_that_is_not_expires() -> None:
    scenario = link()
    scenario.when(ISSUE)
    scenario.when(redeem(1))
    later = NOW_MS + KEY_MS - 1
    assert scenario.when(Touch(1, KEY_MS), now_ms=later).events == (SessionTouched(1, later + KEY_MS),)
    assert scenario.fire("expire").events == (SessionExpired(1, later + KEY_MS),)
    assert scenario.when(Touch(1, KEY_MS)).events == ()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Revoke())


def test_a_session_that_has_ended_is_not_touched_and_is_revoked_once() -> None:
    scenario = link()
    scenario.when(ISSUE)
    scenario.when(redeem(1))
    assert scenario.when(Touch(2, KEY_MS)).events == ()
    assert scenario.when(Revoke(), caller="server/bike").events == (SessionRevoked(1, "server/bike", NOW_MS),)
    assert scenario.when(Revoke()).events == ()
    assert not scenario.timers


def test_a_timer_of_a_former_session_ends_nothing() -> None:
    scenario = link()
    scenario.when(ISSUE)
    scenario.when(redeem(1))
    assert scenario.when(k.Expire(1)).events == ()
    assert scenario.when(k.Expire(2)).events == ()


def test_codes_are_bounded_by_the_minute_and_by_how_many_are_open() -> None:
    scenario = link()
    for _ in range(16):
        scenario.when(ISSUE)
    with pytest.raises(Reject, match="too_many_codes"):
        scenario.when(ISSUE)
    for n in range(1, 101):
        scenario.when(redeem(n))
        if n < 100:
            scenario.when(ISSUE) if n <= 84 else None
    with pytest.raises(Reject, match="too_many_codes"):
        scenario.when(ISSUE, now_ms=NOW_MS + 59_999)
    scenario.when(ISSUE, now_ms=NOW_MS + 60_000)


def test_what_is_remembered_of_codes_is_bounded_and_one_that_is_open_is_never_forgotten() -> None:
    scenario = link()
    scenario.when(IssueCode(DAY_MS, 100, 16))
    for n in range(2, 2 * KEPT_MAX):
        scenario.when(ISSUE, now_ms=NOW_MS + 1_000 * n)
        scenario.when(redeem(n))
    assert len(scenario.state.codes) == KEPT_MAX
    with pytest.raises(Reject, match="code_expired"):
        scenario.when(redeem(2))
    scenario.when(redeem(1))


MOVES = st.one_of(
    st.just(ISSUE),
    st.builds(redeem, st.integers(1, 6)),
    st.builds(Touch, st.integers(1, 4), st.just(KEY_MS)),
    st.just(Revoke()),
    st.builds(k.Expire, st.integers(1, 4)),
)
PASSES = st.sampled_from([0, 1, TTL_MS - 1, TTL_MS, KEY_MS])


@settings(max_examples=200)
@given(st.lists(st.tuples(MOVES, PASSES), max_size=30))
def test_at_most_one_session_is_active_and_a_code_opens_one_at_most_whatever_happens(
    asked: list[tuple[k.Command, int]],
) -> None:
    scenario, active, used, until = link(), list[int](), list[int](), dict[int, int]()
    for command, passed in asked:
        try:
            happened = scenario.when(command, now_ms=scenario.now_ms + passed).events
        except Reject:
            continue
        for event in happened:
            match event:
                case CodeIssued(n, _, until_ms):
                    until[n] = until_ms
                case CodeRedeemed(n, at_ms):
                    assert n not in used
                    assert at_ms < until[n]
                    used.append(n)
                case SessionOpened(version):
                    active.append(version)
                case SessionSuperseded(version) | SessionRevoked(version) | SessionExpired(version):
                    active.remove(version)
                case SessionTouched(version):
                    assert version in active
                case k.LinkErased():
                    raise AssertionError("nobody asked for it")
            assert len(active) <= 1
        assert active == ([scenario.state.version] if scenario.state.state == "active" else [])
