"""The gateway's middle: calls into the log, answers back to whoever waits. The event loop around the pending table."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from actors.clocks import steady_ms
from actors.errors import DeadlineExceeded, Outcome, Overloaded, PlatformError, Unavailable
from actors.kernel.action import Push, Reply
from actors.kernel.record import Position, Read, body_sum_of, encode_frame, encode_record
from actors.link import (
    Absent,
    Answer,
    Ask,
    Attach,
    Detach,
    FromGateway,
    FromHost,
    Lost,
    Owned,
    Pending,
    Pushes,
    Replies,
)
from actors.ports import Appended, Log, Slice
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.auth import Auth
from gateway.door import Door, Probe
from gateway.owners import Owners
from gateway.pending import RETRY_AFTER_MS, Append, Call, Expired, PendingTable, Settled, Stuck, Waiter
from gateway.rolling import Hears
from gateway.status import refusal_of

EXPIRE_S = 0.02
HALTED_RETRY_MS = 1_000
STALL_MS = 200
"""A call that stands in its lane for so long shows that the log is away: others need not wait for a mean to say so."""


class Single:
    """Waits for one call."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def settled(self, settled: Sequence[Settled]) -> None:
        """The answer is here."""
        if not self.future.done():
            self.future.set_result(settled[0][1])

    def failed(self, call: Call, error: PlatformError) -> None:
        """There will be no answer."""
        del call
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


def _give_up(asked: _Asked) -> None:
    """No answer came in time."""
    if not asked.answer.done():
        message = f"no owner of partition {asked.ask.partition} answered in time"
        asked.answer.set_exception(Unavailable(message, outcome="NOT_APPENDED"))


class _Halted(NamedTuple):
    address: str
    why: str


def _unavailable(partition: int, why: str, outcome: Outcome = "NOT_APPENDED") -> Unavailable:
    """The error of what asks a halted partition; `why` begins with `halted at`, then the place."""
    place = why.partition(":")[0].removeprefix("halted at ")
    is_record = place.count("/") == len(Position.__struct_fields__) - 1
    step = (
        f"`hutong why {place}`, then `hutong skip {place}` or `hutong retry {place}`"
        if is_record
        else "`hutong status`"
    )
    doubt = "" if outcome == "NOT_APPENDED" else "; whether the call is done is unknown: ask with the same id"
    message = f"partition {partition} is {why}{doubt}. An operator goes on with {step}"
    return Unavailable(message, outcome=outcome, retry_after_ms=HALTED_RETRY_MS)


