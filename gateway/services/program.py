"""`ProgramService`: calls, queries and pushes of mini programs. Translates between protobuf and the ingress."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from actors.clocks import steady_ms
from actors.errors import InvalidCommand, NotFound, PlatformError
from actors.kernel.action import Reply
from actors.lifecycle import Table
from actors.payload import describe
from actors.principal import Principal
from actors.registry import Registry
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.answering import Answering, Context, level_trailer, tell_where, trailer
from gateway.auth import Caller
from gateway.authority import check_entity_call, check_kind, check_program, opened_of, programs_told
from gateway.deadlines import deadline_ms
from gateway.ingress import Ingress, Single
from gateway.listening import Listener, until_expiry
from gateway.pending import Call
from gateway.routes import Route, Routes, text_of
from gateway.sealing import KeyMissing
from gateway.status import refusal_of
from gateway.streams import stream_of
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc
from gateway.written import Shape

_payload: Callable[[Reply], bytes] = attrgetter("payload")


class Calls:
    """What an `InvokeStream` speaks of: a `Speech`."""

    method = "InvokeStream"
    shape = Shape(_payload, b"\x0a", b"\x12", b"\x18")

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def calls(self, batch: pb.InvokeBatch) -> Sequence[pb.InvokeRequest]:
        """The calls of a message."""
        return batch.calls

    async def learn(self, calls: Sequence[pb.InvokeRequest], until_ms: int) -> None:
        """There is nothing to know of them beforehand."""
        del calls, until_ms

    def key(self, call: pb.InvokeRequest, caller: Caller) -> str:
        """The entity that is asked."""
        del caller
        return call.entity

    def check(self, call: pb.InvokeRequest, caller: Caller) -> None:
        """Whether the caller may ask this entity for this command."""
        check_entity_call(caller.principal, self._routes, call.entity, call.command)

    def record(self, call: pb.InvokeRequest, request_id: bytes, caller: Caller) -> tuple[int, bytes]:
        """The call's partition and record."""
        return self._routes.record(call.entity, call.command, call.payload, request_id, caller.name)

    def results(self) -> pb.InvokeResultBatch:
        """A message for results."""
        return pb.InvokeResultBatch()


