"""A Kafka broker of our own under a platform, and what happens to it."""

import asyncio
import random
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from infra.kafka.broker import Cluster, start
from tests.cluster.stage import Platform
from tests.killing.campaigns import Trouble
from tests.killing.steady import Steady
from tests.proof.counts import Counts

T = TypeVar("T")
STOPPED_S = 12.0
"""Longer than an append may take: every append that is on its way ends, and may still happen."""
AWAY_S_MIN = 0.5
"""A call that waited for so long has noticed that the broker was away."""


class Broker(NamedTuple):
    """One broker, and the thread it is started from: it ends with that."""

    cluster: Cluster
    thread: ThreadPoolExecutor

    @property
    def address(self) -> str:
        """What a platform is told."""
        return f"kafka://{self.cluster.addresses[0]}"

    def troubles(self) -> list[Trouble]:
        """What can happen to it."""

        async def kill(_: Platform, steady: Steady, counts: Counts, __: random.Random) -> None:
            began_s = time.monotonic()
            await self._do(lambda: self.cluster.kill(0))
            await self._do(lambda: self.cluster.restart(0))
            await _noticed(steady, counts, began_s, "broker killed")

        async def stop(_: Platform, steady: Steady, counts: Counts, __: random.Random) -> None:
            began_s = time.monotonic()
            await self._do(lambda: self.cluster.pause(0))
            await asyncio.sleep(STOPPED_S)
            await self._do(lambda: self.cluster.resume(0))
            await _noticed(steady, counts, began_s, "broker stopped beyond the appends' time")

        return [kill, stop]

    async def _do(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, act)


@contextmanager
def broker(folder: Path) -> Generator[Broker]:
    """One broker."""
    with ThreadPoolExecutor(1) as thread:
        cluster = thread.submit(start, folder).result()
        try:
            yield Broker(cluster, thread)
        finally:
            thread.submit(cluster.stop).result()


async def _noticed(steady: Steady, counts: Counts, began_s: float, kind: str) -> None:
    """Calls are answered again; one of them had to wait."""
    await steady.settled()
    if steady.slowest_s(began_s) >= AWAY_S_MIN:
        counts.fault(kind)
    else:
        counts.unseen += 1
