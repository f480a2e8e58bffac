"""TLS: what a gateway shows and asks for, what a client trusts, and which addresses may be served how.

Files are read when a process starts: whoever replaces a certificate starts its gateways again.
"""

import ipaddress
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc

from actors.errors import SetupError
from actors.settings import ProcessSettings

if TYPE_CHECKING:  # most processes never see a certificate
    from cryptography import x509

_CHANNEL = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]


class Tls(NamedTuple):
    """What a client trusts, and shows where it is asked to: certificates and a key as PEM.

    `name` is the name in the server's certificate, where it is dialled by another.
    """

    ca: bytes
    name: str = ""
    cert: bytes = b""
    key: bytes = b""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(host: str, process: ProcessSettings) -> None:
    """Raises SetupError for an address beyond this machine, unless callers prove who they are, and over TLS."""
    if is_loopback(host):
        return
    if not process.identity_required:
        raise SetupError(
            f"refusing to serve on {host}: callers are taken at their word, so only this machine may call. Serve "
            "127.0.0.1, or start with HUTONG_IDENTITY_REQUIRED=true, HUTONG_TLS_CERT and HUTONG_TLS_KEY.",
            reason="NOT_LOOPBACK",
        )
    if not process.tls_cert:
        raise SetupError(
            f"refusing to serve on {host}: tokens would go over the wire in the clear. Start with HUTONG_TLS_CERT and "
            "HUTONG_TLS_KEY, or serve 127.0.0.1.",
            reason="NO_TLS",
        )


def server_credentials(process: ProcessSettings) -> grpc.ServerCredentials | None:
    """What a gateway shows; None where TLS is off. Raises SetupError for files that cannot be used."""
    if not (process.tls_cert and process.tls_key):
        given = [
            f"HUTONG_{name.upper()}" for name in ("tls_cert", "tls_key", "tls_client_ca") if getattr(process, name)
        ]
        if not given:
            return None
        raise SetupError(
            f"{' and '.join(given)} alone is no TLS: HUTONG_TLS_CERT and HUTONG_TLS_KEY belong together, and "
            "HUTONG_TLS_CLIENT_CA needs both.",
            reason="TLS_INCOMPLETE",
        )
    cert_path, key_path = Path(process.tls_cert), Path(process.tls_key)
    cert, key = _read(cert_path), _read(key_path)
    leaf = _certificates(cert_path, cert)[0]
    _check_key(key_path, key, leaf)
    _check_time(cert_path, leaf)
    client_ca = b""
    if process.tls_client_ca:
        client_ca = _read(Path(process.tls_client_ca))
        _certificates(Path(process.tls_client_ca), client_ca)
    return grpc.ssl_server_credentials([(key, cert)], client_ca or None, bool(client_ca))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}. TLS needs it.", reason="TLS_FILE") from error


def _certificates(path: Path, pem: bytes) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise SetupError(f"{path} holds no certificates as PEM.", reason="TLS_FILE") from error


def _check_key(path: Path, pem: bytes, leaf: "x509.Certificate") -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SetupError(f"{path} can be read by others than its owner: chmod 600 {path}", reason="TLS_KEY_OPEN")
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise SetupError(f"{path} holds no private key as PEM, without a password.", reason="TLS_FILE") from error
    own, shown = (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (key.public_key(), leaf.public_key())
    )
    if own != shown:
        raise SetupError(
            f"{path} is not the key of the first certificate: give those that belong together.", reason="TLS_KEY_OTHER"
        )


def _check_time(path: Path, leaf: "x509.Certificate") -> None:
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not begins.timestamp() <= time.time() < ends.timestamp():
        raise SetupError(
            f"{path} is good from {begins:%Y-%m-%d} to {ends:%Y-%m-%d} only: no client would trust it. Renew it.",
            reason="TLS_EXPIRED",
        )


def pinned(path: Path, cert: Path | None = None, key: Path | None = None) -> Tls:
    """To trust this very certificate, under its own name; `cert` and `key` are the client's own. Raises SetupError."""
    from cryptography import x509

    pem = _read(path)
    leaf = _certificates(path, pem)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise SetupError(f"{path} names nobody: it needs a subject alternative name.", reason="TLS_FILE") from error
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    own = tuple(_read(each) if each is not None else b"" for each in (cert, key))
    return Tls(pem, found[0] if found else "", *own)


def open_channel(address: str, tls: Tls | None) -> grpc.aio.Channel:
    """A connection to a gateway, which is made when it is first used."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_CHANNEL)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key or None, tls.cert or None)
    named = [("grpc.ssl_target_name_override", tls.name)] if tls.name else []
    return grpc.aio.secure_channel(address, credentials, options=[*_CHANNEL, *named])
