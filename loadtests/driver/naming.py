"""Who calls, and request ids by the million: UUIDs of version 7, dated by this machine's clock."""

import os
import time

from gateway.auth import AUTHORIZATION, CALLER, SCHEME
from gateway.client import TOKEN


def who_calls(caller: str) -> tuple[str, str]:
    """The metadata that says who calls: `$HUTONG_TOKEN` if there is one, else this name."""
    token = os.environ.get(TOKEN, "")
    return (AUTHORIZATION, f"{SCHEME}{token}") if token else (CALLER, caller)


class Names:
    """Request ids: UUIDs of version 7, of which all of a tick share the beginning."""

    def __init__(self) -> None:
        self._count = 0
        self._noise = os.urandom(4).hex()
        self._prefix = ""
        self.date()

    def date(self) -> None:
        """From now on they are of now."""
        time_ = f"{time.time_ns() // 1_000_000:012x}"
        self._prefix = f"{time_[:8]}-{time_[8:]}-7{self._noise[:3]}-8{self._noise[3:6]}-"

    def new(self) -> str:
        """Another one."""
        self._count += 1
        return f"{self._prefix}{self._count:012x}"
