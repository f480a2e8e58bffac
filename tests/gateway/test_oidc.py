"""Sign-in by an issuer in this process: who is believed to have signed in there, and who is not, each by its reason."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.clocks import wall_ms
from actors.domain.counting import MINUTE_MS
from actors.errors import SetupError, Unavailable
from actors.settings import ProcessSettings
from gateway.auth import proof_of_secret
from gateway.oidc import Issuer
from gateway.v1 import identity_pb2 as pb
from tests.gateway.scene import Said, Scene, new_id, play, reason_of, status_in
from tests.gateway.test_identity import City, reason

US = "hutong"
SIGN_INS_MAX = 3
RSA = rsa.generate_private_key(65_537, 2_048)
STRANGER = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ALGORITHM = {"r1": "RS256", "e1": "ES256", "d1": "EdDSA"}


class Elsewhere:
    """An issuer: its keys by their ids, how often it was asked for them, and what it says instead of what it should."""

    def __init__(self) -> None:
        self.private: dict[str, Any] = {"r1": RSA, "e1": EC, "d1": ED}
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()
        self.at_once = self.at_once_max = 0
        self.url = ""
        self.says: dict[str, bytes] = {}

    def answer(self, path: str) -> bytes:
        """What it serves."""
        if path in self.says:
            return self.says[path]
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", "more": 1}).encode()
        self.asked += 1
        keys: list[Mapping[str, Any]] = []
        for kid, private in self.private.items():
            algorithm = jwt.get_algorithm_by_name(ALGORITHM.get(kid, "RS256"))
            keys.append({**algorithm.to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def token(self, kid: str = "r1", *, key: Any = None, named: str = "", **claims: Any) -> str:
        """An ID token, good but for these claims; one that is None is left out."""
        now_s = int(time.time())
        said = {"iss": self.url, "aud": US, "sub": "ann", "iat": now_s, "exp": now_s + 300, "jti": new_id(), **claims}
        good = {name: value for name, value in said.items() if value is not None}
        algorithm = ALGORITHM.get(kid, "RS256")
        return jwt.encode(good, key or self.private.get(kid, RSA), algorithm, {"kid": named or kid})


@contextmanager
def issuer() -> Generator[Elsewhere]:
    """An issuer that listens on this machine."""
    elsewhere = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            elsewhere.at_once += 1
            elsewhere.at_once_max = max(elsewhere.at_once_max, elsewhere.at_once)
            elsewhere.answers.wait(60)
            elsewhere.at_once -= 1
            body = elsewhere.answer(self.path)
            if body.startswith(b"raw"):
                self.wfile.write(body)
                return
            self.send_response(302 if body.startswith(b"http") else 200)
            self.send_header("Location", body.decode() if body.startswith(b"http") else "")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    elsewhere.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield elsewhere
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def in_city(act: Callable[[City, Elsewhere], Awaitable[None]], sign_ins_max: int = 60) -> None:
    """Run this where an issuer is trusted."""

    async def run(scene: Scene) -> None:
        with issuer() as elsewhere:
            city = City(scene)
            await city.opens(
                ProcessSettings(
                    identity_required=True,
                    oidc_issuer=elsewhere.url,
                    oidc_audience=US,
                    sign_ins_minute_max=sign_ins_max,
                )
            )
            await act(city, elsewhere)

    play(run)


def shows(token: str) -> Said:
    return (("authorization", f"OIDC {token}"),)


def signs_in(city: City, token: str, request_id: str = "") -> Any:
    return city.stub.SignInWith(pb.SignInWithRequest(request_id=request_id), metadata=shows(token))


def test_who_signs_in_with_the_issuer_by_any_of_its_keys_is_one_person_with_an_account() -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        answers = [await signs_in(city, elsewhere.token(kid)) for kid in ALGORITHM]
        assert len({answer.person for answer in answers}) == 1
        assert elsewhere.asked == 1
        assert await city.code((("authorization", f"Bearer {answers[0].token}"),))
        several = elsewhere.token(aud=[US, "other"], azp=US)
        assert (await signs_in(city, several)).person == answers[0].person
        bob = await signs_in(city, elsewhere.token(sub="bob"))
        assert bob.person != answers[0].person
        refreshed = await city.stub.Refresh(
            pb.RefreshRequest(), metadata=((("authorization", proof_of_secret(bob.refresh)),))
        )
        assert refreshed.token

    in_city(act)


def test_the_same_request_of_two_persons_is_two_and_of_one_person_one() -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        name = new_id()
        ann, bob, again = [await signs_in(city, elsewhere.token(sub=sub), name) for sub in ("ann", "bob", "ann")]
        assert ann.person == again.person != bob.person
        assert (ann.duplicate, bob.duplicate, again.duplicate) == (False, False, True)
        assert ann.refresh == again.refresh != bob.refresh

    in_city(act)


def test_an_id_token_signs_in_once_and_again_by_the_same_request_alone_whatever_gateway_is_asked() -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        token, name = elsewhere.token(), new_id()
        first = await signs_in(city, token, name)
        process = ProcessSettings(identity_required=True, oidc_issuer=elsewhere.url, oidc_audience=US)
        stubs = (city.stub, await city.another(process))
        before = city.on_log()
        for city.stub in stubs:
            assert await reason(signs_in(city, token)) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_USED")
        assert city.on_log() == before, "and nothing is left of it"
        again = await signs_in(city, token, name)
        assert (again.person, again.duplicate) == (first.person, True)
        assert (await signs_in(city, elsewhere.token())).person == first.person

    in_city(act)


def test_a_person_signs_in_so_often_in_a_minute_and_a_refusal_uses_no_token_up() -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        async def until_refused(sign_in: Callable[[str], Awaitable[Any]]) -> str:
            """The token of the first that is refused; of so many in a row a minute's end lets no more through."""
            for _ in range(2 * SIGN_INS_MAX + 1):
                token, before = elsewhere.token(), city.on_log()
                refusal: grpc.aio.AioRpcError | None = None
                try:
                    await sign_in(token)
                except grpc.aio.AioRpcError as error:
                    refusal = error
                if refusal is not None:
                    assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                    assert reason_of(status_in(refusal)) == "TOO_MANY_SIGN_INS"
                    assert city.on_log() == before
                    return token
            raise AssertionError("nobody was refused")

        said = pb.SignInRequest(issuer="development", subject="ann")
        await until_refused(lambda _: city.stub.SignIn(said, metadata=city.by("platform/issuer")))
        token = await until_refused(lambda token: signs_in(city, token))
        assert (await signs_in(city, elsewhere.token(sub="bob"))).token, "another one's are counted by themselves"
        city.scene.tallies.count("", 1, 1, wall_ms() + MINUTE_MS)  # the minute is over
        assert (await signs_in(city, token)).token

    in_city(act, SIGN_INS_MAX)


