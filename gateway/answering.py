"""What every service does with a call beside its own work: who calls, the door, refusals, trailers, draining."""

import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc

from actors.clocks import wall_ms
from actors.errors import PlatformError
from actors.kernel.action import Reply
from actors.principal import Principal
from actors.sensor import Sensor
from gateway.auth import Caller
from gateway.door import SAID, TurnedAway
from gateway.ingress import Ingress
from gateway.shedding import level_text
from gateway.status import (
    LEVEL_METADATA,
    REQUEST_METADATA,
    STATUS_METADATA,
    TIME_METADATA,
    code_of,
    message_of,
    status_of,
)
from gateway.v1 import program_pb2

REQUEST_CHARS_MAX = 128
"""Metadata cannot hold whatever a client wrote as its request id: what does not fit is told in the status alone."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Drained(Protocol):
    """A stream that ends in good order when it is told to."""

    def drain(self) -> None:
        """End once all that was asked is answered."""
        ...


class Answering:
    """The base of a gRPC service of ours."""

    def __init__(self, ingress: Ingress, sensor: Sensor) -> None:
        self._ingress = ingress
        self._sensor = sensor
        self._streams: dict[Drained, None] = {}
        self._draining = False

    def drain(self) -> None:
        """End every stream in good order, and each that still begins; calls go on."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    async def serve(self, stream: Drained, running: Coroutine[Any, Any, None]) -> None:
        """Run a stream where `drain` finds it."""
        self._streams[stream] = None
        if self._draining:
            stream.drain()
        try:
            await running
        finally:
            del self._streams[stream]

    def caller(self, context: Context) -> Caller:
        """Who calls; who did not say is named by the connection."""
        caller = self._ingress.auth.caller(context.invocation_metadata())
        return caller if caller.name else caller._replace(name=f"~{self._ingress.name}/{context.peer()}")

    def principal(self, context: Context) -> Principal | None:
        """Who calls, as its token proves; None where identity is not required."""
        auth = self._ingress.auth
        return auth.caller(context.invocation_metadata()).principal if auth.is_required else None

    def seen_caller(self, context: Context) -> Caller | None:
        """Who calls, or None where that cannot be told: for the fair share of each. Whether it may is asked later."""
        with contextlib.suppress(PlatformError):
            return self.caller(context)
        return None

    async def let_in(
        self,
        context: Context,
        method: str,
        entity: str,
        request_id: str,
        *,
        is_met: bool,
        is_question: bool = False,
        check: Callable[[Caller], None] | None = None,
    ) -> Caller:
        """The caller, if its call is let in; else it is answered here, before anything else is looked at.

        `is_met` when the doorkeeper has already looked at its level; `is_question` when it is for no log. `check`
        raises when the caller may not do this.
        """
        door = self._ingress.door
        try:
            caller = self.caller(context)
            if check is not None:
                check(caller)
            if is_question:
                door.meet_question(caller)
            else:
                if not is_met:
                    door.meet(caller)
                door.check_key(caller, entity)
        except TurnedAway as away:
            await turn_away(context, method, away, request_id, self._sensor)
        except PlatformError as error:
            self._sensor.calls_refused(error.reason, 1)
            await self.refuse(context, method, time.perf_counter(), error, request_id)
        return caller

    async def refuse(
        self, context: Context, method: str, began: float, error: PlatformError, request_id: str
    ) -> NoReturn:
        """End a call with an error."""
        await refuse_call(context, method, began, error, request_id, self._sensor)


async def refuse_call(
    context: Any, method: str, began: float, error: PlatformError, request_id: str, sensor: Sensor
) -> NoReturn:
    """End a call with an error."""
    code = code_of(error)
    sensor.call_done(method, code.name, time.perf_counter() - began)
    status = status_of(error, request_id).SerializeToString()
    told = (*trailer(request_id), (STATUS_METADATA, status))
    await context.abort(code, message_of(error), trailing_metadata=told)
    raise AssertionError("abort raises")


async def turn_away(context: Any, method: str, away: TurnedAway, request_id: str, sensor: Sensor) -> NoReturn:
    """End a call that the door did not let in: the reason, the delay and the level, all made beforehand."""
    code = code_of(away.error)
    sensor.calls_refused(away.error.reason, 1)
    sensor.stream_answered(method, code.name, 1)
    told = (*trailer(request_id), *level_trailer(away.levels), (STATUS_METADATA, away.status))
    await context.abort(code, SAID[away.error.reason], trailing_metadata=told)
    raise AssertionError("abort raises")


def tell_where(response: program_pb2.InvokeResponse, reply: Reply, partition: int) -> None:
    """Where a call was decided, and whether it was by an earlier try."""
    if reply.duplicate:
        response.duplicate = True
    position = response.position
    position.partition = partition
    position.offset = reply.offset
    position.index = reply.index


def trailer(request_id: str) -> tuple[tuple[str, str], ...]:
    """What every answer says: the time here, and the id that its call goes by."""
    now = (TIME_METADATA, str(wall_ms()))
    fits = request_id.isascii() and request_id.isprintable() and len(request_id) <= REQUEST_CHARS_MAX
    return (now, (REQUEST_METADATA, request_id)) if request_id and fits else (now,)


def level_trailer(levels: tuple[int, int]) -> tuple[tuple[str, str], ...]:
    """What an answer says of the level: nothing while the door is open."""
    level, own = levels
    return ((LEVEL_METADATA, level_text(level, own)),) if level else ()
