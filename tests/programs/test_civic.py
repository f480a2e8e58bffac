"""The identity card: one answer a nonce, to one verifier, within a minute, and nothing on it that could be read."""

import hashlib
from collections import Counter
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.lifecycle import flaws
from actors.programs.civic.program import (
    ANSWERS_MAX,
    CARD,
    DESK,
    ENTITIES,
    LIFE,
    NUMBERS_MAX,
    PRESENTATION,
    VERIFIER,
    Answer,
    Answered,
    Ask,
    CallNext,
    Check,
    Give,
    Given,
    Issue,
    NoneLeft,
    NumberAsked,
    OpenDesk,
    Present,
    Prove,
    Proved,
    Revoke,
    Show,
    TakeNumber,
    Used,
)
from actors.testing import NOW_MS, Ensemble, Played, Scenario

YEAR_MS = 365 * 24 * 3_600_000
ANN, BOB = CARD.at("ann"), CARD.at("bob")
BAR, CLUB = VERIFIER.at("bar"), VERIFIER.at("club")
N1, N2 = "1" * 32, "2" * 32


def digest(claim: str, salt: str = "ann's salt") -> str:
    return hashlib.sha256(f"{salt}{claim}".encode()).hexdigest()


OVER_18, RESIDENT, PENSIONER = digest("over_18"), digest("resident"), digest("pensioner")


def town() -> Ensemble:
    """Ann is over 18 and a resident."""
    ensemble = Ensemble(ENTITIES)
    ensemble.when(ANN, Issue((OVER_18, RESIDENT), NOW_MS + YEAR_MS))
    return ensemble


def shown(nonce: str = N1) -> Ensemble:
    ensemble = town()
    ensemble.when(ANN, Present("bar", nonce))
    ensemble.settle()
    return ensemble


def asked(ensemble: Ensemble, verifier: Any = BAR, nonce: str = N1, question: str = OVER_18) -> str:
    """What the verifier is told on asking this; the latest push to it."""
    played = [ensemble.when(verifier, Ask(nonce, question)), *ensemble.settle()]
    told: list[Any] = [push.payload for one in played for ref, push in one.pushes if ref == verifier]
    assert [one["nonce"] for one in told] == [nonce]
    return str(told[0]["outcome"])


def test_the_life_of_a_card_is_a_table_without_flaws() -> None:
    assert list(flaws(LIFE)) == []


@pytest.mark.parametrize(("question", "outcome"), [(OVER_18, "yes"), (RESIDENT, "yes"), (PENSIONER, "no")])
def test_a_verifier_learns_whether_the_claim_is_on_the_card(question: str, outcome: str) -> None:
    ensemble = shown()
    assert asked(ensemble, question=question) == outcome
    assert ensemble.view(BAR, "answer", nonce=N1) == {"outcome": outcome}


def test_a_claim_under_another_salt_is_not_on_the_card() -> None:
    assert asked(shown(), question=digest("over_18", salt="a guess")) == "no"


def test_a_nonce_answers_one_question() -> None:
    ensemble = shown()
    assert [asked(ensemble, question=question) for question in (OVER_18, RESIDENT)] == ["yes", "used"]
    assert ensemble.view(BAR, "answer", nonce=N1) == {"outcome": "yes"}


def test_to_another_verifier_a_presentation_is_unknown_and_stays_good_for_its_own() -> None:
    ensemble = shown()
    assert asked(ensemble, CLUB) == asked(ensemble, nonce=N2) == "unknown"
    assert asked(ensemble) == "yes"
    assert ensemble.view(CLUB, "answer", nonce=N1) == {"outcome": "unknown"}


@pytest.mark.parametrize(("later_ms", "outcome"), [(59_999, "yes"), (60_000, "expired"), (YEAR_MS, "expired")])
def test_a_presentation_is_good_for_a_minute_by_the_logs_time(later_ms: int, outcome: str) -> None:
    ensemble = shown()
    ensemble.now_ms += later_ms
    assert asked(ensemble) == outcome