class Ingress:
    """What the services call. Everything runs in one event loop, but for the log's callbacks."""

    def __init__(
        self,
        name: str,
        log: Log,
        cluster: ClusterSettings,
        process: ProcessSettings,
        token: str,
        sensor: Sensor,
        auth: Auth,
        hears: Hears,
    ) -> None:
        self.name = name
        self.auth = auth
        self._log = log
        self._cluster = cluster
        self._sensor = sensor
        self._table = PendingTable(
            cluster.partitions, process.pending_max, process.pending_per_caller_max, process.deadline_left_ms_min
        )
        self.door = Door(process, sensor)
        self.probe = Probe(self.door)
        self._owners = Owners(log, cluster.placement_topic, name, token, self._heard, self._down, hears)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._gather_s = process.gather_ms / 1_000
        self._flushing: asyncio.Handle | None = None
        self._expiring: asyncio.TimerHandle | None = None
        self._holding: asyncio.TimerHandle | None = None
        self._holding_until_ms = 0
        self._done: list[tuple[Append, float, Future[Appended]]] = []
        self._done_lock = threading.Lock()
        self._asks: dict[int, _Asked] = {}
        self._asks_max = (process.queries_max, process.queries_per_tenant_max)
        self._asks_of: dict[str, int] = {}
        """How many questions of each tenant are in flight."""
        self._ask_ids = itertools.count(1)
        self._epochs: dict[int, int] = {}
        """The highest epoch heard of for each partition: who answers under a lower one is a former owner."""
        self._serving: dict[int, str] = {}
        """Where the host is that serves a partition, as it said itself: the placement topic may say so later."""
        self._halted: dict[int, _Halted] = {}
        self._appended_at: dict[int, float] = {}
        """When a partition's frame was acknowledged whose answers are still to come."""
        self._listeners: dict[str, tuple[int, list[Heard]]] = {}

    def start(self) -> None:
        """Begin to follow the placement, as soon as there is one."""
        self._owners.start()

    async def stop(self) -> None:
        """End the streams to hosts."""
        await self._owners.stop()
        await self.probe.stop()
        for timer in (self._expiring, self._holding, self._flushing):
            if timer is not None:
                timer.cancel()

    def __len__(self) -> int:
        return len(self._table)

    async def serves(self, partitions: int) -> None:
        """Wait until so many partitions have an owner that serves them, or says that it is halted."""
        while len(self._serving.keys() | self._halted.keys()) < partitions:
            self._news.clear()
            await self._news.wait()

    # -- calls ----------------------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Take a call in; its waiter will be told. Raises what `submit_all` tells."""
        for _, error in self.submit_all((call,)):
            raise error

    def submit_all(self, calls: Sequence[Call]) -> list[tuple[Call, PlatformError]]:
        """Take in calls that came together; their waiters will be told.

        Returns those that were not taken in: Overloaded, InvalidCommand or Unavailable, before the log.
        """
        halted: list[tuple[Call, PlatformError]] = []
        if self._halted:
            calls, halted = self._not_halted(calls)
        refused = self._table.submit_all(calls)
        if self._flushing is None and calls:
            arrived_ms = calls[0].arrived_ms
            if self._table.collects(arrived_ms):
                self._hold(self._table.next_ms(), arrived_ms)
            elif self._gather_s:
                self._flush_soon()
            else:
                self._flushing = self._loop.call_soon(self._turn)
        if self._expiring is None:
            self._expiring = self._loop.call_later(EXPIRE_S, self._expire)
        return halted + refused

    def _not_halted(self, calls: Sequence[Call]) -> tuple[list[Call], list[tuple[Call, PlatformError]]]:
        """The calls whose partitions go on, and the others with the reason why theirs do not."""
        taken: list[Call] = []
        refused: list[tuple[Call, PlatformError]] = []
        for call in calls:
            try:
                self.check_not_halted(call.partition)
            except Unavailable as error:
                refused.append((call, error))
            else:
                taken.append(call)
        return taken, refused

    def check_not_halted(self, partition: int) -> None:
        """Raises Unavailable while the partition waits for an operator."""
        halted = self._halted.get(partition)
        if halted is not None:
            raise _unavailable(partition, halted.why)

    def _flush_soon(self) -> None:
        if self._flushing is None and self._table.is_waiting:
            later = self._gather_s
            self._flushing = self._loop.call_later(later, self._flush) if later else self._loop.call_soon(self._flush)

    def _turn(self) -> None:
        """Messages of several streams that came together are read in turns next to each other: they go in one frame."""
        self._flushing = None
        self._flush_soon()

    def _flush(self) -> None:
        self._flushing = None
        now_ms = steady_ms()
        topic, owners = self._cluster.commands_topic, self._owners
        frames = self._table.take(now_ms)
        for frame in frames:
            encoded = encode_frame(topic, frame.partition, self.name, owners.release, owners.digest, frame.records)
            future = self._log.append(Slice(topic, frame.partition), encoded)
            self._watch(frame, future)
        if frames:  # every other time there are none
            for streamed in (False, True):
                waited_ms, calls = self._table.waited(streamed=streamed)
                if calls:  # what they were made to wait for each other is no queue
                    queued_ms = max(waited_ms - self._gather_s * 1_000 * calls, 0)
                    self.door.waited("lane", queued_ms, calls, streamed=streamed)
            self.door.look(now_ms)
        self._hold(self._table.next_ms(), now_ms)

    def _hold(self, until_ms: int | None, now_ms: int) -> None:
        """Flush again then; a later time that was set gives way."""
        if until_ms is None:
            return
        if self._holding is not None:
            if self._holding_until_ms <= until_ms:
                return
            self._holding.cancel()
        self._holding_until_ms = until_ms
        self._holding = self._loop.call_later(max(until_ms - now_ms, 1) / 1_000, self._held)

    def _held(self) -> None:
        self._holding = None
        self._flush_soon()

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
                if self._table.acknowledged(frame.partition):
                    self._appended_at.setdefault(frame.partition, now)
                self._sensor.frame_appended(len(frame.records), sum(map(len, frame.records)), now - began)
            else:
                refused = isinstance(error, PlatformError) and error.reason == "NOT_APPENDED"
                outcome: Outcome = "NOT_APPENDED" if refused else "OUTCOME_UNKNOWN"
                self._table.append_failed(frame.partition, steady_ms(), outcome)
                self._sensor.append_failed(outcome)
        self._flush_soon()

    def _expire(self) -> None:
        now_ms = steady_ms()
        for expired in self._table.expire(now_ms):
            expired.call.fail(too_late(expired))
        self._sensor.pending_calls(len(self._table))
        for streamed, oldest_ms in self._table.oldest_ms(now_ms).items():
            self.door.keep("stall", oldest_ms if oldest_ms >= STALL_MS else 0, streamed=streamed)
        self.door.look(now_ms)
        self.probe.look()
        more = len(self._table) or self.door.is_choosing
        self._expiring = self._loop.call_later(EXPIRE_S, self._expire) if more else None

    # -- what hosts say -------------------------------------------------------------------------------------------

    def _heard(self, address: str, messages: Sequence[FromHost]) -> None:
        for message in messages:
            match message:
                case Replies(partition, replies):
                    self._replied(partition, replies)
                case Owned(partition, epoch):
                    self._owned(address, partition, epoch)
                case Lost(partition, halted):
                    self._lost(address, partition, halted)
                case Absent(partition, calls):
                    self._table.absent(partition, calls)
                case Answer():
                    self._answered(message)
                case Pushes(_, pushes):
                    self._pushed(pushes)
        self._flush_soon()
        self._news.set()

    def _replied(self, partition: int, replies: Sequence[Reply]) -> None:
        appended_at = self._appended_at.pop(partition, None)
        waited_s = 0.0 if appended_at is None else time.perf_counter() - appended_at
        self._sensor.replies_came(len(replies), waited_s)
        settled = self._table.replied(partition, replies)
        if appended_at is not None and settled:
            self.door.waited("host", waited_s * 1_000 * len(settled), len(settled), streamed=settled[0][0].streamed)
        theirs: defaultdict[Waiter, list[Settled]] = defaultdict(list)
        for one in settled:
            theirs[one[0].waiter].append(one)
        for waiter, its in theirs.items():
            waiter.settled(its)

    def _owned(self, address: str, partition: int, epoch: int) -> None:
        if epoch < self._epochs.get(partition, -1):
            return
        self._epochs[partition] = epoch
        self._serving[partition] = address
        self._halted.pop(partition, None)
        self._appended_at.pop(partition, None)  # they waited for an owner: no crowd, and no reason to turn others away
        keys = self._table.owned(partition)
        if keys:
            self._owners.send(address, Pending(partition, [(*call.key, body_sum_of(call.record)) for call in keys]))
        for asked in self._asks.values():
            if asked.ask.partition == partition and not asked.answer.done():
                self._owners.send(address, asked.ask)
        for entity, (where, listeners) in self._listeners.items():
            if where == partition:
                self._owners.send(address, Attach(partition, entity))
                for listener in listeners:
                    listener.reattached()

    def _lost(self, address: str, partition: int, halted: str) -> None:
        """What a host says of a partition that it does not serve counts if it did so, or is placed to."""
        halt = self._halted.get(partition)
        said_so = self._serving.get(partition) or (halt.address if halt else self._owners.address_of(partition))
        if address != said_so:
            return
        self._unserved(partition)
        if not halted:
            return
        self._halted[partition] = _Halted(address, halted)
        error = _unavailable(partition, halted)
        for asked in self._asks.values():
            if asked.ask.partition == partition and not asked.answer.done():
                asked.answer.set_exception(error)
        for call, outcome in self._table.halted(partition):
            call.fail(_unavailable(partition, halted, outcome))

    def _unserved(self, partition: int) -> None:
        self._serving.pop(partition, None)
        self._halted.pop(partition, None)
        self._table.lost(partition)

    def _down(self, address: str) -> None:
        """The stream to a host ended: whatever it said of its partitions, it says again when it is back."""
        halted = [partition for partition, halt in self._halted.items() if halt.address == address]
        served = [partition for partition, where in self._serving.items() if where == address]
        for partition in (*halted, *served):
            self._unserved(partition)
        self._flush_soon()

    def _tell(self, partition: int, message: FromGateway) -> None:
        """Say this to the partition's owner, if it is known; a new one is told what is still open by `_owned`."""
        address = self._serving.get(partition)
        if address is not None:
            self._owners.send(address, message)

    # -- queries --------------------------------------------------------------------------------------------------

    async def query(
        self,
        partition: int,
        entity: str,
        view: str,
        args: bytes,
        at_least: int,
        deadline_s: float,
        tenant: str | None = None,
    ) -> Answer:
        """Ask the partition's owner for a tenant; None is the gateway itself, which needs no room.

        Raises Overloaded before it is asked, Unavailable when no owner answers in time, and what the answer stands for.
        """
        self.check_not_halted(partition)
        if tenant is not None:
            self._check_room(tenant)
        ask = Ask(next(self._ask_ids), partition, entity, view, args, at_least)
        asked = self._asks[ask.ask_id] = _Asked(ask, self._loop.create_future())
        timer = self._loop.call_later(deadline_s, _give_up, asked)
        whose = tenant or ""
        self._asks_of[whose] = self._asks_of.get(whose, 0) + 1
        self._tell(partition, ask)
        try:
            answer = await asked.answer
        finally:
            timer.cancel()
            del self._asks[ask.ask_id]
            self._asks_of[whose] -= 1
            if not self._asks_of[whose]:
                del self._asks_of[whose]
        if answer.code:
            reply = Reply("", "", b"", answer.code, answer.payload, answer.offset, 0, False)
            raise refusal_of(reply, partition)
        return answer

    def _check_room(self, tenant: str) -> None:
        """Raises Overloaded where as many questions are in flight as may be, in all or of this tenant."""
        most, most_of_one = self._asks_max
        if len(self._asks) >= most:
            raise Overloaded("this gateway has too many questions in flight", retry_after_ms=RETRY_AFTER_MS)
        if self._asks_of.get(tenant, 0) >= most_of_one:
            message = f"this tenant has {most_of_one} questions in flight, which is its limit"
            raise Overloaded(message, retry_after_ms=RETRY_AFTER_MS, reason="TENANT_LIMIT")

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
        self.submit(Call(key, partition, record, waiter, deadline_ms, streamed=False, arrived_ms=steady_ms()))
        return waiter.future

    # -- pushes ---------------------------------------------------------------------------------------------------

    def listen(self, partition: int, entity: str, listener: Heard) -> None:
        """Tell this listener of the entity's pushes, until `unlisten`."""
        _, listeners = self._listeners.setdefault(entity, (partition, []))
        listeners.append(listener)
        if len(listeners) == 1:
            self._tell(partition, Attach(partition, entity))

    def unlisten(self, partition: int, entity: str, listener: Heard) -> None:
        """Tell this listener no more."""
        _, listeners = self._listeners[entity]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[entity]
            self._tell(partition, Detach(partition, entity))

    def _pushed(self, pushes: Sequence[Push]) -> None:
        for push in pushes:
            for listener in self._listeners.get(push.entity, (0, []))[1]:
                listener.pushed(push)
