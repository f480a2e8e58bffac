"""Very many calls over a few streams, each named when it is sent; what is to come back later is sent again."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import grpc

from actors.errors import SetupError
from gateway.client_errors import COME_BACK
from gateway.status import error_of
from loadtests.driver.naming import Names

AGAIN_S = 0.5
TRIES_MAX = 100
"""So often in a row all that a stream hears may be that its calls are to come back."""
CALL_MS = 30_000
"""What each call may take."""
Message: TypeAlias = Callable[[Mapping[str, int]], Any]
"""One message of these calls: the number of each by its request id."""
Take: TypeAlias = Callable[[int, Any], None]
"""Takes the response to the call with this number."""


class Lanes(NamedTuple):
    """So many streams, each with at most `window` calls on their way, `batch` of them in a message."""

    streams: int
    batch: int
    window: int
    per_s: float = math.inf
    """Calls a second, all streams together."""


async def streamed(dial: Callable[[], Any], count: int, message: Message, take: Take, lanes: Lanes) -> int:
    """So many calls, numbered from 0, over streams from `dial`; returns how often one was told to come back later.

    Raises SetupError when one is refused for good.
    """
    names, began = Names(), time.monotonic()
    firsts = iter(range(0, count, lanes.batch))

    async def lane() -> int:
        stream = _Stream(dial(), message, take)
        for first in firsts:
            while len(stream.flying) > lanes.window - lanes.batch:
                await stream.hear()
            await asyncio.sleep(max(0.0, began + first / lanes.per_s - time.monotonic()))
            names.date()
            await stream.say({names.new(): n for n in range(first, min(first + lanes.batch, count))})
        while stream.flying:
            await stream.hear()
        await stream.call.done_writing()
        return stream.turned_away

    return sum(await asyncio.gather(*(lane() for _ in range(lanes.streams))))


class _Stream:
    """One stream; `flying` are its calls that are not answered."""

    def __init__(self, call: Any, message: Message, take: Take) -> None:
        self.call = call
        self.flying: dict[str, int] = {}
        self.turned_away = 0
        self._message = message
        self._take = take
        self._tries = 0

    async def say(self, some: Mapping[str, int]) -> None:
        """Send these calls."""
        self.flying.update(some)
        await self.call.write(self._message(some))

    async def hear(self) -> None:
        """Take what is answered next; what is to come back later is sent again, a little later."""
        answer = await self.call.read()
        if answer is grpc.aio.EOF:
            raise SetupError(f"the stream ended, and {len(self.flying)} calls of it are not answered")
        flying, take = self.flying, self._take
        again: dict[str, int] = {}
        for result in answer.results:
            name = result.request_id
            if result.HasField("error"):
                again[name] = flying[name]
                self._check(error_of(result.error).reason)
            else:
                take(flying.pop(name), result.response)
        self._tries = self._tries + 1 if len(again) == len(answer.results) else 0
        if again:
            self.turned_away += len(again)
            await asyncio.sleep(AGAIN_S)
            await self.say(again)

    def _check(self, reason: str) -> None:
        if reason not in COME_BACK or self._tries >= TRIES_MAX:
            raise SetupError(f"a call was refused: {reason}, after {self._tries} times of trying again")
