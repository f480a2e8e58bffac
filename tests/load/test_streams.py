"""A generator's wire: what a refusal means to a call, answers that are none, and request ids by the million."""

# One of these tests looks at what waits to be sent.
# pyright: reportPrivateUsage=false

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import msgspec
import pytest

from actors.errors import DeadlineExceeded, InvalidCommand, Overloaded, PlatformError, Reject, Unavailable
from gateway.status import status_of
from gateway.v1 import program_pb2, program_pb2_grpc
from loadtests.driver import streams
from loadtests.driver.engine import Engine
from loadtests.driver.naming import Names
from loadtests.driver.streams import BUSY, NOS_KEPT, No, Wire, no_said
from loadtests.driver.window import APART_S, FIRST, LEAST, MOST, SHRINKS, Window
from loadtests.journeys.steps import Invoke, Journey
from tests.load.playing import engine, one

TURNS = 20
REFUSALS = [
    (Overloaded("too many", retry_after_ms=250), No("OVERLOADED", True, 0.25)),
    (Overloaded("too much of one", retry_after_ms=1_500, reason="KEY_SHARE"), No("KEY_SHARE", True, 1.5)),
    (Overloaded("passed a bound", retry_after_ms=0, reason="SENDS"), No("SENDS", False, 0.0)),
    (Unavailable("gone", outcome="OUTCOME_UNKNOWN", retry_after_ms=20), No("OUTCOME_UNKNOWN", True, 0.02)),
    (DeadlineExceeded("late", outcome="NOT_APPENDED"), No("NOT_APPENDED", True, 0.0)),
    (Reject("wrong_state"), No("wrong_state", False, 0.0)),
    (InvalidCommand("no number", field="units"), No("INVALID_COMMAND", False, 0.0)),
]


@pytest.mark.parametrize(("error", "no"), REFUSALS, ids=lambda each: each.reason)
def test_who_was_refused_knows_whether_and_when_to_come_back(error: PlatformError, no: No) -> None:
    assert no_said(status_of(error).SerializeToString()) == no
    assert no_said(status_of(error, "an-id-of-its-own").SerializeToString()) == no


def test_a_status_that_comes_again_is_not_read_again() -> None:
    status = status_of(Overloaded("too many", retry_after_ms=250)).SerializeToString()
    assert no_said(status) is no_said(bytes(bytearray(status)))
    for n in range(2 * NOS_KEPT):
        no_said(status_of(Reject("wrong_state"), f"id-{n}").SerializeToString())
    assert no_said.cache_info().currsize == NOS_KEPT


def test_no_two_request_ids_are_the_same_however_many_there_are() -> None:
    names, others = Names(), Names()
    some = [names.new() for _ in range(9_000)]
    names.date()
    some += [names.new() for _ in range(9_000)]
    some += [others.new() for _ in range(9_000)]
    assert len(set(some)) == len(some)
    for name in (some[0], some[4_095], some[4_096], some[-1]):
        found = uuid.UUID(name)
        assert (str(found), found.version, found.variant) == (name, 7, uuid.RFC_4122)


class Babble(program_pb2_grpc.ProgramServiceServicer):
    """A platform whose answers are none."""

    async def InvokeStream(self, request_iterator: Any, context: Any) -> AsyncGenerator[Any]:  # noqa: N802 - gRPC's name
        """Every call is served."""
        del context
        async for batch in request_iterator:
            answer: Any = program_pb2.InvokeResultBatch()
            for call in batch.calls:
                answer.results.add(request_id=call.request_id).response.payload = b"what?"
            yield answer

    async def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802 - as above
        """And so is one alone."""
        del request, context
        return program_pb2.InvokeResponse(payload=b"what?")


def listening() -> Journey:
    """Somebody who cannot do without the answer."""
    msgspec.json.decode((yield Invoke("programs/x/ys/1", "y.do", b"", "do", "y.done")), type=dict[str, str])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unary", [False, True])
