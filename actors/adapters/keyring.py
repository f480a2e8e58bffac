"""The keyring: signing keys and root keys in a SQLite file whose secrets are wrapped by a master key beside it.

The file forgets: a private half that is destroyed is overwritten where it stood. Copies of the folder do not forget.
"""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.adapters.keyfile import Master, not_busy, opened, put
from actors.clocks import wall_ms
from actors.errors import InvalidCommand, NotFound, SetupError
from actors.ports import KeyState, RootKey, RootState, SigningKey

FILE = "keys.db"
ROOT_BYTES = 32
_TABLE = (
    "CREATE TABLE IF NOT EXISTS signing (kid TEXT PRIMARY KEY, state TEXT NOT NULL, public BLOB NOT NULL, "
    "private BLOB NOT NULL, made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, nth INTEGER NOT NULL) STRICT"
)

_ROOTS = (
    "CREATE TABLE IF NOT EXISTS roots (kid TEXT PRIMARY KEY, state TEXT NOT NULL, secret BLOB NOT NULL, "
    "made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, nth INTEGER NOT NULL) STRICT"
)
_NAMES = "CREATE TABLE IF NOT EXISTS names (secret BLOB NOT NULL) STRICT"
_NAMES_NAME = "names"
ROOTS_MAX = 8
"""So many root keys may be in use at a time: what somebody shows may follow from any of them."""


class Pair(NamedTuple):
    """A key with its private half."""

    key: SigningKey
    private: bytes