class ProgramService(Answering, program_pb2_grpc.ProgramServiceServicer):
    """See `protos/gateway/v1/program.proto`."""

    def __init__(self, ingress: Ingress, routes: Routes, process: ProcessSettings, sensor: Sensor) -> None:
        super().__init__(ingress, sensor)
        self._routes = routes
        self._process = process
        self._described: dict[str, bytes] = {}
        self._described_of = routes.registry

    async def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """One call."""
        began = time.perf_counter()
        request_id = request.request_id

        def check(caller: Caller) -> None:
            check_entity_call(caller.principal, self._routes, request.entity, request.command)

        caller = await self.let_in(context, "Invoke", request.entity, request_id, is_met=True, check=check)
        try:
            try:
                name, key = caller.name, self._routes.request_id(request_id)
                request_id = request_id or text_of(key)
                partition, record = await self._record(request, key, name)
                waiter = Single()
                until_ms = deadline_ms(context.time_remaining(), self._process)
                self._ingress.submit(
                    Call((name, key), partition, record, waiter, until_ms, streamed=False, arrived_ms=steady_ms())
                )
            except PlatformError as error:
                self._sensor.calls_refused(error.reason, 1)
                raise
            reply = await waiter.future
            if reply.code:
                raise refusal_of(reply, partition)
            payload = self._routes.sealing.opened(caller.principal, reply.payload)
        except PlatformError as error:
            await self.refuse(context, "Invoke", began, error, request_id)
        context.set_trailing_metadata((*trailer(request_id), *level_trailer(self._ingress.door.levels(caller))))
        self._sensor.call_done("Invoke", "OK", time.perf_counter() - began)
        response = pb.InvokeResponse(payload=payload, request_id=request_id)
        tell_where(response, reply, partition)
        return response

    async def _record(self, request: pb.InvokeRequest, key: bytes, caller: str) -> tuple[int, bytes]:
        """The record of a call; what it says of a person for the first time waits for that person's key."""
        record = partial(self._routes.record, request.entity, request.command, request.payload, key, caller)
        try:
            return record()
        except KeyMissing:
            return await self._routes.sealing.keyed(record)

    async def InvokeStream(self, request_iterator: AsyncIterator[pb.InvokeBatch], context: Context) -> None:
        """Many calls at a time."""
        began = time.perf_counter()
        try:
            caller, speech = self.caller(context), Calls(self._routes)
            stream = stream_of(self._ingress, self._routes, speech, caller, self._sensor, self._process, context)
            await self.serve(stream, stream.run(request_iterator, context))
        except PlatformError as error:
            await self.refuse(context, "InvokeStream", began, error, "")
        context.set_trailing_metadata(trailer(""))

    async def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:
        """One question."""
        began = time.perf_counter()

        def check(caller: Caller) -> None:
            check_entity_call(caller.principal, self._routes, request.entity, request.view)

        for_memory = not request.linearizable
        caller = await self.let_in(
            context, "Query", request.entity, "", is_met=False, is_question=for_memory, check=check
        )
        try:
            route = self._routes.to(request.entity)
            self._routes.check_view(route, request.view)
            _check_args(request.args)
            until_ms = deadline_ms(context.time_remaining(), self._process)
            if for_memory:
                position, payload = await self._ask(route, request, until_ms, caller.tenant)
            else:
                position, payload = await self._read(route, request, caller.name, until_ms)
            payload = self._opener(caller.principal, route, request.view)(payload)
        except PlatformError as error:
            await self.refuse(context, "Query", began, error, "")
        context.set_trailing_metadata(trailer(""))
        self._sensor.call_done("Query", "OK", time.perf_counter() - began)
        return pb.QueryResponse(payload=payload, position=position)

    def _opener(self, principal: Principal | None, route: Route, view: str) -> Callable[[bytes], bytes]:
        """Opens for who calls what is sealed in this view of an entity, as far as it is for them."""
        of = opened_of(principal, route.kind, route.entity.partition("/")[2], view)
        return partial(self._routes.sealing.opened, principal, opened_of=of)

    async def _read(
        self, route: Route, request: pb.QueryRequest, caller: str, until_ms: int
    ) -> tuple[pb.Position, bytes]:
        """Through the log, at a place of its own."""
        key = (caller, self._routes.request_id(""))
        reply = await self._ingress.read(route.partition, route.entity, request.view, request.args, key, until_ms)
        if reply.code:
            raise refusal_of(reply, route.partition)
        return pb.Position(partition=route.partition, offset=reply.offset, index=reply.index), reply.payload

    async def _ask(
        self, route: Route, request: pb.QueryRequest, until_ms: int, tenant: str
    ) -> tuple[pb.Position, bytes]:
        """From the owner's memory, at a watermark."""
        at_least = -1
        if request.HasField("at_least"):
            at_least = request.at_least.offset
            if request.at_least.partition != route.partition:
                message = f"{request.entity} is in partition {route.partition}, not in {request.at_least.partition}"
                raise InvalidCommand(message, field="at_least", reason="OTHER_PARTITION")
        left_s = max(until_ms - steady_ms(), 1) / 1_000
        answer = await self._ingress.query(
            route.partition, route.entity, request.view, request.args, at_least, left_s, tenant
        )
        return pb.Position(partition=route.partition, offset=answer.offset), answer.payload

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        """What a program takes and tells."""
        began = time.perf_counter()
        registry = self._routes.registry
        try:
            principal = self.principal(context)
            check_program(principal, request.program)
        except PlatformError as error:
            await self.refuse(context, "Describe", began, error, "")
        if request.program and request.program not in registry.programs:
            known = ", ".join(sorted(registry.programs)) or "none"
            missing = NotFound(
                f"there is no program {request.program[:100]!r}; there are {known}", reason="NO_SUCH_PROGRAM"
            )
            await self.refuse(context, "Describe", began, missing, "")
        if self._described_of is not registry:
            self._described, self._described_of = {}, registry
        description = self._described.get(request.program)
        if description is None:
            description = self._described[request.program] = _describe(registry, request.program)
        self._sensor.call_done("Describe", "OK", time.perf_counter() - began)
        return pb.DescribeResponse(description=description, programs=programs_told(principal, registry))

    async def ListTransitions(self, request: pb.ListTransitionsRequest, context: Context) -> pb.ListTransitionsResponse:
        """The state machines of a kind."""
        began = time.perf_counter()
        entities = self._routes.registry.entities
        try:
            check_kind(self.principal(context), self._routes.registry, request.kind)
        except PlatformError as error:
            await self.refuse(context, "ListTransitions", began, error, "")
        entity = entities.get(request.kind)
        if entity is None:
            known = ", ".join(sorted(entities))
            missing = NotFound(f"there is no kind {request.kind[:100]!r}; there are {known}", reason="NO_SUCH_KIND")
            await self.refuse(context, "ListTransitions", began, missing, "")
        self._sensor.call_done("ListTransitions", "OK", time.perf_counter() - began)
        return pb.ListTransitionsResponse(lives=[_life(name, table) for name, table in entity.life.items()])

    async def Listen(self, request: pb.ListenRequest, context: Context) -> None:
        """The pushes of one entity."""
        began = time.perf_counter()
        try:
            caller = self.caller(context)
            check_entity_call(caller.principal, self._routes, request.entity, "pushes")
            route = self._routes.to(request.entity)
            self._routes.check_view(route, "pushes")
            opened = self._opener(caller.principal, route, "pushes")
            listener = Listener(self._ingress, route, request.cursor, opened)
            with until_expiry(caller, listener.expire):
                await self.serve(listener, listener.run(context))
        except PlatformError as error:
            await self.refuse(context, "Listen", began, error, "")


def _describe(registry: Registry, program: str) -> bytes:
    """The JSON of a program's entities, or of the platform's own."""
    if program:
        entities = list(registry.programs[program].entities)
    else:
        owned = {entity.kind for found in registry.programs.values() for entity in found.entities}
        entities = [entity for kind, entity in registry.entities.items() if kind not in owned]
    return msgspec.json.encode({entity.kind: describe(entity) for entity in entities})


def _life(name: str, table: Table) -> pb.Life:
    """A table as it is served."""
    states = [
        pb.LifeState(
            name=state,
            terminal=stage.terminal,
            transitions=[pb.Transition(move=move, to=to) for move, to in stage.moves.items()],
        )
        for state, stage in table.items()
    ]
    return pb.Life(name=name, states=states)


def _check_args(args: bytes) -> None:
    try:
        msgspec.json.decode(args or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidCommand(f"args is a JSON object: {error}", field="args", reason="INVALID_ARGS") from error
