"""The pending table: what holds under any order of inputs, and each rule by an example."""

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as check_machine

from actors.errors import InvalidCommand, Outcome, Overloaded, PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import FRAME_BYTES_MAX, RECORDS_MAX, encode_frame
from gateway.pending import HOLD_MS, RETRY_MS, Append, Call, Expired, Key, PendingTable, Stuck

LEFT_MS = 20
PARTITIONS = 2
DEADLINE_MS = 1_000
DEADLINES_MS = (5, 60, 300, FAR_MS := 100_000)


class Told:
    """A waiter that notes what it is told."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.outcomes: list[Outcome] = []

    def settled(self, reply: Reply, partition: int) -> None:
        """Note it."""
        del partition
        self.replies.append(reply)

    def failed(self, request_id: bytes, error: PlatformError) -> None:
        """Not called: these tests look at what the table returns."""
        raise AssertionError((request_id, error))

    @property
    def times(self) -> int:
        """How often it was told."""
        return len(self.replies) + len(self.outcomes)


def key_of(number: int, caller: str = "ann") -> Key:
    """The key of the nth call."""
    return (caller, number.to_bytes(16))


def call_of(
    number: int, told: Told, deadline_ms: int = DEADLINE_MS, *, partition: int = 0, streamed: bool = True, size: int = 4
) -> Call:
    """The nth call: its record is its number, so that one call always has one body."""
    record = number.to_bytes(4) + bytes(size - 4)
    return Call(key_of(number), partition, record, told, deadline_ms, streamed=streamed)


def table_of(pending_max: int = 100, per_caller_max: int = 100) -> PendingTable:
    """A table."""
    return PendingTable(PARTITIONS, pending_max, per_caller_max, LEFT_MS)


def reply_to(key: Key) -> Reply:
    """An answer."""
    return Reply("g", *key, 0, b"", 1, 0, False)


def tell(settled: Sequence[tuple[Call, Reply]], expired: Sequence[Expired] = ()) -> None:
    """Tell the waiters, as the ingress does."""
    for call, reply in settled:
        for waiter in call.waiters:
            waiter.settled(reply, call.partition)
    for call, outcome in expired:
        for waiter in call.waiters:
            assert isinstance(waiter, Told)
            waiter.outcomes.append(outcome)


class AnyOrder(RuleBasedStateMachine):
    """A table between clients, a log that fails and an owner that forgets: every input at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.table = table_of(pending_max=12, per_caller_max=12)
        self.now_ms = 10_000
        self.waiters: list[tuple[int, int, Told]] = []
        self.flying: dict[int, Append] = {}
        self.log: list[list[int]] = [[] for _ in range(PARTITIONS)]
        self.late: list[tuple[int, list[int]]] = []
        self.expired: set[int] = set()
        self.absent: list[tuple[int, list[Key]]] = []
        self.number = 0

    # -- clients --------------------------------------------------------------------------------------------------

    @rule(deadline_ms=st.sampled_from(DEADLINES_MS), streamed=st.booleans())
    def a_new_call(self, deadline_ms: int, streamed: bool) -> None:
        self.number += 1
        self.submit(self.number, deadline_ms, streamed)

    @precondition(lambda self: self.number)
    @rule(deadline_ms=st.sampled_from(DEADLINES_MS), back=st.integers(0, 5))
    def a_call_again(self, deadline_ms: int, back: int) -> None:
        self.submit(max(1, self.number - back), deadline_ms, streamed=False)

    def submit(self, number: int, deadline_ms: int, streamed: bool) -> None:
        told = Told()
        call = call_of(number, told, self.now_ms + deadline_ms, partition=number % PARTITIONS, streamed=streamed)
        try:
            self.table.submit(call)
        except Overloaded:
            assert len(self.table) == 12
        else:
            self.waiters.append((number, deadline_ms, told))

    # -- the log --------------------------------------------------------------------------------------------------

    @rule()
    def frames_leave(self) -> None:
        for frame in self.table.take(self.now_ms):
            assert frame.partition not in self.flying, "one frame in flight per partition"
            assert 0 < len(frame.records) <= RECORDS_MAX
            self.flying[frame.partition] = frame

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def a_frame_is_acknowledged(self, partition: int) -> None:
        frame = self.flying.pop(partition, None)
        if frame is not None:
            self.log[partition] += numbers(frame)
            self.table.acknowledged(partition)

    @rule(partition=st.integers(0, PARTITIONS - 1), fate=st.sampled_from(["absent", "there", "later"]))
    def an_append_fails(self, partition: int, fate: str) -> None:
        frame = self.flying.pop(partition, None)
        if frame is None:
            return
        if fate == "there":
            self.log[partition] += numbers(frame)
        elif fate == "later":
            self.late.append((partition, numbers(frame)))
        self.table.append_failed(partition, self.now_ms, "NOT_APPENDED" if fate == "absent" else "OUTCOME_UNKNOWN")

    @precondition(lambda self: self.late)
    @rule()
    def a_failed_append_appears(self) -> None:
        partition, records = self.late.pop(0)
        self.log[partition] += records

    # -- the owner ------------------------------------------------------------------------------------------------

    @rule(partition=st.integers(0, PARTITIONS - 1), upto=st.integers(1, 6))
    def the_owner_answers_what_is_there(self, partition: int, upto: int) -> None:
        replies = [reply_to(key_of(number)) for number in self.log[partition][-upto:]]
        tell(self.table.replied(partition, replies))

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def another_owner_is_asked(self, partition: int) -> None:
        there = set(self.log[partition])
        keys = self.table.owned(partition)
        tell(self.table.replied(partition, [reply_to(key) for key in keys if number_of(key) in there]))
        self.absent.append((partition, [key for key in keys if number_of(key) not in there]))

    @precondition(lambda self: self.absent)
    @rule()
    def it_says_what_is_absent(self) -> None:
        self.table.absent(*self.absent.pop(0))

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def the_owner_is_lost(self, partition: int) -> None:
        self.table.lost(partition)

    # -- time -----------------------------------------------------------------------------------------------------

    @rule(ms=st.integers(1, 60))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms
        expired = self.table.expire(self.now_ms)
        for call, outcome in expired:
            number = number_of(call.key)
            self.expired.add(number)
            assert call.deadline_ms - self.now_ms < LEFT_MS
            if outcome == "NOT_APPENDED":
                appended = {*self.log[call.partition], *(n for _, late in self.late for n in late)}
                assert number not in appended or self.times_sent(number) > 1
        tell((), expired)

    def times_sent(self, number: int) -> int:
        return sum(number == sent for sent, *_ in self.waiters)

    # -- what holds -----------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_told_twice(self) -> None:
        assert all(told.times <= 1 for *_, told in self.waiters)

    @invariant()
    def first_copies_are_in_the_order_of_the_calls(self) -> None:
        for log in self.log:
            first = [number for number in dict.fromkeys(log) if number not in self.expired]
            once = [number for number in first if self.times_sent(number) == 1]
            assert once == sorted(once)

    def teardown(self) -> None:
        """Once log and owner are well, everybody is told, and nothing is kept."""
        for _ in range(10):
            self.now_ms += RETRY_MS
            self.frames_leave()
            for partition in range(PARTITIONS):
                self.a_frame_is_acknowledged(partition)
                self.another_owner_is_asked(partition)
                if self.absent:
                    self.it_says_what_is_absent()
        assert all(told.times == 1 for _, deadline_ms, told in self.waiters if deadline_ms >= FAR_MS)
        self.time_passes(300)
        assert [told.times for *_, told in self.waiters] == [1] * len(self.waiters)
        assert len(self.table) == 0
        assert kept(self.table) == []


