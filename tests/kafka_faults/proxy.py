"""A TCP proxy in front of each broker, in this process: what passes can be held, cut, damaged or slowed."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Literal, Self, TypeVar

CHUNK_BYTES = 64 << 10
WAIT_S = 10.0
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Direction = Literal["to", "from"]
"""To the broker, or from it."""
R = TypeVar("R")


class Link:
    """The way to one broker and back, and what is wrong with it now. The counts are of what was seen to happen."""

    def __init__(self, chance: Random) -> None:
        self.target = 0
        self.held = 0
        self.resets = 0
        self.flips = 0
        self.slowed = 0
        self._chance = chance
        self._gates: dict[str, asyncio.Event] = {"to": asyncio.Event(), "from": asyncio.Event()}
        self._delay_s = 0.0
        self._flips_left = {"to": 0, "from": 0}
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.heal()

    def hold(self, *directions: Direction) -> None:
        """From now on nothing passes in these directions, and connections stay open."""
        for direction in directions:
            self._gates[direction].clear()

    def slow(self, seconds: float) -> None:
        """Each chunk passes so much later."""
        self._delay_s = seconds

    def flip(self, direction: Direction, chunks: int) -> None:
        """One bit is turned in each of the next so many chunks."""
        self._flips_left[direction] = chunks

    def heal(self) -> None:
        """Everything passes again; what was held does too."""
        self._delay_s = 0.0
        self._flips_left = {"to": 0, "from": 0}
        for gate in self._gates.values():
            gate.set()

    def reset(self) -> None:
        """Every connection ends by a reset, at both ends."""
        for pair in list(self._connections):
            self.resets += 1
            for writer in pair:
                abort(writer)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one client and the broker say, until one of them ends."""
        try:
            back, on = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            abort(writer)
            return
        pair = (writer, on)
        self._connections.add(pair)
        ways = [
            asyncio.create_task(self._pass(reader, on, "to")),
            asyncio.create_task(self._pass(back, writer, "from")),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(pair)
            for way in ways:
                way.cancel()
            for one in pair:
                one.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                if not self._gates[direction].is_set():
                    self.held += 1
                    await self._gates[direction].wait()
                if self._delay_s:
                    self.slowed += 1
                    await asyncio.sleep(self._delay_s)
                if self._flips_left[direction]:
                    self._flips_left[direction] -= 1
                    self.flips += 1
                    chunk = flipped(chunk, self._chance)
                writer.write(chunk)
                await writer.drain()
        except OSError:
            return  # an end is gone, and the other is closed with it


def flipped(chunk: bytes, chance: Random) -> bytes:
    """The chunk with one bit turned."""
    at = chance.randrange(len(chunk))
    return chunk[:at] + bytes([chunk[at] ^ (1 << chance.randrange(8))]) + chunk[at + 1 :]


def abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, not with an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()


class Proxy:
    """One link a broker, on a thread of its own. `ports` are where the brokers seem to be."""

    def __init__(self, brokers: int, seed: int) -> None:
        self.ports: list[int] = []
        chance = Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._links = [self._do(lambda: Link(chance)) for _ in range(brokers)]
        for link in self._links:
            coroutine = asyncio.start_server(link.connected, "127.0.0.1", 0)
            server = asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def aim(self, targets: Sequence[int]) -> None:
        """The ports where the brokers really are."""
        for link, target in zip(self._links, targets, strict=True):
            link.target = target

    def on(self, broker: int, act: Callable[[Link], R]) -> R:
        """Do this to a broker's link, between two of its steps."""
        return self._do(lambda: act(self._links[broker]))

    def _do(self, act: Callable[[], R]) -> R:
        async def run() -> R:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Reset what is connected, and end."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for link in self._links:
            link.heal()
            link.reset()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(tasks, timeout=WAIT_S / 2) if tasks else None
