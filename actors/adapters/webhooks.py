"""A request to a developer's server, signed as Standard Webhooks says; the secrets, and what became of it."""

import base64
import contextlib
import errno
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future
from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.adapters.outward import PORTS, Target, address_of, target_of
from actors.adapters.turns import Turns
from actors.errors import InvalidCommand

DEADLINE_S = 5.0
LEFT_S_MIN = 0.01
ANSWER_BYTES_MAX = 4_096
SECRET_BYTES = 32
RESOLVING_MAX = 64
RESOLVING_OF_ONE_MAX = 8
"""So many names are asked for at a time, in all and for one program. A name server that is slow keeps its place."""
_FAIL = b"FAIL"


class Outcome(NamedTuple):
    """The server's status, 0 when there was none, and what there is to say of it."""

    status: int
    note: str = ""


def secret_of(root: bytes, endpoint: str, version: int) -> bytes:
    """The secret of this version that requests to the endpoint `program/name` are signed with."""
    purpose = f"hutong webhook|{endpoint}|{version}".encode()
    return HKDF(SHA256(), SECRET_BYTES, None, purpose).derive(root)


def secret_text(secret: bytes) -> str:
    """A secret as its developer is given it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signed(delivery: str, stamp_s: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers by which the server tells that we have sent this, and that it has seen it before."""
    said = f"{delivery}.{stamp_s}.".encode() + body
    made = (base64.b64encode(hmac.digest(secret, said, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(stamp_s),
        "webhook-signature": " ".join(f"v1,{one}" for one in made),
        "content-type": "application/json",
        "user-agent": "hutong",
    }


def resolved(name: str, port: int) -> list[str]:
    """Every address that this name stands for now. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


class _Question(NamedTuple):
    """A name and a port, and whoever waits for the addresses."""

    name: str
    port: int
    asked: "Future[Sequence[str]]"


class Sender:
    """Sends requests, each within its time in all. It follows no redirect."""

    def __init__(
        self,
        local_port: int = 0,
        resolve: Callable[[str, int], Sequence[str]] = resolved,
        connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.deadline_s = deadline_s
        """How long a request may take, from its name to the end of the answer."""
        self._local_port = local_port
        self._resolve = resolve
        self._connect = connect
        self._names = Turns(self._ask, RESOLVING_MAX, RESOLVING_OF_ONE_MAX, RESOLVING_MAX)
        self._tls = cache(ssl.create_default_context)
        """Made for the first request: it reads every authority's certificate."""

    def post(self, program: str, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Send this for a program, and say what became of it. Raises nothing: what a server may do is an outcome."""
        until = time.monotonic() + self.deadline_s
        try:
            target = target_of(url, self._local_port)
            answers = self._resolved(program, target, until) if target.secure else ()
            # The address that was checked is connected to; the name is not asked about again.
            connection = self._connect((address_of(target, answers), target.port), _left(until))
        except InvalidCommand as error:
            return Outcome(0, str(error))
        except OSError as error:
            return Outcome(0, f"it cannot be reached: {error.strerror or type(error).__name__}")
        with contextlib.closing(connection), _cut_after(connection, _left(until)):
            try:
                if target.secure:  # the certificate must be of the name that was asked for
                    connection = self._tls().wrap_socket(connection, server_hostname=target.name)
                with contextlib.closing(connection):
                    return _exchanged(connection, target, headers, body)
            except (OSError, http.client.HTTPException) as error:
                return Outcome(0, f"it gave no answer: {type(error).__name__}")

    def _resolved(self, program: str, target: Target, until: float) -> Sequence[str]:
        """The addresses of a name. Raises OSError, also when the system, which keeps to no deadline, is late."""
        question = _Question(target.name, target.port, Future())
        lost = self._names.add(program, question)
        if lost is not None:
            lost.asked.cancel()
        try:
            return question.asked.result(_left(until))
        except (TimeoutError, CancelledError) as error:
            question.asked.cancel()
            raise OSError(errno.ETIMEDOUT, "its name was not found in time") from error

    def _ask(self, question: _Question) -> None:
        if not question.asked.set_running_or_notify_cancel():
            return  # nobody waits any more
        try:
            question.asked.set_result(self._resolve(question.name, question.port))
        except OSError as error:
            question.asked.set_exception(error)


def _left(until: float) -> float:
    return max(until - time.monotonic(), LEFT_S_MIN)


@contextlib.contextmanager
def _cut_after(connection: socket.socket, seconds: float) -> Generator[None]:
    """Whoever answers a byte now and then is not waited for: the connection ends after this time."""
    handle = connection.dup()

    def cut() -> None:
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    late = threading.Timer(seconds, cut)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
        late.join()
        handle.close()


def _exchanged(connection: socket.socket, target: Target, headers: dict[str, str], body: bytes) -> Outcome:
    asking = http.client.HTTPConnection(target.name, target.port)
    asking.sock = connection
    asking.auto_open = 0  # it may not connect by itself, which would ask for the name again
    host = target.name if target.port == PORTS[0] else f"{target.name}:{target.port}"
    asking.request("POST", target.path, body, {"host": host, **headers})
    answer = asking.getresponse()
    said = answer.read(ANSWER_BYTES_MAX)
    taken = 200 <= answer.status < 300
    return Outcome(answer.status, "it was taken, and the answer says FAIL" if taken and _FAIL in said else "")
