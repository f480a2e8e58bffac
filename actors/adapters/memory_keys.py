"""The references of a keyring, of its subjects and of tallies: in memory, for tests."""

import secrets
import threading
from collections.abc import Sequence

from actors.adapters.keyring import (
    Pair,
    Root,
    after_retiring,
    after_root_retiring,
    after_root_rotation,
    after_rotation,
    made,
    names_of,
    new_root,
)
from actors.adapters.subjects import KEY_BYTES
from actors.errors import Overloaded
from actors.ports import TALLIES_MAX, KeyState, RootKey, SigningKey
from actors.sealing import NOBODY


class MemoryKeys:
    """The reference: forgets all with its process."""

    def __init__(self, now_ms: int = 0) -> None:
        self._pairs = {
            pair.key.kid: pair for pair in (made(state, now_ms) for state in (KeyState.SIGNING, KeyState.NEXT))
        }
        first = new_root(now_ms)
        self._roots = {first.key.kid: first}
        self._names = names_of(first.secret)

    def signing_keys(self) -> Sequence[SigningKey]:
        return [pair.key for pair in self._pairs.values()]

    def signer(self) -> tuple[str, bytes]:
        pair = next(pair for pair in self._pairs.values() if pair.key.state is KeyState.SIGNING)
        return pair.key.kid, pair.private

    def private(self, kid: str) -> bytes | None:
        pair = self._pairs.get(kid)
        return pair.private or None if pair is not None else None

    def rotate(self, now_ms: int, apart_ms: int) -> str:
        for key in after_rotation(self.signing_keys(), now_ms, apart_ms):
            self._pairs[key.kid] = self._pairs[key.kid]._replace(key=key)
        following = made(KeyState.NEXT, now_ms)
        self._pairs[following.key.kid] = following
        return self.signer()[0]

    def retire(self, kid: str, now_ms: int, held_ms: int) -> None:
        self._pairs[kid] = Pair(after_retiring(self.signing_keys(), kid, now_ms, held_ms), b"")

    def roots(self) -> Sequence[RootKey]:
        return [root.key for root in self._roots.values()]

    def root(self) -> tuple[str, bytes]:
        key, secret = list(self._roots.values())[-1]
        return key.kid, secret

    def root_of(self, kid: str) -> bytes | None:
        root = self._roots.get(kid)
        return root.secret or None if root is not None else None

    def names(self) -> bytes:
        return self._names

    def rotate_root(self, now_ms: int) -> str:
        for key in after_root_rotation(self.roots(), now_ms):
            self._roots[key.kid] = self._roots[key.kid]._replace(key=key)
        root = new_root(now_ms)
        self._roots[root.key.kid] = root
        return root.key.kid

    def retire_root(self, kid: str, now_ms: int) -> None:
        self._roots[kid] = Root(after_root_retiring(self.roots(), kid, now_ms), b"")

    def close(self) -> None:
        pass


class MemorySubjects:
    """The reference: forgets all with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._destroyed: dict[str, int] = {}
        self._logins: dict[str, str] = {}

    def find(self, subject: str) -> bytes | None:
        return b"" if subject in self._destroyed else self._keys.get(subject)

    def make(self, subjects: Sequence[str]) -> None:
        with self._lock:
            for subject in subjects:
                self._keys.setdefault(subject, secrets.token_bytes(KEY_BYTES))

    def destroy(self, subjects: Sequence[str], now_ms: int) -> None:
        with self._lock:
            for subject in subjects:
                self._destroyed.setdefault(subject, now_ms)
                self._keys.pop(subject, None)
            self._logins = {login: person for login, person in self._logins.items() if person not in self._destroyed}

    def of_nobody(self) -> Sequence[str]:
        with self._lock:
            return [subject for subject in self._keys if NOBODY in subject]

    def destroyed_count(self) -> int:
        return len(self._destroyed)

    def destroyed(self, since_ms: int) -> Sequence[str]:
        with self._lock:
            return [subject for subject, at_ms in self._destroyed.items() if at_ms >= since_ms]

    def enrol(self, login: str, person: str) -> str:
        with self._lock:
            return self._logins.setdefault(login, person)

    def close(self) -> None:
        pass


class MemoryTallies:
    """The reference: forgets all with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[int, int, bytes]] = {}

    def count(self, name: str, period_ms: int, most: int, now_ms: int) -> bool:
        with self._lock:
            ends_ms, times, _ = self._found(name, now_ms) or ((now_ms // period_ms + 1) * period_ms, 0, b"")
            if times < most:
                self._kept[name] = (ends_ms, times + 1, b"")
            return times < most

    def use(self, name: str, by: bytes, until_ms: int, now_ms: int) -> bool:
        with self._lock:
            found = self._found(name, now_ms)
            if found is None:
                self._kept[name] = (until_ms, 1, by)
            return found is None or found[2] == by

    def close(self) -> None:
        pass

    def _found(self, name: str, now_ms: int) -> tuple[int, int, bytes] | None:
        self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now_ms}
        if name not in self._kept and len(self._kept) >= TALLIES_MAX:
            raise Overloaded("too much is counted at a time", retry_after_ms=60_000, reason="TALLIES_FULL")
        return self._kept.get(name)
