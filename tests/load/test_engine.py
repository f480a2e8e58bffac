"""The driver's core: arrivals wait for nobody, latency counts from when a call was due, and every call has an end."""

from collections.abc import Iterator
from typing import Any

import pytest

from loadtests.driver.engine import ASKED_AGAIN, GIVE_UP_S, TICK_S, Due, Flight
from loadtests.driver.ledger import OPENED, place
from loadtests.driver.tally import LATE_S
from loadtests.journeys.steps import Invoke, Journey, Open, Refused, Think, Wait
from loadtests.journeys.table import JOURNEYS, LEAVES
from tests.load.playing import No, Played, one, visit

CALL = Invoke("programs/x/ys/1", "y.do", b"", "do", "y.done", ("no",))


def calls(count: int) -> Journey:
    for _ in range(count):
        yield CALL


def arrivals(times_s: list[float]) -> Iterator[Due]:
    return ((at_s, calls(1)) for at_s in times_s)


def kinds(played: Played) -> list[str]:
    return [getattr(flight.step, "kind", type(flight.step).__name__) for _, flight in played.sent]


def test_arrivals_do_not_wait_for_answers() -> None:
    played = Played(arrivals([n * 0.05 for n in range(40)]), answers_s=5.0)
    played.until(2.5)
    assert played.tally.offered == 40
    assert played.tally.served == 0
    assert played.engine.in_flight == 40
    played.until(20.0)
    assert played.tally.served == 40
    assert played.engine.is_done


def test_latency_counts_from_when_a_call_was_due_and_not_from_when_it_was_sent() -> None:
    played = Played(arrivals([0.0]), answers_s=0.02)
    played.now_s = 3.0  # the generator was away for three seconds
    played.until(4.0)
    told = played.tally.roll(0, 0)
    assert told.late == 1
    assert told.late_ms_max >= 3_000
    assert _least_us(told.hist) >= 3_000_000


def _least_us(pairs: tuple[int, ...]) -> int:
    from loadtests.driver.latency import value_us

    return value_us(pairs[0]) * 1_001 // 1_000


def test_a_generator_that_ticks_in_time_is_not_late() -> None:
    played = Played(arrivals([n * 0.01 for n in range(200)]))
    played.until(3.0)
    told = played.tally.roll(0, 0)
    assert (told.late, told.offered) == (0, 200)
    assert told.late_ms_max <= 1_000 * TICK_S + 1 < 1_000 * LATE_S


def test_thinking_is_compressed_and_waiting_is_not() -> None:
    def journey() -> Journey:
        yield Think(100.0)
        yield CALL
        yield Wait(2.0)
        yield CALL

    played = Played(one(journey()), compress=100.0, answers_s=0.0)
    played.until(10.0)
    first, second = (at_s for at_s, _ in played.sent)
    assert first == pytest.approx(1.0, abs=0.05)
    assert second - first == pytest.approx(2.0, abs=0.05)


def test_what_may_come_back_is_made_again_by_the_same_id_until_it_is_served() -> None:
    played = Played(one(calls(1)))
    played.answer = lambda flight, _: No("OVERLOADED", come_back=True) if flight.tries < 3 else b"{}"
    played.until(30.0)
    assert {flight.name for _, flight in played.sent} == {"c0"}
    assert len(played.sent) == 4
    assert (played.tally.offered, played.tally.served, dict(played.tally.errors)) == (1, 1, {})
    assert played.tally.retried["OVERLOADED"] == 3


def test_what_never_comes_back_is_an_error_of_which_nobody_knows_whether_it_was_done() -> None:
    played = Played(one(calls(1)))
    played.answer = lambda _flight, _at: No("OUTCOME_UNKNOWN", come_back=True)
    played.until(GIVE_UP_S + 10)
    assert dict(played.tally.errors) == {"OUTCOME_UNKNOWN": 1}
    assert played.engine.unknown == 1
    assert dict(played.ledger.doubts) == {"y.done": 1}
    assert played.engine.is_done


