"""The keyring: signing keys and the root key in a SQLite file whose secrets are wrapped by a master key beside it.

The file forgets: a private half that is destroyed is overwritten where it stood. Copies of the folder do not forget.
"""

import contextlib
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.errors import InvalidCommand, NotFound, SetupError, Unavailable
from actors.ports import KeyState, SigningKey

MASTER_FILE = "master.key"
MASTER_BYTES = 32
NONCE_BYTES = 12
ROOT_BYTES = 32
BUSY_MS_MAX = 2_000
_TABLE = (
    "CREATE TABLE IF NOT EXISTS signing (kid TEXT PRIMARY KEY, state TEXT NOT NULL, public BLOB NOT NULL, "
    "private BLOB NOT NULL, made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, nth INTEGER NOT NULL) STRICT"
)

_ROOTS = "CREATE TABLE IF NOT EXISTS roots (kid TEXT PRIMARY KEY, secret BLOB NOT NULL) STRICT"


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


def new_root() -> tuple[str, bytes]:
    """A new root key."""
    secret = secrets.token_bytes(ROOT_BYTES)
    return hashlib.sha256(b"root" + secret).hexdigest()[:16], secret


def after_rotation(keys: Sequence[SigningKey], now_ms: int) -> list[SigningKey]:
    """The keys that a rotation moves on."""
    onward = {KeyState.NEXT: KeyState.SIGNING, KeyState.SIGNING: KeyState.VERIFYING}
    return [key._replace(state=onward[key.state], changed_ms=now_ms) for key in keys if key.state in onward]


def after_retiring(keys: Sequence[SigningKey], kid: str, now_ms: int, held_ms: int) -> SigningKey:
    """The key as it is when retired; see `Keys.retire`."""
    key = next((key for key in keys if key.kid == kid), None)
    if key is None:
        known = ", ".join(key.kid for key in keys)
        raise NotFound(f"there is no key {kid[:100]!r}; there are {known}", reason="NO_SUCH_KEY")
    if key.state in (KeyState.NEXT, KeyState.SIGNING):
        message = f"the key {kid} is {key.state}: rotate first, then retire it"
        raise InvalidCommand(message, field="kid", reason="KEY_IN_USE")
    left_ms = key.changed_ms + held_ms - now_ms
    if key.state is KeyState.VERIFYING and left_ms > 0:
        message = f"tokens that the key {kid} signed may be good for {left_ms // 1_000} s more: retire it then"
        raise InvalidCommand(message, field="kid", reason="KEY_IN_USE")
    return key if key.state is KeyState.RETIRED else key._replace(state=KeyState.RETIRED, changed_ms=now_ms)


