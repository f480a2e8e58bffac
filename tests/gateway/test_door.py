"""The door in front of a real log and host: who is turned away, what is said to them, and clients that keep away."""

# One of these tests looks at what a client has learned.
# pyright: reportPrivateUsage=false

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors.errors import Overloaded, PlatformError
from actors.link import Answer as Answered
from actors.link import Ask
from actors.settings import ProcessSettings
from gateway.client import Answer, Client
from gateway.shedding import levels_from
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import CLUSTER, Scene, detail, jar_on, play, reason_of, refused, request, status_in

ALWAYS = ProcessSettings(queueing_ms_max=0, queueing_line_min=0, queueing_window_calls=60, overload_retry_ms=7)
"""Every queue is too long."""
NEVER = ProcessSettings(queueing_ms_max=60_000)
ROUNDS_MAX = 50


def named(caller: str, priority: int) -> tuple[tuple[str, str], ...]:
    """Who calls, in metadata."""
    return (("hutong-caller", caller), ("hutong-priority", str(priority)))


async def outcomes(stub: Any, count: int, metadata: object) -> list[grpc.aio.AioRpcError]:
    """The refusals among so many calls at once."""
    said = await asyncio.gather(
        *(stub.Invoke(request(jar_on(n % 2), amount=1), metadata=metadata) for n in range(count)),
        return_exceptions=True,
    )
    return [error for error in said if isinstance(error, grpc.aio.AioRpcError)]


