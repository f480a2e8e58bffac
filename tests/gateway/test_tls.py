"""TLS and mTLS by settings: who gets through to whom, and every start that is refused, each by its reason."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from actors.adapters.memory_keys import MemoryKeys
from actors.clocks import wall_ms
from actors.errors import SetupError, Unavailable
from actors.principal import Principal, Role
from actors.settings import ProcessSettings
from gateway.client import Client
from gateway.tls import Tls, check_address, pinned, server_credentials
from gateway.tokens import sign
from gateway.v1 import program_pb2 as pb
from gateway.v1.program_pb2_grpc import ProgramServiceStub
from tests.gateway.certificates import NAME, Authority
from tests.gateway.scene import Scene, play


class Files(NamedTuple):
    """What lies in a folder: an authority's certificate, what it vouches for, and a stranger's."""

    folder: Path
    authority: Authority
    cert: Path
    key: Path

    @property
    def settings(self) -> dict[str, Any]:
        """Of a gateway that speaks TLS."""
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}


def settings_of(**said: Any) -> ProcessSettings:
    """The settings of a process that was told these."""
    return ProcessSettings(**said)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = Authority("the authority")
    return Files(tmp_path, authority, *authority.vouches(tmp_path))


def written(files: Files, name: str, content: bytes, mode: int = 0o600) -> str:
    path = files.folder / name
    path.touch(mode=mode)
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


Made = Callable[[Files], dict[str, Any]]
REFUSED: dict[str, tuple[Made, str, str]] = {
    "a certificate without a key": (lambda _: {"tls_key": ""}, "TLS_INCOMPLETE", "HUTONG_TLS_CERT alone"),
    "a key without a certificate": (lambda _: {"tls_cert": ""}, "TLS_INCOMPLETE", "HUTONG_TLS_KEY alone"),
    "clients' certificates without its own": (
        lambda f: {"tls_cert": "", "tls_key": "", "tls_client_ca": str(f.cert)},
        "TLS_INCOMPLETE",
        "HUTONG_TLS_CLIENT_CA alone",
    ),
    "a certificate that is not there": (lambda f: {"tls_cert": str(f.folder / "no")}, "TLS_FILE", "No such file"),
    "a key that is a folder": (lambda f: {"tls_key": str(f.folder)}, "TLS_FILE", "cannot be read"),
    "a certificate that is none": (lambda f: {"tls_cert": written(f, "c", b"no")}, "TLS_FILE", "no certificates"),
    "a key that is none": (lambda f: {"tls_key": written(f, "k", b"no")}, "TLS_FILE", "no private key"),
    "the certificate as the key": (
        lambda f: {"tls_key": written(f, "k", f.cert.read_bytes())},
        "TLS_FILE",
        "no private key",
    ),
    "clients' authority that is none": (
        lambda f: {"tls_client_ca": written(f, "a", b"no")},
        "TLS_FILE",
        "no certificates",
    ),
    "another's key": (
        lambda f: {"tls_key": str(f.authority.vouches(f.folder, "other.test")[1])},
        "TLS_KEY_OTHER",
        "is not the key",
    ),
    "a key that others can read": (
        lambda f: {"tls_key": written(f, "k", f.key.read_bytes(), 0o640)},
        "TLS_KEY_OPEN",
        "chmod 600",
    ),
    "a certificate that has expired": (
        lambda f: dict(zip(("tls_cert", "tls_key"), map(str, f.authority.vouches(f.folder, NAME, -5)), strict=True)),
        "TLS_EXPIRED",
        "Renew it",
    ),
    "a certificate of tomorrow": (
        lambda f: dict(zip(("tls_cert", "tls_key"), map(str, f.authority.vouches(f.folder, NAME, 5)), strict=True)),
        "TLS_EXPIRED",
        "good from",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_start_with_files_that_cannot_serve_is_refused_and_says_what_to_do(files: Files, name: str) -> None:
    make, reason, says = REFUSED[name]
    with pytest.raises(SetupError, match=says) as refused:
        server_credentials(settings_of(**{**files.settings, **make(files)}))
    assert refused.value.reason == reason
    assert server_credentials(settings_of(**files.settings)) is not None
    assert server_credentials(ProcessSettings()) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "gateway.test", "192.168.1.1", "fe80::1", "128.0.0.1"])
def test_beyond_this_machine_only_proven_callers_over_tls_are_served(files: Files, host: str) -> None:
    for settings, reason, says in (
        (ProcessSettings(), "NOT_LOOPBACK", "HUTONG_IDENTITY_REQUIRED"),
        (settings_of(**files.settings), "NOT_LOOPBACK", "taken at their word"),
        (ProcessSettings(identity_required=True), "NO_TLS", "HUTONG_TLS_CERT"),
    ):
        with pytest.raises(SetupError, match=says) as refused:
            check_address(host, settings)
        assert refused.value.reason == reason
    check_address(host, settings_of(identity_required=True, **files.settings))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_is_served_in_every_mode(host: str) -> None:
    check_address(host, ProcessSettings())


def serving(files: Files, act: Callable[[Callable[..., Client]], Awaitable[None]], **settings: str) -> None:
    """Run this where a gateway speaks TLS and wants tokens; clients trust what they are told to."""

    async def run(scene: Scene) -> None:
        scene.keys = keys = MemoryKeys()
        await scene.host()
        port = await scene.gateway(settings_of(identity_required=True, **{**files.settings, **settings}))
        await scene.gateways[-1].ready(2)
        token = sign(keys, Principal(Role.OPERATOR, "", "op"), wall_ms())

        def client(tls: Tls | None) -> Client:
            return Client(f"127.0.0.1:{port}", token=token, tls=tls)

        await act(client)

    play(run)


async def gets_through(client: Client, deadline_ms: int = 10_000) -> bool:
    """Whether the gateway hears the client at all; who is not heard tries again until the deadline."""
    async with client:
        try:
            await client.ask(ProgramServiceStub, "Describe", pb.DescribeRequest(), deadline_ms=deadline_ms)
        except Unavailable:
            return False
        return True


def test_over_tls_a_client_gets_through_that_trusts_the_certificate_under_its_name(files: Files) -> None:
    async def act(client: Callable[[Tls | None], Client]) -> None:
        for tls in (Tls(files.authority.pem), Tls(files.authority.pem, NAME), pinned(files.cert)):
            assert await gets_through(client(tls)), tls.name
        stranger = Authority("the authority").pem
        for untrusted in (None, Tls(stranger), Tls(stranger, NAME), Tls(files.authority.pem, "other.test")):
            assert not await gets_through(client(untrusted), 1_000), untrusted

    serving(files, act)


def test_where_clients_show_certificates_only_those_of_the_authority_get_through(files: Files, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    own = files.authority.vouches(tmp_path, "client.test")
    strangers = Authority("the authority").vouches(tmp_path / "theirs", "client.test")

    async def act(client: Callable[[Tls | None], Client]) -> None:
        assert await gets_through(client(pinned(files.cert, *own)))
        assert not await gets_through(client(pinned(files.cert)), 1_000)
        assert not await gets_through(client(pinned(files.cert, *strangers)), 1_000)

    serving(files, act, tls_client_ca=written(files, "ca", files.authority.pem))


def test_what_a_client_is_told_to_trust_must_be_there_and_name_somebody(files: Files) -> None:
    for path, says in ((files.folder / "no", "cannot be read"), (Path(written(files, "c", b"x")), "no certificates")):
        with pytest.raises(SetupError, match=says):
            pinned(path)
    with pytest.raises(SetupError, match="alternative name"):
        pinned(Path(written(files, "ca", files.authority.pem)))
