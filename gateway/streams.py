"""One stream of calls, such as `InvokeStream`: calls in, results out, no task and no future for a single call."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from actors.clocks import steady_ms, wall_ms
from actors.errors import PlatformError, Unavailable
from actors.kernel.action import Reply
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.admission import level_of
from gateway.auth import Caller
from gateway.deadlines import deadline_ms, each_call_ms
from gateway.door import SAID
from gateway.ingress import Ingress
from gateway.pending import Call, Settled
from gateway.routes import Routes, text_of
from gateway.sealing import KeyMissing
from gateway.status import code_of, refusal_of, status_of
from gateway.written import PARTS, RESULTS_BYTES_MAX, RESULTS_MAX, Shape

OPEN_MAX = 10_000
CALLS_AT_ONCE_MAX = 1_000
"""A message may hold so many calls that taking them in would keep everybody else waiting."""


class Speech(Protocol):
    """What one kind of stream speaks of: how its calls are read from a message, made into records, and answered."""

    method: str
    """The name of the gRPC method, for metrics."""

    def calls(self, batch: Any) -> Sequence[Any]:
        """The calls of a message; each has a `request_id`."""
        ...

    async def learn(self, calls: Sequence[Any], until_ms: int) -> None:
        """Find out what `record` must know of these calls. Raises nothing: what is not known is refused there."""
        ...

    def key(self, call: Any, caller: Caller) -> str:
        """What is asked, for the door: the resource name of an entity."""
        ...

    def check(self, call: Any, caller: Caller) -> None:
        """Raises PermissionDenied or NotFound unless this caller, who has proved who it is, may make the call."""
        ...

    def record(self, call: Any, request_id: bytes, caller: Caller) -> tuple[int, bytes]:
        """The partition and the record of a call. Raises a PlatformError for one that cannot be made."""
        ...

    shape: Shape
    """How its good results are written."""

    def results(self) -> Any:
        """A message for results, empty: errors are written there."""
        ...


def stream_of(
    ingress: Ingress,
    routes: Routes,
    speech: Speech,
    caller: Caller,
    sensor: Sensor,
    process: ProcessSettings,
    context: Any,
) -> "CallStream":
    """The stream that a caller opens. Raises InvalidCommand, DeadlineExceeded."""
    left_s: float | None = context.time_remaining()  # None when there is none, whatever its type says
    until_ms = None if left_s is None else deadline_ms(left_s, process)
    call_ms = each_call_ms(context.invocation_metadata(), process)
    return CallStream(ingress, routes, speech, caller, sensor, call_ms, until_ms)


class CallStream:
    """A `Waiter` for all calls of one stream. Takes no more in while `OPEN_MAX` are not answered and read."""

    def __init__(
        self,
        ingress: Ingress,
        routes: Routes,
        speech: Speech,
        caller: Caller,
        sensor: Sensor,
        call_ms: int,
        until_ms: int | None,
    ) -> None:
        """Each call may take `call_ms`, and none longer than until `until_ms`, when the stream itself ends."""
        self._ingress = ingress
        self._routes = routes
        self._speech = speech
        self._caller = caller
        self._sensor = sensor
        self._call_ms = call_ms
        self._until_ms = until_ms
        self._open = 0
        """How many calls are on their way."""
        self._answered: deque[Settled] = deque()
        self._refused: deque[tuple[str, PlatformError]] = deque()
        """By the request id as the client wrote it."""
        self._gone = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._draining = False
        self._reading: asyncio.Task[None] | None = None

    async def run(self, requests: AsyncIterator[Any], context: Any) -> None:
        """Serve until the client has half-closed and every call is answered.

        Raises Unavailable when the gateway is drained: what was taken in is answered, the rest was not appended.
        """
        reading = self._reading = asyncio.ensure_future(self._read(requests))
        reading.add_done_callback(self._read_all)
        if self._draining:
            reading.cancel()
        try:
            await self._write(context)
        finally:
            reading.cancel()
            self._gone = True  # what is still open then is answered to nobody
        if self._draining:
            raise Unavailable("this gateway ends; go on with another", outcome="NOT_APPENDED", retry_after_ms=0)
        reading.result()

    def drain(self) -> None:
        """Take no more calls in, answer what is open, and end."""
        self._draining = True
        if self._reading is not None:
            self._reading.cancel()

    # -- calls in -------------------------------------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for batch in requests:
            calls = self._speech.calls(batch)
            for start in range(0, len(calls), CALLS_AT_ONCE_MAX):
                if start:
                    await asyncio.sleep(0)
                while self._open + len(self._answered) + len(self._refused) >= OPEN_MAX:
                    self._room.clear()
                    await self._room.wait()
                some = calls[start : start + CALLS_AT_ONCE_MAX]
                if self._caller.principal is not None:
                    some = self._permitted(some)
                await self._speech.learn(some, steady_ms() + self._call_ms)
                unkeyed = self._take(some)
                while unkeyed:
                    unkeyed = await self._take_keyed(unkeyed)

    def _read_all(self, _: "asyncio.Task[None]") -> None:
        self._ended = True
        self._ready.set()

    async def _take_keyed(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Make the keys that the first of these needs, then take them in; returns those from the next such one on."""
        first = calls[0]
        try:
            request_id = self._routes.request_id(first.request_id)
            await self._routes.sealing.keyed(lambda: self._speech.record(first, request_id, self._caller))
        except PlatformError as error:
            self._refuse_all([(first.request_id, error)])
            calls = calls[1:]
        return self._submit(calls)

    def _take(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Take these calls in, in order; returns those from the first on that needs a key which is not there yet."""
        door = self._ingress.door
        if door.is_choosing:
            calls = self._chosen(calls)
            door.look(steady_ms())
        else:
            door.count(len(calls))
        return self._submit(calls)

    def _submit(self, calls: Sequence[Any]) -> Sequence[Any]:
        arrived_ms = steady_ms()
        deadline_ms = arrived_ms + self._call_ms
        if self._until_ms is not None:
            deadline_ms = min(deadline_ms, self._until_ms)
        caller, record_of = self._caller.name, self._speech.record
        id_of, latest = self._routes.request_id, self._routes.latest_id()
        names = [call.request_id for call in calls]
        ids = self._routes.request_ids(names, latest)
        made: list[Call] = []
        refused: list[tuple[str, PlatformError]] = []
        unkeyed: Sequence[Any] = ()
        for place, (call, name) in enumerate(zip(calls, names, strict=True)):
            try:
                request_id = ids[place] if ids else id_of(name, latest)
                partition, record = record_of(call, request_id, self._caller)
            except KeyMissing:
                unkeyed = calls[place:]
                break
            except PlatformError as error:
                refused.append((name, error))
            else:
                name = name or text_of(request_id)
                made.append(Call((caller, request_id), partition, record, self, deadline_ms, True, name, arrived_ms))
        self._open += len(made)
        not_taken = self._ingress.submit_all(made)
        self._open -= len(not_taken)
        self._refuse_all([*refused, *((call.name, error) for call, error in not_taken)])
        return unkeyed

    def _permitted(self, calls: Sequence[Any]) -> Sequence[Any]:
        """The calls that this caller may make, while its token is good; the others have their results at once."""
        caller, permitted, refused = self._caller, list[Any](), list[tuple[str, PlatformError]]()
        ended: PlatformError | None = None
        try:
            self._ingress.auth.check(caller, wall_ms())
        except PlatformError as error:
            ended = error
        for call in calls:
            try:
                if ended is not None:
                    raise ended
                self._speech.check(call, caller)
            except PlatformError as error:
                refused.append((call.request_id, error))
            else:
                permitted.append(call)
        self._refuse_all(refused)
        return permitted

    def _chosen(self, calls: Sequence[Any]) -> Sequence[Any]:
        """The calls that are let in; the others have their results at once."""
        refused_of, tenant = self._ingress.door.refused, self._caller.tenant
        level = level_of(self._caller.priority, self._caller.name, wall_ms())
        chosen: list[Any] = []
        refused: list[tuple[str, PlatformError]] = []
        for call in calls:
            error = refused_of(tenant, level, self._speech.key(call, self._caller))
            if error is None:
                chosen.append(call)
            else:
                refused.append((call.request_id, error))
        self._refuse_all(refused)
        return chosen

    def _refuse_all(self, refused: Sequence[tuple[str, PlatformError]]) -> None:
        """These calls, by the request id that the client wrote, end before the log."""
        if refused:
            self._refused += refused
            self._ready.set()
        for reason, count in Counter(error.reason for _, error in refused).items():
            self._sensor.calls_refused(reason, count)

    # -- results out, as a waiter ---------------------------------------------------------------------------------

    def settled(self, settled: Sequence[Settled]) -> None:
        """Answers are here."""
        self._open -= len(settled)
        if not self._gone:
            self._answered += settled
            self._ready.set()

    def failed(self, call: Call, error: PlatformError) -> None:
        """There will be no answer to a call."""
        self._open -= 1
        if not self._gone:
            self._refused.append((call.name, error))
            self._ready.set()

    async def _write(self, context: Any) -> None:
        while not self._ended or self._open or self._answered or self._refused:
            await self._ready.wait()
            self._ready.clear()
            while self._answered or self._refused:
                batch = self._batch()
                await context.write(batch)
                self._room.set()

    def _batch(self) -> bytes:
        """A message of the oldest results."""
        parts = self._speech.shape.write(self._answered, self._opened)
        if parts:
            self._sensor.stream_answered(self._speech.method, "OK", len(parts) // PARTS)
        batch = self._speech.results()
        batch.level, batch.own_level = self._ingress.door.levels(self._caller)
        if self._refused:
            self._add_errors(batch.results.add)
        parts.append(batch.SerializeToString())
        return b"".join(parts)

    def _opened(self, call: Call, reply: Reply) -> Reply | None:
        """An answer with what is sealed in it opened for who calls; None for one that is an error."""
        try:
            if reply.code:
                raise refusal_of(reply, call.partition)
            payload = self._routes.sealing.opened(self._caller.principal, reply.payload)
        except PlatformError as error:
            self._refused.append((call.name, error))
            return None
        return msgspec.structs.replace(reply, payload=payload)

    def _add_errors(self, add: Callable[..., Any]) -> None:
        """Add the oldest errors to a message."""
        turned_away: dict[str, bytes] = {}
        bad: dict[str, int] = {}
        size = 0
        for _ in range(min(len(self._refused), RESULTS_MAX)):
            if size > RESULTS_BYTES_MAX:
                break
            name, error = self._refused.popleft()
            status = turned_away.get(error.reason)
            if status is None:
                shared = error.reason in SAID
                status = status_of(error, "" if shared else name).SerializeToString()
                if shared:  # they come by the thousand, and must cost little
                    turned_away[error.reason] = status
            add(request_id=name).error.MergeFromString(status)
            size += len(status)
            code = code_of(error).name
            bad[code] = bad.get(code, 0) + 1
        for code, count in bad.items():
            self._sensor.stream_answered(self._speech.method, code, count)
