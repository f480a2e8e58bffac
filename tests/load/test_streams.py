"""A generator's wire: what a refusal means to a call, answers that are none, and request ids by the million."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from typing import Any, cast

import grpc
import msgspec
import pytest

from actors.errors import DeadlineExceeded, InvalidCommand, Overloaded, PlatformError, Reject, Unavailable
from gateway.status import status_of
from gateway.v1 import program_pb2, program_pb2_grpc
from loadtests.driver import streams
from loadtests.driver.naming import Names
from loadtests.driver.streams import BATCH, NOS_KEPT, No, Wire, no_said
from loadtests.journeys.steps import Invoke, Journey
from tests.load.playing import engine, one

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
    """A platform that takes every call and answers none."""

    def __init__(self, calls: int) -> None:
        self.sizes: list[int] = []
        self.took_all = asyncio.Event()
        self._left = calls

    async def InvokeStream(self, request_iterator: Any, context: Any) -> AsyncGenerator[Any]:  # noqa: N802 - gRPC's name
        """So many calls came at once."""
        del context
        async for batch in request_iterator:
            self.sizes.append(len(batch.calls))
            self._left -= len(batch.calls)
            if not self._left:
                self.took_all.set()
        yield program_pb2.InvokeResultBatch()


def test_what_fills_a_message_is_sent_however_much_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GATHER_S", 3_600.0)
    monkeypatch.setattr(streams, "GATHER_S_MAX", 3_600.0)
    calls = 5 * BATCH

    async def send() -> list[int]:
        deaf = Deaf(calls)
        server, services = grpc.aio.server(), cast("Any", program_pb2_grpc)
        services.add_ProgramServiceServicer_to_server(deaf, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        played = engine((0.0, listening()) for _ in range(calls))
        wire = Wire(played, f"127.0.0.1:{port}", "load", lambda: 0.0, identity=False, tls_cert="")
        wire.start()
        try:
            played.tick(0.0)
            wire.send()
            await deaf.took_all.wait()
        finally:
            await wire.close()
            await server.stop(None)
        return deaf.sizes

    assert asyncio.run(send()) == [BATCH] * 5
