"""One stream of calls, such as `InvokeStream`: calls in, results out, no task and no future for a single call."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from actors.clocks import steady_ms, wall_ms
from actors.errors import PlatformError, Unavailable
from actors.kernel.action import Reply
from actors.sealing import MARK
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.admission import level_of
from gateway.auth import Caller
from gateway.deadlines import deadline_ms, each_call_ms
from gateway.door import SAID
from gateway.ingress import Ingress
from gateway.pending import Call
from gateway.routes import Routes, text_of
from gateway.sealing import KeyMissing
from gateway.status import code_of, refusal_of, status_of

OPEN_MAX = 10_000
RESULTS_MAX = 1_000
RESULTS_BYTES_MAX = 1 << 20
CALLS_AT_ONCE_MAX = 1_000
"""A message may hold so many calls that taking them in would keep everybody else waiting."""


_Result: TypeAlias = tuple[str, int, Reply | None, PlatformError | None]
"""(request id as the client wrote it, partition, answer or None, error or None). A plain tuple: there are many."""


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

    def results(self) -> Any:
        """A message for results, empty."""
        ...

    def answer(self, result: Any, reply: Reply, partition: int) -> int:
        """Write an accepted call's answer into its result; returns how many bytes the answer has, roughly."""
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


class _Again:
    """Waits for a call that the same stream asked for again while it was open: both are answered."""

    __slots__ = ("_name", "_stream")

    def __init__(self, stream: "CallStream", name: str) -> None:
        self._stream = stream
        self._name = name

    def settled(self, reply: Reply, partition: int) -> None:
        """The answer is here."""
        self._stream.repeated((self._name, partition, reply, None))

    def failed(self, request_id: bytes, error: PlatformError) -> None:
        """There will be no answer."""
        del request_id
        self._stream.repeated((self._name, 0, None, error))


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
        self._names: dict[bytes, str] = {}
        self._repeats = 0
        self._results: deque[_Result] = deque()
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
            self._names.clear()  # what is still open then is answered to nobody
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
                while len(self._names) + self._repeats + len(self._results) >= OPEN_MAX:
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
            self._sensor.calls_refused(error.reason, 1)
            self._end((first.request_id, 0, None, error))
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
        caller, record_of, submit = self._caller.name, self._speech.record, self._ingress.submit
        id_of, latest, names = self._routes.request_id, self._routes.latest_id(), self._names
        refused: dict[str, int] = {}
        unkeyed: Sequence[Any] = ()
        for place, call in enumerate(calls):
            name = call.request_id
            try:
                request_id = id_of(name, latest)
                partition, record = record_of(call, request_id, self._caller)
                waiter = self if request_id not in names else _Again(self, name)
                submit(
                    Call((caller, request_id), partition, record, [waiter], deadline_ms, True, arrived_ms=arrived_ms)
                )
            except KeyMissing:
                unkeyed = calls[place:]
                break
            except PlatformError as error:
                refused[error.reason] = refused.get(error.reason, 0) + 1
                self._end((name, 0, None, error))
            else:
                if waiter is self:
                    names[request_id] = name or text_of(request_id)
                else:
                    self._repeats += 1
        for reason, count in refused.items():
            self._sensor.calls_refused(reason, count)
        return unkeyed

    def _permitted(self, calls: Sequence[Any]) -> Sequence[Any]:
        """The calls that this caller may make, while its token is good; the others have their results at once."""
        caller, permitted, refused = self._caller, list[Any](), dict[str, int]()
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
                refused[error.reason] = refused.get(error.reason, 0) + 1
                self._end((call.request_id, 0, None, error))
            else:
                permitted.append(call)
        for reason, count in refused.items():
            self._sensor.calls_refused(reason, count)
        return permitted

    def _chosen(self, calls: Sequence[Any]) -> Sequence[Any]:
        """The calls that are let in; the others have their results at once."""
        refused_of, tenant = self._ingress.door.refused, self._caller.tenant
        level = level_of(self._caller.priority, self._caller.name, wall_ms())
        chosen: list[Any] = []
        refused: dict[str, int] = {}
        for call in calls:
            error = refused_of(tenant, level, self._speech.key(call, self._caller))
            if error is None:
                chosen.append(call)
            else:
                refused[error.reason] = refused.get(error.reason, 0) + 1
                self._end((call.request_id, 0, None, error))
        for reason, count in refused.items():
            self._sensor.calls_refused(reason, count)
        return chosen

    # -- results out, as a waiter ---------------------------------------------------------------------------------

    def settled(self, reply: Reply, partition: int) -> None:
        """The answer of a call is here."""
        name = self._names.pop(reply.request_id, None)
        if name is not None:
            if not self._results:
                self._ready.set()
            self._results.append((name, partition, reply, None))

    def failed(self, request_id: bytes, error: PlatformError) -> None:
        """There will be no answer to a call."""
        name = self._names.pop(request_id, None)
        if name is not None:
            self._end((name, 0, None, error))

    def repeated(self, result: _Result) -> None:
        """A call that was asked for again has ended."""
        self._repeats -= 1
        self._end(result)

    def _end(self, result: _Result) -> None:
        if not self._results:  # where there are some, whoever writes them comes to this one, too
            self._ready.set()
        self._results.append(result)

    async def _write(self, context: Any) -> None:
        while not (self._ended and not self._names and not self._repeats and not self._results):
            await self._ready.wait()
            self._ready.clear()
            while self._results:
                batch = self._batch()
                await context.write(batch)
                self._room.set()

    def _opened(self, partition: int, reply: Reply) -> tuple[Reply | None, PlatformError | None]:
        """An answer with what is sealed in it opened for who calls, or the error that it stands for."""
        try:
            if reply.code:
                raise refusal_of(reply, partition)
            payload = self._routes.sealing.opened(self._caller.principal, reply.payload)
        except PlatformError as error:
            return None, error
        return msgspec.structs.replace(reply, payload=payload), None

    def _batch(self) -> Any:
        """The oldest results, made in place: a message that is made apart and copied costs three times as much."""
        batch = self._speech.results()
        batch.level, batch.own_level = self._ingress.door.levels(self._caller)
        add, answer, results = batch.results.add, self._speech.answer, self._results
        turned_away: dict[str, bytes] = {}
        bad: dict[str, int] = {}
        good = size = 0
        for _ in range(min(len(results), RESULTS_MAX)):
            if size > RESULTS_BYTES_MAX:
                break
            name, partition, reply, error = results.popleft()
            result = add(request_id=name)
            if reply is not None and (reply.code or reply.payload.find(MARK) >= 0):
                reply, error = self._opened(partition, reply)
            if reply is not None:
                good += 1
                size += answer(result, reply, partition)
            elif error is not None:
                status = turned_away.get(error.reason)
                if status is None:
                    shared = error.reason in SAID
                    status = status_of(error, "" if shared else name).SerializeToString()
                    if shared:  # they come by the thousand, and must cost little
                        turned_away[error.reason] = status
                result.error.MergeFromString(status)
                size += len(status)
                code = code_of(error).name
                bad[code] = bad.get(code, 0) + 1
        if good:
            self._sensor.stream_answered(self._speech.method, "OK", good)
        for code, count in bad.items():
            self._sensor.stream_answered(self._speech.method, code, count)
        return batch