def test_who_is_signed_in_by_a_known_key_does_not_wait_for_an_issuer_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.oidc.FRESH_S", 0.0)
    monkeypatch.setattr("gateway.oidc.FETCH_S_MAX", 3_600.0)

    async def act(_: City, elsewhere: Elsewhere) -> None:
        trusted = Issuer(elsewhere.url, US)
        assert (await trusted.read(elsewhere.token())).subject == "ann"
        elsewhere.answers.clear()
        try:
            for n in range(50):
                assert (await trusted.read(elsewhere.token(sub=str(n)))).subject == str(n)
                await asyncio.sleep(0)
            monkeypatch.setattr("gateway.oidc.FETCH_S_MAX", 0.1)
            with pytest.raises(Unavailable):
                await trusted.read(elsewhere.token("r9"))
            assert elsewhere.at_once_max == 1, "one question is on its way at a time"
        finally:
            elsewhere.answers.set()

    in_city(act)


Made = Callable[[Elsewhere], str]
PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
BAD: dict[str, tuple[Made, str]] = {
    "nothing": (lambda _: "", "TOKEN_MISSING"),
    "too long": (lambda e: e.token(more="x" * 4_096), "TOKEN_TOO_LONG"),
    "a word": (lambda _: "word", "TOKEN_FORGED"),
    "no algorithm": (lambda e: jwt.encode({"iss": e.url, "aud": US, "sub": "ann"}, "", "none"), "TOKEN_FORGED"),
    "a secret": (lambda e: jwt.encode({"iss": e.url, "sub": "ann"}, "s" * 32, "HS256", {"kid": "r1"}), "TOKEN_FORGED"),
    "a stranger's signature": (lambda e: e.token(key=STRANGER), "TOKEN_FORGED"),
    "another key's id": (lambda e: e.token("r1", named="e1"), "TOKEN_FORGED"),
    "a key that is not known": (lambda e: e.token("r9"), "TOKEN_KEY_UNKNOWN"),
    "no key's id": (lambda e: e.token(""), "TOKEN_KEY_UNKNOWN"),
    "for another": (lambda e: e.token(aud="other"), "TOKEN_AUDIENCE"),
    "for several, and another's": (lambda e: e.token(aud=[US, "other"], azp="other"), "TOKEN_AUDIENCE"),
    "for nobody": (lambda e: e.token(aud=None), "TOKEN_FORGED"),
    "of another issuer": (lambda e: e.token(iss="https://issuer.example"), "TOKEN_AUDIENCE"),
    "of its other spelling": (lambda e: e.token(iss=f"{e.url}/"), "TOKEN_AUDIENCE"),
    "of nobody": (lambda e: e.token(sub=None), "TOKEN_FORGED"),
    "of a number": (lambda e: e.token(sub=7), "TOKEN_FORGED"),
    "expired": (lambda e: e.token(exp=int(time.time()) - 61), "TOKEN_EXPIRED"),
    "older than an hour": (
        lambda e: e.token(iat=int(time.time()) - 3_661, exp=int(time.time()) + 300),
        "TOKEN_EXPIRED",
    ),
    "without an end": (lambda e: e.token(exp=None), "TOKEN_FORGED"),
    "without a beginning": (lambda e: e.token(iat=None), "TOKEN_FORGED"),
    "of tomorrow": (lambda e: e.token(nbf=int(time.time()) + 86_400), "TOKEN_NOT_YET"),
    "ours": (lambda _: "eyJhbGciOiJFZERTQSJ9.e30.AA", "TOKEN_KEY_UNKNOWN"),
}


