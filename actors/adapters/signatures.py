"""Signatures of packages: Ed25519, in raw bytes. A pair's private half stays with the developer."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from actors.packages import signed_of


def new_key() -> bytes:
    """The private half of a new pair."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """The public half."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign_package(private: bytes, hash: str) -> bytes:
    """The signature of the package with this hash."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(signed_of(hash))


def is_signed(public: bytes, signature: bytes, hash: str) -> bool:
    """Whether who holds the private half signed the package with this hash."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed_of(hash))
    except (InvalidSignature, ValueError):
        return False
    return True
