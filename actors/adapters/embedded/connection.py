"""The client's end of a connection to the log's owner: a blocking socket that says messages and hears messages."""

import contextlib
import socket
from collections import deque
from typing import Literal

from actors.adapters.embedded import wire
from actors.errors import Outcome, PlatformError, SetupError, Unavailable

CONNECT_S_MAX = 2.0
READ_BYTES = 256 << 10


class Connection:
    """One connection, made for one use. Sending and hearing may be on different threads; `close` on any."""

    def __init__(self, address: str, token: str, use: Literal["append", "read", "ask"]) -> None:
        """Connects and is let in. Raises OSError when the owner is away, SetupError when it does not know the token."""
        host, _, port = address.rpartition(":")
        self._bytes = bytearray()
        self._whole: deque[bytes] = deque()
        self.socket = socket.create_connection((host, int(port)), CONNECT_S_MAX)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send(wire.pack(wire.Hello(token, use)))
            answer = wire.decode_answer(self.receive())
            if isinstance(answer, wire.Refused):
                raise SetupError(f"{answer.message} (the log at {address}); use the token it was started with")
            self.socket.settimeout(None)
        except BaseException:
            self.socket.close()
            raise

    def send(self, packed: bytes) -> None:
        """Send a packed message, however long it takes. Raises OSError when the connection is over."""
        self.socket.sendall(packed)

    def receive(self) -> bytes:
        """The next message. Raises OSError when the connection is over."""
        while not self._whole:
            self.hear()
        return self._whole.popleft()

    def heard(self) -> bytes | None:
        """A message that is here already."""
        return self._whole.popleft() if self._whole else None

    def hear(self) -> None:
        """Take in what the socket has, waiting if it has nothing. Raises OSError when the connection is over."""
        some = self.socket.recv(READ_BYTES)
        if not some:
            raise ConnectionResetError("the owner ended the connection")
        self._bytes += some
        start, size = 0, wire.LENGTH.size
        while len(self._bytes) - start >= size:
            end = start + size + wire.LENGTH.unpack_from(self._bytes, start)[0]
            if end > len(self._bytes):
                break
            self._whole.append(bytes(self._bytes[start + size : end]))
            start = end
        del self._bytes[:start]

    def close(self) -> None:
        """End it; whoever waits in `send` or `receive` gets an OSError."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def away(address: str, error: BaseException, outcome: Outcome = "OUTCOME_UNKNOWN") -> PlatformError:
    """What an error of a connection means."""
    if isinstance(error, PlatformError):
        return error
    return Unavailable(f"the log at {address} is away ({error})", outcome=outcome)
