"""A bare grpc.aio echo of bytes: what one call costs when nothing is done. Its server, and what asks it."""

import asyncio
import sys
from typing import Any, cast

import grpc

SERVICE = "bench.Echo"
METHOD = "Echo"
PAYLOAD = (
    b"a payload as long as one of the benchmark's calls to an account, with its name and its command, is on the wire"
)


async def _echo(request: bytes, _: Any) -> bytes:
    return request


async def _serve() -> None:
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo)
    handlers = {METHOD: handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


class EchoClient:
    """Asks the echo over one channel."""

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
