"""What a typed service is made of: each method says in a few lines which entities it asks and what it answers.

A call that asks several takes steps. Each is a call of its own to the log, by an id that follows from the call's: so a
retry at any gateway repeats the steps that were taken and goes on with the others.
"""

import hashlib
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from actors.clocks import steady_ms
from actors.entity import Ref
from actors.errors import InvalidCommand, PlatformError
from actors.kernel.record import Invoke, Position, encode_record
from actors.payload import checked
from actors.principal import PART, Role
from actors.sealing import Personal
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from actors.steps import step_id
from gateway.answering import Answering, Context, level_trailer, trailer
from gateway.auth import CALLER, Caller
from gateway.authority import denied
from gateway.counting import Counting
from gateway.deadlines import deadline_ms
from gateway.ingress import Ingress, Single
from gateway.pending import Call
from gateway.routes import Routes, text_of
from gateway.status import refusal_of
from gateway.v1 import program_pb2

C = TypeVar("C", bound=Struct)
M = TypeVar("M")
T = TypeVar("T")
Work = Callable[["Steps"], Awaitable[M]]


class Answer(NamedTuple):
    """What a step came to: the entity's reply as JSON, and where it was decided."""

    payload: bytes
    position: Position
    duplicate: bool

    def reply(self, as_type: type[T]) -> T:
        """What the entity said beside its yes."""
        return msgspec.json.decode(self.payload, type=as_type)


class Stamped(Protocol):
    """A response that says where it was decided, and whether an earlier try was."""

    duplicate: bool

    @property
    def position(self) -> program_pb2.Position:
        """Where it was decided."""
        ...


S = TypeVar("S", bound=Stamped)


def stamped(response: S, answer: Answer, *, again: bool = False) -> S:
    """The response, with where it was decided, and whether it had been before: by the log, or as the entity says."""
    response.position.MergeFrom(program_pb2.Position(**msgspec.structs.asdict(answer.position)))
    response.duplicate = answer.duplicate or again
    return response


class Steps:
    """The steps of one call."""

    def __init__(self, ingress: Ingress, routes: Routes, caller: Caller, request_id: bytes, until_ms: int) -> None:
        self.principal = caller.principal
        """Who calls, as its token proves; None where identity is not required."""
        self.caller = caller.name
        """Who calls, as it says itself, or as its token names it."""
        self._tenant = caller.tenant
        self.version = caller.version
        """The number of the secret, or of a credential's token, that proved it; else 0."""
        self._ingress = ingress
        self._routes = routes
        self.request_id = request_id
        """The call's, the same on every try."""
        self.until_ms = until_ms
        """When the call must be answered."""

    @property
    def left_s(self) -> float:
        """How long there is still time for the answer."""
        return max(self.until_ms - steady_ms(), 1) / 1_000

    @property
    def person(self) -> str:
        """The person on the platform who calls. Raises PermissionDenied for whoever is none, InvalidCommand."""
        if self.principal is not None:
            if self.principal.role is not Role.ACCOUNT:
                raise denied()
            return self.principal.subject
        if not PART.fullmatch(self.caller):
            message = f"{CALLER} says who calls: 1 to 64 letters, digits and . _ ~ -"
            raise InvalidCommand(message, field=CALLER, reason="INVALID_PERSON")
        return self.caller

    def new_name(self, chars: int) -> str:
        """A name for what this call makes: the same on every try, and no other call's."""
        made = hashlib.sha256(self.request_id + self.caller.encode()).digest()
        return b32encode(made).decode()[:chars]

    async def ask(self, to: Ref[C], command: C, n: int = 0) -> Answer:
        """Ask the entity for the command, as the call's n-th step: each has its own n, the same on every try, below 8.

        Raises InvalidCommand for a command that its own type would not take, and what the answer stands for.
        """
        route = self._routes.at(to)
        name = step_id(self.request_id, n)
        record = encode_record(Invoke(route.entity, checked(command), name, self.caller))
        waiter = Single()
        key, partition = (self.caller, name), route.partition
        self._ingress.submit(
            Call(key, partition, record, waiter, self.until_ms, streamed=False, arrived_ms=steady_ms())
        )
        reply = await waiter.future
        if reply.code:
            raise refusal_of(reply, partition)
        return Answer(reply.payload, Position(partition, reply.offset, reply.index), reply.duplicate)

    async def seal(self, subject: str, program: str, purpose: str, value: T) -> Personal[T]:
        """The value, sealed for this subject and the program's server; the same for the same purpose."""
        sealing = self._routes.sealing
        return Personal(await sealing.keyed(partial(sealing.seal, subject, program, purpose, value)))

    def open(self, personal: Personal[T] | None) -> T | None:
        """What was sealed; None if it is not for who calls, or its person was erased."""
        return None if personal is None else self._routes.sealing.open(self.principal, personal.sealed)

    async def shown(self, at: Ref[Any], view: str) -> object:
        """What the view shows to who calls: what is sealed in it is opened if it is for them, and null if not."""
        seen = await self.look(at, view, msgspec.Raw)
        return msgspec.json.decode(self._routes.sealing.opened(self.principal, bytes(seen)))

    async def look(self, at: Ref[Any], view: str, as_type: type[T], **args: object) -> T:
        """What the entity's view shows, with what is sealed in it left so; raises what the function `look` does."""
        return await look(self._ingress, self._routes, at, view, as_type, self.until_ms, self._tenant, **args)


async def look(
    ingress: Ingress,
    routes: Routes,
    at: Ref[Any],
    view: str,
    as_type: type[T],
    until_ms: int,
    tenant: str | None = None,
    **args: object,
) -> T:
    """What the entity's view shows now. It may be older than what another gateway has just answered.

    `tenant` is for whom it is asked; see `Ingress.query`. Raises Overloaded, and Unavailable when no owner answers in
    time.
    """
    route = routes.at(at)
    left_s = max(until_ms - steady_ms(), 1) / 1_000
    answer = await ingress.query(route.partition, route.entity, view, msgspec.json.encode(args), -1, left_s, tenant)
    return msgspec.json.decode(answer.payload, type=as_type)


class Given(NamedTuple):
    """What every typed service of a gateway works with."""

    ingress: Ingress
    routes: Routes
    process: ProcessSettings
    sensor: Sensor
    counting: Counting


class TypedService(Answering):
    """The base of a service whose methods take steps."""

    def __init__(self, given: Given) -> None:
        super().__init__(given.ingress, given.sensor)
        self._routes = given.routes
        self.process = given.process
        self.counting = given.counting

    async def answer(self, context: Context, method: str, about: Ref[Any], request_id: str, work: Work[M]) -> M:
        """Answer a call with what its work returns or the error that it raises.

        `about` is what it is about, for the door's fair share of each alone: nobody need ask it. `request_id` is the
        client's, "" where a retry may be a call of its own.
        """
        began = time.perf_counter()
        caller = await self.let_in(context, method, str(about), request_id, is_met=False)
        try:
            key = self._routes.request_id(request_id)
            request_id = request_id or text_of(key)
            until_ms = deadline_ms(context.time_remaining(), self.process)
            answered = await work(Steps(self._ingress, self._routes, caller, key, until_ms))
        except PlatformError as error:
            await self.refuse(context, method, began, error, request_id)
        context.set_trailing_metadata((*trailer(request_id), *level_trailer(self._ingress.door.levels(caller))))
        self._sensor.call_done(method, "OK", time.perf_counter() - began)
        return answered
