"""One `Listen`: an entity's pushes above a cursor, live, and read anew whenever some may have been missed."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from actors.clocks import wall_ms
from actors.errors import NotFound, Unavailable
from actors.kernel.action import Push
from gateway.auth import Caller
from gateway.ingress import Ingress
from gateway.routes import Route
from gateway.tokens import Why, refusal
from gateway.v1 import program_pb2 as pb

PUSHES_VIEW = "pushes"
WAITING_MAX = 1_024
READ_S_MAX = 5.0


class Kept(Struct):
    """One push as the entity's `pushes` view gives it."""

    cursor: int
    payload: Raw


_decode = msgspec.json.Decoder(list[Kept]).decode


class Listener:
    """Follows one entity for one client; `opened` opens what it may see of a payload."""

    def __init__(self, ingress: Ingress, route: Route, cursor: int, opened: Callable[[bytes], bytes]) -> None:
        self._ingress = ingress
        self._route = route
        self._cursor = cursor
        self._opened = opened
        self._waiting: deque[Push] = deque()
        self._must_read = True
        self._draining = False
        self._is_expired = False
        self._ready = asyncio.Event()
        self._ready.set()

    def pushed(self, push: Push) -> None:
        """A push came."""
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.clear()  # the client is slow: what it missed is read from the entity
            self._must_read = True
        self._waiting.append(push)
        self._ready.set()

    def reattached(self) -> None:
        """Another owner, or the same one again: pushes may have been missed."""
        self._must_read = True
        self._ready.set()

    def drain(self) -> None:
        """End: the client listens elsewhere, from its cursor on."""
        self._draining = True
        self._ready.set()

    def expire(self) -> None:
        """End: what the client proved is proven no more."""
        self._is_expired = True
        self.drain()

    async def run(self, context: Any) -> None:
        """Serve until the client goes.

        Raises Unavailable when the gateway ends, or an operator must act; Unauthenticated when a token has expired.
        """
        route = self._route
        self._ingress.listen(route.partition, route.entity, self)
        try:
            while not self._draining:
                await self._ready.wait()
                self._ready.clear()
                if self._must_read:
                    self._must_read = False
                    await self._read(context)
                await self._deliver(context)
        finally:
            self._ingress.unlisten(route.partition, route.entity, self)
        if self._is_expired:
            raise refusal(Why.EXPIRED)
        raise Unavailable("this gateway ends; listen to another", outcome="NOT_APPENDED", retry_after_ms=0)

    async def _read(self, context: Any) -> None:
        """Send all that the entity keeps above the cursor."""
        route = self._route
        self._ingress.check_not_halted(route.partition)
        args = msgspec.json.encode({"after": self._cursor})
        try:
            answer = await self._ingress.query(route.partition, route.entity, PUSHES_VIEW, args, -1, READ_S_MAX)
        except Unavailable:
            self.reattached()  # nobody owns it just now; when that is for good, the next look at it says so
            return
        try:
            pushes = _decode(answer.payload)
        except msgspec.ValidationError as error:
            message = f"the view {PUSHES_VIEW} of {route.kind.kind} is no list of pushes: {error}"
            raise NotFound(message, reason="NO_PUSHES") from error
        for kept in pushes:
            await self._send(context, kept.cursor, bytes(kept.payload))

    async def _deliver(self, context: Any) -> None:
        while self._waiting:
            push = self._waiting.popleft()
            if push.cursor > self._cursor + 1:
                self._waiting.clear()  # a gap: read it all from the entity
                self.reattached()
                return
            await self._send(context, push.cursor, push.payload)

    async def _send(self, context: Any, cursor: int, payload: bytes) -> None:
        if cursor > self._cursor:
            await context.write(pb.ListenResponse(cursor=cursor, payload=self._opened(payload)))
            self._cursor = cursor


@contextlib.contextmanager
def until_expiry(caller: Caller, expire: Callable[[], None]) -> Generator[None]:
    """Call `expire` when what the caller proved is proven no more."""
    if caller.principal is None:
        yield
        return
    left_s = max(caller.until_ms - wall_ms(), 0) / 1_000
    expiring = asyncio.get_running_loop().call_later(left_s, expire)
    try:
        yield
    finally:
        expiring.cancel()
