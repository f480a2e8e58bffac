"""Clients that pay while what serves them is killed, and their record. Knows nothing of what is called.

It needs the standard library and msgspec alone, since it also runs inside a peer's own environment.
"""

import asyncio
import contextlib
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from loadtests.peers.audit import audit

Pay: TypeAlias = Callable[[str, str], Awaitable[object]]
"""Adds 1 to the balance of a key, under a request id. Raises NoAnswer."""
Kill: TypeAlias = Callable[[], Awaitable[object]]

KEYS = 500
PAYERS = 8
BETWEEN = 200
PAUSE_S = 0.05
GIVE_UP_S = 60.0
SECONDS_MAX = 100.0


class NoAnswer(Exception):
    """No good answer: whether it was done is unknown. Ask again with the same request id."""


class Ledger:
    """What the clients know: how often each key was paid to for sure, and how often perhaps."""

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.unsure: Counter[str] = Counter()
        self.answered = asyncio.Event()
        self.retried = 0
        self.recoveries_s: list[float] = []

    def figures(self, balances: Mapping[str, int]) -> dict[str, float]:
        """What came of it, given the balances afterwards."""
        found = audit(self.acknowledged, self.unsure, balances)
        return {
            "acknowledged": found.acknowledged,
            "lost": found.lost,
            "doubled": found.doubled,
            "unsure": self.unsure.total(),
            "retried": self.retried,
            "kills": len(self.recoveries_s),
            "recovery_s": statistics.median(self.recoveries_s) if self.recoveries_s else 0.0,
            "recovery_s_max": max(self.recoveries_s, default=0.0),
        }


async def campaign(pay: Pay, kill: Kill, new_id: Callable[[], str], kills: int) -> Ledger:
    """Pay with many clients; kill again and again, each time once all is well.

    Every tenth answered call is asked for a second time under its id, as by a client that lost the answer. What was not
    answered is asked for again under its id for a minute. The time from a kill to the first good answer is that of a
    call that is made after the kill.
    """
    ledger = Ledger()
    over = asyncio.Event()

    async def paid(key: str) -> None:
        name = new_id()
        if await _insist(pay, key, name, ledger):
            ledger.acknowledged[key] += 1
            ledger.answered.set()
            if ledger.acknowledged.total() % 10 == 0:
                await _insist(pay, key, name, ledger)
        else:
            ledger.unsure[key] += 1

    async def payer(n: int) -> None:
        chance = random.Random(n)
        while not over.is_set():
            await paid(key_of(chance.randrange(KEYS)))

    payers = [asyncio.create_task(payer(n)) for n in range(PAYERS)]
    until = time.monotonic() + SECONDS_MAX
    while len(ledger.recoveries_s) < kills and time.monotonic() < until:
        await _more(ledger, until)
        began = time.monotonic()
        await kill()
        await paid(key_of(0))
        ledger.recoveries_s.append(time.monotonic() - began)
    await _more(ledger, until)
    over.set()
    await asyncio.gather(*payers)
    return ledger


def key_of(n: int) -> str:
    """The n-th key of a campaign; no other load uses it."""
    return f"kill-{n}"


async def _more(ledger: Ledger, until: float) -> None:
    """Wait until so many more calls were answered."""
    enough = ledger.acknowledged.total() + BETWEEN
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            while ledger.acknowledged.total() < enough:
                ledger.answered.clear()
                await ledger.answered.wait()


async def _insist(pay: Pay, key: str, name: str, ledger: Ledger) -> bool:
    give_up_at = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up_at:
        try:
            await pay(key, name)
        except NoAnswer:
            ledger.retried += 1
            await asyncio.sleep(PAUSE_S)
        else:
            return True
    return False
