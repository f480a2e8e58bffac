"""Counting beside the event loop: what may be done so often, and what may be used once, over a machine's gateways."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from actors.clocks import wall_ms
from actors.errors import Overloaded
from actors.ports import Tallies


class Counting:
    """What one gateway counts. Without tallies it counts nothing."""

    def __init__(self, tallies: Tallies | None) -> None:
        self.tallies = tallies
        self._thread = ThreadPoolExecutor(1, "counting")

    async def count(self, name: str, period_ms: int, most: int, reason: str) -> None:
        """Once more in this period. Raises Overloaded, with this reason, for one too many; Unavailable."""
        if self.tallies is None:
            return
        now_ms = wall_ms()
        run = asyncio.get_running_loop().run_in_executor
        if not await run(self._thread, self.tallies.count, name, period_ms, most, now_ms):
            message = f"{most} were let in already in these {period_ms // 1_000} s"
            raise Overloaded(message, retry_after_ms=period_ms - now_ms % period_ms, reason=reason)

    async def is_first(self, name: str, by: bytes, until_ms: int) -> bool:
        """Whether nobody else has used this. Raises Overloaded, Unavailable."""
        if self.tallies is None:
            return True
        run = asyncio.get_running_loop().run_in_executor
        return await run(self._thread, self.tallies.use, name, by, until_ms, wall_ms())

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
