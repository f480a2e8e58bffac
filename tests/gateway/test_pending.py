"""The pending table: each of its rules by an example."""

import msgspec
import pytest

from actors.errors import InvalidCommand, Overloaded
from actors.kernel.record import FRAME_BYTES_MAX, RECORDS_MAX, Invoke, Read, encode_frame, encode_record
from gateway.pending import HOLD_MS, RETRY_MS, Call, Stuck
from tests.gateway.pendings import (
    DEADLINE_MS,
    LEFT_MS,
    Told,
    call_of,
    kept,
    key_of,
    number_of,
    numbers,
    reply_to,
    sent,
    table_of,
    tell,
)


def test_an_idle_lane_sends_at_once_and_a_busy_one_collects_until_the_acknowledgement() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    assert sent(table) == [1]
    table.submit(call_of(2, told))
    table.submit(call_of(3, told))
    assert sent(table) == []
    table.acknowledged(0)
    assert sent(table) == [2, 3]


def test_lanes_do_not_wait_for_each_other() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    sent(table)
    table.submit(call_of(2, told, partition=1))
    assert sent(table) == [2]


def test_unary_calls_of_all_lanes_go_together_once_the_last_ones_are_answered() -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.owned(1)
    table.submit(call_of(1, told, streamed=False))
    sent(table)
    table.submit(call_of(2, told, partition=1, streamed=False))
    table.submit(call_of(3, told, streamed=False))
    assert sent(table) == []
    assert table.next_ms() == HOLD_MS
    table.acknowledged(0)
    assert sent(table) == []
    table.replied(0, [reply_to(key_of(1))])
    assert sorted(sent(table)) == [2, 3]


def test_a_lane_that_is_stuck_holds_the_others_up_for_no_more_than_a_moment() -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.submit(call_of(1, told, streamed=False))
    sent(table)
    table.submit(call_of(2, told, partition=1, streamed=False))
    assert sent(table, HOLD_MS - 1) == []
    assert sent(table, HOLD_MS) == [2]
    table.acknowledged(1)
    table.submit(call_of(3, told, partition=1, streamed=False))
    assert sent(table, HOLD_MS + 1) == [3]


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_collect_until_the_replies_of_their_lane_are_back(*, streamed: bool) -> None:
    table, told = table_of(), Told()
    table.owned(0)
    for number in (1, 2):
        table.submit(call_of(number, told, streamed=streamed))
    sent(table)
    table.submit(call_of(3, told, streamed=streamed))
    table.acknowledged(0)
    assert sent(table) == []
    assert table.next_ms() == HOLD_MS
    table.replied(0, [reply_to(key_of(1))])
    assert sent(table) == []
    table.replied(0, [reply_to(key_of(2))])
    assert sent(table) == [3]


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_wait_for_replies_no_longer_than_a_moment(*, streamed: bool) -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.submit(call_of(1, told, streamed=streamed))
    sent(table)
    table.submit(call_of(2, told, streamed=streamed))
    table.acknowledged(0)
    assert sent(table, HOLD_MS - 1) == []
    assert sent(table, HOLD_MS) == [2]


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_do_not_wait_for_replies_of_a_partition_that_nobody_serves(*, streamed: bool) -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.lost(0)
    table.submit(call_of(1, told, streamed=streamed))
    sent(table)
    table.submit(call_of(2, told, streamed=streamed))
    table.acknowledged(0)
    assert sent(table) == [2]


@pytest.mark.parametrize(("count", "size"), [(RECORDS_MAX + 1, 4), (10, 200 * 1024)])
def test_a_frame_is_never_too_large(count: int, size: int) -> None:
    table, told = table_of(2 * RECORDS_MAX, 2 * RECORDS_MAX), Told()
    for number in range(count):
        table.submit(call_of(number, told, size=size))
    left: list[int] = []
    while frames := table.take(0):
        (frame,) = frames
        assert len(frame.records) <= RECORDS_MAX
        assert len(encode_frame("commands", 0, "gateway", 1, "digest", frame.records)) <= FRAME_BYTES_MAX
        left += numbers(frame)
        table.acknowledged(0)
    assert left == list(range(count))


def test_a_failed_frame_goes_again_before_newer_calls_and_not_at_once() -> None:
    table, told = table_of(), Told()
    for number in (1, 2):
        table.submit(call_of(number, told))
    sent(table)
    table.submit(call_of(3, told))
    table.append_failed(0, 100)
    assert sent(table, 100) == []
    assert table.next_ms() == 100 + RETRY_MS
    assert sent(table, 100 + RETRY_MS) == [1, 2, 3]


