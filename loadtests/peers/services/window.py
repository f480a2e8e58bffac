"""An account in a stream processor's table: its balance, and the last request ids, by which a retry is known."""

import os
import time
from typing import Any

IDS_MAX = 64
TOLD_EVERY = 500


def paid(account: dict[str, Any] | None, payment: dict[str, Any]) -> dict[str, Any] | None:
    """The account after the payment; None if it was made before."""
    ids: list[str] = account["ids"] if account else []
    if payment["id"] in ids:
        return None
    return {
        "balance": (account["balance"] if account else 0) + payment["amount"],
        "ids": [*ids[1 - IDS_MAX :], payment["id"]],
    }


class Progress:
    """Says on stdout how many payments were taken so far, and when: the first, and every so many."""

    def __init__(self) -> None:
        self._taken = 0

    def took(self) -> None:
        """One more."""
        self._taken += 1
        if self._taken == 1 or self._taken % TOLD_EVERY == 0:
            os.write(1, f"{self._taken} {time.monotonic()}\n".encode())  # Faust makes sys.stdout a log of its own
