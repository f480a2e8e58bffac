"""Who calls, and request ids by the million: UUIDs of version 7, dated by this machine's clock."""

import os
import time

from gateway.auth import AUTHORIZATION, CALLER, SCHEME
from gateway.client import TOKEN
from gateway.deadlines import DEADLINE


def who_calls(caller: str) -> tuple[str, str]:
    """The metadata that says who calls: `$HUTONG_TOKEN` if there is one, else this name."""
    token = os.environ.get(TOKEN, "")
    return (AUTHORIZATION, f"{SCHEME}{token}") if token else (CALLER, caller)


def said_by(caller: str, call_ms: int) -> tuple[tuple[str, str], ...]:
    """The metadata of a stream: who calls, and how long each call may take."""
    return (who_calls(caller), (DEADLINE, str(call_ms)))


_LAST_BITS = 12
_LASTS = tuple(f"{last:03x}" for last in range(1 << _LAST_BITS))


class Names:
    """Request ids: UUIDs of version 7, of which all of a tick share the beginning."""

    def __init__(self) -> None:
        self._count = 0
        self._noise = os.urandom(4).hex()
        self._dated = self._begins = ""
        self.date()

    def date(self) -> None:
        """From now on they are of now."""
        time_ = f"{time.time_ns() // 1_000_000:012x}"
        self._dated = f"{time_[:8]}-{time_[8:]}-7{self._noise[:3]}-8{self._noise[3:6]}-"
        self._begin()

    def new(self) -> str:
        """Another one."""
        self._count = count = self._count + 1
        last = count & (1 << _LAST_BITS) - 1
        if not last:
            self._begin()
        return self._begins + _LASTS[last]

    def _begin(self) -> None:
        self._begins = f"{self._dated}{self._count >> _LAST_BITS:09x}"
