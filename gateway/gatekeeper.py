"""In front of every method where identity is required: who proves nothing, or has no business with it, ends here."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from actors.errors import PlatformError
from actors.sensor import Sensor
from gateway.answering import refuse_call
from gateway.auth import Auth
from gateway.authority import RPCS, WITHOUT_IDENTITY, check_method
from gateway.door import Probe

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Gatekeeper(grpc.aio.ServerInterceptor):
    """Knows a method by its name alone, so a service that forgets to ask who calls is still closed to strangers."""

    def __init__(self, auth: Auth, probe: Probe, sensor: Sensor) -> None:
        self._auth = auth
        self._probe = probe.metadata
        self._sensor = sensor

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The service's own handler, or one that refuses."""
        method: str = handler_call_details.method
        metadata: Any = handler_call_details.invocation_metadata
        if method.startswith(WITHOUT_IDENTITY) or self._probe in metadata:
            return await continuation(handler_call_details)
        try:
            check_method(self._auth.caller(metadata).principal, method)
        except PlatformError as error:
            return grpc.stream_unary_rpc_method_handler(self._refusal(method, error))
        return await continuation(handler_call_details)

    def _refusal(self, method: str, error: PlatformError) -> Callable[[Any, Any], Awaitable[NoReturn]]:
        name = method.rpartition("/")[2] if method in RPCS else "unknown"

        async def refuse(_: Any, context: Any) -> NoReturn:
            self._sensor.calls_refused(error.reason, 1)
            await refuse_call(context, name, time.perf_counter(), error, "", self._sensor)

        return refuse
