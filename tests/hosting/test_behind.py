"""What may wait is gathered: nothing is lost, nothing changes its order within a partition."""

import asyncio
from collections.abc import Callable

from actors.adapters.hosting.behind import PUTS_MAX, Behind
from actors.kernel.record import Slice
from actors.ports import Batch
from actors.work import Append, Write

EVENTS = Slice("hutong.events.box.v1", 0)


class Kept:
    """What was handed on."""

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.writes: list[Write] = []
        self.handed_on = asyncio.Event()

    def behind(self) -> Behind:
        """A gatherer that hands on to here."""
        loop = asyncio.get_running_loop()
        return Behind(loop, self.appends.append, self.writes.append, self.handed_on.set)


def play(act: Callable[[Kept, Behind], None]) -> Kept:
    """Act, then wait until everything was handed on."""

    async def run() -> Kept:
        kept = Kept()
        act(kept, kept.behind())
        await kept.handed_on.wait()
        return kept

    return asyncio.run(run())


def write(offset: int, batch: Batch, partition: int = 0) -> Write:
    """A write that brings the store to this offset."""
    return Write(partition, offset, batch, [offset])


def test_writes_of_one_partition_become_one_and_the_later_value_holds() -> None:
    def act(kept: Kept, behind: Behind) -> None:
        behind.write(write(1, Batch({b"a": b"1", b"b": b"1", b"c": b"1"}, [b"d"])))
        behind.write(write(2, Batch({b"a": b"2", b"d": b"2"}, [b"b"])))
        behind.write(write(7, Batch({b"x": b"7"}), partition=3))
        assert kept.writes == []

    kept = play(act)
    assert [(done.partition, done.offset) for done in kept.writes] == [(0, 2), (3, 7)]
    assert kept.writes[0].batch.puts == {b"a": b"2", b"c": b"1", b"d": b"2"}
    assert kept.writes[0].batch.deletes == [b"b"]
    assert kept.writes[0].swept_seconds == [1, 2]


def test_a_range_that_goes_does_not_take_what_was_put_before_it_into_the_same_batch() -> None:
    def act(kept: Kept, behind: Behind) -> None:
        behind.write(write(1, Batch({b"w1": b"1"})))
        behind.write(write(2, Batch({}, [], [(b"w", b"x")])))
        assert [done.offset for done in kept.writes] == [1], "the puts go first, in a batch of their own"

    assert [done.offset for done in play(act).writes] == [1, 2]


def test_a_partition_can_be_flushed_and_a_big_batch_does_not_wait() -> None:
    def act(kept: Kept, behind: Behind) -> None:
        behind.write(write(1, Batch({b"a": b"1"})))
        behind.flush(0)
        behind.flush(0)
        assert [done.offset for done in kept.writes] == [1]
        behind.write(write(2, Batch({str(n).encode(): b"" for n in range(PUTS_MAX)})))
        assert [done.offset for done in kept.writes] == [1]
        behind.write(write(3, Batch({b"one more": b""})))
        assert [done.offset for done in kept.writes] == [1, 3]

    play(act)


def test_appends_keep_their_order_and_stop_hands_everything_on() -> None:
    def act(kept: Kept, behind: Behind) -> None:
        for ticket in range(3):
            behind.append(Append(ticket, EVENTS, b"frame", 1))
        assert kept.appends == []
        behind.stop()
        assert [append.ticket for append in kept.appends] == [0, 1, 2]

    play(act)
