"""Limits, a log that fails or stands still, owners that are away: what the caller is told, and that nothing is lost."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors.errors import Outcome, Unavailable
from actors.link import Lost, Owned
from actors.settings import ProcessSettings
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import Scene, detail, jar_on, play, reason_of, refused, request

ANN = (("hutong-caller", "ann"),)
BOB = (("hutong-caller", "bob"),)
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def begin(stub: Any, call: pb.InvokeRequest, metadata: Any = ANN, **how: float) -> "asyncio.Task[Any]":
    """A call on its way."""

    async def calling() -> Any:
        return await stub.Invoke(call, metadata=metadata, **how)

    return asyncio.ensure_future(calling())


async def taken(scene: Scene, calls: int) -> None:
    """Wait until so many calls are on their way."""
    await scene.log.until(lambda: len(scene.gateways[0].ingress) == calls)


async def results_of(stream: Any) -> AsyncIterator[pb.InvokeResult]:
    """Every result of a stream."""
    async for batch in stream:
        for result in batch.results:
            yield result


def failure(outcome: Outcome) -> Unavailable:
    """What a log says that did not, or may not have, appended."""
    return Unavailable("the log is away", outcome=outcome)


@pytest.mark.parametrize(
    ("process", "reason"),
    [
        (ProcessSettings(pending_per_caller_max=2), "CALLER_LIMIT"),
        (ProcessSettings(pending_max=2), "OVERLOADED"),
    ],
)
def test_a_call_beyond_a_limit_is_refused_before_the_log_and_told_when_to_come_back(
    process: ProcessSettings, reason: str
) -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(process)
        scene.log.holding = []
        calling = [begin(stub, request(jar_on(0))) for _ in range(2)]
        await taken(scene, 2)
        call = request(jar_on(0))
        code, status = await refused(stub.Invoke(call, metadata=ANN))
        retry = detail(status, details.RetryInfo)
        assert (code, reason_of(status)) == (EXHAUSTED, reason)
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() > 0
        assert detail(status, details.QuotaFailure) is not None
        scene.log.release()
        await asyncio.gather(*calling)
        assert not (await stub.Invoke(call, metadata=ANN)).duplicate

    play(act)


def test_a_caller_at_its_limit_does_not_keep_others_out() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ProcessSettings(pending_per_caller_max=1))
        scene.log.holding = []
        anns = begin(stub, request(jar_on(0)), ANN)
        await taken(scene, 1)
        bobs = begin(stub, request(jar_on(0)), BOB)
        await taken(scene, 2)
        scene.log.release()
        assert len(await asyncio.gather(anns, bobs)) == 2

    play(act)


def test_of_many_calls_at_once_the_limit_is_taken_and_the_others_know_that_nothing_was_appended() -> None:
    async def act(scene: Scene) -> None:
        await scene.scripted(epoch=None)
        stub = scene.stub(await scene.gateway(ProcessSettings(pending_max=10, deadline_ms_default=200)))
        calls = [begin(stub, request(jar_on(0)), ANN) for _ in range(20)]  # as many as gRPC itself lets in
        reasons = [reason_of((await refused(call))[1]) for call in calls]
        assert sorted(reasons) == ["OUTCOME_UNKNOWN"] * 10 + ["OVERLOADED"] * 10
        assert len(scene.log.calls(0)) == 10

    play(act)


def test_a_log_that_stands_still_is_named_and_what_it_took_is_answered_later() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ProcessSettings(deadline_ms_default=200))
        scene.log.holding = []
        given, waiting = request(jar_on(0), amount=1), request(jar_on(0), amount=2)
        first = begin(stub, given)
        await scene.log.until(lambda: scene.log.holding)
        second = begin(stub, waiting)
        for calling, outcome in ((first, "OUTCOME_UNKNOWN"), (second, "NOT_APPENDED")):
            code, status = await refused(calling)
            assert (code, reason_of(status)) == (UNAVAILABLE, outcome)
            assert "log" in status.message
            assert detail(status, details.RetryInfo) is not None
        scene.log.release()
        await scene.log.until(lambda: scene.log.calls(0))
        again = [await stub.Invoke(call, metadata=ANN) for call in (given, waiting)]
        # Whether the first answers as a copy depends on which of its two records is answered first: both say the same.
        assert not again[1].duplicate
        assert (b'"total":1' in again[0].payload, b'"total":3' in again[1].payload) == (True, True)

    play(act)


@pytest.mark.parametrize("outcome", ["NOT_APPENDED", "OUTCOME_UNKNOWN"])
def test_an_append_that_fails_is_tried_again_and_counts_once(outcome: Outcome) -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.failing = [failure(outcome)] * 3
        answer = await stub.Invoke(request(jar_on(0), amount=5), metadata=ANN)
        assert b'"total":5' in answer.payload
        assert 1 <= len(scene.log.calls(0)) <= (1 if outcome == "NOT_APPENDED" else 4)
        seen = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look"))
        assert seen.payload == b'{"total":5}'

    play(act)


def test_a_log_that_refuses_until_the_deadline_leaves_no_doubt() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ProcessSettings(deadline_ms_default=150))
        scene.log.failing = [failure("NOT_APPENDED")] * 1_000
        code, status = await refused(stub.Invoke(request(jar_on(0)), metadata=ANN))
        assert (code, reason_of(status)) == (UNAVAILABLE, "NOT_APPENDED")
        assert scene.log.calls(0) == []

    play(act)


def test_calls_of_one_stream_keep_their_order_when_an_append_fails() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.failing = [failure("OUTCOME_UNKNOWN"), failure("NOT_APPENDED")]
        stream = stub.InvokeStream(metadata=ANN)
        for amount in range(1, 30):
            await stream.write(pb.InvokeBatch(calls=[request(jar_on(0), amount=amount)]))
        await stream.done_writing()
        said = results_of(stream)
        payloads = {uuid.UUID(found.request_id).bytes: found.response.payload async for found in said}
        in_order = dict.fromkeys(call.request_id for call in scene.log.calls(0))
        assert [payloads[request_id] for request_id in in_order] == [
            b'{"total":%d,"caller":"ann"}' % (n * (n + 1) // 2) for n in range(1, 30)
        ]

    play(act)


def test_a_call_waits_for_an_owner() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        calling = begin(stub, request(jar_on(1), amount=4))
        await scene.log.until(lambda: scene.log.calls(1))
        await scene.host()
        assert b'"total":4' in (await calling).payload

    play(act)


def test_a_query_waits_for_an_owner_and_says_in_time_that_there_is_none() -> None:
    async def act(scene: Scene) -> None:
        query = pb.QueryRequest(entity=jar_on(1), view="look")
        stub = scene.stub(await scene.gateway(ProcessSettings(deadline_ms_default=150)))
        code, status = await refused(stub.Query(query))
        assert (code, reason_of(status)) == (UNAVAILABLE, "NOT_APPENDED")
        patient = scene.stub(await scene.gateway())
        asking = asyncio.ensure_future(_ask(patient, query))
        await scene.host()
        assert (await asking).payload == b'{"total":0}'

    play(act)


async def _ask(stub: Any, query: pb.QueryRequest) -> Any:
    return await stub.Query(query)


def test_calls_of_a_halted_partition_are_refused_with_its_place_until_it_goes_on() -> None:
    async def act(scene: Scene) -> None:
        linking = asyncio.ensure_future(scene.scripted())
        stub = scene.stub(await scene.gateway())
        host = await linking
        await scene.gateways[0].ready(2)
        host.says(Lost(0, "halted at 0/17/3: RecursionError"))
        query = pb.QueryRequest(entity=jar_on(0), view="look")
        code, status = await refused(_ask(stub, query))
        assert (code, "0/17/3" in status.message) == (UNAVAILABLE, True)
        call = request(jar_on(0))
        code, status = await refused(stub.Invoke(call, metadata=ANN))
        assert (code, reason_of(status)) == (UNAVAILABLE, "NOT_APPENDED")
        assert "0/17/3" in status.message
        assert scene.log.calls(0) == []
        host.says(Owned(0, 2))
        host.says(Owned(1, 2))
        other = begin(stub, request(jar_on(1)))
        host.answers(1, await scene.log.until(lambda: scene.log.calls(1)))
        await other
        calling = begin(stub, call)
        host.answers(0, await scene.log.until(lambda: scene.log.calls(0)))
        assert (await calling).payload == b'{"ok":true}'

    play(act)


def test_calls_on_their_way_when_their_partition_halts_are_told_at_once_where_and_what_to_do() -> None:
    async def act(scene: Scene) -> None:
        linking = asyncio.ensure_future(scene.scripted())
        stub = scene.stub(await scene.gateway())
        host = await linking
        call = request(jar_on(0))
        calling = begin(stub, call)
        records = await scene.log.until(lambda: scene.log.calls(0))
        host.says(Lost(0, "halted at 0/17/3: RecursionError"))
        code, status = await refused(calling)
        assert (code, reason_of(status)) == (UNAVAILABLE, "OUTCOME_UNKNOWN")
        for step in ("halted at 0/17/3: RecursionError", "`hutong why 0/17/3`", "`hutong skip 0/17/3`"):
            assert step in status.message
        code, status = await refused(stub.Invoke(call))
        assert (code, reason_of(status)) == (UNAVAILABLE, "NOT_APPENDED")
        assert scene.log.calls(0) == records
        assert len(scene.gateways[0].ingress) == 0
        host.says(Owned(0, 2))
        again = begin(stub, request(jar_on(0)))
        host.answers(0, (await scene.log.until(lambda: scene.log.calls(0)[1:])))
        assert (await again).payload == b'{"ok":true}'

    play(act)


def test_answers_that_come_twice_or_late_or_to_nobody_are_dropped() -> None:
    async def act(scene: Scene) -> None:
        linking = asyncio.ensure_future(scene.scripted())
        stub = scene.stub(await scene.gateway())
        host = await linking
        first, second = request(jar_on(0)), request(jar_on(0))
        calling = begin(stub, first)
        (record,) = await scene.log.until(lambda: scene.log.calls(0))
        host.answers(0, [record, record], b'{"n":1}')
        assert (await calling).payload == b'{"n":1}'
        host.answers(0, [record], b'{"n":2}')
        calling = begin(stub, second)
        records = await scene.log.until(lambda: scene.log.calls(0)[1:])
        host.answers(0, [record, *records], b'{"n":3}')
        assert (await calling).payload == b'{"n":3}'
        assert len(scene.gateways[0].ingress) == 0

    play(act)
