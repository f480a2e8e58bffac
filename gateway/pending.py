"""The calls that a gateway has taken in and not yet answered: pure, no clock, no I/O. The simulator runs this file.

Natural batching: a lane (a partition) sends at once when it is idle; while a frame is on its way it collects, and sends
all it collected when that is done. *Done* is the append's acknowledgement and the return of the replies, for which it
waits `HOLD_MS` at most and only while the owner serves: larger frames are what a log is good at.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from actors.errors import InvalidCommand, Outcome, Overloaded, PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import FRAME_BYTES_MAX, RECORDS_MAX, is_same_call

HOLD_MS = 10
RETRY_MS = 50
RETRY_AFTER_MS = 100
FRAME_BODY_BYTES_MAX = FRAME_BYTES_MAX - 4_096
_NEVER_MS = 1 << 62
_REUSED = "this request id is on its way with another command or payload"

Key: TypeAlias = tuple[str, bytes]
"""(caller, request_id): what names a call."""


class Waiter(Protocol):
    """Whoever waits for answers: told of each call once for each time it was submitted."""

    def settled(self, settled: "Sequence[Settled]") -> None:
        """These calls of its own are answered: those of one message of a host, together."""
        ...

    def failed(self, call: "Call", error: PlatformError) -> None:
        """There will be no answer."""
        ...


class Call(Struct, eq=False):
    """One call on its way. `name` is what its waiter knows it by."""

    key: Key
    partition: int
    record: bytes
    waiter: Waiter
    deadline_ms: int
    streamed: bool
    name: str = ""
    arrived_ms: int = 0
    also: tuple["Call", ...] = ()
    """Those of the same key and body that came while it was on its way: they end as it does."""
    order: int = 0
    handed: int = 0
    """How many frames with it the log was given and did not certainly refuse; above 0 its outcome is unknown."""
    open: bool = True

    def fail(self, error: PlatformError) -> None:
        """Tell whoever waits for it that there will be no answer."""
        for call in (self, *self.also):
            call.waiter.failed(call, error)


Settled: TypeAlias = tuple[Call, Reply]
"""A call and its answer."""


class Append(NamedTuple):
    """Append these records to the partition as one frame; answer with `acknowledged` or `append_failed`."""

    partition: int
    records: list[bytes]


class Expired(NamedTuple):
    """This call's time is over; its waiters are to be told."""

    call: Call
    outcome: Outcome


class Stuck(Expired):
    """A call whose time is over while the log had not acknowledged it, or a frame before it: the log is away."""


class _Lane:
    """One partition's calls."""

    __slots__ = ("failed", "flying", "held", "hold_until_ms", "queue", "retry_at_ms", "serving")

    def __init__(self) -> None:
        self.queue: deque[Call] = deque()
        self.flying: list[Call] | None = None
        self.held = 0
        """Calls of the last frame that are not answered yet."""
        self.hold_until_ms = 0
        self.retry_at_ms = 0
        self.serving = False
        self.failed = False
        """Whether the last append failed."""

    def ready_ms(self) -> int:
        """When the next frame may go; a lane whose frame is on its way is not asked."""
        hold_until_ms = self.hold_until_ms if self.held and self.serving else 0
        return max(hold_until_ms, self.retry_at_ms)

    def is_busy(self) -> bool:
        """Whether its last frame is not done."""
        return self.flying is not None or (self.held > 0 and self.serving)


