"""The host's internal server, on loopback or the cluster's network, with a token: one gRPC stream per gateway, and a
question by which operators learn how the partitions stand.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

import grpc
import msgspec

from actors import link
from actors.link import FromGateway, FromHost

MESSAGE_BYTES_MAX = 16 << 20
OUTGOING_MAX = 100_000
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class _Link:
    """One gateway's stream: what waits to be written."""

    def __init__(self) -> None:
        self.outgoing: list[FromHost] = []
        self.ready = asyncio.Event()


class Links:
    """Takes gateways in. `linked`, `unlinked` and `told` are called in the loop, in order for each gateway.

    `status` gives what a `Status` question is answered with.
    """

    def __init__(
        self,
        token: str,
        linked: Callable[[str], None],
        unlinked: Callable[[str], None],
        told: Callable[[str, Sequence[FromGateway]], None],
        status: Callable[[], bytes] = lambda: b"[]",
    ) -> None:
        self._token = token
        self._linked = linked
        self._unlinked = unlinked
        self._told = told
        self._status = status
        self._links: dict[str, _Link] = {}
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> int:
        """Serve on this address (port 0: any); returns the port."""
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.so_reuseport", 0),
        ]
        server = self._server = grpc.aio.server(options=options)
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            link.METHOD: grpc.stream_stream_rpc_method_handler(self._serve),
            link.STATUS_METHOD: grpc.unary_unary_rpc_method_handler(self._answer),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(link.SERVICE, handlers),))
        port = int(server.add_insecure_port(address))
        await server.start()
        return port

    async def stop(self) -> None:
        """End every stream."""
        if self._server is not None:
            await self._server.stop(0.1)

    def tell(self, gateway: str, message: FromHost) -> None:
        """Send this soon, with all else that is said to this gateway in the same step."""
        found = self._links.get(gateway)
        if found is None:
            return
        found.outgoing.append(message)
        found.ready.set()

    async def _check(self, context: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
        if not hmac.compare_digest(str(metadata.get(link.TOKEN_METADATA, "")), self._token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or missing link token")
        return metadata

    async def _answer(self, _: bytes, context: Any) -> bytes:
        await self._check(context)
        return self._status()

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        metadata = await self._check(context)
        gateway = str(metadata.get(link.GATEWAY_METADATA, ""))
        mine = self._links[gateway] = _Link()
        writing = asyncio.ensure_future(self._write(mine, context))
        self._linked(gateway)
        try:
            async for request in requests:
                try:
                    messages = link.decode_from_gateway(request)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a link message: {error}")
                    return
                self._told(gateway, messages)
        finally:
            writing.cancel()
            if self._links.get(gateway) is mine:
                del self._links[gateway]
                self._unlinked(gateway)

    async def _write(self, mine: _Link, context: Any) -> None:
        while True:
            await mine.ready.wait()
            mine.ready.clear()
            outgoing, mine.outgoing = mine.outgoing, []
            if len(outgoing) > OUTGOING_MAX:
                # A gateway that does not read: it dials again and asks for what it misses.
                context.cancel()
                return
            await context.write(link.encode(outgoing))