def kept(table: PendingTable) -> list[object]:
    """Whatever the table still holds of calls."""
    inside = vars(table)
    lanes = [part for lane in inside["_lanes"] for part in (lane.queue, lane.flying)]
    return [
        part for part in (inside["_calls"], inside["_callers"], inside["_deadlines"], inside["_late"], *lanes) if part
    ]


def numbers(frame: Append) -> list[int]:
    """The calls of a frame."""
    return [int.from_bytes(record[:4]) for record in frame.records]


def number_of(key: Key) -> int:
    """The call that a key names."""
    return int.from_bytes(key[1])


def test_whatever_happens_everybody_is_told_once_and_nothing_is_kept() -> None:
    check_machine(AnyOrder, settings=settings(max_examples=150, stateful_step_count=40))


# -- each rule by an example --------------------------------------------------------------------------------------


def sent(table: PendingTable, now_ms: int = 0) -> list[int]:
    """The calls that leave now, of all partitions."""
    return [number for frame in table.take(now_ms) for number in numbers(frame)]


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


def test_unary_calls_collect_until_the_replies_are_back() -> None:
    table, told = table_of(), Told()
    table.owned(0)
    for number in (1, 2):
        table.submit(call_of(number, told, streamed=False))
    sent(table)
    table.submit(call_of(3, told, streamed=False))
    table.acknowledged(0)
    assert sent(table) == []
    assert table.next_ms() == HOLD_MS
    table.replied(0, [reply_to(key_of(1))])
    assert sent(table) == []
    table.replied(0, [reply_to(key_of(2))])
    assert sent(table) == [3]


def test_unary_calls_wait_for_replies_no_longer_than_a_moment() -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.submit(call_of(1, told, streamed=False))
    sent(table)
    table.submit(call_of(2, told, streamed=False))
    table.acknowledged(0)
    assert sent(table, HOLD_MS - 1) == []
    assert sent(table, HOLD_MS) == [2]


def test_unary_calls_do_not_wait_for_replies_of_a_partition_that_nobody_serves() -> None:
    table, told = table_of(), Told()
    table.owned(0)
    table.lost(0)
    table.submit(call_of(1, told, streamed=False))
    sent(table)
    table.submit(call_of(2, told, streamed=False))
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


def test_one_id_with_another_body_is_refused_while_the_first_is_on_its_way() -> None:
    table, told = table_of(), Told()
    table.submit(call_of(1, told))
    with pytest.raises(InvalidCommand) as refused:
        table.submit(call_of(1, told, size=5))
    assert (refused.value.field, refused.value.reason) == ("request_id", "REQUEST_ID_REUSED")


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
    assert [number_of(key) for key in table.owned(0)] == [1, 2, 3]


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
