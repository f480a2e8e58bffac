"""One `InvokeStream`: calls in, results out, no task and no future for a single call."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from actors.errors import PlatformError
from actors.kernel.action import Reply
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.auth import Caller
from gateway.ingress import Ingress
from gateway.pending import Call
from gateway.routes import Routes, text_of
from gateway.status import refusal_of, status_of
from gateway.v1 import program_pb2 as pb

OPEN_MAX = 10_000
RESULTS_MAX = 1_000


class CallStream:
    """A `Waiter` for all calls of one stream. Takes no more in while `OPEN_MAX` are not answered and read."""

    def __init__(
        self, ingress: Ingress, routes: Routes, caller: Caller, process: ProcessSettings, sensor: Sensor
    ) -> None:
        self._ingress = ingress
        self._routes = routes
        self._caller = caller.name
        self._deadline_ms = process.deadline_ms_default
        self._sensor = sensor
        self._names: dict[bytes, str] = {}
        self._results: list[pb.InvokeResult] = []
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False

    async def run(self, requests: AsyncIterator[pb.InvokeBatch], context: Any) -> None:
        """Serve until the client has half-closed and every call is answered."""
        writing = asyncio.ensure_future(self._write(context))
        try:
            async for batch in requests:
                self._take(batch)
                while len(self._names) + len(self._results) > OPEN_MAX:
                    self._room.clear()
                    await self._room.wait()
            self._ended = True
            self._ready.set()
            await writing
        finally:
            writing.cancel()

    def _take(self, batch: pb.InvokeBatch) -> None:
        deadline_ms = time.time_ns() // 1_000_000 + self._deadline_ms
        routes, submit, caller, names = self._routes, self._ingress.submit, self._caller, self._names
        for call in batch.calls:
            name = call.request_id
            try:
                request_id = routes.request_id(name)
                route = routes.to(call.entity)
                record = routes.record(route, call.command, call.payload, request_id, caller)
                if request_id in names:
                    continue  # it is on its way in this very stream; one answer serves both
                submit(Call((caller, request_id), route.partition, record, self, deadline_ms, streamed=True))
                names[request_id] = name or text_of(request_id)
            except PlatformError as error:
                self._fail(name, error)
        self._room.set()

    # -- as a waiter ----------------------------------------------------------------------------------------------

    def settled(self, reply: Reply, partition: int) -> None:
        """The answer of a call is here."""
        name = self._names.pop(reply.request_id, None)
        if name is None:
            return
        if reply.code:
            self._fail(name, refusal_of(reply, partition))
            return
        position = pb.Position(partition=partition, offset=reply.offset, index=reply.index)
        response = pb.InvokeResponse(
            payload=reply.payload, position=position, duplicate=reply.duplicate, request_id=name
        )
        self._results.append(pb.InvokeResult(request_id=name, response=response))
        self._ready.set()

    def failed(self, request_id: bytes, error: PlatformError) -> None:
        """There will be no answer to a call."""
        name = self._names.pop(request_id, None)
        if name is not None:
            self._fail(name, error)

    def _fail(self, name: str, error: PlatformError) -> None:
        self._results.append(pb.InvokeResult(request_id=name, error=status_of(error, name)))
        self._ready.set()

    async def _write(self, context: Any) -> None:
        while not (self._ended and not self._names and not self._results):
            await self._ready.wait()
            self._ready.clear()
            while self._results:
                results, self._results = self._results[:RESULTS_MAX], self._results[RESULTS_MAX:]
                await context.write(pb.InvokeResultBatch(results=results))
                self._sensor.stream_answered("InvokeStream", "OK", len(results))
                self._room.set()
