"""Drops: a collector's saga with a drop and with another collector; no number is issued twice, and no item lost."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Owed, Reject
from actors.programs.drops.program import (
    CLAIMS_MAX,
    COLLECTOR,
    DROP,
    ENTITIES,
    ITEMS_MAX,
    Announce,
    Claim,
    Collector,
    Give,
    Grant,
    Issue,
    Issued,
    ItemOwed,
    Receive,
    Refuse,
    TakeBack,
    Thank,
)
from actors.testing import NOW_MS, Ensemble, Played, Scenario

MOON = DROP.at("moon")
ANN, BOB = COLLECTOR.at("ann"), COLLECTOR.at("bob")
TEN = Announce("Moon", "studio", limit=10, price_minor=1_999, currency="CNY")


def store(announce: Announce = TEN) -> Ensemble:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(MOON, announce)
    return ensemble


def claim(ensemble: Ensemble, who: str, drop: str = "moon") -> Collector:
    ensemble.when(COLLECTOR.at(who), Claim(drop))
    ensemble.settle()
    return ensemble.state(COLLECTOR, who)


def full(items: int = ITEMS_MAX) -> Collector:
    """A shelf with so many items, all names as long as they can be."""
    return Collector(shelf={f"{'𠮷' * 64}/{10**9 - n}": NOW_MS for n in range(items)})


def test_a_claim_is_answered_at_once_and_the_drop_gives_the_next_number() -> None:
    ensemble = store()
    assert ensemble.when(ANN, Claim("moon")).reply == {"state": "asking"}
    assert ensemble.view(ANN, "shelf")["asking"] == ["moon"]
    ensemble.settle()
    claim(ensemble, "bob")
    assert ensemble.view(ANN, "shelf")["items"] == [{"item": "moon/1", "since_ms": NOW_MS}]
    assert list(ensemble.state(COLLECTOR, "bob").shelf) == ["moon/2"]
    assert ensemble.view(MOON, "drop")["issued"] == 2


def test_a_claimed_item_states_once_what_is_owed_and_a_gift_costs_nothing() -> None:
    ensemble = store()
    ensemble.when(ANN, Claim("moon"))
    owed = [event for played in ensemble.settle() for _, event in played.events if isinstance(event, Owed)]
    assert owed == [
        ItemOwed(amount_minor=1_999, currency="CNY", to="studio", what_for="Moon, number 1", reference="moon/1")
    ]
    ensemble.when(ANN, Give("moon/1", "bob"))
    assert not [event for played in ensemble.settle() for _, event in played.events if isinstance(event, Owed)]


def test_what_is_free_is_not_owed() -> None:
    ensemble = store(Announce("Moon", "studio", 10, 0, "CNY"))
    ensemble.when(ANN, Claim("moon"))
    assert not [event for played in ensemble.settle() for _, event in played.events if isinstance(event, Owed)]
    assert list(ensemble.state(COLLECTOR, "ann").shelf) == ["moon/1"]


def test_one_a_person_also_while_the_first_is_asked_for_and_after_it_was_given_away() -> None:
    ensemble = store()
    ensemble.when(ANN, Claim("moon"))
    with pytest.raises(Reject, match="one_a_person"):
        ensemble.when(ANN, Claim("moon"))
    ensemble.settle()
    ensemble.when(ANN, Give("moon/1", "bob"))
    ensemble.settle()
    with pytest.raises(Reject, match="one_a_person"):
        ensemble.when(ANN, Claim("moon"))
    assert sorted(claim(ensemble, "bob").shelf) == ["moon/1", "moon/2"]


def test_a_refusal_says_why_and_the_person_may_ask_again() -> None:
    ensemble = store(Announce("Moon", "studio", 1, 5, "CNY", opens_ms=NOW_MS + 1_000))
    assert (claim(ensemble, "ann", "mars").refused, claim(ensemble, "ann").refused) == ("no_such_drop", "not_open_yet")
    assert ensemble.view(ANN, "shelf")["refused"] == {"drop": "moon", "reason": "not_open_yet"}
    ensemble.now_ms += 1_000
    assert list(claim(ensemble, "ann").shelf) == ["moon/1"]
    assert (claim(ensemble, "bob").refused, ensemble.state(COLLECTOR, "ann").refused) == ("sold_out", "")
    assert ensemble.dead_letters == []


def test_a_drop_is_announced_once_and_its_limit_stays() -> None:
    ensemble = store()
    claim(ensemble, "ann")
    assert ensemble.when(MOON, TEN).events == ()
    with pytest.raises(Reject, match="already_announced"):
        ensemble.when(MOON, Announce("Moon", "studio", 11, 1_999, "CNY"))
    assert (ensemble.state(DROP, "moon").limit, ensemble.state(DROP, "moon").issued) == (10, 1)


def test_a_gift_leaves_one_shelf_and_comes_to_the_other() -> None:
    ensemble = store()
    claim(ensemble, "ann")
    assert ensemble.when(ANN, Give("moon/1", "bob")).reply == {"state": "leaving"}
    assert ensemble.view(ANN, "shelf") == {
        "items": [],
        "leaving": {"moon/1": "bob"},
        "asking": [],
        "refused": {"drop": "", "reason": ""},
    }
    ensemble.settle()
    assert (ensemble.state(COLLECTOR, "ann").shelf, ensemble.state(COLLECTOR, "ann").leaving) == ({}, {})
    assert list(ensemble.state(COLLECTOR, "bob").shelf) == ["moon/1"]


def test_only_what_one_owns_can_be_given_to_somebody_else() -> None:
    ensemble = store()
    claim(ensemble, "ann")
    for item, to, reason in (("moon/2", "bob", "not_yours"), ("moon/1", "ann", "to_yourself")):
        with pytest.raises(Reject, match=reason):
            ensemble.when(ANN, Give(item, to))
    ensemble.when(ANN, Give("moon/1", "bob"))
    with pytest.raises(Reject, match="on_its_way"):
        ensemble.when(ANN, Give("moon/1", "cid"))


def test_a_gift_to_a_full_shelf_comes_back() -> None:
    giver = Scenario(COLLECTOR, Collector({"moon": 1}, {"moon/1": 7}), entity_id="ann")
    giver.when(Give("moon/1", "bob"))
    with pytest.raises(Reject, match="shelf_full"):
        Scenario(COLLECTOR, full(), entity_id="bob").when(Receive("moon/1"), sender="drops.collector/ann")
    outcome = giver.when(TakeBack("moon/1"), sender="drops.collector/bob")
    assert (outcome.state.shelf, outcome.state.leaving) == ({"moon/1": NOW_MS}, {})


def test_what_is_asked_for_or_on_its_way_has_its_place_on_the_shelf() -> None:
    ann = Scenario(COLLECTOR, full(ITEMS_MAX - 1), entity_id="ann")
    ann.when(Claim("moon"))
    for command, sender in ((Claim("mars"), ""), (Receive("mars/1"), "drops.collector/bob")):
        with pytest.raises(Reject, match="shelf_full"):
            ann.when(command, sender=sender)
    ann.when(Grant("moon", 1, 5, "CNY", "studio", "Moon"), sender="drops.drop/moon")
    assert len(ann.state.shelf) == ITEMS_MAX
    ann.when(Give("moon/1", "bob"))
    with pytest.raises(Reject, match="shelf_full"):
        ann.when(Receive("mars/1"), sender="drops.collector/bob")
    ann.when(TakeBack("moon/1"), sender="drops.collector/bob")
    assert len(ann.state.shelf) == ITEMS_MAX


def test_the_fullest_collector_there_can_be_is_still_kept() -> None:
    """Names of 64 characters of four bytes each, and everything on its way to somebody."""
    claims = {f"{n:𠮷<64}": 1 for n in range(CLAIMS_MAX)}
    leaving = dict.fromkeys(full(ITEMS_MAX - 1).shelf, "𠮷" * 64)
    ann = Scenario(COLLECTOR, Collector(claims, {}, leaving), entity_id="ann")
    assert "moon/1" in ann.when(Receive("moon/1"), sender="drops.collector/bob").state.shelf
    with pytest.raises(Reject, match="too_many_claims"):
        ann.when(Claim("moon"))


def test_what_drops_and_collectors_say_to_each_other_is_not_for_clients() -> None:
    ensemble = store()
    claim(ensemble, "ann")
    ensemble.when(ANN, Give("moon/1", "bob"))
    with pytest.raises(Reject, match="not_for_clients"):
        ensemble.when(MOON, Issue())
    grant = Grant("moon", 2, 1, "CNY", "studio", "Moon")
    for command in (grant, Refuse("moon", "x"), Receive("moon/9"), Thank("moon/1"), TakeBack("moon/1")):
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(ANN, command)
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(COLLECTOR, ensemble.state(COLLECTOR, "ann")).when(grant, sender="drops.drop/moon")


def test_an_item_that_comes_back_before_the_thanks_for_it_stays_until_they_are_there() -> None:
    ann = Scenario(COLLECTOR, Collector({"moon": 1}, {}, {"moon/1": "bob"}), entity_id="ann")
    ann.when(Receive("moon/1"), sender="drops.collector/cid")
    with pytest.raises(Reject, match="on_its_way"):
        ann.when(Give("moon/1", "bob"))
    ann.when(Thank("moon/1"), sender="drops.collector/bob")
    assert (list(ann.state.shelf), ann.state.leaving) == (["moon/1"], {})


def test_a_collector_named_like_a_drop_claims_within_one_record() -> None:
    ensemble = store()
    assert ensemble.when(COLLECTOR.at("moon"), Claim("moon")).steps == 3
    assert (ensemble.sent, list(ensemble.state(COLLECTOR, "moon").shelf)) == ([], ["moon/1"])


PEOPLE = ("ann", "bob", "cid", "moon")
ITEMS = [f"{drop}/{number}" for drop in ("moon", "mars") for number in (1, 2, 3)]
CLAIMS = st.tuples(st.sampled_from(PEOPLE), st.builds(Claim, st.sampled_from(["moon", "mars", "none"])))
GIFTS = st.tuples(st.sampled_from(PEOPLE), st.builds(Give, st.sampled_from(ITEMS), st.sampled_from(PEOPLE)))


@given(st.lists(st.one_of(CLAIMS, GIFTS, st.none()), min_size=15, max_size=60), st.integers(1, 3))
def test_no_number_is_issued_twice_or_lost_whatever_the_order_of_calls_and_sends(
    steps: Sequence[tuple[str, Claim | Give] | None], limit: int
) -> None:
    ensemble = store(Announce("Moon", "studio", limit, 5, "CNY"))
    ensemble.when(DROP.at("mars"), Announce("Mars", "studio", 2, 0, "CNY", opens_ms=NOW_MS + len(steps) // 2))
    issued: list[str] = []
    claimed: Counter[tuple[str, str]] = Counter()

    def note(played: Played) -> None:
        for entity, event in played.events:
            if isinstance(event, Issued):
                issued.append(f"{entity.id}/{event.number}")
                claimed[entity.id, event.collector] += 1

    for step in steps:
        ensemble.now_ms += 1
        if step is not None:
            with suppress(Reject):
                note(ensemble.when(COLLECTOR.at(step[0]), step[1]))
        elif ensemble.sent:
            note(ensemble.deliver())
        shelves = Counter(item for who in PEOPLE for item in ensemble.state(COLLECTOR, who).shelf)
        assert all(count == 1 for count in shelves.values())
    for played in ensemble.settle():
        note(played)
    owned = [item for who in PEOPLE for item in ensemble.state(COLLECTOR, who).shelf]
    assert sorted(owned) == sorted(issued)
    assert len(issued) == len(dict.fromkeys(issued))
    assert all(count == 1 for count in claimed.values())
    for drop in ("moon", "mars"):
        state = ensemble.state(DROP, drop)
        assert sorted(item for item in issued if item.startswith(drop)) == [
            f"{drop}/{number + 1}" for number in range(state.issued)
        ]
        assert state.issued <= state.limit
    assert all(not ensemble.state(COLLECTOR, who).leaving for who in PEOPLE)
    assert ensemble.dead_letters == []
