"""Friends: both sides agree once every word has arrived, in whatever order, and a block wins over what crosses it."""

import itertools
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from actors import Reject, Send
from actors.domain.friends import (
    BLOCKED_MAX,
    FRIENDS,
    FRIENDS_MAX,
    REQUESTS_MAX,
    TIE,
    TIES_MAX,
    Accept,
    Block,
    Ended,
    Friends,
    FriendsCommand,
    Hear,
    Refuse,
    Remove,
    Request,
    Tie,
    Unblock,
)
from actors.testing import Ensemble, Scenario

ANN, BOB = FRIENDS.at("ann"), FRIENDS.at("bob")
PERSONS = ("ann", "bob", "cid")
LIKELY: dict[Callable[[str], FriendsCommand], int] = {Request: 8, Accept: 8, Refuse: 2, Remove: 6, Block: 1, Unblock: 1}
WALKS = 500


def two() -> Ensemble:
    return Ensemble([FRIENDS])


def states(ensemble: Ensemble, one: str = "ann", other: str = "bob") -> tuple[str, str]:
    """What each of two says of the other."""
    ties = ensemble.state(FRIENDS, one).ties, ensemble.state(FRIENDS, other).ties
    return ties[0].get(other, Tie()).state, ties[1].get(one, Tie()).state


def test_a_request_that_is_accepted_makes_friends_on_both_sides() -> None:
    ensemble = two()
    assert ensemble.when(ANN, Request("bob")).reply == {"state": "asked"}
    ensemble.settle()
    assert states(ensemble) == ("asked", "asks")
    assert ensemble.when(BOB, Accept("ann")).reply == {"state": "friends"}
    ensemble.settle()
    assert states(ensemble) == ("friends", "friends")
    assert ensemble.view(BOB, "friends") == {"friends": ["ann"], "asks": [], "asked": [], "blocked": []}


def test_requests_that_cross_make_friends() -> None:
    ensemble = two()
    ensemble.when(ANN, Request("bob"))
    ensemble.when(BOB, Request("ann"))
    ensemble.settle()
    assert states(ensemble) == ("friends", "friends")


@pytest.mark.parametrize("who", [ANN, BOB])
def test_either_of_two_friends_ends_it_for_both(who: object) -> None:
    ensemble = two()
    ensemble.when(ANN, Request("bob"))
    ensemble.settle()
    ensemble.when(BOB, Request("ann"))
    ensemble.settle()
    assert states(ensemble) == ("friends", "friends")
    ensemble.when(ANN if who == ANN else BOB, Remove("bob" if who == ANN else "ann"))
    ensemble.settle()
    assert states(ensemble) == ("none", "none")


def test_a_refused_request_is_gone_and_may_be_made_again() -> None:
    ensemble = two()
    for _ in range(2):
        ensemble.when(ANN, Request("bob"))
        ensemble.settle()
        ensemble.when(BOB, Refuse("ann"))
        ensemble.settle()
        assert states(ensemble) == ("none", "none")


def test_a_request_taken_back_while_it_is_accepted_makes_no_friends() -> None:
    ensemble = two()
    ensemble.when(ANN, Request("bob"))
    ensemble.settle()
    ensemble.when(BOB, Accept("ann"))
    ensemble.when(ANN, Remove("bob"))
    ensemble.settle()
    assert states(ensemble) == ("none", "none")


@pytest.mark.parametrize("later", [False, True])
def test_a_block_wins_over_an_acceptance_that_crosses_it(later: bool) -> None:
    ensemble = two()
    ensemble.when(ANN, Request("bob"))
    ensemble.settle()
    calls: list[tuple[object, FriendsCommand]] = [(BOB, Accept("ann")), (ANN, Block("bob"))]
    for who, command in reversed(calls) if later else calls:
        ensemble.when(ANN if who == ANN else BOB, command)
    ensemble.settle()
    assert states(ensemble) == ("blocked", "none")


def test_who_is_blocked_asks_in_vain_until_unblocked() -> None:
    ensemble = two()
    ensemble.when(ANN, Block("bob"))
    ensemble.settle()
    ensemble.when(BOB, Request("ann"))
    ensemble.settle()
    assert states(ensemble) == ("blocked", "none")
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(ANN, Request("bob"))
    ensemble.when(ANN, Unblock("bob"))
    ensemble.when(BOB, Request("ann"))
    ensemble.settle()
    assert states(ensemble) == ("asks", "asked")