def test_a_question_that_comes_before_its_presentation_may_be_asked_again() -> None:
    ensemble = town()
    assert asked(ensemble) == "unknown"
    ensemble.when(ANN, Present("bar", N1))
    ensemble.settle()
    assert asked(ensemble) == "yes"
    assert ensemble.view(BAR, "answer", nonce=N1) == {"outcome": "yes"}


def test_a_card_that_was_revoked_while_it_was_shown_proves_nothing() -> None:
    ensemble = shown()
    assert ensemble.when(ANN, Revoke()).reply == {"state": "revoked"}
    assert asked(ensemble) == "no"
    assert ensemble.when(ANN, Revoke()).events == ()
    with pytest.raises(Reject, match="no_valid_card") as reject:
        ensemble.when(ANN, Present("bar", N2))
    assert reject.value.details == {"state": "revoked"}


def test_a_card_that_runs_out_while_it_is_shown_proves_nothing() -> None:
    ensemble = Ensemble(ENTITIES)
    ensemble.when(ANN, Issue((OVER_18,), NOW_MS + 30_000))
    ensemble.when(ANN, Present("bar", N1))
    ensemble.settle()
    ensemble.now_ms += 30_000
    assert asked(ensemble) == "no"
    with pytest.raises(Reject, match="no_valid_card") as reject:
        ensemble.when(ANN, Present("bar", N2))
    assert reject.value.details == {"state": "expired"}


def test_a_new_card_takes_the_place_of_the_old_one() -> None:
    ensemble = town()
    ensemble.when(ANN, Revoke())
    ensemble.when(ANN, Issue((PENSIONER,), NOW_MS + YEAR_MS))
    for nonce, question, outcome in ((N1, OVER_18, "no"), (N2, PENSIONER, "yes")):
        ensemble.when(ANN, Present("bar", nonce))
        ensemble.settle()
        assert asked(ensemble, nonce=nonce, question=question) == outcome


def test_who_has_no_card_shows_none_and_none_is_issued_for_the_past() -> None:
    ensemble = town()
    with pytest.raises(Reject, match="no_valid_card"):
        ensemble.when(BOB, Present("bar", N1))
    with pytest.raises(Reject, match="until_is_past"):
        ensemble.when(BOB, Issue((OVER_18,), NOW_MS))
    with pytest.raises(Reject, match="wrong_state"):
        ensemble.when(BOB, Revoke())


def test_a_nonce_that_is_taken_stays_with_the_card_that_had_it_first() -> None:
    ensemble = shown()
    ensemble.when(BOB, Issue((PENSIONER,), NOW_MS + YEAR_MS))
    ensemble.when(BOB, Present("bar", N1))
    ensemble.settle()
    assert asked(ensemble, question=PENSIONER) == "no"


def test_what_a_verifier_can_see_names_neither_card_nor_claim() -> None:
    ensemble = shown()
    played = [ensemble.when(BAR, Ask(N1, OVER_18)), *ensemble.settle()]
    pushes = [push.payload for one in played for ref, push in one.pushes if ref == BAR]
    events = [event for one in played for ref, event in one.events if ref == BAR]
    told = msgspec.json.encode([pushes, events, played[0].reply, ensemble.state(VERIFIER, "bar")])
    assert b"yes" in told
    assert b"ann" not in told
    assert OVER_18.encode() not in told


def test_a_person_sees_of_the_own_card_whether_it_is_good_and_how_many_claims_it_has() -> None:
    assert town().view(ANN, "card") == {"state": "valid", "until_ms": NOW_MS + YEAR_MS, "claims": 2, "numbers": {}}


