"""The gateway's middle: calls into the log, answers back to whoever waits. The event loop around the pending table."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from actors.errors import DeadlineExceeded, Outcome, PlatformError, Unavailable
from actors.kernel.action import Push, Reply
from actors.kernel.record import Read, encode_frame, encode_record
from actors.link import Absent, Answer, Ask, Attach, Detach, FromHost, Lost, Owned, Pending, Pushes, Replies
from actors.ports import Appended, Log, Slice
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.owners import Owners
from gateway.pending import Append, Call, Expired, PendingTable, Stuck
from gateway.status import refusal_of

EXPIRE_S = 0.02


class Single:
    """Waits for one call."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def settled(self, reply: Reply, partition: int) -> None:
        """The answer is here."""
        del partition
        if not self.future.done():
            self.future.set_result(reply)

    def failed(self, request_id: bytes, error: PlatformError) -> None:
        """There will be no answer."""
        del request_id
        if not self.future.done():
            self.future.set_exception(error)


def too_late(expired: Expired) -> PlatformError:
    """The error of a call whose time is over."""
    outcome = expired.outcome
    told = "it was not appended" if outcome == "NOT_APPENDED" else "whether it is done is unknown: ask with the same id"
    if isinstance(expired, Stuck):
        return Unavailable(f"the log did not take the call in time; {told}", outcome=outcome)
    return DeadlineExceeded(f"the deadline passed before an answer came; {told}", outcome=outcome)


class Heard(Protocol):
    """A listener to one entity's pushes."""

    def pushed(self, push: Push) -> None:
        """A push came."""
        ...

    def reattached(self) -> None:
        """An owner serves the entity from now on: what was pushed meanwhile must be read."""
        ...


class _Asked(NamedTuple):
    ask: Ask
    answer: asyncio.Future[Answer]


