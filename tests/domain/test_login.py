"""A sign-in: each refresh secret once, a lost answer asked for again, and an end for whoever shows an older one."""

from hypothesis import given
from hypothesis import strategies as st

from actors.domain.identity import login as k
from actors.domain.identity.login import LOGIN, Begin, End, Ended, Next, Refresh
from actors.testing import NOW_MS, Scenario

TTL_MS, AGAIN_MS = 1_000_000, 30_000


def begun() -> Scenario[k.Login, k.Command, k.Event]:
    """A person has just signed in."""
    scenario = Scenario(LOGIN, entity_id="ann.1", caller="platform/issuer")
    assert scenario.when(Begin(TTL_MS)).reply == Next(1, NOW_MS + TTL_MS)
    return scenario


def refresh(scenario: Scenario[k.Login, k.Command, k.Event], n: int, now_ms: int = NOW_MS) -> Next:
    """What the n-th secret leads to."""
    reply = scenario.when(Refresh(n, TTL_MS, AGAIN_MS), now_ms=now_ms).reply
    assert isinstance(reply, Next)
    return reply


def test_each_secret_leads_to_the_next_which_lives_as_long_from_then_on() -> None:
    scenario = begun()
    for n in range(1, 5):
        now_ms = NOW_MS + n * (TTL_MS - 1)
        assert refresh(scenario, n, now_ms) == Next(n + 1, now_ms + TTL_MS)


def test_an_answer_that_was_lost_is_given_again_for_half_a_minute_and_then_its_secret_is_an_old_one() -> None:
    scenario = begun()
    first = refresh(scenario, 1)
    assert refresh(scenario, 1, NOW_MS + AGAIN_MS - 1) == first
    assert refresh(scenario, 1, NOW_MS + AGAIN_MS) == Next(why="refresh_reused")
    assert scenario.state.state == "ended"
    assert refresh(scenario, 2) == Next(why="refresh_reused"), "the newest is no good any more either"


def test_what_has_expired_or_ended_stays_so_and_says_why() -> None:
    late = begun()
    assert refresh(late, 1, NOW_MS + TTL_MS) == Next(why="login_expired")
    assert refresh(late, 1, NOW_MS) == Next(why="login_expired")
    out = begun()
    assert out.when(End()).events == (Ended("signed_out", NOW_MS),)
    assert out.when(End()).events == ()
    assert refresh(out, 1) == Next(why="signed_out")


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 3)), max_size=30))
def test_whoever_asks_what_one_secret_at_most_leads_on_and_an_end_is_for_ever(asked: list[tuple[int, int]]) -> None:
    scenario, now_ms, ended = begun(), NOW_MS, False
    for wait_ms, back in asked:
        now_ms += wait_ms
        newest = scenario.state.n
        following = refresh(scenario, newest - back, now_ms)
        assert not (ended and following.n), "an end is for ever"
        ended = ended or following.why != ""
        assert following.n in (0, newest, newest + 1)
        assert (following.n == newest + 1) == (back == 0 and not ended)