class PendingTable:
    """Every call in flight through one gateway."""

    def __init__(self, partitions: int, pending_max: int, per_caller_max: int, left_ms_min: int) -> None:
        self._lanes = [_Lane() for _ in range(partitions)]
        self._calls: dict[str, dict[bytes, Call]] = {}
        """By caller and request id; of a caller without calls there is nothing."""
        self._count = 0
        self._due_ms = _NEVER_MS
        """No call's time is over before: what expires is looked for then, and not noted for each call."""
        self._late: list[Expired] = []
        self._dirty: dict[int, None] = {}
        self._pending_max = pending_max
        self._per_caller_max = per_caller_max
        self._left_ms_min = left_ms_min
        self._order = 0
        self._wave: list[_Lane] = []
        """The lanes whose frames of unary calls were last handed out together and are not done."""
        self._wave_until_ms = 0
        self._waited = {False: (0, 0), True: (0, 0)}
        self._streams = False
        """Whether there was a streamed call since the table was last empty: those do not wait for waves."""

    def __len__(self) -> int:
        return self._count

    @property
    def is_waiting(self) -> bool:
        """Whether a call waits for its frame, or did until it was over: else `take` has nothing to do."""
        return bool(self._dirty)

    # -- from clients ---------------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Take one call in; raises what `submit_all` tells."""
        for _, error in self.submit_all((call,)):
            raise error

    def submit_all(self, calls: Sequence[Call]) -> list[tuple[Call, PlatformError]]:
        """Take calls in, in this order: one caller's, of one kind and with one deadline, as those of a message are.

        One of the same key and body joins the one that is on its way. Returns those that were not taken in: Overloaded
        at a bound, and InvalidCommand when the key is on its way with another body.
        """
        refused: list[tuple[Call, PlatformError]] = []
        if not calls:
            return refused
        first = calls[0]
        caller, _ = first.key
        mine = self._calls.get(caller, {})
        before = len(mine)
        room = min(self._pending_max - self._count, self._per_caller_max - before)
        lanes, dirty = self._lanes, self._dirty
        for order, call in enumerate(calls, self._order):
            request_id = call.key[1]
            if request_id in mine:
                if not _join(mine[request_id], call):
                    refused.append((call, InvalidCommand(_REUSED, field="request_id", reason="REQUEST_ID_REUSED")))
            elif room <= 0:
                refused.append((call, self._full(before)))
            else:
                room -= 1
                mine[request_id] = call
                call.order = order
                partition = call.partition
                lanes[partition].queue.append(call)
                dirty[partition] = None
        if mine:
            self._calls[caller] = mine
        self._streams = first.streamed or (self._streams and self._count > 0)
        self._due_ms = min(self._due_ms, first.deadline_ms)
        self._order += len(calls)
        self._count += len(mine) - before
        return refused

    def _full(self, callers: int) -> Overloaded:
        """Why a call must wait whose caller had so many in flight before this message."""
        if self._pending_max - self._count <= self._per_caller_max - callers:
            return Overloaded("this gateway has too many calls in flight", retry_after_ms=RETRY_AFTER_MS)
        message = f"this caller has {self._per_caller_max} calls in flight, which is its limit"
        return Overloaded(message, retry_after_ms=RETRY_AFTER_MS, reason="CALLER_LIMIT")

    def _in_flight(self) -> Iterator[Call]:
        return (call for mine in self._calls.values() for call in mine.values())

    # -- to and from the log --------------------------------------------------------------------------------------

    def take(self, now_ms: int) -> list[Append]:
        """The frames to append now, at most one for each partition."""
        frames: list[Append] = []
        collects = self._wave_goes_on(now_ms)
        if collects and not self._streams:
            return frames
        for partition in list(self._dirty):
            lane = self._lanes[partition]
            if lane.flying is not None or not lane.queue:
                del self._dirty[partition]
            elif lane.ready_ms() <= now_ms and (lane.queue[0].streamed or not collects):
                del self._dirty[partition]
                calls, records = self._fill(lane, now_ms)
                if calls:
                    frames.append(Append(partition, records))
                    if not calls[-1].streamed:
                        self._wave.append(lane)
                        self._wave_until_ms = now_ms + HOLD_MS
        return frames

    def _wave_goes_on(self, now_ms: int) -> bool:
        """Whether frames of unary calls are on their way, for `HOLD_MS` at most: unary calls collect meanwhile.

        Frames that go together share a write of the log, a poll of the host and a message back. One by one, as calls
        happen to come, most would hold a single call, since a lane has few of the calls that are in flight.
        """
        wave = self._wave
        if now_ms >= self._wave_until_ms:
            wave.clear()
        while wave and not wave[-1].is_busy():
            wave.pop()
        return bool(wave)

    def _fill(self, lane: _Lane, now_ms: int) -> tuple[list[Call], list[bytes]]:
        """The calls of the lane's next frame, and their records."""
        queue, late_ms = lane.queue, now_ms + self._left_ms_min
        first = [queue.popleft() for _ in range(min(len(queue), RECORDS_MAX))]
        calls = [call for call in first if call.open and call.deadline_ms >= late_ms]
        if len(calls) < len(first):
            late = [call for call in first if call.open and call.deadline_ms < late_ms]
            self._late += [self._expired(call, stuck=lane.failed) for call in late]
        records = [call.record for call in calls]
        size = sum(map(len, records)) + 8 * len(records)
        while size > FRAME_BODY_BYTES_MAX and len(records) > 1:
            size -= len(records.pop()) + 8
            queue.appendleft(calls.pop())
        for call in calls:
            call.handed += 1
        if calls:
            lane.flying = calls
            lane.held = len(calls)
            lane.hold_until_ms = now_ms + HOLD_MS
            total_ms, count = self._waited[calls[0].streamed]
            waited_ms = now_ms - (calls[0].arrived_ms + calls[-1].arrived_ms) // 2  # they came evenly, or nearly
            self._waited[calls[0].streamed] = (total_ms + waited_ms * len(calls), count + len(calls))
        return calls, records

    def collects(self, now_ms: int) -> bool:
        """Whether calls wait for those that are on their way: until `next_ms` at most, `take` has nothing."""
        return not self._streams and self._wave_goes_on(now_ms)

    def waited(self, *, streamed: bool) -> tuple[int, int]:
        """How many ms the calls handed out since the last time stood here, all together, and how many they were."""
        waited, self._waited[streamed] = self._waited[streamed], (0, 0)
        return waited

    def oldest_ms(self, now_ms: int) -> dict[bool, int]:
        """How long the oldest call stands here that waits for its lane: a streamed one, and one that is not."""
        since_ms = {False: now_ms, True: now_ms}
        for lane in self._lanes:
            if lane.queue:
                first = lane.queue[0]
                since_ms[first.streamed] = min(since_ms[first.streamed], first.arrived_ms)
        return {streamed: now_ms - first_ms for streamed, first_ms in since_ms.items()}

    def next_ms(self) -> int | None:
        """When `take` has something to do that it had not now."""
        wave_until_ms = self._wave_until_ms if self._wave else 0
        if wave_until_ms and not self._streams:
            return wave_until_ms if self._dirty else None
        lanes = (self._lanes[partition] for partition in self._dirty)
        return min(
            (
                lane.ready_ms() if lane.queue[0].streamed else max(lane.ready_ms(), wave_until_ms)
                for lane in lanes
                if lane.flying is None and lane.queue
            ),
            default=None,
        )

    def acknowledged(self, partition: int) -> bool:
        """The partition's frame is on the log; returns whether any of its calls still waits for an answer."""
        lane = self._lanes[partition]
        flying, lane.flying = lane.flying or (), None
        lane.failed = False
        if lane.queue:
            self._dirty[partition] = None
        return any(call.open for call in flying)

    def append_failed(self, partition: int, now_ms: int, outcome: Outcome = "OUTCOME_UNKNOWN") -> None:
        """The partition's frame is not on the log, or may not be: it goes again, first, in the same order."""
        lane = self._lanes[partition]
        assert lane.flying is not None
        if outcome == "NOT_APPENDED":
            for call in lane.flying:
                call.handed -= 1
        lane.failed = True
        lane.queue.extendleft(call for call in reversed(lane.flying) if call.open)
        lane.flying = None
        lane.held = 0
        lane.retry_at_ms = now_ms + RETRY_MS
        self._dirty[partition] = None

    # -- from hosts -----------------------------------------------------------------------------------------------

    def replied(self, partition: int, replies: Iterable[Reply]) -> list[Settled]:
        """Match answers with calls; what nobody waits for is dropped."""
        settled: list[Settled] = []
        count = 0
        for reply in replies:
            mine = self._calls.get(reply.caller, _NONE)
            call = mine.pop(reply.request_id, None)
            if call is not None:
                count += 1
                call.open = False
                settled.append((call, reply))
                if call.also:
                    settled += [(other, reply) for other in call.also]
                if not mine:
                    del self._calls[reply.caller]
        self._count -= count
        lane = self._lanes[partition]
        lane.held = max(lane.held - count, 0)
        if lane.queue:
            self._dirty[partition] = None
        return settled

    def owned(self, partition: int) -> list[Call]:
        """A host serves this partition now: returns what it must look up, since a former owner may not have said.

        A frame that is on its way belongs to it: it may have been applied before the host could tell us.
        """
        lane = self._lanes[partition]
        lane.serving = True
        self._dirty[partition] = None
        queued = {call.order for call in lane.queue}
        return [
            call
            for call in self._in_flight()
            if call.partition == partition and call.handed and call.order not in queued
        ]

    def lost(self, partition: int) -> None:
        """Nobody serves this partition as far as is known: calls are appended all the same."""
        self._lanes[partition].serving = False
        self._dirty[partition] = None

    def halted(self, partition: int) -> list[Expired]:
        """The partition is halted: no call of it is answered before an operator acts, so all are given back now."""
        lane = self._lanes[partition]
        given_up = [self._expired(call, stuck=False) for call in list(self._in_flight()) if call.partition == partition]
        lane.queue.clear()
        lane.held = 0
        return given_up

    def absent(self, partition: int, keys: Sequence[Key]) -> None:
        """The owner says that these are not in the log: the same records go again, oldest first."""
        lane = self._lanes[partition]
        queued = {call.order for call in (*lane.queue, *(lane.flying or ()))}
        found = (self._calls.get(caller, _NONE).get(request_id) for caller, request_id in keys)
        again = [call for call in found if call is not None and call.order not in queued]
        lane.queue.extendleft(sorted(again, key=lambda call: -call.order))
        self._dirty[partition] = None

    # -- time -----------------------------------------------------------------------------------------------------

    def expire(self, now_ms: int) -> list[Expired]:
        """The calls whose time is over, or too short to begin; to be called some fifty times a second."""
        expired, self._late = self._late, []
        if self._due_ms >= now_ms + self._left_ms_min:
            return expired
        over = [
            call for call in self._in_flight() if call.deadline_ms - now_ms < (1 if call.handed else self._left_ms_min)
        ]
        over.sort(key=_order)
        for partition in {call.partition for call in over}:
            lane = self._lanes[partition]
            waiting = {call.order for call in (*lane.queue, *(lane.flying or ()))}
            lost = lane.failed or lane.flying is not None
            mine = [call for call in over if call.partition == partition]
            expired += [self._expired(call, stuck=lost and call.order in waiting) for call in mine]
            lane.queue = deque(call for call in lane.queue if call.open)
        self._due_ms = min((call.deadline_ms for call in self._in_flight()), default=_NEVER_MS)
        return expired

    def _expired(self, call: Call, *, stuck: bool) -> Expired:
        caller, request_id = call.key
        mine = self._calls[caller]
        del mine[request_id]
        if not mine:
            del self._calls[caller]
        self._count -= 1
        call.open = False
        outcome: Outcome = "OUTCOME_UNKNOWN" if call.handed else "NOT_APPENDED"
        return Stuck(call, outcome) if stuck else Expired(call, outcome)


_order = attrgetter("order")
_NONE: dict[bytes, Call] = {}
"""The calls of a caller that has none; nothing is ever put there."""


def _join(same: Call, call: Call) -> bool:
    """The call waits with the one of its key that is on its way; False when that is another call."""
    if not is_same_call(same.record, call.record):
        return False
    same.also += (call,)
    same.deadline_ms = max(same.deadline_ms, call.deadline_ms)
    return True
