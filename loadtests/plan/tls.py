"""What TLS costs a byte: both sides of one connection in memory, with the library that Python has."""

import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from actors.errors import SetupError

MESSAGE = b"x" * 8_000
"""About what a message of a stream has."""
MESSAGES = 4_000
HANDSHAKES_MAX = 10


def us_a_kb() -> float:
    """Microseconds of processor time for a thousand bytes: half of what sealing and opening them takes, since a process
    does one of the two."""
    client, server = _connected()
    began = time.thread_time()
    for _ in range(MESSAGES):
        client.write(MESSAGE)
        left = len(MESSAGE)
        while left:
            left -= len(server.read(left))
    return (time.thread_time() - began) * 1e6 / (MESSAGES * len(MESSAGE) / 1_000) / 2


def _connected() -> tuple[ssl.SSLObject, ssl.SSLObject]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    client = trusting.wrap_bio(down, up)
    server = _serving().wrap_bio(up, down, server_side=True)
    for _ in range(HANDSHAKES_MAX):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass  # it is the other's turn
    return client, server


def _serving() -> ssl.SSLContext:
    """A server's context, with a certificate of its own making. Raises SetupError when none can be made."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as name:
        key, cert = Path(name) / "key.pem", Path(name) / "cert.pem"
        made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=x")
        command = ["openssl", "req", "-x509", *made, "-keyout", str(key), "-out", str(cert)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"openssl made no certificate, by which TLS could be timed: {error}") from error
        context.load_cert_chain(cert, key)
    return context