def test_a_verifier_can_look_up_its_latest_answers() -> None:
    verifier = Scenario(VERIFIER, entity_id="bar")
    nonces = [f"{number:032x}" for number in range(ANSWERS_MAX + 1)]
    verifier.given(*(Answered(nonce, "no") for nonce in nonces))
    assert len(verifier.state.answers) == ANSWERS_MAX
    assert [verifier.view("answer", nonce=nonce)["outcome"] for nonce in nonces[:2]] == ["", "no"]
    assert verifier.view("answer") == {"outcome": ""}


def test_what_the_entities_say_to_each_other_is_not_for_clients_nor_for_other_cards() -> None:
    ensemble = shown()
    place = PRESENTATION.at(N1)
    said: list[tuple[Any, Any]] = [(ANN, Prove(OVER_18)), (BAR, Answer(N1, "yes"))]
    said += [(place, command) for command in (Show("ann", "bar", 0), Check(OVER_18), Proved(yes=True))]
    for ref, command in said:
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(ref, command)
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(PRESENTATION, ensemble.state(PRESENTATION, N1)).when(Proved(yes=True), sender="civic.card/bob")
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(PRESENTATION).when(Show("ann", "bar", 0), sender="civic.card/bob")
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(VERIFIER).when(Answer(N1, "yes"), sender=f"civic.presentation/{N2}")


def hall(numbers: int = 2) -> Ensemble:
    ensemble = town()
    ensemble.when(DESK.at("tianhe/1"), OpenDesk(numbers))
    return ensemble


def numbers_of(ensemble: Ensemble, *persons: str) -> list[dict[str, int]]:
    return [ensemble.state(CARD, person).numbers for person in persons]


def test_a_person_with_a_valid_card_takes_one_number_at_each_desk() -> None:
    ensemble = hall()
    ensemble.when(DESK.at("tianhe/2"), OpenDesk(1))
    for desk in ("tianhe/1", "tianhe/2"):
        assert ensemble.when(ANN, TakeNumber(desk)).reply == {"state": "asking"}
        with pytest.raises(Reject, match="one_number_a_desk"):
            ensemble.when(ANN, TakeNumber(desk))
        ensemble.settle()
    assert numbers_of(ensemble, "ann") == [{"tianhe/1": 1, "tianhe/2": 1}]
    with pytest.raises(Reject, match="no_valid_card"):
        ensemble.when(BOB, TakeNumber("tianhe/1"))


def test_a_desk_calls_the_numbers_in_order_and_only_those_that_were_given() -> None:
    ensemble = hall()
    desk = DESK.at("tianhe/1")
    ensemble.when(BOB, Issue((RESIDENT,), NOW_MS + YEAR_MS))
    for person in (BOB, ANN):
        ensemble.when(person, TakeNumber("tianhe/1"))
    ensemble.settle()
    assert numbers_of(ensemble, "ann", "bob") == [{"tianhe/1": 2}, {"tianhe/1": 1}]
    assert [ensemble.when(desk, CallNext()).reply for _ in range(2)] == [{"number": 1}, {"number": 2}]
    with pytest.raises(Reject, match="nobody_waits"):
        ensemble.when(desk, CallNext())
    assert ensemble.view(desk, "desk") == {"numbers": 2, "given": 2, "called": 2}


def test_a_desk_without_numbers_refuses_and_one_may_ask_again_later() -> None:
    ensemble = hall(numbers=0)
    ensemble.when(ANN, TakeNumber("tianhe/1"))
    assert [one.rejected.reason for one in ensemble.settle() if one.rejected] == ["none_left"]
    assert numbers_of(ensemble, "ann") == [{}]
    ensemble.when(DESK.at("tianhe/1"), OpenDesk(1))
    ensemble.when(ANN, TakeNumber("tianhe/1"))
    ensemble.settle()
    assert numbers_of(ensemble, "ann") == [{"tianhe/1": 1}]
    with pytest.raises(Reject, match="more_were_given"):
        ensemble.when(DESK.at("tianhe/1"), OpenDesk(0))


