"""A steady load from outside: calls are offered at fixed times, whether or not the last were answered, and counted."""

import asyncio
import random
import time
from collections import Counter, deque
from typing import NamedTuple, Self

from actors.errors import PlatformError
from gateway.client import Client
from tests.proof.counts import Counts

RATE_PER_S = 200
KEYS = 400
RETRY_FOR_MS = 60_000
OPEN_MAX = 20_000
SETTLE_S_MAX = 60.0
DONE_MAX = 500_000


class Done(NamedTuple):
    """A call that was answered: when it was offered, and how long its answer took."""

    offered_s: float
    took_s: float


class Steady:
    """Offers `tally.add` on random tallies; every call is asked for under one request id until it is answered."""

    def __init__(self, gateway: str, seed: int, rate_per_s: int = RATE_PER_S) -> None:
        self.done: deque[Done] = deque(maxlen=DONE_MAX)
        self.errors: list[PlatformError] = []
        self.skipped = 0
        """Calls that were not offered, since too many were open or this process could not keep up."""
        self._client = Client(gateway, f"steady-{seed}")
        self._seed = seed
        self._random = random.Random(seed)
        self._interval_s = 1 / rate_per_s
        self._answered: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()
        self._offering: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._offering = asyncio.ensure_future(self._offer())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._offering is not None:
            self._offering.cancel()
        await self._client.close()

    def at(self, gateway: str) -> None:
        """Go on at another address."""
        self._client = Client(gateway, f"steady-{self._seed}")

    async def _offer(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s += self._interval_s
            await asyncio.sleep(max(due_s - time.monotonic(), 0))
            if len(self._open) >= OPEN_MAX or time.monotonic() - due_s > 1:
                self.skipped += 1
                continue
            task = asyncio.ensure_future(self._call(f"t{self._random.randrange(KEYS)}", due_s))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _call(self, key: str, offered_s: float) -> None:
        try:
            await self._client.invoke(
                f"programs/tally/tallys/{key}", "tally.add", b'{"n":1}', retry_for_ms=RETRY_FOR_MS
            )
        except PlatformError as error:
            self.errors.append(error)
            return
        self._answered[key] += 1
        self.done.append(Done(offered_s, time.monotonic() - offered_s))

    # -- what was seen --------------------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until every call that was offered by now is answered."""
        waiting = set(self._open)
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=SETTLE_S_MAX)
            assert not late, f"{len(late)} calls without an answer for {SETTLE_S_MAX:.0f} s"

    def slowest_s(self, since_s: float) -> float:
        """The longest answer of the calls that were offered since then, and of those that are still open."""
        return max((took_s for offered_s, took_s in self.done if offered_s >= since_s), default=0.0)

    def goodput_per_s(self, from_s: float, to_s: float, within_s: float) -> float:
        """Calls offered in between that were answered within so long."""
        good = sum(from_s <= offered_s < to_s and took_s <= within_s for offered_s, took_s in self.done)
        return good / (to_s - from_s)

    async def check(self, counts: Counts) -> None:
        """Every answered call happened, and happened once: the tallies themselves say so."""
        if self._offering is not None:
            self._offering.cancel()
        await self.settled()
        counts.acked += sum(self._answered.values())
        for error in self.errors:
            counts.find(f"a call ended with {error.reason}: {error}")
        totals = await asyncio.gather(*map(self._total, self._answered))
        for answered, total in zip(self._answered.values(), totals, strict=True):
            counts.lost += max(answered - total, 0)
            counts.twice += max(total - answered, 0) if not self.errors else 0

    async def _total(self, key: str) -> int:
        view = await self._client.query(f"programs/tally/tallys/{key}", "total", linearizable=True)
        total: int = view.value
        return total
