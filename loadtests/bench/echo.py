"""A bare grpc.aio service that answers at once: what one call costs when nothing is done.

It takes the platform's own messages, so that the same client calls both. Beside it, an echo of bytes: gRPC alone.
"""

import asyncio
import sys
from typing import Any, cast

import grpc

from gateway.v1 import program_pb2, program_pb2_grpc

SERVICE = "bench.Echo"
METHOD = "Echo"
PAYLOAD = (
    b"a payload as long as one of the benchmark's calls to an account, with its name and its command, is on the wire"
)


class Echo(program_pb2_grpc.ProgramServiceServicer):
    """Answers each call with its own payload."""

    async def Invoke(self, request: program_pb2.InvokeRequest, _: Any) -> program_pb2.InvokeResponse:  # noqa: N802
        """One call."""
        return program_pb2.InvokeResponse(payload=request.payload, request_id=request.request_id)


async def _echo(request: bytes, _: Any) -> bytes:
    return request


async def _serve() -> None:
    server = grpc.aio.server()
    program_pb2_grpc.add_ProgramServiceServicer_to_server(Echo(), server)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


class BytesClient:
    """Asks the echo of bytes over one channel."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._call = cast(
            "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", self._channel.unary_unary(f"/{SERVICE}/{METHOD}")
        )

    async def __call__(self, _: int) -> None:
        """One call; its answer is what was sent."""
        assert await self._call(PAYLOAD) == PAYLOAD

    async def close(self) -> None:
        """End the channel."""
        await self._channel.close()


if __name__ == "__main__":
    asyncio.run(_serve())
