"""HTTP/2 by hand, as much as is needed: so an offer costs little, and a client can break any rule."""

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = 8
WINDOW = 65_535
FRAME_BYTES_MAX = 16_384
CALLS_MAX = 100
"""Calls at a time, until the gateway has said how many it takes."""
CALLS_PART = 0.9
"""Of those, how many are used: the gateway forgets a call a moment after its client does."""
MAX_CONCURRENT_STREAMS = 3


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    left, out = len(text) - 127, bytearray(b"\x7f")
    while left >= 128:
        out.append(left % 128 + 128)
        left //= 128
    out.append(left)
    return bytes(out) + text


def header_block(method: str, metadata: Iterable[tuple[str, str]] = (), timeout_ms: int = 2_000) -> bytes:
    """The headers of a call, each written out and none remembered."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/gateway.v1.ProgramService/{method}"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", f"{timeout_ms}m"),
        *metadata,
    ]
    return b"".join(b"\0" + _string(name.encode()) + _string(value.encode()) for name, value in headers)


def message(body: bytes) -> bytes:
    """A gRPC message."""
    return b"\0" + len(body).to_bytes(4, "big") + body


class Connection(asyncio.Protocol):
    """One connection. `ended(stream, status, ms)` is told of each call's gRPC status; -1 is a reset."""

    def __init__(self, ended: Callable[[int, int, float], None]) -> None:
        self._ended = ended
        self._left = b""
        self._room = WINDOW
        self._next = 1
        self._calls_max = CALLS_MAX
        self.open: dict[int, float] = {}
        self.seen: Counter[int] = Counter()
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, address: str, ended: Callable[[int, int, float], None], window: int = WINDOW) -> Self:
        """Connect; each stream may bring so many bytes before it is read, which it is when it ends."""
        host, _, port = address.rpartition(":")
        _, made = await asyncio.get_running_loop().create_connection(lambda: cls(ended), host, int(port))
        settings = struct.pack(">HIHI", 1, 0, 4, window)  # no table of headers; the window of a stream
        wide = struct.pack(">I", (1 << 31) - 1 - WINDOW)
        made.send(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, wide))
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Over: every open call is reset."""
        del exc
        self.closed.set()
        for stream in list(self.open):
            self._end(stream, -1)

    @property
    def has_room(self) -> bool:
        """Whether another small call can be sent."""
        is_free = len(self.open) < CALLS_PART * self._calls_max
        return is_free and self._room > FRAME_BYTES_MAX and not self.closed.is_set()

    def send(self, data: bytes) -> None:
        """Send these bytes, whatever they are."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(data)

    def begin(self) -> int:
        """The next stream's number."""
        stream, self._next = self._next, self._next + 2
        return stream

    def call(self, block: bytes, body: bytes, *, ends: bool = True, since: float | None = None) -> int:
        """Make a call with one message, wanted since then; returns its stream."""
        stream = self.begin()
        self.open[stream] = time.perf_counter() if since is None else since
        parts = [frame(HEADERS, END_HEADERS, stream, block)]
        for start in range(0, len(body), FRAME_BYTES_MAX):
            part = body[start : start + FRAME_BYTES_MAX]
            last = ends and start + FRAME_BYTES_MAX >= len(body)
            parts.append(frame(DATA, END_STREAM if last else 0, stream, part))
        self._room -= len(body)
        self.send(b"".join(parts))
        return stream

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        data, at = self._left + data, 0
        while len(data) - at >= 9:
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            self._frame(data[at + 3], data[at + 4], stream, data[at + 9 : end])
            at = end
        self._left = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.seen[kind] += 1
        if kind == HEADERS and flags & END_STREAM:
            at = payload.find(b"grpc-status") + 11
            self._end(stream, int(payload[at + 1 : at + 1 + payload[at]]) if at > 10 else -1)
        elif kind == RST_STREAM:
            self._end(stream, -1)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._room += int.from_bytes(payload, "big")
        elif kind in (SETTINGS, PING) and not flags & ACK:
            if kind == SETTINGS:
                said = dict(struct.unpack_from(">HI", payload, at) for at in range(0, len(payload), 6))
                self._calls_max = said.get(MAX_CONCURRENT_STREAMS, self._calls_max)
            self.send(frame(kind, ACK, 0, payload if kind == PING else b""))

    def _end(self, stream: int, status: int) -> None:
        began = self.open.pop(stream, None)
        if began is not None:
            self._ended(stream, status, (time.perf_counter() - began) * 1_000)
