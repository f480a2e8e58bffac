"""Stands in front of every `Invoke`: turns calls away before their message is read, and answers the probe."""

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from actors.errors import PlatformError
from actors.sensor import Sensor
from gateway.answering import turn_away
from gateway.auth import Auth
from gateway.door import Door, Probe, TurnedAway
from gateway.v1 import program_pb2

INVOKE = f"/{program_pb2.DESCRIPTOR.services_by_name['ProgramService'].full_name}/Invoke"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Doorkeeper(grpc.aio.ServerInterceptor):
    """A no costs half as much as a call when nothing was read for it; what is left is gRPC's own."""

    def __init__(self, auth: Auth, door: Door, probe: Probe, sensor: Sensor) -> None:
        self._auth = auth
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
            self._door.meet(self._auth.caller(metadata))
        except TurnedAway as away:
            return grpc.stream_unary_rpc_method_handler(self._refusal(away))
        except PlatformError:
            pass  # the service says what is wrong with it
        return await continuation(handler_call_details)

    def _refusal(self, away: TurnedAway) -> Callable[[Any, Any], Awaitable[NoReturn]]:
        async def refuse(_: Any, context: Any) -> NoReturn:
            await turn_away(context, "Invoke", away, "", self._sensor)

        return refuse


async def _seen(_: Any, __: Any) -> bytes:
    return b""
