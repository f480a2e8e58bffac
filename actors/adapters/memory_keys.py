"""The reference of a keyring: in memory, for tests."""

from collections.abc import Sequence

from actors.adapters.keyring import Pair, after_retiring, after_rotation, made, new_root
from actors.ports import KeyState, SigningKey


class MemoryKeys:
    """The reference: forgets all with its process."""

    def __init__(self, now_ms: int = 0) -> None:
        self._pairs = {
            pair.key.kid: pair for pair in (made(state, now_ms) for state in (KeyState.SIGNING, KeyState.NEXT))
        }
        self._root = new_root()

    def signing_keys(self) -> Sequence[SigningKey]:
        return [pair.key for pair in self._pairs.values()]

    def signer(self) -> tuple[str, bytes]:
        pair = next(pair for pair in self._pairs.values() if pair.key.state is KeyState.SIGNING)
        return pair.key.kid, pair.private

    def private(self, kid: str) -> bytes | None:
        pair = self._pairs.get(kid)
        return pair.private or None if pair is not None else None

    def rotate(self, now_ms: int) -> str:
        for key in after_rotation(self.signing_keys(), now_ms):
            self._pairs[key.kid] = self._pairs[key.kid]._replace(key=key)
        following = made(KeyState.NEXT, now_ms)
        self._pairs[following.key.kid] = following
        return self.signer()[0]

    def retire(self, kid: str, now_ms: int, held_ms: int) -> None:
        self._pairs[kid] = Pair(after_retiring(self.signing_keys(), kid, now_ms, held_ms), b"")

    def root(self) -> tuple[str, bytes]:
        return self._root

    def close(self) -> None:
        pass
