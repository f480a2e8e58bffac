"""Stands in front of every `Invoke`: turns calls away before their message is read, and answers the probe."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from actors.errors import InvalidCommand
from actors.sensor import Sensor
from gateway.auth import caller_of
from gateway.door import SAID, Door, Probe, TurnedAway
from gateway.shedding import level_text
from gateway.status import LEVEL_METADATA, REQUEST_METADATA, STATUS_METADATA, TIME_METADATA, code_of
from gateway.v1 import program_pb2

REQUEST_CHARS_MAX = 128
"""Metadata cannot hold whatever a client wrote as its request id: what does not fit is told in the status alone."""
INVOKE = f"/{program_pb2.DESCRIPTOR.services_by_name['ProgramService'].full_name}/Invoke"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Doorkeeper(grpc.aio.ServerInterceptor):
    """A no costs half as much as a call when nothing was read for it; what is left is gRPC's own."""

    def __init__(self, door: Door, probe: Probe, sensor: Sensor) -> None:
        self._door = door
        self._probe = probe.metadata
        self._sensor = sensor
        self._seen: Handler = grpc.stream_unary_rpc_method_handler(_seen)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The service's own handler, or one that turns the call away."""
        if handler_call_details.method != INVOKE:
            return await continuation(handler_call_details)
        metadata: Any = handler_call_details.invocation_metadata
        if self._probe in metadata:
            return self._seen
        if not self._door.is_choosing:
            self._door.count(1)
            return await continuation(handler_call_details)
        try:
            self._door.meet(caller_of(metadata))
        except InvalidCommand:
            pass  # the service says what is wrong with it
        except TurnedAway as away:
            return grpc.stream_unary_rpc_method_handler(self._refusal(away))
        return await continuation(handler_call_details)

    def _refusal(self, away: TurnedAway) -> Callable[[Any, Any], Awaitable[NoReturn]]:
        async def refuse(_: Any, context: Any) -> NoReturn:
            await turn_away(context, "Invoke", away, "", self._sensor)

        return refuse


async def _seen(_: Any, __: Any) -> bytes:
    return b""


async def turn_away(context: Any, method: str, away: TurnedAway, request_id: str, sensor: Sensor) -> NoReturn:
    """End a call that the door did not let in: the reason, the delay and the level, all made beforehand."""
    code = code_of(away.error)
    sensor.calls_refused(away.error.reason, 1)
    sensor.stream_answered(method, code.name, 1)
    told = (*trailer(request_id), *level_trailer(away.levels), (STATUS_METADATA, away.status))
    await context.abort(code, SAID[away.error.reason], trailing_metadata=told)
    raise AssertionError("abort raises")


def trailer(request_id: str) -> tuple[tuple[str, str], ...]:
    """What every answer says: the time here, and the id that its call goes by."""
    now = (TIME_METADATA, str(time.time_ns() // 1_000_000))
    fits = request_id.isascii() and request_id.isprintable() and len(request_id) <= REQUEST_CHARS_MAX
    return (now, (REQUEST_METADATA, request_id)) if request_id and fits else (now,)


def level_trailer(levels: tuple[int, int]) -> tuple[tuple[str, str], ...]:
    """What an answer says of the level: nothing while the door is open."""
    level, own = levels
    return ((LEVEL_METADATA, level_text(level, own)),) if level else ()