def test_the_less_important_are_told_the_reason_the_delay_and_the_level() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ALWAYS)
        low: list[grpc.aio.AioRpcError] = []
        for _ in range(ROUNDS_MAX):
            high, some = await asyncio.gather(
                outcomes(stub, 40, named("shop", 127)), outcomes(stub, 40, named("bulk", 1))
            )
            assert not high
            low += some
            if low:
                break
        assert low, "nobody was turned away"
        error, status = low[0], status_in(low[0])
        assert (error.code(), reason_of(status)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        retry = detail(status, details.RetryInfo)
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == 7
        level, own = levels_from(str(dict(error.trailing_metadata() or ())["hutong-level"]))
        assert (level >= own, own // 128) == (True, 1)

    play(act)


def test_what_a_stream_is_refused_is_not_on_the_log_and_its_level_is_said() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ALWAYS)
        stream = stub.InvokeStream(metadata=named("bulk", 1))
        answered, refused, level = 0, 0, 0
        for _ in range(ROUNDS_MAX):
            await stream.write(pb.InvokeBatch(calls=[request(jar_on(n % 2), amount=1) for n in range(100)]))
            came = 0
            while came < 100:
                batch = await stream.read()
                came += len(batch.results)
                answered += sum(result.HasField("response") for result in batch.results)
                errors = [result.error for result in batch.results if result.HasField("error")]
                assert {reason_of(status) for status in errors} <= {"OVERLOADED"}
                refused += len(errors)
                level = max(level, batch.level)
            if refused and level:
                break
        assert refused
        assert level // 128 == 1
        stream.cancel()
        assert len(scene.log.calls(0)) + len(scene.log.calls(1)) == answered

    play(act)


def test_nobody_is_told_of_a_level_while_queues_are_short() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(NEVER)
        for _ in range(3):
            assert not await outcomes(stub, 100, named("bulk", 0))
        call = stub.Invoke(request(jar_on(0), amount=1), metadata=named("bulk", 0))
        await call
        assert "hutong-level" not in dict(await call.trailing_metadata())

    play(act)


def test_a_client_keeps_its_calls_back_while_they_would_be_turned_away() -> None:
    async def act(scene: Scene) -> None:
        await scene.served(NEVER)
        async with Client(f"127.0.0.1:{scene.gateways[0].port}", "bulk", seed=1) as client:
            await client.invoke(jar_on(0), "jar.put", {"amount": 1})
            client._shedding.learn(9_000, 8_000, 1 << 62)
            before = len(scene.log.calls(0))
            with pytest.raises(Overloaded, match="kept back"):
                await client.invoke(jar_on(0), "jar.put", {"amount": 1}, retry_for_ms=0)
            assert len(scene.log.calls(0)) == before
            many = await client.invoke_many([(jar_on(0), "jar.put", {"amount": 1})] * 3, retry_for_ms=0)
            assert [isinstance(one, PlatformError) and one.reason for one in many] == ["OVERLOADED"] * 3
            assert len(scene.log.calls(0)) == before
            client._shedding.learn(0, 0, 0)
            assert isinstance(await client.invoke(jar_on(0), "jar.put", {"amount": 1}), Answer)

    play(act)


def test_the_probe_is_known_by_its_secret_and_reaches_no_entity() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(NEVER)
        probe = scene.gateways[0].ingress.probe
        assert await stub.Invoke(pb.InvokeRequest(), metadata=(probe.metadata,)) == pb.InvokeResponse()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Invoke(pb.InvokeRequest(), metadata=((probe.metadata[0], "0" * 32),))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    play(act)


QUESTION = pb.QueryRequest(entity=jar_on(0), view="look")


def test_so_many_questions_of_a_tenant_are_in_flight_and_one_more_is_refused_before_it_is_asked() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway(ProcessSettings(queries_per_tenant_max=2, queries_max=5)))
        host = await scene.scripted()
        await scene.gateways[0].ready(CLUSTER.partitions)

        def asks(tenant: str) -> "asyncio.Future[pb.QueryResponse]":
            asked: asyncio.Future[pb.QueryResponse] = asyncio.ensure_future(
                stub.Query(QUESTION, metadata=(("hutong-tenant", tenant),))
            )
            return asked

        async def refusal(tenant: str) -> tuple[grpc.StatusCode, str]:
            code, status = await refused(asks(tenant))
            retry = detail(status, details.RetryInfo)
            assert retry is not None
            assert retry.retry_delay.ToMilliseconds() > 0
            return code, reason_of(status)

        waiting = [asks("shop"), asks("shop")]
        asked = [await host.hears(Ask) for _ in waiting]
        assert await refusal("shop") == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TENANT_LIMIT")
        others = [asks(tenant) for tenant in ("bike", "bike", "taxi")]
        asked += [await host.hears(Ask) for _ in others]
        assert await refusal("food") == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        host.says(Answered(asked[0].ask_id, 0, 1, 0, b"{}", 5))
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        more = asks("shop")
        asked.append(await host.hears(Ask))
        host.says(*(Answered(ask.ask_id, 0, 1, 0, b"{}", 5) for ask in asked[1:]))
        assert {answer.payload for answer in await asyncio.gather(*waiting, *others, more)} == {b"{}"}

    play(act)


def test_a_question_below_the_line_that_calls_have_drawn_is_turned_away_and_one_above_is_not() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ALWAYS)
        low, high = named("bulk", 1), named("shop", 127)
        errors: list[grpc.aio.AioRpcError] = []
        for _ in range(ROUNDS_MAX):
            await asyncio.gather(outcomes(stub, 40, high), outcomes(stub, 40, low))
            assert (await stub.Query(QUESTION, metadata=high)).payload
            try:
                await stub.Query(QUESTION, metadata=low)
            except grpc.aio.AioRpcError as error:
                errors.append(error)
                break
        assert errors, "no question was turned away"
        assert (errors[0].code(), reason_of(status_in(errors[0]))) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert "hutong-level" in dict(errors[0].trailing_metadata() or ())

    play(act)


def test_our_client_asks_again_when_its_tenant_has_too_many_questions_in_flight() -> None:
    async def act(scene: Scene) -> None:
        await scene.served(ProcessSettings(queries_per_tenant_max=1))
        async with Client(f"127.0.0.1:{scene.gateways[0].port}", "many") as client:
            seen = await asyncio.gather(*(client.query(jar_on(0), "look") for _ in range(20)))
        assert len({str(one.value) for one in seen}) == 1

    play(act)
