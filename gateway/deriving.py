"""What follows from the root keys, the same at every gateway: names of persons, login codes, session keys, secrets.

So none of it need be kept anywhere: the log has numbers and names, and who has the log has no secret.
"""

import hashlib
import hmac
import time
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from actors.adapters.keyring import follows, names_of
from actors.ports import Keys, RootState

NAME_CHARS = 26
CODE_CHARS_MAX = 512
NUMBERED_CHARS_MAX = 128
FRESH_S = 1.0
"""What follows from a root key that was retired is believed for so long at most."""

T = TypeVar("T")


class Login(NamedTuple):
    """What a login code says: the n-th code of a person in a program."""

    person: str
    program: str
    n: int


class _Root:
    """What follows from one root key."""

    def __init__(self, kid: str, secret: bytes) -> None:
        self.kid = kid
        self.names = names_of(secret)
        self.sessions = follows(secret, b"sessions", 32)
        self.secrets = follows(secret, b"credentials", 32)
        self.codes = AESSIV(follows(secret, b"codes", 64))


class Derived:
    """All that follows from the root keys of a keyring: what is new from the current one, what was, from any in use.

    What is asked for again after a rotation is written by the new root key, and is as good as what was written before.
    Any method may raise SetupError, and Unavailable while the keyring is held.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._names = keys.names()
        self._roots: dict[str, _Root] = {}
        """Those in use, the newest first, as they were read last."""
        self._read_s = float("-inf")

    def kids(self) -> list[str]:
        """The ids of the root keys in use, the current one first."""
        self._read()
        return list(self._roots)

    def login(self, issuer: str, subject: str) -> str:
        """The name of a login; it does not say whose."""
        return _name(self._names, "login", issuer, subject)

    def unionid(self, account: str, person: str) -> str:
        """The name by which every program of a developer's account knows a person."""
        return _name(self._names, "unionid", account, person)

    def openid(self, program: str, person: str) -> str:
        """The name by which a program is to know a person whom it does not know yet, and no other program does."""
        return _name(self._current().names, "openid", program, person)

    def code(self, login: Login) -> str:
        """A login code."""
        return _code(self._current(), login)

    def shown(self, code: str) -> Login | None:
        """What a login code says; None when it is none that we wrote."""
        if len(code) > CODE_CHARS_MAX or not code.isascii():
            return None
        return self._said(lambda root: _shown(root, code))

    def session(self, kid: str, program: str, openid: str, version: int) -> str:
        """What proves the session key of this version, without the key, under this root key, which is in use."""
        if kid not in self._roots:
            self._read()
        return _session(self._roots[kid], program, openid, version)

    def version(self, program: str, openid: str, session: str) -> int | None:
        """The version of the session key that this proves; None when it proves none."""
        return self._said(lambda root: _number(session, lambda version: _session(root, program, openid, version)))

    def secret(self, credential: str, n: int) -> str:
        """The n-th secret of a credential, such as `server/bike`: it begins with that name."""
        return f"{credential}:{_secret(self._current(), credential, n)}"

    def secret_number(self, secret: str) -> tuple[str, int] | None:
        """Whose secret this is, and which; None when it is none."""
        credential, _, written = secret.partition(":")
        n = self._said(lambda root: _number(written, lambda n: _secret(root, credential, n)))
        return None if n is None else (credential, n)

    def _current(self) -> _Root:
        """Read each time: what is new never follows from a former root key."""
        kid, secret = self._keys.root()
        if kid not in self._roots:
            self._roots = {kid: _Root(kid, secret), **self._roots}
        return self._roots[kid]

    def _said(self, look: Callable[[_Root], T | None]) -> T | None:
        """What the first of the root keys in use says; they are read again when none says anything."""
        if time.monotonic() - self._read_s > FRESH_S:
            self._read()
        tried = list(self._roots.values())
        found = next((said for root in tried if (said := look(root)) is not None), None)
        if found is None:
            self._read()
            more = (root for kid, root in self._roots.items() if kid not in {one.kid for one in tried})
            found = next((said for root in more if (said := look(root)) is not None), None)
        return found

    def _read(self) -> None:
        in_use = [key.kid for key in reversed(self._keys.roots()) if key.state is not RootState.RETIRED]
        secrets = {kid: self._keys.root_of(kid) for kid in in_use if kid not in self._roots}
        made = {kid: _Root(kid, secret) for kid, secret in secrets.items() if secret is not None}
        self._roots = {kid: made.get(kid) or self._roots[kid] for kid in in_use if kid in made or kid in self._roots}
        self._read_s = time.monotonic()


def session_key(sessions: bytes, program: str, openid: str, version: int) -> bytes:
    """A session key; it never leaves the gateway."""
    return hmac.digest(sessions, _joined(program, openid, str(version)), "sha256")


def _session(root: _Root, program: str, openid: str, version: int) -> str:
    proof = hmac.digest(session_key(root.sessions, program, openid, version), b"", "sha256")
    return f"{version}.{_text(proof)}"


def _secret(root: _Root, credential: str, n: int) -> str:
    return f"{n}.{_text(hmac.digest(root.secrets, _joined(credential, str(n)), 'sha256'))}"


def _code(root: _Root, login: Login) -> str:
    return urlsafe_b64encode(root.codes.encrypt(msgspec.msgpack.encode(login), None)).decode().rstrip("=")


def _shown(root: _Root, code: str) -> Login | None:
    try:
        sealed = urlsafe_b64decode(code + "=" * (-len(code) % 4))
        login = msgspec.msgpack.decode(root.codes.decrypt(sealed, None), type=Login)
    except (ValueError, InvalidTag, msgspec.MsgspecError):
        return None
    return login if _code(root, login) == code else None


def _name(names: bytes, *parts: str) -> str:
    digest = hmac.digest(names, _joined(*parts), hashlib.sha256)
    return b32encode(digest).decode().lower()[:NAME_CHARS]


def _number(text: str, written: Callable[[int], str]) -> int | None:
    """The number that a text begins with, if it is what we would have written for it."""
    number = text.partition(".")[0]
    if len(text) > NUMBERED_CHARS_MAX or not text.isascii() or not number.isdecimal():
        return None
    return int(number) if hmac.compare_digest(written(int(number)), text) else None


def _text(proof: bytes) -> str:
    return urlsafe_b64encode(proof).decode().rstrip("=")


def _joined(*parts: str) -> bytes:
    """So that no two lists of parts are read as one."""
    return msgspec.msgpack.encode(parts)
