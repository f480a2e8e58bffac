"""Short links: the first opener's, for as long as they live by the log's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import Reject
from actors.domain.counting import DAY_MS
from actors.domain.ways.link import (
    LINK,
    SCENE_BYTES_MAX,
    Bound,
    Command,
    Event,
    Expire,
    Expired,
    Link,
    Mint,
    Minted,
    Open,
)
from actors.testing import NOW_MS, Scenario

TTL_MS = 1_000
MINT = Mint("pages/map/index", TTL_MS, b"42")
END_MS = NOW_MS + TTL_MS
Played = Scenario[Link, Command, Event]


def link() -> Played:
    """One that nobody has minted yet."""
    return Scenario(LINK, entity_id="bike/ABCDEFGHIJKLMNOP")


def test_a_link_is_its_first_openers_and_nobody_elses() -> None:
    scenario = link()
    assert scenario.when(MINT, caller="server/bike").events == (
        Minted("pages/map/index", b"42", "server/bike", NOW_MS, END_MS),
    )
    assert scenario.when(Open(), caller="ann").events == (Bound("ann", NOW_MS),)
    assert scenario.when(Open(), caller="ann", now_ms=NOW_MS + 1).events == ()
    with pytest.raises(Reject, match="link_of_another"):
        scenario.when(Open(), caller="bob")
    shown = scenario.view("link")
    assert (shown["state"], shown["bound_to"], shown["bound_ms"]) == ("bound", "ann", NOW_MS)


@pytest.mark.parametrize("is_bound", [False, True])
def test_a_link_opens_until_the_last_millisecond_and_not_after_though_its_timer_is_late(is_bound: bool) -> None:
    scenario = link()
    scenario.when(MINT)
    if is_bound:
        scenario.when(Open())
    scenario.when(Open(), now_ms=END_MS - 1)
    for caller in ("ann", "bob"):
        with pytest.raises(Reject, match="link_expired"):
            scenario.when(Open(), caller=caller, now_ms=END_MS)
    assert scenario.fire("expire").events == (Expired(),)
    with pytest.raises(Reject, match="link_expired"):
        scenario.when(Open())
    assert scenario.view("link")["state"] == "expired"


def test_a_link_that_nobody_opened_is_over_by_its_timer() -> None:
    scenario = link()
    scenario.when(MINT)
    assert scenario.timers["expire"].due_ms == END_MS
    scenario.fire("expire")
    with pytest.raises(Reject, match="link_expired"):
        scenario.when(Open())


def test_a_link_lives_for_30_days_at_most_where_the_platform_grants_no_more() -> None:
    link().when(Mint("pages/map/index", 30 * DAY_MS))
    with pytest.raises(Reject, match="ttl_too_long") as refused:
        link().when(Mint("pages/map/index", 30 * DAY_MS + 1))
    assert refused.value.details == {"ttl_ms_max": str(30 * DAY_MS)}
    link().when(Mint("pages/map/index", 31 * DAY_MS, ttl_ms_max=31 * DAY_MS))


def test_a_second_mint_of_the_same_changes_nothing_and_of_another_is_refused() -> None:
    scenario = link()
    scenario.when(MINT)
    assert scenario.when(MINT, now_ms=NOW_MS + 1).events == ()
    for other, caller in (
        (Mint("pages/other", TTL_MS, b"42"), "ann"),
        (MINT, "bob"),
        (Mint(MINT.page, 2, b"42"), "ann"),
    ):
        with pytest.raises(Reject, match="link_taken"):
            scenario.when(other, caller=caller)


def test_of_a_page_that_is_gone_a_link_that_is_there_is_told_again_and_none_is_minted() -> None:
    scenario, gone = link(), replace(MINT, gone=True)
    with pytest.raises(Reject, match="page_gone"):
        scenario.when(gone)
    scenario.when(MINT)
    assert scenario.when(gone).events == ()


def test_a_link_that_was_never_minted_does_not_open_and_nobody_ends_one_by_hand() -> None:
    with pytest.raises(Reject, match="wrong_state"):
        link().when(Open())
    scenario = link()
    scenario.when(MINT)
    with pytest.raises(Reject, match="not_for_clients"):
        scenario.when(Expire())


def test_the_largest_scene_fits_the_state() -> None:
    mint = Mint("p" * 256, TTL_MS, bytes(SCENE_BYTES_MAX))
    assert len(link().when(mint).state.scene) == SCENE_BYTES_MAX


@given(
    st.lists(st.tuples(st.sampled_from(["mint", "open"]), st.sampled_from("abc"), st.integers(0, TTL_MS)), max_size=12)
)
def test_whatever_is_asked_a_link_is_bound_once_and_only_within_its_time(asked: list[tuple[str, str, int]]) -> None:
    scenario, now_ms, happened = link(), NOW_MS, list[Event]()
    opened: list[str] = []
    for what, caller, wait_ms in asked:
        now_ms += wait_ms
        try:
            done = scenario.when(MINT if what == "mint" else Open(), caller=caller, now_ms=now_ms)
        except Reject:
            continue
        happened += done.events
        if what == "open":
            opened.append(caller)
            assert now_ms < scenario.state.expires_ms
    assert [type(event) for event in happened] == [Minted, Bound][: len(happened)]
    assert set(opened) <= {scenario.state.bound_to}