def made(state: KeyState, now_ms: int) -> Pair:
    """A new key."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kid = hashlib.sha256(public).hexdigest()[:16]
    return Pair(SigningKey(kid, state, public, now_ms, now_ms), private.private_bytes_raw())


class Root(NamedTuple):
    """A root key with its secret."""

    key: RootKey
    secret: bytes


def new_root(now_ms: int) -> Root:
    """A new root key."""
    secret = secrets.token_bytes(ROOT_BYTES)
    kid = hashlib.sha256(b"root" + secret).hexdigest()[:16]
    return Root(RootKey(kid, RootState.CURRENT, now_ms, now_ms), secret)


def follows(root: bytes, purpose: bytes, length: int) -> bytes:
    """What follows from a root key for this purpose."""
    return HKDF(SHA256(), length, None, b"hutong/" + purpose).derive(root)


def names_of(root: bytes) -> bytes:
    """What names follow from, under this root key."""
    return follows(root, b"names", 32)


def after_root_rotation(roots: Sequence[RootKey], now_ms: int) -> list[RootKey]:
    """The root keys that a rotation moves on; see `Keys.rotate_root`."""
    in_use = [key for key in roots if key.state is not RootState.RETIRED]
    if len(in_use) >= ROOTS_MAX:
        message = f"{len(in_use)} root keys are in use, which is the most: retire one of them first"
        raise InvalidCommand(message, field="root", reason="ROOT_KEYS_MAX")
    return [key._replace(state=RootState.FORMER, changed_ms=now_ms) for key in roots if key.state is RootState.CURRENT]


def after_root_retiring(roots: Sequence[RootKey], kid: str, now_ms: int) -> RootKey:
    """The root key as it is when retired; see `Keys.retire_root`."""
    key = next((key for key in roots if key.kid == kid), None)
    if key is None:
        raise _no_key(kid, [key.kid for key in roots])
    if key.state is RootState.CURRENT:
        message = f"the root key {kid} is {key.state}: rotate first, then retire it"
        raise InvalidCommand(message, field="kid", reason="ROOT_KEY_IN_USE")
    return key if key.state is RootState.RETIRED else key._replace(state=RootState.RETIRED, changed_ms=now_ms)


def after_rotation(keys: Sequence[SigningKey], now_ms: int, apart_ms: int) -> list[SigningKey]:
    """The keys that a rotation moves on; see `Keys.rotate`."""
    signs = next(key for key in keys if key.state is KeyState.SIGNING)
    if signs.changed_ms != signs.made_ms and 0 <= now_ms - signs.changed_ms < apart_ms:
        message = (
            f"the keys were rotated less than {apart_ms:,} ms ago: not every gateway knows the next one; ask again"
        )
        raise InvalidCommand(message, field="kid", reason="KEYS_JUST_ROTATED")
    onward = {KeyState.NEXT: KeyState.SIGNING, KeyState.SIGNING: KeyState.VERIFYING}
    return [key._replace(state=onward[key.state], changed_ms=now_ms) for key in keys if key.state in onward]


def after_retiring(keys: Sequence[SigningKey], kid: str, now_ms: int, held_ms: int) -> SigningKey:
    """The key as it is when retired; see `Keys.retire`."""
    key = next((key for key in keys if key.kid == kid), None)
    if key is None:
        raise _no_key(kid, [key.kid for key in keys])
    if key.state in (KeyState.NEXT, KeyState.SIGNING):
        message = f"the key {kid} is {key.state}: rotate first, then retire it"
        raise InvalidCommand(message, field="kid", reason="KEY_IN_USE")
    left_ms = key.changed_ms + held_ms - now_ms
    if key.state is KeyState.VERIFYING and left_ms > 0:
        message = f"tokens that the key {kid} signed may be good for {left_ms // 1_000} s more: retire it then"
        raise InvalidCommand(message, field="kid", reason="KEY_IN_USE")
    return key if key.state is KeyState.RETIRED else key._replace(state=KeyState.RETIRED, changed_ms=now_ms)


def _no_key(kid: str, known: Sequence[str]) -> NotFound:
    return NotFound(f"there is no key {kid[:100]!r}; there are {', '.join(known)}", reason="NO_SUCH_KEY")


class FileKeys:
    """A keyring in a folder, shared by this machine's processes."""

    def __init__(self, folder: Path) -> None:
        """Raises SetupError when the master key is missing, readable by others, or not this keyring's."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / FILE
        is_new = not path.exists()
        self._master = Master(folder)
        try:
            if is_new:
                put(path, self._make)
            self._database = opened(path)
            self.signer()
            if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'roots'"):
                self._make_root()  # a keyring of a release that had none
            self.roots()
            self.names()
        except (apsw.Error, OSError) as error:
            raise SetupError(
                f"the keyring {path} cannot be used: {error}. Make room, or bring the folder back from a copy.",
                reason="KEYRING",
            ) from error

    def _make(self, path: Path) -> None:
        """Make a keyring with its first keys in a file of its own."""
        self._database = opened(path)
        now_ms = wall_ms()
        with self._database:
            self._database.execute(_TABLE)
            for state in (KeyState.SIGNING, KeyState.NEXT):
                self._insert(made(state, now_ms))
        self._make_root()
        self._database.close()

    def _make_root(self) -> None:
        """Make the first root key and what names follow from, unless another process has."""
        first = new_root(wall_ms())
        with self._database:
            self._database.execute(_ROOTS)
            self._database.execute(_NAMES)
            if not self.roots():
                self._insert_root(first)
                names = self._master.wrapped(names_of(first.secret), _NAMES_NAME)
                self._database.execute("INSERT INTO names VALUES (?)", (names,))

    def signing_keys(self) -> Sequence[SigningKey]:
        rows = self._rows("SELECT kid, state, public, made_ms, changed_ms FROM signing ORDER BY nth")
        return [SigningKey(kid, KeyState(state), public, *times) for kid, state, public, *times in rows]

    def signer(self) -> tuple[str, bytes]:
        ((kid, wrapped),) = self._rows("SELECT kid, private FROM signing WHERE state = ?", KeyState.SIGNING.value)
        return kid, self._master.unwrapped(wrapped, kid)

    def private(self, kid: str) -> bytes | None:
        rows = self._rows("SELECT private FROM signing WHERE kid = ? AND private != x''", kid)
        return self._master.unwrapped(rows[0][0], kid) if rows else None

    def roots(self) -> Sequence[RootKey]:
        rows = self._rows("SELECT kid, state, made_ms, changed_ms FROM roots ORDER BY nth")
        return [RootKey(kid, RootState(state), *times) for kid, state, *times in rows]

    def root(self) -> tuple[str, bytes]:
        ((kid, wrapped),) = self._rows("SELECT kid, secret FROM roots WHERE state = ?", RootState.CURRENT.value)
        return kid, self._master.unwrapped(wrapped, kid)

    def root_of(self, kid: str) -> bytes | None:
        rows = self._rows("SELECT secret FROM roots WHERE kid = ? AND secret != x''", kid)
        return self._master.unwrapped(rows[0][0], kid) if rows else None

    def names(self) -> bytes:
        ((wrapped,),) = self._rows("SELECT secret FROM names")
        return self._master.unwrapped(wrapped, _NAMES_NAME)

    def rotate_root(self, now_ms: int) -> str:
        root = new_root(now_ms)
        with not_busy(), self._database:
            for key in after_root_rotation(self.roots(), now_ms):
                self._update_root(key)
            self._insert_root(root)
        return root.key.kid

    def retire_root(self, kid: str, now_ms: int) -> None:
        with not_busy(), self._database:
            self._update_root(after_root_retiring(self.roots(), kid, now_ms))
            self._database.execute("UPDATE roots SET secret = x'' WHERE kid = ?", (kid,))

    def rotate(self, now_ms: int, apart_ms: int) -> str:
        with not_busy(), self._database:
            for key in after_rotation(self.signing_keys(), now_ms, apart_ms):
                self._update(key)
            self._insert(made(KeyState.NEXT, now_ms))
        return self.signer()[0]

    def retire(self, kid: str, now_ms: int, held_ms: int) -> None:
        with not_busy(), self._database:
            self._update(after_retiring(self.signing_keys(), kid, now_ms, held_ms))
            self._database.execute("UPDATE signing SET private = x'' WHERE kid = ?", (kid,))

    def close(self) -> None:
        self._database.close()

    def _rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with not_busy():
            return list(self._database.execute(statement, values))

    def _insert(self, pair: Pair) -> None:
        key, wrapped = pair.key, self._master.wrapped(pair.private, pair.key.kid)
        self._database.execute(
            "INSERT INTO signing SELECT ?, ?, ?, ?, ?, ?, coalesce(max(nth), 0) + 1 FROM signing",
            (key.kid, key.state.value, key.public, wrapped, key.made_ms, key.changed_ms),
        )

    def _update(self, key: SigningKey) -> None:
        values = (key.state.value, key.changed_ms, key.kid)
        self._database.execute("UPDATE signing SET state = ?, changed_ms = ? WHERE kid = ?", values)

    def _insert_root(self, root: Root) -> None:
        key, wrapped = root.key, self._master.wrapped(root.secret, root.key.kid)
        self._database.execute(
            "INSERT INTO roots SELECT ?, ?, ?, ?, ?, coalesce(max(nth), 0) + 1 FROM roots",
            (key.kid, key.state.value, wrapped, key.made_ms, key.changed_ms),
        )

    def _update_root(self, key: RootKey) -> None:
        values = (key.state.value, key.changed_ms, key.kid)
        self._database.execute("UPDATE roots SET state = ?, changed_ms = ? WHERE kid = ?", values)
