"""Certificates made for a test: an authority, and what it vouches for."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAME = "gateway.test"
DAY = dt.timedelta(days=1)


class Authority:
    """Somebody who vouches."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key, 0)
        made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def vouches(self, folder: Path, name: str = NAME, late_days: int = 0) -> tuple[Path, Path]:
        """A certificate and its key, as files; it begins so many days later than now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self._name, key, late_days)
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = builder.add_extension(names, critical=False).sign(self._key, SHA256())
        cert_path, key_path = folder / f"{name}.{late_days}.crt", folder / f"{name}.{late_days}.key"
        cert_path.write_bytes(made.public_bytes(Encoding.PEM))
        key_path.touch(mode=0o600)
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert_path, key_path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, late_days: int
) -> x509.CertificateBuilder:
    begins = dt.datetime.now(dt.UTC) + (late_days - 1) * DAY
    return x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), begins, begins + 2 * DAY
    )
