"""Many calls over one stream: each has its own end, their order holds, and no stream keeps what nobody waits for."""

# Some of these tests wait until a gateway has noted what it was told.
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import msgspec
import pytest

from actors.errors import Unavailable
from actors.kernel.record import Invoke
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway import streams
from gateway.deadlines import DEADLINE
from gateway.status import error_of
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import CLUSTER, Scene, jar_on, new_id, play, reason_of, refused, request

ANN = ("hutong-caller", "ann")


async def ask(stub: Any, calls: Sequence[pb.InvokeRequest], *metadata: tuple[str, str]) -> list[pb.InvokeResult]:
    """The results of these calls, sent in one message over a stream of their own."""
    stream = stub.InvokeStream(metadata=(ANN, *metadata))
    await stream.write(pb.InvokeBatch(calls=calls))
    await stream.done_writing()
    return [result async for batch in stream for result in batch.results]


def totals(results: Sequence[pb.InvokeResult]) -> list[int]:
    """What the jars said."""
    return [msgspec.json.decode(result.response.payload)["total"] for result in results]


async def appended(scene: Scene, after: int) -> list[Invoke]:
    """What was appended to the first partition after so many calls, once there is anything."""
    return await scene.log.until(lambda: scene.log.calls(0)[after:])


def test_half_closing_answers_everything_and_then_says_ok() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        calls = [request(jar_on(n % 2), amount=1) for n in range(20)]
        stream = stub.InvokeStream()
        for call in calls:
            await stream.write(pb.InvokeBatch(calls=[call]))
        await stream.done_writing()
        results = [result async for batch in stream for result in batch.results]
        assert {result.request_id for result in results} == {call.request_id for call in calls}
        assert await stream.code() is grpc.StatusCode.OK
        assert len(scene.log.calls(0)) + len(scene.log.calls(1)) == len(calls)

    play(act)


def test_calls_of_one_entity_are_applied_in_the_order_they_were_sent_even_when_the_log_fails_between() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        calls = [request(jar_on(0), amount=n) for n in range(1, 41)]
        by_id = {call.request_id: n for n, call in enumerate(calls)}
        scene.log.failing = [
            Unavailable("away", outcome="NOT_APPENDED"),
            Unavailable("away", outcome="OUTCOME_UNKNOWN"),
        ]
        stream = stub.InvokeStream(metadata=(ANN,))
        for start in range(0, len(calls), 4):
            await stream.write(pb.InvokeBatch(calls=calls[start : start + 4]))
        await stream.done_writing()
        results = [result async for batch in stream for result in batch.results]
        results.sort(key=lambda result: by_id[result.request_id])
        assert totals(results) == [sum(range(1, n + 2)) for n in range(40)]

    play(act)


def test_each_call_has_its_own_status() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        calls = [
            request(jar_on(0), amount=1),
            request(jar_on(0), "jar.refuse", why="no room"),
            request(jar_on(0), "jar.nonsense"),
            request("nowhere/1"),
            request(jar_on(0), amount="many"),
            request(jar_on(0), request_id="no id at all"),
            request(jar_on(0), "jar.crash"),
            request(jar_on(0), request_id=new_id(-40_000), amount=1),
            request(jar_on(0), request_id=new_id(-90_000), amount=1),
            request(jar_on(0), request_id="ffffffff-ffff-4fff-bfff-ffffffffffff", amount=1),  # has no date
        ]
        results = {result.request_id: result for result in await ask(stub, calls)}
        assert len(results) == len(calls)
        reasons = [
            reason_of(results[call.request_id].error) if results[call.request_id].HasField("error") else "OK"
            for call in calls
        ]
        expected = [
            "OK",
            "full",
            "NO_SUCH_COMMAND",
            "NO_SUCH_KIND",
            "INVALID_COMMAND",
            "INVALID_REQUEST_ID",
            "POISONED",
            "OK",
            "REQUEST_ID_IN_FUTURE",
            "OK",
        ]
        assert reasons == expected
        assert error_of(results[calls[1].request_id].error).reason == "full"

    play(act)


def test_a_request_id_that_is_none_spoils_no_other_of_its_message() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        one, other, odd = new_id(), new_id(), new_id()
        shouted = new_id().upper()
        for wrong in ([one[:35], one[35:] + other], [odd.replace("-", ":")], [f"{odd[:-1]}g"], ["-" * 36]):
            calls = [request(jar_on(0), request_id=name, amount=1) for name in (*wrong, shouted)]
            results = {result.request_id: result for result in await ask(stub, calls)}
            assert totals([results[shouted]]) == [1]
            assert [reason_of(results[name].error) for name in wrong] == ["INVALID_REQUEST_ID"] * len(wrong)

    play(act)


