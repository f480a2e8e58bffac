"""A gateway's shell in the world: the real `PendingTable` between clients, the log and the hosts' streams."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from actors.errors import DeadlineExceeded, Outcome, PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import Invoke, Slice, body_sum_of, encode_frame, encode_record
from actors.link import Absent, Answer, Ask, FromGateway, FromHost, Lost, Owned, Pending, Pushes, Replies
from actors.settings import ClusterSettings, ProcessSettings
from gateway.pending import Call, PendingTable, Settled
from tests.simulation.clock import Clock
from tests.simulation.log import SimLog

EXPIRE_MS = 16
Told = Callable[[Reply | Outcome], None]
"""Called with the reply, or with what is known of the call when its time was over."""


class Surroundings(Protocol):
    """What a gateway is in."""

    clock: Clock
    chance: Random
    log: SimLog
    cluster: ClusterSettings
    process: ProcessSettings

    def tell_host(self, gateway: str, host: str, messages: list[FromGateway]) -> None:
        """Messages go to a host."""
        ...

    def said(self, reply: Reply) -> None:
        """A host answered a call; to be compared with all other answers to it."""
        ...

    def partition_of(self, entity: str) -> int:
        """Where an entity is."""
        ...


class Waiting:
    """A client that waits for a call's answer; a `Waiter` of the table."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def settled(self, settled: Sequence[Settled]) -> None:
        """The answer is here."""
        self._told(settled[0][1])

    def failed(self, call: Call, error: PlatformError) -> None:  # noqa: ARG002 - a waiter is told both
        """There will be no answer here: the client asks again."""
        self._told("NOT_APPENDED" if error.reason == "NOT_APPENDED" else "OUTCOME_UNKNOWN")


class Asked(NamedTuple):
    """A query on its way."""

    ask: Ask
    answered: Callable[[str, Answer], None]


class SimGateway:
    """One life of one gateway."""

    def __init__(self, name: str, world: Surroundings) -> None:
        self.name = name
        self.alive = True
        process = world.process
        self.table = PendingTable(
            world.cluster.partitions,
            process.pending_max,
            process.pending_per_caller_max,
            process.deadline_left_ms_min,
        )
        self._world = world
        self._clock = world.clock
        self._wakes_ms: int | None = None
        self._expiring = False
        self._flushes = False
        self._epochs: dict[int, int] = {}
        self._owners: dict[int, str] = {}
        self._asks: dict[int, Asked] = {}

    # -- from clients ---------------------------------------------------------------------------------------------

    def invoke(self, record: Invoke, deadline_ms: int, settled: Told, *, streamed: bool) -> None:
        """Take a call in. Raises what the table raises."""
        key = (record.caller, record.request_id)
        partition = self._world.partition_of(record.entity)
        self.table.submit(Call(key, partition, encode_record(record), Waiting(settled), deadline_ms, streamed))
        if not self._expiring:
            self._expiring = True
            self._clock.after(EXPIRE_MS, self._expire)
        self._flush_soon()

    def query(self, ask: Ask, answered: Callable[[str, Answer], None]) -> None:
        """Ask a partition's owner; `answered` may never be called."""
        self._asks[ask.ask_id] = Asked(ask, answered)
        self._ask(ask)

    def _ask(self, ask: Ask) -> None:
        owner = self._owners.get(ask.partition)
        if owner is not None:
            self._world.tell_host(self.name, owner, [ask])

    # -- to the log -----------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """Once for all that comes in one turn of the loop."""
        if not self._flushes:
            self._flushes = True
            self._clock.after(0, self._flush)

    def _flush(self) -> None:
        self._flushes = False
        if not self.alive:
            return
        cluster, now_ms = self._world.cluster, self._clock.now_ms
        for partition, records in self.table.take(now_ms):
            slice_ = Slice(cluster.commands_topic, partition)
            frame = encode_frame(*slice_, self.name, 1, "", records)
            self._world.log.append(self.name, slice_, frame, partial(self._appended, partition))
        next_ms = self.table.next_ms()
        if next_ms is not None and (self._wakes_ms is None or next_ms < self._wakes_ms):
            self._wakes_ms = max(next_ms, now_ms + 1)
            self._clock.after(self._wakes_ms - now_ms, self._wake)

    def _wake(self) -> None:
        self._wakes_ms = None
        self._flush()

    def _appended(self, partition: int, outcome: int | Outcome) -> None:
        if not self.alive:
            return
        if isinstance(outcome, int):
            self.table.acknowledged(partition)
        else:
            self.table.append_failed(partition, self._clock.now_ms, outcome)
        self._flush_soon()

    def _expire(self) -> None:
        if not self.alive:
            return
        for call, outcome in self.table.expire(self._clock.now_ms):
            call.fail(DeadlineExceeded("its time is over", outcome=outcome))
        self._expiring = len(self.table) > 0
        if self._expiring:
            self._clock.after(4 * EXPIRE_MS, self._expire)

    # -- from hosts -----------------------------------------------------------------------------------------------

    def heard(self, host: str, messages: list[FromHost]) -> None:
        """A host says these."""
        for message in messages:
            match message:
                case Replies(partition, replies):
                    for reply in replies:
                        self._world.said(reply)
                    for call, reply in self.table.replied(partition, replies):
                        call.waiter.settled([(call, reply)])
                case Owned(partition, epoch):
                    self._owned(host, partition, epoch)
                case Lost(partition):
                    if self._owners.get(partition) == host:
                        self._lost(partition)
                case Absent(partition, calls):
                    self.table.absent(partition, calls)
                case Answer():
                    self._answered(host, message)
                case Pushes():
                    pass
        self._flush_soon()

    def _owned(self, host: str, partition: int, epoch: int) -> None:
        if epoch < self._epochs.get(partition, -1):
            return
        self._epochs[partition] = epoch
        self._owners[partition] = host
        keys = [(*call.key, body_sum_of(call.record)) for call in self.table.owned(partition)]
        if keys:
            self._world.tell_host(self.name, host, [Pending(partition, keys)])
        for asked in self._asks.values():
            if asked.ask.partition == partition:
                self._ask(asked.ask)

    def _answered(self, host: str, answer: Answer) -> None:
        if answer.epoch >= self._epochs.get(answer.partition, -1):
            asked = self._asks.pop(answer.ask_id, None)
            if asked is not None:
                asked.answered(host, answer)

    def down(self, host: str) -> None:
        """The stream to this host ended."""
        for partition in [partition for partition, owner in self._owners.items() if owner == host]:
            self._lost(partition)
        self._flush_soon()

    def _lost(self, partition: int) -> None:
        del self._owners[partition]
        self.table.lost(partition)
