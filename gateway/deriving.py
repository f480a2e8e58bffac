"""What follows from the root key, the same at every gateway: names of persons, login codes, session keys, secrets.

So none of it need be kept anywhere: the log has numbers and names, and who has the log has no secret.
"""

import hashlib
import hmac
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.ports import Keys

NAME_CHARS = 26
CODE_CHARS_MAX = 512
NUMBERED_CHARS_MAX = 128


class Login(NamedTuple):
    """What a login code says: the n-th code of a person in a program."""

    person: str
    program: str
    n: int


class Derived:
    """All that follows from the root key of a keyring."""

    def __init__(self, keys: Keys) -> None:
        """Raises SetupError, Unavailable."""
        self.kid, root = keys.root()
        self._names = _from(root, b"names", 32)
        self._sessions = _from(root, b"sessions", 32)
        self._secrets = _from(root, b"credentials", 32)
        self._codes = AESSIV(_from(root, b"codes", 64))

    def login(self, issuer: str, subject: str) -> str:
        """The name of a login; it does not say whose."""
        return self._name("login", issuer, subject)

    def openid(self, program: str, person: str) -> str:
        """The name by which a program knows a person, and no other program does."""
        return self._name("openid", program, person)

    def unionid(self, account: str, person: str) -> str:
        """The name by which every program of a developer's account knows a person."""
        return self._name("unionid", account, person)

    def code(self, login: Login) -> str:
        """A login code: the same text for the same login."""
        return urlsafe_b64encode(self._codes.encrypt(msgspec.msgpack.encode(login), None)).decode().rstrip("=")

    def shown(self, code: str) -> Login | None:
        """What a login code says; None when it is none that we wrote."""
        if len(code) > CODE_CHARS_MAX or not code.isascii():
            return None
        try:
            sealed = urlsafe_b64decode(code + "=" * (-len(code) % 4))
            login = msgspec.msgpack.decode(self._codes.decrypt(sealed, None), type=Login)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            return None
        return login if self.code(login) == code else None

    def session_key(self, program: str, openid: str, version: int) -> bytes:
        """A session key; it never leaves the gateway."""
        return hmac.digest(self._sessions, _joined(program, openid, str(version)), "sha256")

    def session(self, program: str, openid: str, version: int) -> str:
        """What proves a session key, without the key."""
        proof = hmac.digest(self.session_key(program, openid, version), b"", "sha256")
        return f"{version}.{_text(proof)}"

    def version(self, program: str, openid: str, session: str) -> int | None:
        """The version of the session key that this proves; None when it proves none."""
        return _number(session, lambda version: self.session(program, openid, version))

    def secret(self, credential: str, n: int) -> str:
        """The n-th secret of a credential, such as `server/bike`: it begins with that name."""
        return f"{credential}:{n}.{_text(hmac.digest(self._secrets, _joined(credential, str(n)), 'sha256'))}"

    def secret_number(self, secret: str) -> tuple[str, int] | None:
        """Whose secret this is, and which; None when it is none."""
        credential, _, written = secret.partition(":")
        n = _number(written, lambda n: self.secret(credential, n).partition(":")[2])
        return None if n is None else (credential, n)

    def _name(self, *parts: str) -> str:
        digest = hmac.digest(self._names, _joined(*parts), hashlib.sha256)
        return b32encode(digest).decode().lower()[:NAME_CHARS]


def _number(text: str, written: Callable[[int], str]) -> int | None:
    """The number that a text begins with, if it is what we would have written for it."""
    number = text.partition(".")[0]
    if len(text) > NUMBERED_CHARS_MAX or not text.isascii() or not number.isdecimal():
        return None
    return int(number) if hmac.compare_digest(written(int(number)), text) else None


def _text(proof: bytes) -> str:
    return urlsafe_b64encode(proof).decode().rstrip("=")


def _from(root: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, None, b"hutong/" + purpose).derive(root)


def _joined(*parts: str) -> bytes:
    """So that no two lists of parts are read as one."""
    return msgspec.msgpack.encode(parts)
