"""The wire of a generator: takes what its engine has for each lane, sends it, and tells the engine what came of it.

Openings and calls go over one stream each, a message a tick; everything else, and all of it on demand, goes one by one.
"""

import asyncio
import importlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.rpc import status_pb2

from actors.errors import DeadlineExceeded, Overloaded, PlatformError, Unavailable
from gateway.auth import CALLER
from gateway.client_errors import COME_BACK, error_from
from gateway.status import error_of
from gateway.tls import open_channel, pinned
from gateway.v1 import program_pb2, program_pb2_grpc, session_pb2, session_pb2_grpc
from loadtests.driver.engine import GIVE_UP_S, Engine, Flight
from loadtests.driver.ledger import place
from loadtests.driver.naming import Names, said_by, who_calls
from loadtests.driver.window import Window
from loadtests.journeys.steps import Ask, Invoke, Open, Query

BATCH = 1_000
BUSY, GATHER_S = 100, 0.03
"""Where more than so many calls are on their way over one stream, those to come are gathered: a message costs each
process it goes through more than a hundred calls do."""
OVERLOADED = "OVERLOADED"
CONNECTIONS = 4
"""For what goes one by one: a gateway takes a hundred at a time over one."""
DEVICE = "phone"
REDIAL_S = 0.05
NOS_KEPT = 64
"""So many statuses are known by their bytes: a platform that is behind says the same few to thousands of calls."""
_NOWHERE = 0
_BROKEN = (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
"""How gRPC says that a stream has ended."""


class No(NamedTuple):
    """Why a call was not accepted; whether it may be made again, and after so long at least."""

    reason: str
    come_back: bool
    after_s: float


class Wire:
    """Every connection of one generator to the gateway."""

    def __init__(
        self, engine: Engine, address: str, caller: str, clock: Callable[[], float], *, identity: bool, tls_cert: str
    ) -> None:
        self.left_out: dict[str, int] = {}
        """Steps that only a person may take, where this generator can be nobody."""
        self.engine = engine
        self.clock = clock
        self._identity = identity
        self.names = Names()
        self._metadata = (who_calls(caller),)
        self.metadata = said_by(caller, int(GIVE_UP_S * 1_000))
        """What streams say."""
        tls = pinned(Path(tls_cert)) if tls_cert else None
        self._channels = [open_channel(address, tls) for _ in range(CONNECTIONS)]
        self._turn = 0
        self._stubs: dict[tuple[int, str], Any] = {}
        self._asking: set[asyncio.Task[None]] = set()
        programs: Any = program_pb2_grpc.ProgramServiceStub(self._channels[0])
        sessions: Any = session_pb2_grpc.SessionServiceStub(self._channels[0])
        self._lanes = (
            _Lane(self, sessions.OpenStream, _openings, attrgetter("session")),
            _Lane(self, programs.InvokeStream, _calls, attrgetter("payload")),
        )
        self._running: list[asyncio.Task[None]] = []
        self._broken: BaseException | None = None
        self.unary = False

    def start(self) -> None:
        """Open the streams."""
        self._running = [asyncio.ensure_future(lane.run()) for lane in self._lanes]

    def check(self) -> None:
        """Raises PlatformError once an answer was none: journeys that hear it cannot go on."""
        ended = next((task.exception() for task in self._running if task.done()), None) or self._broken
        if ended is not None:
            raise PlatformError(f"the platform's answer is none: {ended!r}", reason="NO_ANSWER") from ended

    def send(self) -> None:
        """Send whatever the engine has by now."""
        self.names.date()
        opens, calls, others = self.engine.take()
        if self.unary:
            others += opens + calls
        else:
            for lane, flights in zip(self._lanes, (opens, calls), strict=True):
                lane.put(flights)
        for flight in others:
            self._one(flight)

    async def close(self) -> None:
        """End every stream and connection."""
        for task in (*self._running, *self._asking):
            task.cancel()
        await asyncio.gather(*self._running, *self._asking, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    # -- over streams ---------------------------------------------------------------------------------------------

    def named(self, flight: Flight) -> str:
        """The request id of a call, which it keeps."""
        if not flight.name:
            flight.name = self.names.new()
        return flight.name

    def refused(self, flight: Flight, no: No, now_s: float) -> None:
        """A call was not accepted."""
        self.engine.refused(flight, no.reason, now_s, come_back=no.come_back, after_s=no.after_s)

    # -- one by one -----------------------------------------------------------------------------------------------

    def _one(self, flight: Flight) -> None:
        step = flight.step
        if isinstance(step, Ask) and step.who and self._identity:
            self.left_out[step.method] = self.left_out.get(step.method, 0) + 1
            self.engine.skipped(flight, self.clock())
            return
        task = asyncio.ensure_future(self._asked(flight))
        self._asking.add(task)
        task.add_done_callback(self._one_ended)

    def _one_ended(self, task: "asyncio.Task[None]") -> None:
        self._asking.discard(task)
        if not task.cancelled():
            self._broken = self._broken or task.exception()

    async def _asked(self, flight: Flight) -> None:
        service, method, request = self._request(flight)
        step = flight.step
        metadata = ((CALLER, step.who),) if isinstance(step, Ask) and step.who else self._metadata
        try:
            response = await getattr(self._stub(service), method)(request, timeout=GIVE_UP_S, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            self.refused(flight, no_of(error_from(error)), self.clock())
            return
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            given_up = Unavailable("the gateway gave the call up", outcome="OUTCOME_UNKNOWN")
            self.refused(flight, no_of(given_up), self.clock())
            return
        value, where = response, _NOWHERE
        if isinstance(step, Invoke | Open):
            at = response.position
            where = place(at.partition, at.offset, at.index)
        if not isinstance(step, Ask):
            value = response.session if isinstance(step, Open) else response.payload
        self.engine.accepted(flight, value, where, self.clock())

    def _request(self, flight: Flight) -> tuple[str, str, Any]:
        match flight.step:
            case Open():
                self.named(flight)
                return "SessionService", "Open", _openings((flight,)).opens[0]
            case Invoke():
                self.named(flight)
                return "ProgramService", "Invoke", _calls((flight,)).calls[0]
            case Query(entity, view, args):
                return "ProgramService", "Query", program_pb2.QueryRequest(entity=entity, view=view, args=args)
            case Ask(service, method, request):
                if "request_id" in request.DESCRIPTOR.fields_by_name:
                    request.request_id = self.named(flight)
                return service, method, request

    def _stub(self, service: str) -> Any:
        """One of the connections' stubs, in turn."""
        self._turn = (self._turn + 1) % CONNECTIONS
        stub = self._stubs.get((self._turn, service))
        if stub is None:
            name = service.removesuffix("Service").lower()
            module = importlib.import_module(f"gateway.v1.{name}_pb2_grpc")
            stub = self._stubs[self._turn, service] = getattr(module, f"{service}Stub")(self._channels[self._turn])
        return stub


class _Lane:
    """One stream at a time, dialled again when it breaks: what was on its way is then made again, by the same ids."""

    def __init__(
        self,
        wire: Wire,
        dial: Callable[..., Any],
        message: Callable[[Iterable[Flight]], Any],
        value: Callable[[Any], Any],
    ) -> None:
        self._wire = wire
        self._dial = dial
        self._message = message
        self._value = value
        self._waiting: deque[Flight] = deque()
        self._flying: dict[str, Flight] = {}
        self._window = Window()
        self._ready = asyncio.Event()

    def put(self, flights: list[Flight]) -> None:
        """These are to be sent."""
        if flights:
            self._waiting += flights
            self._ready.set()

    async def run(self) -> None:
        """For as long as the run."""
        while True:
            call = self._dial(metadata=self._wire.metadata)
            try:
                await _first_to_end(self._write(call), self._read(call))
            finally:
                call.cancel()
            self._broke()
            await asyncio.sleep(REDIAL_S)

    async def _write(self, call: Any) -> None:
        waiting, new_name = self._waiting, self._wire.names.new
        while True:
            await self._ready.wait()
            self._ready.clear()
            while waiting and (room := int(self._window.size) - len(self._flying)) > 0:
                some = [waiting.popleft() for _ in range(min(len(waiting), BATCH, room))]
                for flight in some:
                    if not flight.name:
                        flight.name = new_name()
                    self._flying[flight.name] = flight
                await call.write(self._message(some))
                if len(self._flying) > BUSY:
                    await asyncio.sleep(GATHER_S)

    async def _read(self, call: Any) -> None:
        """What was answered is answered as of when its message came: what this takes is not the platform's."""
        flying, value, wire = self._flying, self._value, self._wire
        clock, accepted = wire.clock, wire.engine.accepted
        while (batch := await call.read()) is not grpc.aio.EOF:
            now_s, turned_away = clock(), 0
            for result in batch.results:
                flight = flying.pop(result.request_id, None)
                if flight is None:
                    continue
                response = result.response
                at = response.position
                offset = at.offset
                if offset or result.HasField("response"):  # an error has no position
                    accepted(flight, value(response), place(at.partition, offset, at.index), now_s)
                else:
                    no = no_said(result.error.SerializeToString())
                    turned_away += no.reason == OVERLOADED
                    wire.refused(flight, no, now_s)
            self._window.answered(len(batch.results), turned_away, now_s)
            if self._waiting:
                self._ready.set()

    def _broke(self) -> None:
        """What is on its way may have been appended or not."""
        flights, self._flying = list(self._flying.values()), {}
        no = no_of(Unavailable("the stream broke", outcome="OUTCOME_UNKNOWN", retry_after_ms=100))
        now_s = self._wire.clock()
        for flight in flights:
            self._wire.refused(flight, no, now_s)
        if self._waiting:
            self._ready.set()


async def _first_to_end(*some: Coroutine[Any, Any, None]) -> None:
    """Until one of these ends, in whatever way; then the others are ended, too. What broke a stream is no concern."""
    tasks = [asyncio.ensure_future(one) for one in some]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, _BROKEN):
            raise end


def no_of(error: PlatformError) -> No:
    comes_back = isinstance(error, Unavailable | DeadlineExceeded) or error.reason in COME_BACK
    after_s = error.retry_after_ms / 1_000 if isinstance(error, Unavailable | Overloaded) else 0.0
    return No(error.reason, comes_back, after_s)


@lru_cache(NOS_KEPT)
def no_said(status: bytes) -> No:
    return no_of(error_of(status_pb2.Status.FromString(status)))


def _openings(flights: Iterable[Flight]) -> session_pb2.OpenBatch:
    batch = session_pb2.OpenBatch()
    add = batch.opens.add
    for flight in flights:
        step: Any = flight.step
        add(
            program=step.program,
            openid=step.openid,
            source=step.source,
            via=step.via,
            city=step.city,
            device=DEVICE,
            request_id=flight.name,
        )
    return batch


def _calls(flights: Iterable[Flight]) -> program_pb2.InvokeBatch:
    batch = program_pb2.InvokeBatch()
    add = batch.calls.add
    for flight in flights:
        step: Any = flight.step
        add(entity=step.entity, command=step.command, payload=step.payload, request_id=flight.name)
    return batch
