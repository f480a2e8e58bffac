"""A developer's server that listens to webhooks, in a thread: what it was told, and by which names."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Heard:
    """What a developer's server got: bodies by the delivery's id, and what was signed; and what it answers."""

    def __init__(self) -> None:
        self.status = 204
        self.bodies: dict[str, list[bytes]] = {}
        self.signatures: list[tuple[str, bytes, str]] = []


@contextmanager
def server(heard: Heard) -> Generator[int]:
    """It listens on this port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(size := int(self.headers["content-length"]))
            if len(body) < size:
                return  # the follower was killed while it sent this
            name = self.headers["webhook-id"]
            heard.bodies.setdefault(name, []).append(body)
            said = f"{name}.{self.headers['webhook-timestamp']}.".encode() + body
            heard.signatures.append((name, said, self.headers["webhook-signature"]))
            self.send_response(heard.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=[0.01])
    thread.start()
    try:
        yield served.server_port
    finally:
        served.shutdown()
        served.server_close()
        thread.join()
