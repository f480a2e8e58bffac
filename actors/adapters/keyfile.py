"""The files of a keyring: SQLite that forgets, secrets wrapped by a master key in a file beside them.

What is deleted is overwritten where it stood. Copies of the folder do not forget.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import apsw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.errors import SetupError, Unavailable

MASTER_FILE = "master.key"
MASTER_BYTES = 32
NONCE_BYTES = 12
BUSY_MS_MAX = 2_000


class Master:
    """The master key of a folder; made once, with the first file of its keyring."""

    def __init__(self, folder: Path) -> None:
        """Raises SetupError when the master key is missing, cut or readable by others."""
        self._key = AESGCM(_master_key(folder / MASTER_FILE, is_new=not any(folder.glob("*.db"))))

    def wrapped(self, secret: bytes, name: str) -> bytes:
        """What may be written of a secret; it is good under this name alone."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, secret, name.encode())

    def unwrapped(self, wrapped: bytes, name: str) -> bytes:
        """The secret. Raises SetupError when it was wrapped by another master key."""
        try:
            return self._key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise SetupError(
                f"{MASTER_FILE} is not the master key of this keyring: bring the one back that it was made with.",
                reason="KEYRING_LOCKED",
            ) from error


@contextlib.contextmanager
def not_busy() -> Generator[None]:
    """Raises Unavailable when another process holds the keyring."""
    try:
        yield
    except apsw.BusyError as error:
        message = "the keyring is held by another process; try again"
        raise Unavailable(message, outcome="NOT_APPENDED") from error


def opened(path: Path, synchronous: str = "FULL") -> Any:
    """A file that exists, as a database that forgets; `synchronous` is SQLite's own word."""
    database: Any = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    database.set_busy_timeout(BUSY_MS_MAX)
    # A writer from its first word on: what it reads and then changes is changed by nobody between.
    database.transaction_mode = "IMMEDIATE"
    # SQLite's own journal unless the file was made with another; see `subjects.py` for what a WAL needs.
    for pragma in (f"synchronous = {synchronous}", "secure_delete = ON"):
        database.execute(f"PRAGMA {pragma}")
    return database


def put(path: Path, make: Callable[[Path], None]) -> None:
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
        put(path, _write_master_key)
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