def test_what_was_answered_while_its_frame_failed_is_not_sent_again() -> None:
    table, told = table_of(), Told()
    for number in (1, 2):
        table.submit(call_of(number, told))
    sent(table)
    tell(table.replied(0, [reply_to(key_of(1))]))
    table.append_failed(0, 0)
    assert sent(table, RETRY_MS) == [2]


def test_concurrent_callers_of_one_id_share_one_record_and_are_all_answered() -> None:
    table, first, second = table_of(), Told(), Told()
    table.submit(call_of(1, first))
    table.submit(call_of(1, second))
    assert len(table) == 1
    assert sent(table) == [1]
    tell(table.replied(0, [reply_to(key_of(1))]))
    assert (first.times, second.times) == (1, 1)


def asking(told: Told, command: dict[str, object], *, read: bool = False) -> Call:
    """The first call, with this command; or a read of the same id."""
    _, request_id = key_of(1)
    packed = msgspec.msgpack.encode(command)
    call = Read("box/a", "look", packed, request_id, "ann") if read else Invoke("box/a", packed, request_id, "ann")
    return Call(key_of(1), 0, encode_record(call), told, DEADLINE_MS, streamed=True)


def test_one_id_with_another_body_is_refused_while_the_first_is_on_its_way() -> None:
    table, told = table_of(), Told()
    table.submit(asking(told, {"add": 1}))
    for other in (asking(told, {"add": 2}), asking(told, {"add": 1}, read=True)):
        with pytest.raises(InvalidCommand) as refused:
            table.submit(other)
        assert (refused.value.field, refused.value.reason) == ("request_id", "REQUEST_ID_REUSED")


def test_one_id_with_other_values_in_what_a_gateway_filled_in_joins_the_first_on_its_way() -> None:
    table, first, second = table_of(), Told(), Told()
    for told, version in ((first, "1.1"), (second, "1.2")):
        table.submit(asking(told, {"add": 1, "version": version, "~filled": ["version"]}))
    assert [len(frame.records) for frame in table.take(0)] == [1]
    tell(table.replied(0, [reply_to(key_of(1))]))
    assert (first.times, second.times) == (1, 1)


def test_replies_that_nobody_waits_for_are_dropped() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    sent(table)
    reply = reply_to(key_of(1))
    assert len(table.replied(0, [reply, reply, reply_to(key_of(2))])) == 1
    assert table.replied(0, [reply]) == []


def test_bounds_refuse_before_the_log_and_say_when_to_come_back() -> None:
    table, told = table_of(pending_max=3, per_caller_max=2), Told()
    for number in (1, 2):
        table.submit(call_of(number, told))
    with pytest.raises(Overloaded) as caller_full:
        table.submit(call_of(3, told))
    table.submit(Call(key_of(4, "bob"), 0, b"record", told, DEADLINE_MS, streamed=False))
    with pytest.raises(Overloaded) as full:
        table.submit(Call(key_of(5, "bob"), 0, b"record", told, DEADLINE_MS, streamed=False))
    assert (caller_full.value.reason, full.value.reason) == ("CALLER_LIMIT", "OVERLOADED")
    assert min(caller_full.value.retry_after_ms, full.value.retry_after_ms) > 0
    tell(table.replied(0, [reply_to(key_of(1))]))
    table.submit(call_of(3, told))


def test_of_calls_that_come_together_each_is_taken_in_or_refused_by_itself() -> None:
    table, told = table_of(pending_max=3), Told()
    one, other = asking(told, {"add": 1}), asking(told, {"add": 2})
    calls = [one, other, asking(told, {"add": 1}), *(call_of(number, told) for number in (2, 3, 4))]
    refused = [(call, error.reason) for call, error in table.submit_all(calls)]
    assert refused == [(other, "REQUEST_ID_REUSED"), (calls[-1], "OVERLOADED")]
    (frame,) = table.take(0)
    assert frame.records == [one.record, *(call.record for call in calls[3:5])]
    table.acknowledged(0)
    tell(table.replied(0, [reply_to(key_of(number)) for number in (1, 2, 3)]))
    assert told.times == 4
    assert kept(table) == []


def test_calls_end_at_their_deadlines_in_whatever_order_they_came() -> None:
    table, told = table_of(), Told()
    for number, deadline_ms in enumerate((500, 100, 900, 300)):
        table.submit(call_of(number, told, deadline_ms=deadline_ms))
    ends = [[number_of(call.key) for call, _ in table.expire(now_ms)] for now_ms in (50, 100, 200, 300, 500, 900)]
    assert ends == [[], [1], [], [3], [0], [2]]
    assert kept(table) == []