@pytest.fixture(scope="module")
def refusals() -> Mapping[str, tuple[str, int]]:
    """What each bad token is refused by, and what it left on the log."""
    found: dict[str, tuple[str, int]] = {}

    async def act(city: City, elsewhere: Elsewhere) -> None:
        await signs_in(city, elsewhere.token())
        for name, (make, _) in BAD.items():
            before = city.on_log()
            why = (await reason(signs_in(city, make(elsewhere))))[1]
            found[name] = (why, city.on_log() - before)
        assert elsewhere.asked == 1, "whoever makes tokens up cannot make us ask"

    in_city(act)
    return found


@pytest.mark.parametrize("name", BAD)
def test_a_bad_id_token_is_refused_by_its_reason_and_leaves_nothing(
    name: str, refusals: Mapping[str, tuple[str, int]]
) -> None:
    assert refusals[name] == (BAD[name][1], 0)


def test_an_id_token_is_good_for_signing_in_and_for_nothing_else() -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        said = shows(elsewhere.token())
        for method, call in (
            ("SignIn", pb.SignInRequest(issuer=elsewhere.url, subject="ann")),
            ("IssueCode", pb.IssueCodeRequest(program="bike")),
            ("Refresh", pb.RefreshRequest()),
            ("SignOut", pb.SignOutRequest()),
        ):
            assert (await reason(getattr(city.stub, method)(call, metadata=said)))[1] == "PERMISSION_DENIED", method
        ours = city.by("account/ann")
        assert (await reason(city.stub.SignInWith(pb.SignInWithRequest(), metadata=ours)))[1] == "PERMISSION_DENIED"

    in_city(act)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/.well-known/openid-configuration", b"no"),
        ("/.well-known/openid-configuration", b'{"issuer": "https://other.example", "jwks_uri": "https://x.example"}'),
        ("/.well-known/openid-configuration", b"http://127.0.0.1:1/elsewhere"),
        ("/keys", b'{"keys": []}'),
        ("/keys", b"[" * 300_000),
        ("/keys", b"raw: no HTTP at all\r\n\r\n"),
        ("/keys", b"http://127.0.0.1:1/elsewhere"),
    ],
)
def test_an_issuer_that_does_not_say_its_keys_is_away(path: str, body: bytes) -> None:
    async def act(city: City, elsewhere: Elsewhere) -> None:
        elsewhere.says[path] = body
        code, _ = await reason(signs_in(city, elsewhere.token()))
        assert code is grpc.StatusCode.UNAVAILABLE

    in_city(act)


def test_an_issuer_must_be_asked_in_secret_and_name_us() -> None:
    for url, audience, why in (
        ("http://issuer.example", US, "OIDC_ISSUER"),
        ("file:///etc/passwd", US, "OIDC_ISSUER"),
        ("issuer.example", US, "OIDC_ISSUER"),
        ("https://issuer.example", "", "OIDC_AUDIENCE"),
    ):
        with pytest.raises(SetupError) as refused:
            Issuer(url, audience)
        assert refused.value.reason == why
    assert Issuer("https://issuer.example", US).url == "https://issuer.example"