def test_a_call_that_a_stream_asks_for_twice_runs_once_and_is_answered_twice() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0), amount=5)
        other = request(jar_on(0), request_id=call.request_id, amount=6)
        results = await ask(stub, [call, call, other])
        good = [result for result in results if result.HasField("response")]
        bad = [result for result in results if result.HasField("error")]
        assert totals(good) == [5, 5]
        assert [reason_of(result.error) for result in bad] == ["REQUEST_ID_REUSED"]
        assert len(scene.log.calls(0)) == 1

    play(act)


def test_an_empty_request_id_gets_one_that_is_told() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        (result,) = await ask(stub, [request(jar_on(0), request_id="", amount=5)])
        assert result.request_id[14] == "7"
        (again,) = await ask(stub, [request(jar_on(0), request_id=result.request_id, amount=5)])
        assert (totals([again]), again.response.duplicate) == ([5], True)

    play(act)


def test_a_call_may_take_as_long_as_the_metadata_says() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        results = await ask(stub, [request(jar_on(0))], (DEADLINE, "400"))
        (reason,) = [reason_of(result.error) for result in results]
        assert reason == "OUTCOME_UNKNOWN"
        for wrong in ("soon", "-1", "0", "1.5"):
            code, status = await refused(ask(stub, [request(jar_on(0))], (DEADLINE, wrong)))
            assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_METADATA")

    play(act)


def test_a_streams_own_deadline_is_the_deadline_of_its_calls() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        stream = stub.InvokeStream(timeout=0.8)
        await stream.write(pb.InvokeBatch(calls=[request(jar_on(0))]))
        await stream.done_writing()
        (result,) = (await stream.read()).results
        assert result.error.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK

    play(act)


def test_a_stream_takes_no_more_in_than_it_may_have_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "OPEN_MAX", 10)
    monkeypatch.setattr(streams, "CALLS_AT_ONCE_MAX", 5)

    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        calls = [request(jar_on(0)) for _ in range(40)]
        asking = asyncio.ensure_future(ask(stub, calls))
        await scene.log.until(lambda: len(scene.log.calls(0)) == 10)
        answered = 0
        while answered < len(calls):
            fresh = await appended(scene, answered)
            assert len(fresh) <= 10
            host.answers(0, fresh)
            answered += len(fresh)
        assert len(await asking) == len(calls)

    play(act)


def test_a_client_that_goes_away_leaves_no_stream_behind() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        service = scene.gateways[0]._services[0].service
        stream = stub.InvokeStream()
        await stream.write(pb.InvokeBatch(calls=[request(jar_on(0)) for _ in range(3)]))
        await scene.log.until(lambda: scene.log.calls(0))
        (found,) = service._streams
        assert isinstance(found, streams.CallStream)
        assert found._open == 3
        stream.cancel()
        await scene.log.until(lambda: not service._streams)
        host.answers(0, scene.log.calls(0))
        await scene.log.until(lambda: not found._open)
        assert not found._answered

    play(act)


def test_calls_are_counted_by_the_code_they_ended_with() -> None:
    class Counting(Sensor):
        def __init__(self) -> None:
            self.answered: dict[str, int] = {}
            self.refused: dict[str, int] = {}

        def stream_answered(self, method: str, code: str, calls: int) -> None:
            assert method == "InvokeStream"
            self.answered[code] = self.answered.get(code, 0) + calls

        def calls_refused(self, reason: str, calls: int) -> None:
            self.refused[reason] = self.refused.get(reason, 0) + calls

    async def act(scene: Scene) -> None:
        await scene.host()
        sensor = Counting()
        stub = scene.stub(await scene.gateway(ProcessSettings(), sensor))
        await scene.gateways[-1].ready(CLUSTER.partitions)  # until then a kind may be one of a package
        await ask(stub, [request(jar_on(0)), request(jar_on(1)), request(jar_on(0), "jar.refuse"), request("no/1")])
        assert sensor.answered == {"OK": 2, "FAILED_PRECONDITION": 1, "NOT_FOUND": 1}
        assert sensor.refused == {"NO_SUCH_KIND": 1}

    play(act)


def test_a_broken_stream_is_taken_up_by_another_under_the_same_ids() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        calls = [request(jar_on(0), amount=1, request_id=new_id()) for _ in range(10)]
        scene.log.holding = []
        stream = stub.InvokeStream(metadata=(ANN,))
        await stream.write(pb.InvokeBatch(calls=calls))
        await scene.log.until(lambda: scene.log.holding)
        stream.cancel()
        asking = asyncio.ensure_future(ask(stub, calls))
        scene.log.release()
        results = await asking
        assert sorted(totals(results)) == list(range(1, 11))
        looked = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look"))
        assert msgspec.json.decode(looked.payload) == {"total": 10}

    play(act)
