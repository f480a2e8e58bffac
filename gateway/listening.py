"""One `Listen`: an entity's pushes above a cursor, live, and read anew whenever some may have been missed."""

import asyncio
from typing import Any

import msgspec
from msgspec import Raw, Struct

from actors.errors import Unavailable
from actors.kernel.action import Push
from gateway.ingress import Ingress
from gateway.routes import Route
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
    """Follows one entity for one client."""

    def __init__(self, ingress: Ingress, route: Route, cursor: int) -> None:
        self._ingress = ingress
        self._route = route
        self._cursor = cursor
        self._waiting: list[Push] = []
        self._must_read = True
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

    async def run(self, context: Any) -> None:
        """Serve until the client goes."""
        route = self._route
        self._ingress.listen(route.partition, route.entity, self)
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                if self._must_read:
                    self._must_read = False
                    await self._read(context)
                await self._deliver(context)
        finally:
            self._ingress.unlisten(route.partition, route.entity, self)

    async def _read(self, context: Any) -> None:
        route = self._route
        args = msgspec.json.encode({"after": self._cursor})
        try:
            answer = await self._ingress.query(route.partition, route.entity, PUSHES_VIEW, args, -1, READ_S_MAX)
        except Unavailable:
            self.reattached()
            return
        for kept in _decode(answer.payload):
            await self._send(context, kept.cursor, bytes(kept.payload))

    async def _deliver(self, context: Any) -> None:
        while self._waiting:
            push = self._waiting.pop(0)
            if push.cursor > self._cursor + 1:
                self._waiting.clear()  # a gap: read it all from the entity
                self.reattached()
                return
            await self._send(context, push.cursor, push.payload)

    async def _send(self, context: Any, cursor: int, payload: bytes) -> None:
        if cursor > self._cursor:
            await context.write(pb.ListenResponse(cursor=cursor, payload=payload))
            self._cursor = cursor