def test_a_move_made_already_is_no_error_and_no_event_and_an_impossible_one_is_refused() -> None:
    ann = Scenario(FRIENDS, entity_id="ann")
    ann.when(Request("bob"))
    assert ann.when(Request("bob")).events == ()
    assert ann.when(Remove("cid")).events == ()
    for command in (Accept("bob"), Refuse("bob"), Unblock("bob"), Accept("cid")):
        with pytest.raises(Reject, match="wrong_state"):
            ann.when(command)
    with pytest.raises(Reject, match="oneself"):
        ann.when(Request("ann"))


def test_a_word_is_not_for_clients() -> None:
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(FRIENDS).when(Hear(True, 1, 0, 0))
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(FRIENDS).when(Hear(True, 1, 0, 0), sender="merchant/ann")


def many(count: int, tie: Tie) -> Friends:
    """Somebody with so many ties of this kind."""
    return Friends(count, {f"p{n}": tie for n in range(count)})


def test_friends_and_own_requests_are_bounded_and_so_are_those_blocked() -> None:
    full = Scenario(FRIENDS, many(FRIENDS_MAX, Tie(mine=True, number=1, theirs=True, heard=1)), entity_id="ann")
    with pytest.raises(Reject, match="too_many_friends"):
        full.when(Request("bob"))
    full.when(Remove("p0"))
    assert full.when(Request("bob")).reply == {"state": "asked"}
    wary = Scenario(FRIENDS, many(BLOCKED_MAX, Tie(blocked=True)), entity_id="ann")
    with pytest.raises(Reject, match="too_many_blocked"):
        wary.when(Block("bob"))


def test_a_request_too_many_is_refused_by_itself() -> None:
    asked = Scenario(FRIENDS, many(REQUESTS_MAX, Tie(theirs=True, heard=1)), entity_id="ann")
    heard = asked.when(Hear(True, 7, 0, 0), sender="social.friends/bob")
    assert heard.events[1:] == (Ended("bob", REQUESTS_MAX + 1),)
    assert heard.actions == (Send(FRIENDS.at("bob"), Hear(False, REQUESTS_MAX + 1, 0, 7)),)
    assert asked.state.ties["bob"].state == "none"


def test_the_oldest_tie_that_ended_is_forgotten_first() -> None:
    ties = {f"p{n}": Tie(heard=n + 1) for n in range(TIES_MAX)}
    ann = Scenario(FRIENDS, Friends(0, {"friend": Tie(mine=True, theirs=True)} | ties), entity_id="ann")
    ann.when(Request("bob"))
    assert "friend" in ann.state.ties
    assert "p0" not in ann.state.ties
    assert {"p1", "bob"} <= ann.state.ties.keys()


def walk(seed: int) -> Ensemble:
    """Some persons ask this and that of each other, while words arrive in any order; at the end all have arrived."""
    chance, ensemble = random.Random(seed), Ensemble([FRIENDS])
    persons = PERSONS[: chance.choice((2, 2, 3))]
    for _ in range(chance.randrange(2, 16)):
        if ensemble.sent and chance.random() < 0.45:
            ensemble.sent.insert(0, ensemble.sent.pop(chance.randrange(len(ensemble.sent))))
            ensemble.deliver()
            continue
        who, other = chance.sample(persons, 2)
        (named,) = chance.choices(list(LIKELY), list(LIKELY.values()))
        with suppress(Reject):
            ensemble.when(FRIENDS.at(who), named(other))
    ensemble.settle()
    return ensemble


def test_both_sides_agree_whatever_they_ask_and_in_whatever_order_words_arrive() -> None:
    pairs = {"none": "none", "friends": "friends", "asked": "asks", "asks": "asked"}
    seen: dict[str, int] = {}
    for seed in range(WALKS):
        ensemble = walk(seed)
        assert ensemble.dead_letters == [], f"seed {seed}"
        for one, other in itertools.combinations(PERSONS, 2):
            mine, theirs = states(ensemble, one, other)
            blocked = "blocked" in (mine, theirs)
            agreed = {mine, theirs} <= {"blocked", "none"} if blocked else theirs == pairs[mine]
            assert agreed, f"seed {seed}: {one} says {mine}, {other} says {theirs}"
            seen[mine] = seen.get(mine, 0) + 1
    assert seen.keys() == TIE.keys(), "the walks miss a state"