class FileKeys:
    """A keyring in a folder, shared by this machine's processes."""

    def __init__(self, folder: Path) -> None:
        """Raises SetupError when the master key is missing, readable by others, or not this keyring's."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "keys.db"
        is_new = not path.exists()
        self._master = AESGCM(_master_key(folder / MASTER_FILE, is_new=is_new))
        try:
            if is_new:
                _put(path, self._make)
            self._database = _opened(path)
            self.signer()
            if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'roots'"):
                self._make_root()  # a keyring of a release that had none
        except (apsw.Error, OSError) as error:
            raise SetupError(
                f"the keyring {path} cannot be used: {error}. Make room, or bring the folder back from a copy.",
                reason="KEYRING",
            ) from error

    def _make(self, path: Path) -> None:
        """Make a keyring with its first keys in a file of its own."""
        self._database = _opened(path)
        now_ms = time.time_ns() // 1_000_000
        with self._database:
            self._database.execute(_TABLE)
            for state in (KeyState.SIGNING, KeyState.NEXT):
                self._insert(made(state, now_ms))
        self._make_root()
        self._database.close()

    def _make_root(self) -> None:
        """Make the root key, unless another process has."""
        kid, secret = new_root()
        with self._database:
            self._database.execute(_ROOTS)
            row = (kid, self._wrapped(secret, kid))
            self._database.execute("INSERT INTO roots SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM roots)", row)

    def signing_keys(self) -> Sequence[SigningKey]:
        rows = self._rows("SELECT kid, state, public, made_ms, changed_ms FROM signing ORDER BY nth")
        return [SigningKey(kid, KeyState(state), public, *times) for kid, state, public, *times in rows]

    def signer(self) -> tuple[str, bytes]:
        ((kid, wrapped),) = self._rows("SELECT kid, private FROM signing WHERE state = ?", KeyState.SIGNING.value)
        return kid, self._unwrapped(wrapped, kid)

    def private(self, kid: str) -> bytes | None:
        rows = self._rows("SELECT private FROM signing WHERE kid = ? AND private != x''", kid)
        return self._unwrapped(rows[0][0], kid) if rows else None

    def root(self) -> tuple[str, bytes]:
        ((kid, wrapped),) = self._rows("SELECT kid, secret FROM roots")
        return kid, self._unwrapped(wrapped, kid)

    def _wrapped(self, secret: bytes, kid: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, secret, kid.encode())

    def _unwrapped(self, wrapped: bytes, kid: str) -> bytes:
        try:
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], kid.encode())
        except InvalidTag as error:
            raise SetupError(
                f"{MASTER_FILE} is not the master key of this keyring: bring the one back that it was made with.",
                reason="KEYRING_LOCKED",
            ) from error

    def rotate(self, now_ms: int) -> str:
        with _not_busy(), self._database:
            for key in after_rotation(self.signing_keys(), now_ms):
                self._update(key)
            self._insert(made(KeyState.NEXT, now_ms))
        return self.signer()[0]

    def retire(self, kid: str, now_ms: int, held_ms: int) -> None:
        with _not_busy(), self._database:
            self._update(after_retiring(self.signing_keys(), kid, now_ms, held_ms))
            self._database.execute("UPDATE signing SET private = x'' WHERE kid = ?", (kid,))

    def close(self) -> None:
        self._database.close()

    def _rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with _not_busy():
            return list(self._database.execute(statement, values))

    def _insert(self, pair: Pair) -> None:
        key, wrapped = pair.key, self._wrapped(pair.private, pair.key.kid)
        self._database.execute(
            "INSERT INTO signing SELECT ?, ?, ?, ?, ?, ?, coalesce(max(nth), 0) + 1 FROM signing",
            (key.kid, key.state.value, key.public, wrapped, key.made_ms, key.changed_ms),
        )

    def _update(self, key: SigningKey) -> None:
        values = (key.state.value, key.changed_ms, key.kid)
        self._database.execute("UPDATE signing SET state = ?, changed_ms = ? WHERE kid = ?", values)


@contextlib.contextmanager
def _not_busy() -> Generator[None]:
    """Raises Unavailable when another process holds the keyring."""
    try:
        yield
    except apsw.BusyError as error:
        message = "the keyring is held by another process; try again"
        raise Unavailable(message, outcome="NOT_APPENDED") from error


def _opened(path: Path) -> Any:
    """A file that exists, as a database that forgets."""
    database: Any = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    database.set_busy_timeout(BUSY_MS_MAX)
    # A writer from its first word on: what it reads and then changes is changed by nobody between.
    database.transaction_mode = "IMMEDIATE"
    # SQLite's own journal, not the WAL, in which overwritten bytes would stand until it is taken in.
    for pragma in ("synchronous = FULL", "secure_delete = ON"):
        database.execute(f"PRAGMA {pragma}")
    return database


def _put(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file for its owner's eyes, whole from its first moment on; whoever comes first has made it."""
    draft = path.with_suffix(f".{secrets.token_hex(8)}")
    draft.touch(mode=0o600, exist_ok=False)
    try:
        make(draft)
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first
    finally:
        draft.unlink()


def _write_master_key(path: Path) -> None:
    with path.open("wb") as file:
        file.write(secrets.token_bytes(MASTER_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _master_key(path: Path, *, is_new: bool) -> bytes:
    """The master key; made once, with its keyring."""
    if is_new and not path.exists():
        _put(path, _write_master_key)
    try:
        mode, key = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError as error:
        raise SetupError(
            f"{path} is missing: without the master key nothing of this keyring can be read. Bring it back.",
            reason="KEYRING_LOCKED",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SetupError(f"{path} can be read by others than its owner: chmod 600 {path}", reason="MASTER_KEY_OPEN")
    if len(key) != MASTER_BYTES:
        raise SetupError(f"{path} has {len(key)} bytes, not {MASTER_BYTES}: bring it back.", reason="KEYRING_LOCKED")
    return key
