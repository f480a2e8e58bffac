"""Calls, answers and a waiter for the tests of the pending table."""

from collections.abc import Sequence

from actors.errors import Outcome, PlatformError
from actors.kernel.action import Reply
from gateway.pending import Append, Call, Expired, Key, PendingTable, Settled

LEFT_MS = 20
PARTITIONS = 2
DEADLINE_MS = 1_000
DEADLINES_MS = (5, 60, 300, FAR_MS := 100_000)


class Told:
    """A waiter that notes what it is told."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.outcomes: list[Outcome] = []

    def settled(self, settled: Sequence[Settled]) -> None:
        """Note it."""
        self.replies += [reply for _, reply in settled]

    def failed(self, call: Call, error: PlatformError) -> None:
        """Not called: these tests look at what the table returns."""
        raise AssertionError((call, error))

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


def tell(settled: Sequence[Settled], expired: Sequence[Expired] = ()) -> None:
    """Tell the waiters, as the ingress does."""
    for call, reply in settled:
        call.waiter.settled([(call, reply)])
    for expiry in expired:
        for call in (expiry.call, *expiry.call.also):
            assert isinstance(call.waiter, Told)
            call.waiter.outcomes.append(expiry.outcome)


def numbers(frame: Append) -> list[int]:
    """The calls of a frame."""
    return [int.from_bytes(record[:4]) for record in frame.records]


def number_of(key: Key) -> int:
    """The call that a key names."""
    return int.from_bytes(key[1])


def sent(table: PendingTable, now_ms: int = 0) -> list[int]:
    """The calls that leave now, of all partitions."""
    return [number for frame in table.take(now_ms) for number in numbers(frame)]


def kept(table: PendingTable) -> list[object]:
    """Whatever the table still holds of calls."""
    inside = vars(table)
    lanes = [part for lane in inside["_lanes"] for part in (lane.queue, lane.flying)]
    return [part for part in (inside["_calls"], inside["_count"], inside["_late"], *lanes) if part]
