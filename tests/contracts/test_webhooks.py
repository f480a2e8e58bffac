"""Requests to developers' servers: signed, sent to the address that was checked, and cut when a server is odd."""

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from actors.adapters import webhooks
from actors.adapters.memory_keys import MemoryKeys
from actors.adapters.webhooks import Outcome, Sender, secret_of, secret_text, signed

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'


@contextmanager
def server(status: int, answer: bytes = b"", **headers: str) -> Generator[tuple[int, list[tuple[str, bytes]]]]:
    """A server on loopback that answers like this; its port, and the paths and bodies that it got."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=[0.01])
    thread.start()
    try:
        yield served.server_port, got
    finally:
        served.shutdown()
        served.server_close()
        thread.join()


def test_a_request_is_signed_as_the_standard_says() -> None:
    headers = signed("d1", 1_614_265_330, BODY, [SECRET])
    said = {name: value for name, value in headers.items() if name.startswith("webhook-")}
    assert said == {
        "webhook-id": "d1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": expected("d1", 1_614_265_330, SECRET),
    }


def test_the_signature_is_that_of_the_standards_own_vector() -> None:
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY, [SECRET])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def expected(delivery: str, stamp_s: int, secret: bytes) -> str:
    said = b".".join((delivery.encode(), str(stamp_s).encode(), BODY))
    return "v1," + base64.b64encode(hmac.new(secret, said, hashlib.sha256).digest()).decode()


def test_while_secrets_overlap_both_sign() -> None:
    headers = signed("d1", 7, BODY, [SECRET, b"former"])
    assert headers["webhook-signature"] == f"{expected('d1', 7, SECRET)} {expected('d1', 7, b'former')}"


def test_a_secret_is_one_endpoints_and_one_versions_and_is_written_as_the_standard_does() -> None:
    root = MemoryKeys().root()[1]
    made = [secret_of(root, endpoint, version) for endpoint in ("bike/a", "bike/b") for version in (1, 2)]
    assert len(set(made)) == 4
    assert made[0] == secret_of(root, "bike/a", 1)
    assert base64.b64decode(secret_text(made[0]).removeprefix("whsec_")) == made[0]


@pytest.mark.parametrize("status", [200, 204, 404, 503])
def test_a_servers_status_is_the_outcome(status: int) -> None:
    with server(status) as (port, got):
        assert Sender(port).post("bike", f"http://127.0.0.1:{port}/in?a=b", {}, BODY) == Outcome(status)
    assert got == [("/in?a=b", BODY)]


def test_a_redirect_is_not_followed() -> None:
    with server(200) as (other, never):
        with server(302, Location=f"http://127.0.0.1:{other}/") as (port, got):
            assert Sender(port).post("bike", f"http://127.0.0.1:{port}/", {}, BODY).status == 302
        assert (len(got), never) == (1, [])


def test_an_answer_that_says_fail_is_a_warning_and_what_is_long_is_not_read() -> None:
    for answer, note in ((b"FAIL", "it was taken, and the answer says FAIL"), (b"x" * 5_000 + b"FAIL", "")):
        with server(200, answer) as (port, _):
            assert Sender(port).post("bike", f"http://127.0.0.1:{port}/", {}, BODY) == Outcome(200, note)


def test_a_port_of_this_machine_that_is_not_allowed_gets_nothing() -> None:
    with server(200) as (port, got):
        for allowed in (0, port + 1):
            outcome = Sender(allowed).post("bike", f"http://127.0.0.1:{port}/", {}, BODY)
            assert (outcome.status, outcome.note[:40]) == (0, "a webhook does not go to this address: i")
    assert got == []


def test_the_checked_address_is_connected_to_though_the_name_says_another_the_next_time() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked: list[str] = []

    def resolve(name: str, _port: int) -> list[str]:
        asked.append(name)
        return answers[len(asked) - 1]

    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _seconds: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError(111, "refused")

    sender = Sender(0, resolve, connect)
    assert sender.post("bike", "https://hooks.shop.com/", {}, BODY) == Outcome(0, "it cannot be reached: refused")
    assert (asked, reached) == (["hooks.shop.com"], [("93.184.216.34", 443)])
    second = sender.post("bike", "https://hooks.shop.com/", {}, BODY)
    assert "none of the public network" in second.note
    assert len(reached) == 1, "a name that turned to an address within is not connected to"


def test_a_server_that_never_ends_its_answer_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert Sender(port, deadline_s=0.2).post("bike", f"http://127.0.0.1:{port}/", {}, BODY).status == 0


def test_a_name_server_that_never_answers_holds_up_no_try_for_long_and_no_other_programs() -> None:
    is_over = threading.Event()
    reached: list[tuple[str, int]] = []

    def resolve(name: str, _port: int) -> list[str]:
        if name == "never.shop.com":
            is_over.wait(60)
        return ["93.184.216.34"]

    def connect(address: tuple[str, int], _seconds: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError(111, "refused")

    sender = Sender(0, resolve, connect, deadline_s=0.05)
    try:
        for _ in range(2 * webhooks.RESOLVING_OF_ONE_MAX):
            late = sender.post("shop", "https://never.shop.com/", {}, BODY)
            assert late == Outcome(0, "it cannot be reached: its name was not found in time")
        sender.deadline_s = 60.0
        assert sender.post("bike", "https://hooks.bike.com/", {}, BODY).note == "it cannot be reached: refused"
        assert reached == [("93.184.216.34", 443)]
    finally:
        is_over.set()


def test_the_time_that_a_name_took_is_part_of_the_trys() -> None:
    left: list[float] = []

    def connect(_address: tuple[str, int], seconds: float) -> socket.socket:
        left.append(seconds)
        raise ConnectionRefusedError(111, "refused")

    Sender(0, lambda _name, _port: ["93.184.216.34"], connect).post("bike", "https://hooks.bike.com/", {}, BODY)
    assert 0 < left[0] < webhooks.DEADLINE_S


def test_a_server_without_tls_is_not_told() -> None:
    with server(200) as (port, got):

        def connect(_address: tuple[str, int], seconds: float) -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), seconds)

        outcome = Sender(0, lambda _name, _port: ["8.8.8.8"], connect).post("bike", "https://hooks.shop.com/", {}, BODY)
        assert outcome == Outcome(0, "it gave no answer: SSLError")
    assert got == []
