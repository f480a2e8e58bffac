"""The gateway's side of its streams to hosts: one per address, dialled again when it ends."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import msgspec

from actors import link
from actors.link import FromGateway, FromHost

RETRY_S = 0.05
RETRY_S_MAX = 1.0
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]


class HostLink:
    """One stream to one host. `heard` gets what it says, `down` is called when the stream ends."""

    def __init__(
        self,
        address: str,
        metadata: tuple[tuple[str, str], ...],
        heard: Callable[[str, Sequence[FromHost]], None],
        down: Callable[[str], None],
    ) -> None:
        self.address = address
        self._metadata = metadata
        self._heard = heard
        self._down = down
        self._outgoing: list[FromGateway] = []
        self._ready = asyncio.Event()
        self._wait_s = RETRY_S
        self._task = asyncio.ensure_future(self._run())

    def send(self, message: FromGateway) -> None:
        """Send this soon. What is said while the stream is down is forgotten: the host will say what it serves."""
        self._outgoing.append(message)
        self._ready.set()

    async def close(self) -> None:
        """End the stream and do not dial again; `down` is not called."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._stream()
            except (grpc.aio.AioRpcError, msgspec.MsgspecError, UnicodeDecodeError):
                pass  # the host is gone, or speaks another version of this: dial again
            except Exception as error:  # noqa: BLE001 - a mistake of ours is told, but must not cut the host off for good
                facts = {"message": f"the stream to the host at {self.address} broke", "exception": error}
                asyncio.get_running_loop().call_exception_handler(facts)
            self._down(self.address)
            await asyncio.sleep(self._wait_s)
            self._wait_s = min(2 * self._wait_s, RETRY_S_MAX)

    async def _stream(self) -> None:
        async with grpc.aio.insecure_channel(self.address, options=_OPTIONS) as channel:
            call = cast("Any", channel.stream_stream(f"/{link.SERVICE}/{link.METHOD}")(metadata=self._metadata))
            self._outgoing.clear()
            writing = asyncio.ensure_future(self._write(call))
            try:
                while (message := await call.read()) is not grpc.aio.EOF:
                    self._wait_s = RETRY_S
                    self._heard(self.address, link.decode_from_host(message))
            finally:
                writing.cancel()

    async def _write(self, call: Any) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the reader sees it end, too
            while True:
                await self._ready.wait()
                self._ready.clear()
                outgoing, self._outgoing = self._outgoing, []
                if outgoing:
                    await call.write(link.encode(outgoing))
