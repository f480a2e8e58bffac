"""A bare grpc.aio service that answers at once: what one call costs when nothing is done.

It takes the platform's own messages, so that the same client calls both. Beside it, an echo of bytes: gRPC alone.
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import grpc

from gateway.v1.program_pb2 import InvokeRequest, InvokeResponse
from loadtests.bench import processes
from loadtests.bench.pace import PAYLOAD

SERVICE = "gateway.v1.ProgramService"
BYTES_SERVICE = "bench.Echo"
METHOD = "Invoke"
END_S_MAX = 5.0


async def _answer(request: InvokeRequest, _: Any) -> InvokeResponse:
    return InvokeResponse(payload=request.payload, request_id=request.request_id)


async def _echo(request: bytes, _: Any) -> bytes:
    return request


async def _serve() -> None:
    server = grpc.aio.server()
    answer: grpc.RpcMethodHandler[InvokeRequest, InvokeResponse] = grpc.unary_unary_rpc_method_handler(
        _answer, InvokeRequest.FromString, InvokeResponse.SerializeToString
    )
    echo: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo)
    handlers = (
        grpc.method_handlers_generic_handler(SERVICE, {METHOD: answer}),
        grpc.method_handlers_generic_handler(BYTES_SERVICE, {METHOD: echo}),
    )
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


class Echo(NamedTuple):
    """The echo in a process of its own."""

    address: str
    pid: int


@contextmanager
def running() -> Generator[Echo]:
    """Start it, and see that it ends."""
    command = [sys.executable, "-m", "loadtests.bench.echo"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Echo(process.stdout.readline().decode().strip(), process.pid)
        finally:
            processes.end(process, END_S_MAX)


class BytesClient:
    """Asks the echo of bytes over one channel."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._call = cast(
            "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", self._channel.unary_unary(f"/{BYTES_SERVICE}/{METHOD}")
        )

    async def __call__(self, _: int) -> None:
        """One call; its answer is what was sent."""
        assert await self._call(PAYLOAD) == PAYLOAD

    async def close(self) -> None:
        """End the channel."""
        await self._channel.close()


if __name__ == "__main__":
    asyncio.run(_serve())
