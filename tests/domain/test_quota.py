"""How many codes and links a program mints in a minute and a day: exactly as many as its bounds say."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.counting import DAY_MS, MINUTE_MS
from actors.domain.ways.quota import PERIODS_MS, QUOTA, Quota, Take, Taken, What
from actors.shape import canonical
from actors.testing import Scenario

BEGINS_MS = 20_000 * DAY_MS


def quota() -> Scenario[Quota, Take, Taken]:
    """Of a program that has minted nothing, at the begin of a day."""
    return Scenario(QUOTA, entity_id="bike", now_ms=BEGINS_MS)


@pytest.mark.parametrize(("what", "period_ms"), [("code", MINUTE_MS), ("link", DAY_MS), ("share", MINUTE_MS)])
def test_what_is_over_the_bound_is_refused_until_the_period_is_over(what: What, period_ms: int) -> None:
    scenario = quota()
    for n in range(3):
        assert scenario.when(Take(what, 3), now_ms=BEGINS_MS + n).events == (Taken(what, BEGINS_MS + n),)
    for now_ms, left_ms in ((BEGINS_MS + 3, period_ms - 3), (BEGINS_MS + period_ms - 1, 1)):
        with pytest.raises(Reject, match=f"too_many_{what}s") as refused:
            scenario.when(Take(what, 3), now_ms=now_ms)
        assert refused.value.details == {"most": "3", "resets_ms": str(left_ms)}
    assert scenario.when(Take(what, 3), now_ms=BEGINS_MS + period_ms).events
    assert scenario.view("quota")[what]["times"] == 1


def test_codes_and_links_are_counted_apart_and_a_higher_bound_lets_more_in() -> None:
    scenario = quota()
    scenario.when(Take("code", 1))
    scenario.when(Take("link", 1))
    with pytest.raises(Reject, match="too_many_codes"):
        scenario.when(Take("code", 1))
    scenario.when(Take("code", 2))
    assert (scenario.state.code.times, scenario.state.link.times) == (2, 1)


def test_what_a_program_has_minted_is_stored_without_a_word_of_cards() -> None:
    scenario = quota()
    scenario.when(Take("code", 1))
    assert b"share" not in canonical(scenario.state, "state")
    scenario.when(Take("share", 1))
    assert scenario.view("quota")["share"]["times"] == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["code", "link", "share"]), st.sampled_from([0, 1, 9_999, 59_999, 60_000, DAY_MS])),
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_in_no_period_more_is_accepted_than_its_bound_and_nothing_else_is_refused(
    steps: list[tuple[What, int]], most: int
) -> None:
    scenario, now_ms = quota(), BEGINS_MS
    accepted: Counter[tuple[str, int]] = Counter()
    for what, wait_ms in steps:
        now_ms += wait_ms
        period = (what, now_ms // PERIODS_MS[what])
        try:
            scenario.when(Take(what, most), now_ms=now_ms)
        except Reject:
            assert accepted[period] == most
        else:
            accepted[period] += 1
    assert max(accepted.values(), default=0) <= most
