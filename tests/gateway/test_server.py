"""The process around the services: addresses, several gateways on one port, bounds, health, reflection, its end."""

# Some of these tests wait until a gateway has noted what it was told.
# pyright: reportPrivateUsage=false

import asyncio
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from actors.errors import SetupError
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.server import SERVICE_NAME, Gateway, GatewayConfig, GatewayParts, adding_to
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc, ways_pb2_grpc
from tests.gateway.scene import CLUSTER, TOKEN, Scene, jar_on, play, reason_of, registry, request, status_in


def gateway_at(scene: Scene, host: str, port: int, name: str = "gateway-x") -> Gateway:
    """A gateway that is not started."""
    config = GatewayConfig(name=name, log_url="", token=TOKEN, host=host, port=port, cluster=CLUSTER)
    return Gateway(config, GatewayParts(scene.log, registry(), Sensor(), scene.objects))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_a_gateway_serves_nobody_but_this_machine(host: str) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(SetupError, match="only this machine"):
            await gateway_at(scene, host, 0).start()

    play(act)


def test_a_port_that_something_else_has_is_said_to_be_in_use() -> None:
    async def act(scene: Scene) -> None:
        other = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(SetupError, match="in use"):
            await gateway_at(scene, "127.0.0.1", port).start()
        other.close()
        await other.wait_closed()

    play(act)


def test_several_gateways_serve_one_port_and_one_that_ends_leaves_it_to_the_others() -> None:
    async def act(scene: Scene) -> None:
        await scene.served()
        port = scene.gateways[0].port
        second = gateway_at(scene, "127.0.0.1", port, "gateway-second")
        scene.gateways.append(second)
        assert await second.start() == port
        await second.ready(CLUSTER.partitions)
        await scene.gateways[0].stop()
        answer = await scene.stub(port).Invoke(request(jar_on(0)), wait_for_ready=True)
        assert answer.payload

    play(act)


def test_a_gateway_that_starts_before_there_is_a_host_answers_once_there_is_one() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        await scene.log.until(lambda: scene.log.calls(0))
        assert not calling.done()
        await scene.host()
        assert (await calling).payload

    play(act)


def test_its_health_is_told_for_the_whole_and_for_the_service() -> None:
    async def act(scene: Scene) -> None:
        port = await scene.gateway()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for service in ("", SERVICE_NAME):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

    play(act)


def test_tools_can_ask_what_it_serves() -> None:
    async def act(scene: Scene) -> None:
        port = await scene.gateway()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            found = [answer async for answer in stub.ServerReflectionInfo(iter([asked]))]
            names = {service.name for answer in found for service in answer.list_services_response.service}
            assert names >= {SERVICE_NAME, "grpc.health.v1.Health"}

    play(act)


def test_a_message_that_is_too_large_is_refused_and_the_connection_goes_on() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ProcessSettings(message_bytes_max=64 * 1024))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Invoke(request(jar_on(0), note="a" * 100_000))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Invoke(request(jar_on(0)))).payload
        assert len(scene.log.calls(0)) == 1

    play(act)


def test_metadata_that_is_too_large_is_refused() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Invoke(request(jar_on(0)), metadata=(("noise", "a" * 10_000),))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Invoke(request(jar_on(0)))).payload

    play(act)


def test_a_gateway_that_ends_answers_the_calls_it_has_taken_in() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.holding = []
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        stream = stub.InvokeStream()
        await stream.write(pb.InvokeBatch(calls=[request(jar_on(1))]))
        await scene.log.until(lambda: len(scene.log.holding or ()) == 2)
        ending = asyncio.ensure_future(scene.gateways[0].stop())
        await asyncio.sleep(0)
        scene.log.release()
        assert (await calling).payload
        (result,) = (await stream.read()).results
        assert result.response.payload
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert (ended.value.code(), reason_of(status_in(ended.value))) == (grpc.StatusCode.UNAVAILABLE, "NOT_APPENDED")
        await ending

    play(act)


def test_idle_streams_do_not_keep_a_gateway_from_ending() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served(ProcessSettings(drain_ms_max=60_000))
        stream = stub.InvokeStream()
        await stream.write(pb.InvokeBatch(calls=[request(jar_on(0))]))
        assert (await stream.read()).results
        listening = stub.Listen(pb.ListenRequest(entity="sessions/s1"))
        await scene.log.until(lambda: len(scene.gateways[0]._services[0].service._streams) == 2)
        await scene.gateways[0].stop()
        for call in (stream, listening):
            assert await call.code() is grpc.StatusCode.UNAVAILABLE

    play(act)


def test_a_stream_that_comes_while_a_gateway_ends_is_sent_elsewhere_at_once() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.gateways[0]._services[0].service.drain()
        stream = stub.InvokeStream()
        listening = stub.Listen(pb.ListenRequest(entity="sessions/s1"))
        for call in (stream, listening):
            assert await call.code() is grpc.StatusCode.UNAVAILABLE

    play(act)


def test_only_calls_of_programs_have_lines_of_their_own_since_each_line_costs_every_call() -> None:
    class Server:
        """Notes what services add to it."""

        def __init__(self) -> None:
            self.found: list[str] = []
            self.lines: list[str] = []

        def add_generic_rpc_handlers(self, handlers: tuple[Any, ...]) -> None:
            self.found += [handler.service_name() for handler in handlers]

        def add_registered_method_handlers(self, name: str, handlers: dict[str, object]) -> None:
            self.lines += [f"{name}/{method}" for method in handlers]

    noting: Any = Server()
    server = adding_to(noting)
    cast("Any", program_pb2_grpc).add_ProgramServiceServicer_to_server(
        program_pb2_grpc.ProgramServiceServicer(), server
    )
    cast("Any", ways_pb2_grpc).add_WaysServiceServicer_to_server(ways_pb2_grpc.WaysServiceServicer(), server)
    assert noting.found == [SERVICE_NAME, "gateway.v1.WaysService"]
    methods = pb.DESCRIPTOR.services_by_name["ProgramService"].methods
    assert noting.lines == [f"{SERVICE_NAME}/{method.name}" for method in methods]
