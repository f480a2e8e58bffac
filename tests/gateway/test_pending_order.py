"""The pending table under any order of inputs: everybody is told once, order holds, nothing is kept."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as check_machine

from actors.errors import Overloaded
from actors.kernel.record import RECORDS_MAX
from gateway.pending import RETRY_MS, Append, Key
from tests.gateway.pendings import (
    DEADLINES_MS,
    FAR_MS,
    LEFT_MS,
    PARTITIONS,
    Told,
    call_of,
    kept,
    key_of,
    number_of,
    numbers,
    reply_to,
    table_of,
    tell,
)


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
        keys = [call.key for call in self.table.owned(partition)]
        tell(self.table.replied(partition, [reply_to(key) for key in keys if number_of(key) in there]))
        self.absent.append((partition, [key for key in keys if number_of(key) not in there]))

    @precondition(lambda self: self.absent)
    @rule()
    def it_says_what_is_absent(self) -> None:
        self.table.absent(*self.absent.pop(0))

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def the_owner_is_lost(self, partition: int) -> None:
        self.table.lost(partition)

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def the_partition_halts(self, partition: int) -> None:
        given_up = self.table.halted(partition)
        self.expired.update(number_of(one.call.key) for one in given_up)
        tell((), given_up)

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


def test_whatever_happens_everybody_is_told_once_and_nothing_is_kept() -> None:
    check_machine(AnyOrder, settings=settings(max_examples=150, stateful_step_count=40))
