"""`ProgramService`: calls, queries and pushes of mini programs. Translates between protobuf and the ingress."""

import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, NoReturn, TypeAlias

import grpc
import msgspec

from actors.errors import InvalidCommand, NotFound, PlatformError
from actors.kernel.action import Reply
from actors.payload import describe
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.auth import Caller, caller_of
from gateway.ingress import Ingress, Single
from gateway.listening import Listener
from gateway.pending import Call
from gateway.routes import Routes, text_of
from gateway.status import STATUS_METADATA, code_of, refusal_of, status_of
from gateway.streams import CallStream
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc

TIME_METADATA = "hutong-time-ms"
REQUEST_METADATA = "hutong-request-id"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class _Answered(NamedTuple):
    request_id: bytes
    reply: Reply
    partition: int


class ProgramService(program_pb2_grpc.ProgramServiceServicer):
    """See `protos/gateway/v1/program.proto`."""

    def __init__(self, ingress: Ingress, routes: Routes, process: ProcessSettings, sensor: Sensor) -> None:
        self._ingress = ingress
        self._routes = routes
        self._process = process
        self._sensor = sensor

    async def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """One call."""
        began = time.perf_counter()
        request_id = request.request_id
        try:
            caller = self._caller(context)
            key = self._routes.request_id(request_id)
            request_id = request_id or text_of(key)
            route = self._routes.to(request.entity)
            record = self._routes.record(route, request.command, request.payload, key, caller.name)
            waiter = Single()
            call = Call((caller.name, key), route.partition, record, waiter, self._deadline_ms(context), streamed=False)
            self._ingress.submit(call)
            reply = await waiter.future
            if reply.code:
                raise refusal_of(reply, route.partition)
        except PlatformError as error:
            await self._refuse(context, "Invoke", began, error, request_id)
        context.set_trailing_metadata(_trailer(request_id))
        self._sensor.call_done("Invoke", "OK", time.perf_counter() - began)
        return response_of(reply, route.partition, request_id)

    async def InvokeStream(self, request_iterator: AsyncIterator[pb.InvokeBatch], context: Context) -> None:
        """Many calls at a time."""
        began = time.perf_counter()
        try:
            caller = self._caller(context)
        except PlatformError as error:
            await self._refuse(context, "InvokeStream", began, error, "")
        stream = CallStream(self._ingress, self._routes, caller, self._process, self._sensor)
        await stream.run(request_iterator, context)
        context.set_trailing_metadata(_trailer(""))

    async def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:
        """One question."""
        began = time.perf_counter()
        try:
            route = self._routes.to(request.entity)
            self._routes.check_view(route, request.view)
            _check_args(request.args)
            deadline_ms = self._deadline_ms(context)
            if request.linearizable:
                key = (self._caller(context).name, self._routes.request_id(""))
                waiting = self._ingress.read(
                    route.partition, route.entity, request.view, request.args, key, deadline_ms
                )
                reply = await waiting
                if reply.code:
                    raise refusal_of(reply, route.partition)
                payload, offset = reply.payload, reply.offset
            else:
                at_least = request.at_least.offset if request.HasField("at_least") else -1
                deadline_s = max(deadline_ms / 1_000 - time.time(), 0.001)
                answer = await self._ingress.query(
                    route.partition, route.entity, request.view, request.args, at_least, deadline_s
                )
                payload, offset = answer.payload, answer.offset
        except PlatformError as error:
            await self._refuse(context, "Query", began, error, "")
        self._sensor.call_done("Query", "OK", time.perf_counter() - began)
        return pb.QueryResponse(payload=payload, position=pb.Position(partition=route.partition, offset=offset))

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        """What a program takes and tells."""
        began = time.perf_counter()
        registry = self._routes.registry
        found = registry.programs.get(request.program)
        if request.program and found is None:
            known = ", ".join(sorted(registry.programs)) or "none"
            error = NotFound(
                f"there is no program {request.program[:100]!r}; there are {known}", reason="NO_SUCH_PROGRAM"
            )
            await self._refuse(context, "Describe", began, error, "")
        owned = {entity.kind for program in registry.programs.values() for entity in program.entities}
        if found is not None:
            entities = list(found.entities)
        else:
            entities = [entity for kind, entity in registry.entities.items() if kind not in owned]
        description = msgspec.json.encode({entity.kind: describe(entity) for entity in entities})
        self._sensor.call_done("Describe", "OK", time.perf_counter() - began)
        return pb.DescribeResponse(description=description, programs=sorted(registry.programs))

    async def Listen(self, request: pb.ListenRequest, context: Context) -> None:
        """The pushes of one entity."""
        began = time.perf_counter()
        try:
            route = self._routes.to(request.entity)
            self._routes.check_view(route, "pushes")
            listener = Listener(self._ingress, route, request.cursor)
            await listener.run(context)
        except PlatformError as error:
            await self._refuse(context, "Listen", began, error, "")

    # -- common ---------------------------------------------------------------------------------------------------

    def _caller(self, context: Context) -> Caller:
        return caller_of(context.invocation_metadata(), f"{self._ingress.name}/{context.peer()}")

    def _deadline_ms(self, context: Context) -> int:
        left_s: float | None = context.time_remaining()
        process = self._process
        left_ms = process.deadline_ms_default if left_s is None else min(int(left_s * 1_000), process.deadline_ms_max)
        return time.time_ns() // 1_000_000 + left_ms

    async def _refuse(
        self, context: Context, method: str, began: float, error: PlatformError, request_id: str
    ) -> NoReturn:
        code = code_of(error)
        self._sensor.call_done(method, code.name, time.perf_counter() - began)
        status = status_of(error, request_id).SerializeToString()
        trailer = (*_trailer(request_id), (STATUS_METADATA, status))
        await context.abort(code, str(error), trailing_metadata=trailer)
        raise AssertionError("abort raises")


def response_of(reply: Reply, partition: int, request_id: str) -> pb.InvokeResponse:
    """An accepted call's answer."""
    position = pb.Position(partition=partition, offset=reply.offset, index=reply.index)
    return pb.InvokeResponse(payload=reply.payload, position=position, duplicate=reply.duplicate, request_id=request_id)


def _trailer(request_id: str) -> tuple[tuple[str, str], ...]:
    now = (TIME_METADATA, str(time.time_ns() // 1_000_000))
    return (now, (REQUEST_METADATA, request_id)) if request_id else (now,)


def _check_args(args: bytes) -> None:
    try:
        msgspec.json.decode(args or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidCommand(f"args is a JSON object: {error}", field="args", reason="INVALID_ARGS") from error