def test_a_card_keeps_the_latest_numbers_and_takes_them_from_desks_alone() -> None:
    card = Scenario(CARD, entity_id="ann").given(*(NumberAsked(f"d/{n}") for n in range(NUMBERS_MAX + 1)))
    assert list(card.state.numbers) == [f"d/{n}" for n in range(1, NUMBERS_MAX + 1)]
    assert card.when(Given(7), sender="civic.desk/d/3").state.numbers["d/3"] == 7
    for command in (Given(8), NoneLeft("d/3")):
        with pytest.raises(Reject, match="not_for_clients"):
            card.when(command)
    with pytest.raises(Reject, match="not_for_clients"):
        card.when(NoneLeft("d/3"), sender="civic.desk/d/4")
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(DESK, entity_id="d/3").when(Give())


@given(st.lists(st.sampled_from(["ann", "bob", "cid", "deliver", "call"]), max_size=30), st.integers(0, 3))
def test_numbers_are_given_once_each_and_never_more_than_there_are(steps: list[str], numbers: int) -> None:
    ensemble = hall(numbers)
    for person in ("bob", "cid"):
        ensemble.when(CARD.at(person), Issue((RESIDENT,), NOW_MS + YEAR_MS))
    for step in steps:
        with suppress(Reject):
            if step == "call":
                ensemble.when(DESK.at("tianhe/1"), CallNext())
            elif step != "deliver":
                ensemble.when(CARD.at(step), TakeNumber("tianhe/1"))
            elif ensemble.sent:
                ensemble.deliver()
    ensemble.settle()
    desk = ensemble.state(DESK, "tianhe/1")
    taken = [number for held in numbers_of(ensemble, "ann", "bob", "cid") for number in held.values()]
    assert sorted(taken) == list(range(1, desk.given + 1))
    assert desk.called <= desk.given <= numbers
    assert ensemble.dead_letters == []


STEP = st.one_of(
    st.tuples(st.just("present"), st.sampled_from([N1, N2]), st.sampled_from(["bar", "club"])),
    st.tuples(st.just("ask"), st.sampled_from([N1, N2]), st.sampled_from(["bar", "club"])),
    st.tuples(st.just("revoke"), st.just(""), st.just("")),
    st.tuples(st.just("later"), st.sampled_from([1, 20_000, 60_000]), st.just("")),
    st.tuples(st.just("deliver"), st.integers(0, 5), st.just("")),
)


@given(st.lists(STEP, max_size=40))
def test_a_nonce_gets_one_yes_or_no_and_only_its_own_verifier_whatever_the_order(
    steps: list[tuple[str, Any, str]],
) -> None:
    ensemble = town()
    presented: list[tuple[str, str]] = []
    answers: Counter[str] = Counter()

    def check(played: Played) -> None:
        for ref, event in played.events:
            assert not isinstance(event, Used) or ensemble.now_ms < ensemble.state(PRESENTATION, ref.id).until_ms
        for ref, push in played.pushes:
            told: Any = push.payload
            if told["outcome"] in ("yes", "no"):
                answers[told["nonce"]] += 1
                assert (told["nonce"], ref.id) in presented
                assert ensemble.state(PRESENTATION, told["nonce"]).verifier == ref.id

    for what, which, who in steps:
        match what:
            case "present":
                with suppress(Reject):
                    ensemble.when(ANN, Present(who, which))
                    presented.append((which, who))
            case "ask":
                ensemble.when(VERIFIER.at(who), Ask(which, OVER_18))
            case "revoke":
                ensemble.when(ANN, Revoke())
            case "later":
                ensemble.now_ms += which
            case _:
                if ensemble.sent:
                    ensemble.sent.insert(0, ensemble.sent.pop(which % len(ensemble.sent)))
                    check(ensemble.deliver())
    while ensemble.sent:
        check(ensemble.deliver())
    assert all(count == 1 for count in answers.values())
    assert ensemble.dead_letters == []