def test_a_call_with_too_little_time_left_is_not_appended_and_says_so() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=100 + LEFT_MS - 1))
    assert sent(table, 100) == []
    (expired,) = table.expire(100)
    assert (expired.outcome, isinstance(expired, Stuck)) == ("NOT_APPENDED", False)


def test_a_call_that_came_too_late_is_free_to_be_called_again_at_once() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=LEFT_MS - 1))
    assert sent(table) == []
    table.submit(call_of(1, told))
    assert sent(table) == [1]
    assert len(table.expire(0)) == 1


def test_a_call_that_was_appended_and_not_answered_in_time_has_an_unknown_outcome() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=100))
    sent(table)
    table.acknowledged(0)
    assert table.expire(99) == []
    (expired,) = table.expire(100)
    assert (expired.outcome, isinstance(expired, Stuck)) == ("OUTCOME_UNKNOWN", False)
    assert table.replied(0, [reply_to(key_of(1))]) == []


def test_calls_that_a_log_kept_waiting_say_that_it_was_the_log() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=100))
    sent(table)
    table.submit(call_of(2, told, deadline_ms=100))
    expired = table.expire(100)
    outcomes = [(number_of(call.key), outcome) for call, outcome in expired]
    assert outcomes == [(1, "OUTCOME_UNKNOWN"), (2, "NOT_APPENDED")]
    assert all(isinstance(expiry, Stuck) for expiry in expired)


def test_a_refused_append_leaves_no_doubt() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=200))
    sent(table)
    table.append_failed(0, 0, "NOT_APPENDED")
    (expired,) = table.expire(200)
    assert (expired.outcome, isinstance(expired, Stuck)) == ("NOT_APPENDED", True)


def test_a_new_owner_is_asked_for_what_may_be_in_the_log_and_only_for_that() -> None:
    table, told = table_of(), Told()
    for number in (1, 2):
        table.submit(call_of(number, told))
        sent(table)
        table.acknowledged(0)
    table.submit(call_of(3, told))
    sent(table)
    table.submit(call_of(4, told))
    table.submit(call_of(5, told, partition=1))
    assert [number_of(call.key) for call in table.owned(0)] == [1, 2, 3]


def test_a_halt_gives_every_call_of_its_partition_back_and_says_which_may_be_appended() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    sent(table)
    table.acknowledged(0)
    table.submit(call_of(2, told))
    sent(table)
    table.submit(call_of(3, told))
    table.submit(call_of(4, told, partition=1))
    given_up = table.halted(0)
    unknown, not_appended = "OUTCOME_UNKNOWN", "NOT_APPENDED"
    outcomes = [(number_of(one.call.key), one.outcome) for one in given_up]
    assert outcomes == [(1, unknown), (2, unknown), (3, not_appended)]
    table.append_failed(0, 0)
    assert sent(table, RETRY_MS) == [4], "a frame that failed meanwhile takes nothing given up with it"
    assert len(table) == 1
    table.owned(0)
    table.submit(call_of(3, told))
    assert sent(table, RETRY_MS) == [3]


def test_what_a_new_owner_does_not_know_is_appended_again_oldest_first() -> None:
    table, told = table_of(), Told()
    for number in (1, 2):
        table.submit(call_of(number, told))
        sent(table)
        table.acknowledged(0)
    table.submit(call_of(3, told))
    table.absent(0, [key_of(2), key_of(1), key_of(9)])
    assert sent(table) == [1, 2, 3]


def test_what_is_on_its_way_is_not_sent_twice_because_an_owner_does_not_know_it_yet() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    sent(table)
    table.absent(0, [key_of(1)])
    table.acknowledged(0)
    assert sent(table) == []


def test_a_later_deadline_of_the_same_call_counts() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told, deadline_ms=100))
    table.submit(call_of(1, told, deadline_ms=500))
    sent(table)
    assert table.expire(200) == []
    assert len(table.expire(500)) == 1


def test_a_log_that_stands_still_leaves_nothing_of_the_calls_that_gave_up() -> None:
    table, told = table_of(), Told()
    for number in range(50):
        table.submit(call_of(number, told, deadline_ms=100))
        sent(table)
    assert len(table.expire(100)) == 50
    table.append_failed(0, 100)
    assert sent(table, 1_000) == []
    assert kept(table) == []