def test_of_an_opening_that_was_given_up_two_events_may_be_there_and_of_a_copy_none() -> None:
    def opening() -> Journey:
        yield Open("shop", "t-1", "recent", "", "Paris")

    played = Played(one(opening()))
    played.answer = lambda _flight, _at: No("OUTCOME_UNKNOWN", come_back=True)
    played.until(GIVE_UP_S + 10)
    assert dict(played.ledger.doubts) == dict.fromkeys(OPENED, 1)
    played = Played(one(calls(ASKED_AGAIN)), answers_s=0.0)
    played.answer = lambda flight, _: No("OUTCOME_UNKNOWN", come_back=True) if flight.first else b"{}"
    played.until(GIVE_UP_S + 70)
    assert (played.engine.unknown, dict(played.ledger.doubts)) == (1, {})


@pytest.mark.parametrize("otherwise", [b'{"another":"answer"}', No("no")])
def test_a_copy_that_is_told_anything_else_than_its_first_was_is_found(otherwise: Any) -> None:
    played = Played(one(calls(ASKED_AGAIN)), answers_s=0.0)
    played.answer = lambda flight, _: otherwise if flight.first else b"{}"
    played.until(60.0)
    assert (played.engine.asked_again, played.engine.told_otherwise) == (1, 1)
    assert played.tally.served == played.tally.offered == ASKED_AGAIN + 1


def test_a_refusal_ends_a_journey_and_is_an_error_unless_the_step_says_it_may_be() -> None:
    heard: list[Any] = []

    def journey() -> Journey:
        heard.append((yield CALL))
        yield CALL

    played = Played(one(journey()))
    played.answer = lambda _flight, _at: No("no") if not heard else No("never")
    played.until(2.0)
    assert heard == [Refused("no")]
    assert dict(played.tally.errors) == {"never": 1}
    assert dict(played.tally.refusals) == {"no": 1}
    assert played.tally.served == 1
    assert played.engine.is_done


def test_every_so_many_th_call_is_made_again_by_its_id_and_must_be_told_the_same() -> None:
    played = Played(one(calls(ASKED_AGAIN * 2)), answers_s=0.0)
    played.until(60.0)
    assert (played.engine.asked_again, played.engine.told_otherwise) == (2, 0)
    assert played.tally.served == ASKED_AGAIN * 2 + 2
    places = played.ledger.places()["y.done"]
    assert len(set(places.tolist())) == len(places) == ASKED_AGAIN * 2


def test_a_copy_that_was_decided_once_more_is_found() -> None:
    played = Played(one(calls(ASKED_AGAIN)), answers_s=0.0)
    accepted = played.engine.accepted

    def elsewhere(flight: Flight, value: Any, where: int, now_s: float) -> None:
        accepted(flight, value, where + (place(0, 1_000_000, 0) if flight.first else 0), now_s)

    played.engine.accepted = elsewhere  # type: ignore[method-assign]
    played.until(60.0)
    assert (played.engine.asked_again, played.engine.told_otherwise) == (1, 1)


def test_at_the_end_who_thinks_goes_away_and_what_is_on_its_way_is_waited_for() -> None:
    def journey() -> Journey:
        yield CALL
        yield Think(1_000.0)
        yield CALL

    played = Played(iter([(0.0, journey()), (0.5, journey())]), answers_s=1.0)
    played.until(1.2)
    played.engine.end()
    played.until(5.0)
    assert played.engine.is_done
    assert played.engine.left_undone == 2
    assert played.tally.served == played.tally.offered == 2


@pytest.mark.parametrize("name", sorted(JOURNEYS))
def test_every_journey_comes_to_its_end_and_is_the_same_for_the_same_person(name: str) -> None:
    def answer(flight: Flight, _: int) -> Any:
        match flight.step:
            case Open(program, openid):
                return f"sessions/{program}/{openid}/1"
            case Invoke(command="jump.start"):
                return b'{"seed":"abc"}'
            case _:
                return b"{}"

    def sent() -> list[str]:
        played = Played(one(JOURNEYS[name](visit(7, pages=12))), compress=60.0)
        played.answer = answer
        played.until(200.0)
        assert played.engine.is_done
        assert not played.tally.errors
        assert played.tally.served == played.tally.offered
        left.update(played.ledger.places())
        return kinds(played)

    left: set[str] = set(OPENED)
    steps = sent()
    assert steps == sent()
    assert steps[0] == "Open"
    assert {leaves for leaves in left if leaves} <= set(LEAVES)
    assert steps.count("page") == 11
    assert steps.count("leave page") == 2, "no more than ten pages lie on top of each other"
