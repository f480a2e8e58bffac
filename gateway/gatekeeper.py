"""In front of every method where identity is required: who proves nothing, or has no business with it, ends here."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc

from actors.errors import PlatformError, Unauthenticated
from actors.sensor import Sensor
from gateway.answering import refuse_call
from gateway.auth import Auth
from gateway.authority import RPCS, WITHOUT_IDENTITY, check_method
from gateway.door import Probe
from gateway.standing import Erasures, Standing, has_token_of_credential, is_person

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Gatekeeper(grpc.aio.ServerInterceptor):
    """Knows a method by its name alone, so a service that forgets to ask who calls is still closed to strangers."""

    def __init__(self, auth: Auth, standing: Standing, probe: Probe, sensor: Sensor) -> None:
        self._auth = auth
        self._standing = standing
        self._erasures = Erasures(auth)
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
            caller = self._auth.caller(metadata)
            check_method(caller.principal, method)
            await self._standing.check(caller)
        except PlatformError as error:
            return grpc.stream_unary_rpc_method_handler(self._refusal(method, error))
        handler = await continuation(handler_call_details)
        if handler is None or not handler.response_streaming:
            return handler
        if has_token_of_credential(caller):
            return self._watched(handler, method, partial(self._standing.ended, caller))
        return self._watched(handler, method, partial(self._erasures.ended, caller)) if is_person(caller) else handler

    def _watched(self, handler: Any, method: str, ended: Callable[[], Coroutine[Any, Any, Unauthenticated]]) -> Handler:
        """A stream that ends when what its caller proved stands no more."""

        async def run(request: Any, context: Any) -> None:
            running = asyncio.ensure_future((handler.stream_stream or handler.unary_stream)(request, context))
            watching = asyncio.ensure_future(ended())
            try:
                await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    await running
                    return
            finally:
                for task in (running, watching):
                    task.cancel()
            await asyncio.wait((running,))
            await self._refusal(method, watching.result())(request, context)

        coding = (handler.request_deserializer, handler.response_serializer)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(run, *coding)
        return grpc.unary_stream_rpc_method_handler(run, *coding)

    def _refusal(self, method: str, error: PlatformError) -> Callable[[Any, Any], Awaitable[NoReturn]]:
        name = method.rpartition("/")[2] if method in RPCS else "unknown"

        async def refuse(_: Any, context: Any) -> NoReturn:
            self._sensor.calls_refused(error.reason, 1)
            await refuse_call(context, name, time.perf_counter(), error, "", self._sensor)

        return refuse