class Ingress:
    """What the services call. Everything runs in one event loop, but for the log's callbacks."""

    def __init__(
        self, name: str, log: Log, cluster: ClusterSettings, process: ProcessSettings, token: str, sensor: Sensor
    ) -> None:
        self.name = name
        self._log = log
        self._cluster = cluster
        self._sensor = sensor
        self._table = PendingTable(
            cluster.partitions, process.pending_max, process.pending_per_caller_max, process.deadline_left_ms_min
        )
        self._owners = Owners(log, cluster.placement_topic, name, token, self._heard, self._moved)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._flushing = False
        self._expiring: asyncio.TimerHandle | None = None
        self._holding: asyncio.TimerHandle | None = None
        self._done: list[tuple[Append, float, Future[Appended]]] = []
        self._done_lock = threading.Lock()
        self._asks: dict[int, _Asked] = {}
        self._ask_ids = itertools.count(1)
        self._epochs: dict[int, int] = {}
        self._halted: dict[int, str] = {}
        self._listeners: dict[str, tuple[int, list[Heard]]] = {}

    def start(self) -> None:
        """Begin to follow the placement."""
        slice_ = Slice(self._cluster.placement_topic, 0)
        self._owners.start(self._log.spans([slice_])[slice_].start)

    async def stop(self) -> None:
        """End the streams to hosts."""
        await self._owners.stop()

    def __len__(self) -> int:
        return len(self._table)

    async def serves(self, partitions: int) -> None:
        """Wait until so many partitions have an owner that serves them, or says that it is halted."""
        while len(self._epochs.keys() | self._halted.keys()) < partitions:
            self._news.clear()
            await self._news.wait()

    # -- calls ----------------------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Take a call in; its waiter will be told. Raises Overloaded, InvalidCommand or Unavailable before the log."""
        halted = self._halted.get(call.partition)
        if halted is not None:
            raise Unavailable(f"partition {call.partition} is {halted}", outcome="NOT_APPENDED", retry_after_ms=1_000)
        self._table.submit(call)
        self._flush_soon()
        if self._expiring is None:
            self._expiring = self._loop.call_later(EXPIRE_S, self._expire)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        now_ms = time.time_ns() // 1_000_000
        topic = self._cluster.commands_topic
        for frame in self._table.take(now_ms):
            owners = self._owners
            encoded = encode_frame(topic, frame.partition, self.name, owners.release, owners.digest, frame.records)
            future = self._log.append(Slice(topic, frame.partition), encoded)
            self._watch(frame, future)
        next_ms = self._table.next_ms()
        if next_ms is not None and self._holding is None:
            self._holding = self._loop.call_later(max(next_ms - now_ms, 1) / 1_000, self._held)

    def _held(self) -> None:
        self._holding = None
        self._flush()

    def _watch(self, frame: Append, future: "Future[Appended]") -> None:
        began = time.perf_counter()
        future.add_done_callback(lambda done: self._append_done(frame, began, done))

    def _append_done(self, frame: Append, began: float, future: "Future[Appended]") -> None:
        """On a thread of the log's: hand over to the loop, once for all that is done by then."""
        with self._done_lock:
            self._done.append((frame, began, future))
            first = len(self._done) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would care
                self._loop.call_soon_threadsafe(self._take_done)

    def _take_done(self) -> None:
        with self._done_lock:
            done, self._done = self._done, []
        now = time.perf_counter()
        for frame, began, future in done:
            error = future.exception()
            if error is None:
                self._table.acknowledged(frame.partition)
                self._sensor.frame_appended(len(frame.records), sum(map(len, frame.records)), now - began)
            else:
                refused = isinstance(error, PlatformError) and error.reason == "NOT_APPENDED"
                outcome: Outcome = "NOT_APPENDED" if refused else "OUTCOME_UNKNOWN"
                self._table.append_failed(frame.partition, time.time_ns() // 1_000_000, outcome)
                self._sensor.append_failed(outcome)
        self._flush()

    def _expire(self) -> None:
        for expired in self._table.expire(time.time_ns() // 1_000_000):
            error = too_late(expired)
            for waiter in expired.call.waiters:
                waiter.failed(expired.call.key[1], error)
        self._sensor.pending_calls(len(self._table))
        self._expiring = self._loop.call_later(EXPIRE_S, self._expire) if len(self._table) else None

    # -- what hosts say -------------------------------------------------------------------------------------------

    def _heard(self, address: str, messages: Sequence[FromHost]) -> None:
        for message in messages:
            match message:
                case Replies(partition, replies):
                    for call, reply in self._table.replied(partition, replies):
                        for waiter in call.waiters:
                            waiter.settled(reply, partition)
                case Owned(partition, epoch):
                    self._owned(partition, epoch)
                case Lost(partition, halted):
                    self._lost(address, partition, halted)
                case Absent(partition, calls):
                    self._table.absent(partition, calls)
                case Answer():
                    self._answered(message)
                case Pushes(partition, pushes):
                    self._pushed(pushes)
        self._flush_soon()
        self._news.set()

    def _owned(self, partition: int, epoch: int) -> None:
        if epoch < self._epochs.get(partition, -1):
            return
        self._epochs[partition] = epoch
        self._halted.pop(partition, None)
        keys = self._table.owned(partition)
        if keys:
            self._owners.send(partition, Pending(partition, keys))
        for asked in list(self._asks.values()):
            if asked.ask.partition == partition:
                self._owners.send(partition, asked.ask)
        for entity, (where, listeners) in list(self._listeners.items()):
            if where == partition:
                self._owners.send(partition, Attach(partition, entity))
                for listener in list(listeners):
                    listener.reattached()

    def _lost(self, address: str, partition: int, halted: str) -> None:
        if self._owners.owns(address, partition):
            self._table.lost(partition)
            if halted:
                self._halted[partition] = halted
                error = Unavailable(f"partition {partition} is {halted}", outcome="NOT_APPENDED")
                for asked in [asked for asked in self._asks.values() if asked.ask.partition == partition]:
                    if not asked.answer.done():
                        asked.answer.set_exception(error)

    def _moved(self, partition: int) -> None:
        self._table.lost(partition)

    # -- queries --------------------------------------------------------------------------------------------------

    async def query(
        self, partition: int, entity: str, view: str, args: bytes, at_least: int, deadline_s: float
    ) -> Answer:
        """Ask the partition's owner. Raises Unavailable when none answers in time, and what the answer stands for."""
        halted = self._halted.get(partition)
        if halted is not None:
            raise Unavailable(f"partition {partition} is {halted}", outcome="NOT_APPENDED", retry_after_ms=1_000)
        ask = Ask(next(self._ask_ids), partition, entity, view, args, at_least)
        asked = self._asks[ask.ask_id] = _Asked(ask, self._loop.create_future())
        if partition in self._epochs:
            self._owners.send(partition, ask)
        try:
            answer = await asyncio.wait_for(asked.answer, deadline_s)
        except TimeoutError:
            message = f"no owner of partition {partition} answered in time"
            raise Unavailable(message, outcome="NOT_APPENDED") from None
        finally:
            del self._asks[ask.ask_id]
        if answer.code:
            reply = Reply("", "", b"", answer.code, answer.payload, answer.offset, 0, False)
            raise refusal_of(reply, partition)
        return answer

    def _answered(self, answer: Answer) -> None:
        asked = self._asks.get(answer.ask_id)
        if asked is None or answer.epoch < self._epochs.get(answer.partition, -1) or asked.answer.done():
            return  # nobody waits, or a former owner answers
        asked.answer.set_result(answer)

    def read(
        self, partition: int, entity: str, view: str, args: bytes, key: tuple[str, bytes], deadline_ms: int
    ) -> "asyncio.Future[Reply]":
        """Ask through the log: a `Read` record at a place of its own."""
        caller, request_id = key
        record = encode_record(Read(entity, view, args, request_id, caller))
        waiter = Single()
        self.submit(Call(key, partition, record, waiter, deadline_ms, streamed=False))
        return waiter.future

    # -- pushes ---------------------------------------------------------------------------------------------------

    def listen(self, partition: int, entity: str, listener: Heard) -> None:
        """Tell this listener of the entity's pushes, until `unlisten`."""
        _, listeners = self._listeners.setdefault(entity, (partition, []))
        listeners.append(listener)
        if len(listeners) == 1:
            self._owners.send(partition, Attach(partition, entity))

    def unlisten(self, partition: int, entity: str, listener: Heard) -> None:
        """Tell this listener no more."""
        _, listeners = self._listeners[entity]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[entity]
            self._owners.send(partition, Detach(partition, entity))

    def _pushed(self, pushes: Sequence[Push]) -> None:
        for push in pushes:
            for listener in self._listeners.get(push.entity, (0, []))[1]:
                listener.pushed(push)
