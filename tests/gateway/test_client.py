"""Our client: it names calls before their first try and keeps the names, through whatever happens on the way."""

# Some of these tests end a gateway as a kill would, or set a client's clock.
# pyright: reportPrivateUsage=false

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from actors.clocks import wall_ms
from actors.errors import DeadlineExceeded, InvalidCommand, NotFound, Overloaded, PlatformError, Reject, Unavailable
from actors.kernel.layout import made_ms
from actors.kernel.record import Position
from actors.link import Lost
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.client import Answer, Client, uuid7
from gateway.client_errors import error_from_call
from gateway.server import SERVICE_NAME, Gateway, GatewayConfig, GatewayParts
from gateway.v1 import catalog_pb2
from gateway.v1 import program_pb2 as pb
from gateway.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.gateway.scene import CLUSTER, TOKEN, WAIT_S, Scene, jar_on, play, registry


async def client_of(scene: Scene, process: ProcessSettings | None = None) -> Client:
    """A client of a gateway before a host that serves."""
    await scene.served(process or ProcessSettings())
    return Client(f"127.0.0.1:{scene.gateways[0].port}", seed=1)


async def restart(scene: Scene, name: str) -> None:
    """End the first gateway at once and begin another on its port."""
    port = scene.gateways[0].port
    first = scene.gateways.pop(0)
    await first._server.stop(0)
    await first.stop()
    config = GatewayConfig(name=name, log_url="", token=TOKEN, port=port, cluster=CLUSTER)
    second = Gateway(config, GatewayParts(scene.log, registry(), Sensor(), scene.objects))
    scene.gateways.append(second)
    await second.start()


def test_a_version_7_id_says_when_it_was_made() -> None:
    name = uuid7(1_700_000_000_123)
    assert uuid.UUID(name).version == 7
    assert uuid.UUID(name).variant == uuid.RFC_4122
    assert made_ms(uuid.UUID(name).bytes) == 1_700_000_000_123
    assert len({uuid7(1) for _ in range(1_000)}) == 1_000


def test_a_client_asks_a_typed_service_again_by_the_requests_own_id() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            name = client.new_request_id()
            request = catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann", request_id=name)
            answers = [await client.ask(CatalogServiceStub, "OpenAccount", request) for _ in range(2)]
            assert [answer.duplicate for answer in answers] == [False, True]
            request.request_id = client.new_request_id()
            with pytest.raises(Reject, match="wrong_state"):
                await client.ask(CatalogServiceStub, "OpenAccount", request)

    play(act)


def test_a_client_calls_asks_and_reads_its_own_writes() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            answer = await client.invoke(jar_on(1), "jar.put", {"amount": 4})
            assert answer.value == {"total": 4, "caller": client.caller}
            view = await client.query(jar_on(1), "look", at_least=answer.position)
            assert (view.value, view.position.offset >= answer.position.offset) == ({"total": 4}, True)
            assert (await client.query(jar_on(1), "look", linearizable=True)).value == {"total": 4}
            assert (await client.query(jar_on(0), "look", at_least=Position(0, 0, 0))).value == {"total": 0}
            assert "jar" in await client.describe()
            with pytest.raises(NotFound):
                await client.describe("nothing")

    play(act)


def test_errors_of_the_call_itself_are_raised_at_once() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            with pytest.raises(Reject, match="full") as full:
                await client.invoke(jar_on(0), "jar.refuse", {"why": "no"})
            assert full.value.details == {"why": "no", "total": "0"}
            with pytest.raises(InvalidCommand) as wrong:
                await client.invoke(jar_on(0), "jar.put", {"deep": {"count": "x"}})
            assert wrong.value.field == "$.deep.count"
            with pytest.raises(NotFound):
                await client.query(jar_on(0), "nothing")

    play(act)


def test_a_call_is_tried_again_under_its_id_until_the_log_takes_it() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            scene.log.holding = []
            calling = asyncio.ensure_future(client.invoke(jar_on(0), "jar.put", {"amount": 2}, deadline_ms=100))
            await scene.log.until(lambda: scene.log.holding)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(calling), 0.3)  # the first tries are over by then
            scene.log.release()
            assert (await calling).value == {"total": 2, "caller": client.caller}
            assert (await client.query(jar_on(0), "look")).value == {"total": 2}

    play(act)


