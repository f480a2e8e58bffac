"""Reading the embedded log over its owner's port: the owner pushes, and as much is on its way as a socket holds."""

import select
import socket
import time
from collections.abc import Mapping, Sequence

from actors.adapters.embedded import wire
from actors.adapters.embedded.connection import Connection, away
from actors.errors import PlatformError
from actors.ports import Fetched, Slice

POLL_BYTES_MAX = 4 << 20


class RemoteReader:
    """A Reader. The place of each slice is what `poll` handed out, so a new connection begins exactly there."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token
        self._positions: dict[Slice, int] = {}
        self._slices: list[Slice] = []
        self._connection: Connection | None = None
        self._wakes, self._wake = socket.socketpair()
        self._wake.setblocking(False)

    def assign(self, positions: Mapping[Slice, int]) -> None:
        self._positions = {slice: self._positions.get(slice, offset) for slice, offset in positions.items()}
        self._disconnect()

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        until_s = time.monotonic() + timeout_ms / 1_000
        try:
            if self._connection is None and self._positions:
                self._connect()
            frames = self._take()
            while not frames and self._wait(until_s):
                frames = self._take()
        except (OSError, PlatformError) as error:
            self._disconnect()
            raise away(self._address, error, "NOT_APPENDED") from error
        return frames

    def wake(self) -> None:
        try:
            self._wake.send(b"\0")
        except BlockingIOError:
            return  # it is full of wakes already

    def close(self) -> None:
        self._disconnect()
        self._wake.close()
        self._wakes.close()

    def _connect(self) -> None:
        self._connection = Connection(self._address, self._token, "read")
        self._slices = list(self._positions)
        self._connection.send(wire.pack([(*slice, offset) for slice, offset in self._positions.items()]))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wait(self, until_s: float) -> bool:
        """Whether something came in; False at the time given or after a wake."""
        sockets = [self._wakes] if self._connection is None else [self._wakes, self._connection.socket]
        poller = select.poll()
        for one in sockets:
            poller.register(one, select.POLLIN)
        ready = {number for number, _ in poller.poll(max(until_s - time.monotonic(), 0) * 1_000)}
        if self._wakes.fileno() in ready:
            self._wakes.recv(4_096)
            return False
        if ready and self._connection is not None:
            self._connection.hear()
        return bool(ready)

    def _take(self) -> list[Fetched]:
        frames: list[Fetched] = []
        size_bytes = 0
        connection = self._connection
        while connection and size_bytes < POLL_BYTES_MAX and (message := connection.heard()) is not None:
            read = wire.decode_read(message)
            if isinstance(read, wire.Refused):
                if frames:
                    break  # the next connection is told it again, after these frames
                raise wire.to_error(read)
            size_bytes += len(message)
            slices = self._slices
            frames += [
                Fetched(slices[nth], offset, stamp, frame, key) for nth, offset, stamp, frame, key in read.frames
            ]
        for fetched in frames:
            self._positions[fetched.slice] = fetched.offset + 1
        return frames
