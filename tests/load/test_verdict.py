"""What makes a run invalid, and which bounds it kept."""

import pytest
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.driver import latency
from loadtests.driver.result import ALL, Fault, Second, Threshold
from loadtests.driver.verdict import Facts, Trouble, advice, recovered_s, thresholds, troubles
from loadtests.scenarios import SCENARIOS, check_users, scenario_of, thresholds_of
from tests.load.runs import counted

GOOD = Facts(planned=100, arrived=100, offered=1_000, served=1_000, errors=0, late=0, is_cut=False)
DAY, LOSS = SCENARIOS["day"], SCENARIOS["host-loss"]


def test_a_run_that_did_what_was_planned_is_valid() -> None:
    assert troubles(GOOD) == ()
    assert troubles(replace(GOOD, served=990, errors=10)) == ()
    assert troubles(replace(GOOD, late=10)) == ()
    assert advice(()) == ""


@pytest.mark.parametrize(
    ("facts", "why", "what_to_do"),
    [
        (replace(GOOD, late=11), "late", "more --generators"),
        (replace(GOOD, offered=0, served=0), "nothing was offered", "more of the day"),
        (replace(GOOD, arrived=99), "99 openings were made of 100", "fewer --users"),
        (replace(GOOD, is_cut=True, arrived=40), "ended early", "to its end"),
        (replace(GOOD, faults_planned=2, faults=1), "1 of 2 faults", "more time"),
        (replace(GOOD, served=999), "1 calls had no end", "more time"),
        (replace(GOOD, lost_generators=("generator 1: killed",)), "killed", "what the generator printed"),
        (replace(GOOD, unaudited="nobody has the log"), "nobody has the log", "the platform goes on"),
        (replace(GOOD, trouble=(Trouble("the disk is full", "make room"),)), "the disk is full", "make room"),
    ],
)
def test_whatever_went_wrong_with_the_run_itself_makes_it_invalid_and_says_why_and_what_to_do(
    facts: Facts, why: str, what_to_do: str
) -> None:
    found = troubles(facts)
    assert any(why in each.why for each in found), found
    assert what_to_do in advice(found)


def test_more_ends_than_calls_are_no_measurement() -> None:
    (found,) = troubles(replace(GOOD, served=1_001))
    assert found.why == "1 calls more had an end than were offered"


def test_of_a_run_that_was_cut_nothing_is_advised_but_to_let_it_go_on() -> None:
    cut = replace(GOOD, is_cut=True, arrived=0, offered=0, served=0, unaudited="no session was drawn")
    assert advice(troubles(cut)) == "For a valid run: let it run to its end."


def test_a_bound_is_kept_up_to_itself_and_what_was_not_measured_keeps_none() -> None:
    took = {ALL: latency.quantiles(counted([0.01] * 100))}
    kept = {each.name: each for each in thresholds({"p99_ms": 10.0, "errors_share": 0.0}, took, GOOD, ())}
    assert kept["p99_ms"].measured == pytest.approx(10.0, rel=0.002)
    assert kept["errors_share"].met
    assert not thresholds({"errors_share": 0.0}, took, replace(GOOD, served=999, errors=1), ())[0].met
    assert not thresholds({"p99_ms": 1e9}, {}, GOOD, ())[0].met
    nothing = {ALL: latency.quantiles(latency.no_counts())}
    assert thresholds({"p99_ms": 1e9}, nothing, GOOD, ())[0] == Threshold(
        name="p99_ms", bound=1e9, measured=None, met=False
    )
    assert not thresholds({"recovered_s": 10.0}, took, GOOD, (Fault(at_s=1.0, what="", recovered_s=None),))[0].met
    assert thresholds({"recovered_s": 10.0}, took, GOOD, ())[0].measured is None


def second(at_s: int, p99_ms: float, served: int = 10) -> Second:
    return Second(
        at_s=at_s, offered=10, served=served, errors=0, in_flight=0, late_ms_max=0, p50_ms=1, p99_ms=p99_ms, behind=0
    )


def test_a_fault_is_over_once_calls_take_as_long_as_before_and_go_on_so() -> None:
    calm = [second(n, 20.0) for n in range(10)]
    assert recovered_s(
        10.4, [*calm, second(10, 20), second(11, 3_000), second(12, 900), second(13, 40), second(14, 30)]
    ) == (pytest.approx(2.6))
    assert recovered_s(10.4, [*calm, *(second(n, 3_000) for n in range(10, 20))]) is None
    waiting = [second(10, 20), second(11, 20), second(12, 20), second(13, 2_500), second(14, 30), second(15, 30)]
    assert recovered_s(10.4, [*calm, *waiting]) == pytest.approx(3.6), "others go on, one host's calls wait"
    hiccup = [second(10, 20), second(11, 20), second(12, 20), second(13, 400), second(14, 30)]
    assert recovered_s(10.4, [*calm, *hiccup]) == pytest.approx(0.6)
    assert recovered_s(10.4, [*calm, *(second(n, 10, served=0) for n in range(10, 20))]) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["p99"], "no threshold"),
        (["speed=1"], "no threshold"),
        (["p99_ms=fast"], "NAME=BOUND"),
        (["p99_ms=-1"], "from 0 on"),
        (["p99_ms=nan"], "from 0 on"),
        (["p99_ms=10", "p99_ms=20"], "twice"),
        (["p50_ms=50", "p99_ms=10"], "contradicts"),
        (["errors_share=2"], "at most 1"),
        (["recovered_s=3"], "no faults"),
    ],
)
def test_thresholds_that_cannot_be_or_contradict_are_refused(given: list[str], why: str) -> None:
    with pytest.raises(SetupError, match=why):
        thresholds_of(DAY, given)


def test_a_threshold_that_is_given_stands_in_the_place_of_the_scenarios_own() -> None:
    assert thresholds_of(DAY, ["p99_ms=7", "p50_ms=5"]) == {**DAY.thresholds, "p99_ms": 7.0, "p50_ms": 5.0}
    assert thresholds_of(LOSS, ["recovered_s=3"])["recovered_s"] == 3.0
    assert thresholds_of(DAY, ["p99_ms=7", "p99_ms=7"])["p99_ms"] == 7.0


def test_scenarios_are_found_by_name_and_numbers_that_cannot_be_are_refused() -> None:
    assert scenario_of("day") is DAY
    check_users(1)
    for users in (0, -5, 10**9):
        with pytest.raises(SetupError, match=f"not {users:,}"):
            check_users(users)
    with pytest.raises(SetupError, match="flash-sale"):
        scenario_of("knight")