def test_a_client_gives_up_in_time_and_says_what_it_knows() -> None:
    async def act(scene: Scene) -> None:
        await scene.gateway()
        async with Client(f"127.0.0.1:{scene.gateways[0].port}", seed=1) as client:
            scene.log.failing = [Unavailable("away", outcome="NOT_APPENDED") for _ in range(1_000)]
            with pytest.raises(Unavailable) as away:
                await client.invoke(jar_on(0), "jar.put", deadline_ms=100, retry_for_ms=150)
            assert away.value.reason == "NOT_APPENDED"
            many = await client.invoke_many([(jar_on(0), "jar.put", b"")] * 3, deadline_ms=100, retry_for_ms=150)
            assert [type(outcome) for outcome in many] == [Unavailable] * 3

    play(act)


def test_what_an_earlier_try_left_unknown_stays_unknown_until_it_is_answered() -> None:
    async def act(scene: Scene) -> None:
        linking = asyncio.ensure_future(scene.scripted())
        await scene.gateway()
        host = await linking
        client = Client(f"127.0.0.1:{scene.gateways[0].port}", seed=1)
        async with client:
            one = asyncio.ensure_future(client.invoke(jar_on(0), "jar.put", {"amount": 1}, retry_for_ms=1_500))
            many = asyncio.ensure_future(client.invoke_many([(jar_on(0), "jar.put", {})], retry_for_ms=1_500))
            await scene.log.until(lambda: len(scene.log.calls(0)) == 2)
            host.says(Lost(0, "halted at 0/0/0: no end"))  # every later try is refused before the log
            with pytest.raises(Unavailable, match="halted at 0/0/0") as raised:
                await one
            (outcome,) = await many
            assert isinstance(outcome, Unavailable)
            assert (raised.value.reason, outcome.reason) == ("OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN")
            assert "an earlier try may have been appended" in str(raised.value)
            assert "an earlier try may have been appended" in str(outcome)
            assert len(scene.log.calls(0)) == 2

    play(act)


def test_a_call_outlives_the_gateway_it_was_sent_to() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            scene.log.holding = []
            calling = asyncio.ensure_future(client.invoke(jar_on(0), "jar.put", {"amount": 2}))
            many = asyncio.ensure_future(client.invoke_many([(jar_on(1), "jar.put", {"amount": 1})] * 50))
            await scene.log.until(lambda: len(scene.log.holding or ()) == 2)
            await restart(scene, "gateway-second")
            scene.log.release()
            assert (await calling).value["total"] == 2
            outcomes = await many
            assert all(isinstance(outcome, Answer) for outcome in outcomes)
            assert (await client.query(jar_on(0), "look")).value == {"total": 2}
            assert (await client.query(jar_on(1), "look")).value == {"total": 50}

    play(act)


def test_many_calls_keep_their_order_in_the_answer_and_errors_stand_in_their_places() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            calls = [(jar_on(n % 2, n // 2), "jar.put", {"amount": n}) for n in range(20)]
            calls[7] = (jar_on(0), "jar.refuse", {})
            calls[9] = ("nowhere/1", "jar.put", {})
            outcomes = await client.invoke_many(calls, window=6)
            for n, outcome in enumerate(outcomes):
                if n == 7:
                    assert isinstance(outcome, Reject)
                elif n == 9:
                    assert isinstance(outcome, NotFound)
                else:
                    assert isinstance(outcome, Answer)
                    assert outcome.value["total"] == n
            assert await client.invoke_many([]) == []

    play(act)


def test_many_calls_go_on_when_a_gateway_can_take_only_some() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene, ProcessSettings(pending_per_caller_max=5)) as client:
            outcomes = await client.invoke_many([(jar_on(0), "jar.put", {"amount": 1})] * 40)
            assert all(isinstance(outcome, Answer) for outcome in outcomes)
            assert (await client.query(jar_on(0), "look")).value == {"total": 40}

    play(act)


def test_ids_are_dated_by_the_gateways_clock() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            now_ms = wall_ms()
            client._learn((("hutong-time-ms", str(now_ms - 3_600_000)),))
            assert abs(made_ms(uuid.UUID(client.new_request_id()).bytes) - now_ms + 3_600_000) < 60_000
            client._knows_time = False
            await client.invoke(jar_on(0), "jar.put")
            assert abs(made_ms(uuid.UUID(client.new_request_id()).bytes) - now_ms) < 60_000

    play(act)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", Unavailable),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM", Unavailable),
        (grpc.StatusCode.CANCELLED, "", Unavailable),
        (grpc.StatusCode.UNKNOWN, "Stream removed", Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", Overloaded),
        (grpc.StatusCode.UNIMPLEMENTED, "no such method", PlatformError),
    ],
)
def test_what_no_gateway_described_is_known_by_its_code(
    code: grpc.StatusCode, message: str, error: type[PlatformError]
) -> None:
    found = error_from_call(code, message, ())
    assert type(found) is error
    if isinstance(found, Unavailable):
        assert found.reason == "OUTCOME_UNKNOWN"