def test_a_platform_whose_answers_are_none_is_said_to_be_and_nobody_waits_for_better_ones(unary: bool) -> None:
    async def play() -> None:
        server, services = grpc.aio.server(), cast("Any", program_pb2_grpc)
        services.add_ProgramServiceServicer_to_server(Babble(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        played = engine(one(listening()))
        wire = Wire(played, f"127.0.0.1:{port}", "load", lambda: 0.0, identity=False, tls_cert="")
        wire.unary = unary
        wire.start()
        try:
            played.tick(0.0)
            wire.send()
            while True:
                wire.check()
                await asyncio.sleep(0)
        finally:
            await wire.close()
            await server.stop(None)

    with pytest.raises(PlatformError, match="the platform's answer is none"):
        asyncio.run(play())


class Deaf(program_pb2_grpc.ProgramServiceServicer):
    """A platform that takes every call, and answers only when it is told to."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.came = asyncio.Event()
        self.says: asyncio.Queue[Any] = asyncio.Queue()

    async def InvokeStream(self, request_iterator: Any, context: Any) -> AsyncGenerator[Any]:  # noqa: N802 - gRPC's name
        """Calls come while answers go."""
        del context

        async def hear() -> None:
            async for batch in request_iterator:
                self.ids += [call.request_id for call in batch.calls]
                self.came.set()

        hears = asyncio.ensure_future(hear())
        try:
            while True:
                yield await self.says.get()
        finally:
            hears.cancel()

    async def until(self, calls: int) -> None:
        """So many calls came."""
        while len(self.ids) < calls:
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def wire_to(deaf: Deaf, played: Engine) -> AsyncGenerator[Wire]:
    """The wire of what is played, to this platform."""
    server, services = grpc.aio.server(), cast("Any", program_pb2_grpc)
    services.add_ProgramServiceServicer_to_server(deaf, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    wire = Wire(played, f"127.0.0.1:{port}", "load", lambda: 0.0, identity=False, tls_cert="")
    wire.start()
    try:
        yield wire
    finally:
        await wire.close()
        await server.stop(None)


def test_no_more_is_on_its_way_than_the_window_allows_and_answers_make_room() -> None:
    async def send() -> int:
        deaf, played = Deaf(), engine((0.0, listening()) for _ in range(5 * FIRST))
        async with wire_to(deaf, played) as wire:
            played.tick(0.0)
            wire.send()
            await deaf.until(FIRST)
            no = status_of(Overloaded("too much", retry_after_ms=60_000))
            turned_away: Any = program_pb2.InvokeResultBatch()
            for request_id in deaf.ids[: FIRST // 2]:
                turned_away.results.add(request_id=request_id).error.CopyFrom(no)
            deaf.says.put_nowait(turned_away)
            room = FIRST // 2 - int(FIRST * (1 - SHRINKS))
            await deaf.until(FIRST + room)
            return len(deaf.ids) - FIRST - room

    assert asyncio.run(send()) == 0


@pytest.mark.parametrize(("calls", "left"), [(BUSY, 0), (BUSY + 2, 5)])
def test_calls_are_gathered_where_many_are_on_their_way(calls: int, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GATHER_S", 3_600.0)

    async def send() -> int:
        deaf, played = Deaf(), engine((at_s, listening()) for at_s in [0.0] * calls + [1.0] * 5)
        async with wire_to(deaf, played) as wire:
            played.tick(0.0)
            wire.send()
            await deaf.until(calls)
            served: Any = program_pb2.InvokeResultBatch()
            served.results.add(request_id=deaf.ids[0]).response.payload = b"{}"
            deaf.says.put_nowait(served)
            while True:  # what was sent is known to be, once an answer is
                if played.in_flight < calls:
                    break
                await asyncio.sleep(0)
            played.tick(1.0)
            wire.send()
            if not left:
                await deaf.until(calls + 5)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return len(wire._lanes[1]._waiting)

    assert asyncio.run(send()) == left


def test_a_window_shrinks_once_for_all_that_were_on_their_way_and_grows_while_all_are_served() -> None:
    window = Window()
    window.answered(90, 10, now_s=1.0)
    window.answered(90, 10, now_s=1.0 + APART_S / 2)
    assert window.size == pytest.approx(FIRST * SHRINKS)
    window.answered(90, 10, now_s=1.0 + 2 * APART_S)
    assert window.size == pytest.approx(FIRST * SHRINKS**2)
    for n in range(100):
        window.answered(0, 1, now_s=2.0 + n)
    assert window.size == LEAST
    for _ in range(1_000):
        window.answered(1_000, 0, now_s=200.0)
    assert window.size == MOST