def test_a_call_that_ran_out_of_time_names_its_deadline_and_not_the_transports_words() -> None:
    error = error_from_call(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", None)
    assert (type(error), error.reason) == (DeadlineExceeded, "OUTCOME_UNKNOWN")
    assert str(error) == "no answer came before the call's deadline (deadline_ms)"


def gives_up(seen: set[str]) -> grpc.aio.Server:
    """A server that ends the first call of each method with CANCELLED, as gRPC does when its line is too long."""

    async def first(context: Any, method: str) -> None:
        if method not in seen:
            seen.add(method)
            await context.abort(grpc.StatusCode.CANCELLED)

    async def invoke(request: pb.InvokeRequest, context: Any) -> pb.InvokeResponse:
        await first(context, "Invoke")
        return pb.InvokeResponse(payload=b"1", request_id=request.request_id)

    async def query(request: pb.QueryRequest, context: Any) -> pb.QueryResponse:
        await first(context, "Query")
        return pb.QueryResponse(payload=request.args)

    async def many(batches: AsyncIterator[pb.InvokeBatch], context: Any) -> AsyncIterator[pb.InvokeResultBatch]:
        await first(context, "InvokeStream")
        async for batch in batches:
            done = pb.InvokeResponse(payload=b"3")
            yield pb.InvokeResultBatch(
                results=[pb.InvokeResult(request_id=call.request_id, response=done) for call in batch.calls]
            )

    async def listen(request: pb.ListenRequest, context: Any) -> AsyncIterator[pb.ListenResponse]:
        await first(context, "Listen")
        yield pb.ListenResponse(cursor=request.cursor + 1, payload=b"4")

    server = grpc.aio.server()
    methods: Any = {
        "Invoke": grpc.unary_unary_rpc_method_handler(
            invoke, pb.InvokeRequest.FromString, pb.InvokeResponse.SerializeToString
        ),
        "Query": grpc.unary_unary_rpc_method_handler(
            query, pb.QueryRequest.FromString, pb.QueryResponse.SerializeToString
        ),
        "InvokeStream": grpc.stream_stream_rpc_method_handler(
            many, pb.InvokeBatch.FromString, pb.InvokeResultBatch.SerializeToString
        ),
        "Listen": grpc.unary_stream_rpc_method_handler(
            listen, pb.ListenRequest.FromString, pb.ListenResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, methods),))
    return server


def test_a_call_that_a_gateway_gives_up_is_tried_again_and_ends_nobodys_task() -> None:
    async def act() -> None:
        seen: set[str] = set()
        server = gives_up(seen)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with Client(f"127.0.0.1:{port}", seed=1) as client:
            assert (await client.invoke("a/b", "c")).value == 1
            assert (await client.query("a/b", "c", b"2")).value == 2
            many = await client.invoke_many([("a/b", "c", b"{}")] * 3)
            assert [isinstance(one, Answer) and one.value for one in many] == [3, 3, 3]
            assert (await anext(client.listen("a/b"))).payload == b"4"
        await server.stop(0)
        assert seen == {"Invoke", "Query", "InvokeStream", "Listen"}

    asyncio.run(asyncio.wait_for(act(), WAIT_S))


def test_to_end_ones_own_task_ends_its_call() -> None:
    async def act(scene: Scene) -> None:
        async with await client_of(scene) as client:
            scene.log.holding = []
            calling = asyncio.ensure_future(client.invoke(jar_on(0), "jar.put", {"amount": 1}))
            await scene.log.until(lambda: scene.log.holding)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling

    play(act)
