"""Mutated messages for every method that takes any, and what a gateway's own service says to them, without a socket."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc
import msgspec
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2

from actors.adapters.memory_keys import MemorySubjects
from actors.errors import PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import Invoke
from actors.kernel.rules import Rules
from actors.link import Answer
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.auth import Auth
from gateway.client import uuid7
from gateway.door import Door
from gateway.ingress import Ingress
from gateway.listening import Listener
from gateway.pending import Call
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.services.program import ProgramService
from gateway.status import STATUS_METADATA
from gateway.v1 import program_pb2 as pb
from gateway.v1 import session_pb2
from tests.bad_input.mutating import broken_bytes, odd_fields, odd_int, odd_payload, odd_text
from tests.gateway.scene import detail, registry
from tests.proof.counts import Counts

FIELDS = ("amount", "note", "deep", "anything", "type", "amuont")
COMMANDS = ("jar.put", "jar.put", "jar.put", "jar.refuse", "jar.shout", "jar.fly", "")
METHODS = ("Invoke", "Invoke", "InvokeStream", "Query", "Listen", "Describe", "ListTransitions")
MESSAGES: dict[str, type[Message]] = {
    "Invoke": pb.InvokeRequest,
    "InvokeStream": pb.InvokeBatch,
    "Query": pb.QueryRequest,
    "Listen": pb.ListenRequest,
    "Describe": pb.DescribeRequest,
    "ListTransitions": pb.ListTransitionsRequest,
}
CLUSTER = ClusterSettings(partitions=2)
NOT_CLEAR = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
_decode_call = msgspec.msgpack.Decoder(Invoke).decode


class Mutant(NamedTuple):
    """A message for a method; `is_message` is False when protobuf cannot parse it."""

    method: str
    written: bytes
    is_message: bool


def mutant(chance: random.Random) -> Mutant:
    """One in ten is broken as bytes, two in five in their fields; all hold odd texts, numbers or JSON."""
    method = chance.choice(METHODS)
    written = _message(method, chance).SerializeToString()
    how = chance.random()
    if how < 0.1:
        written = broken_bytes(written, chance)
    elif how < 0.5:
        written = odd_fields(written, chance)
    try:
        MESSAGES[method].FromString(written)
    except DecodeError:
        return Mutant(method, written, False)
    return Mutant(method, written, True)


def _message(method: str, chance: random.Random) -> Message:
    match method:
        case "Invoke":
            return _call(chance)
        case "InvokeStream":
            return pb.InvokeBatch(calls=[_call(chance) for _ in range(chance.randrange(5))])
        case "Query":
            return _query(chance)
        case "Describe":
            return pb.DescribeRequest(program=_odd(chance.choice(("", "shop", "cafe")), chance))
        case "ListTransitions":
            return pb.ListTransitionsRequest(kind=_odd(chance.choice(("session", "jar", "")), chance))
        case _:
            entity = _odd("sessions/s1" if chance.random() < 0.5 else "jars/j1", chance)
            return pb.ListenRequest(entity=entity, cursor=odd_int(64, chance))


def _odd(text: str, chance: random.Random) -> str:
    return odd_text(text, chance) if chance.random() < 0.15 else text


def _call(chance: random.Random) -> pb.InvokeRequest:
    request_id = uuid7(chance.randrange(1_900_000_000_000)) if chance.random() < 0.8 else ""
    return pb.InvokeRequest(
        entity=_odd(f"jars/j{chance.randrange(4)}", chance),
        command=_odd(chance.choice(COMMANDS), chance),
        payload=odd_payload(FIELDS, chance),
        request_id=_odd(request_id, chance),
    )


def _query(chance: random.Random) -> pb.QueryRequest:
    query = pb.QueryRequest(
        entity=_odd(f"jars/j{chance.randrange(4)}", chance),
        view=_odd(chance.choice(("look", "look", "look", "peek", "")), chance),
        args=chance.choice((b"", b"{}", odd_payload(FIELDS, chance))),
        linearizable=chance.random() < 0.2,
    )
    if chance.random() < 0.5:
        query.at_least.partition = odd_int(32, chance)
        query.at_least.offset = odd_int(64, chance)
        query.at_least.index = odd_int(32, chance)
    return query


class Aborted(Exception):
    """The service ended the call."""

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        super().__init__(code, status)
        self.code = code
        self.status = status


RESULTS: dict[str, Any] = {"InvokeStream": pb.InvokeResultBatch, "OpenStream": session_pb2.OpenResultBatch}
"""What streams of calls write."""


class Asking:
    """What a service sees of one call."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """What the client said of itself."""
        return (("hutong-caller", "ann"),)

    def peer(self) -> str:
        """Where the client is."""
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float:
        """How long the client waits."""
        return 5.0

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        """What is said beside the answer: metadata is ASCII and short."""
        assert all(isinstance(value, bytes) or (value.isascii() and len(value) < 200) for _, value in metadata)

    async def write(self, message: Any) -> None:
        """A part of a streamed answer."""
        self.said.append(message)

    def results(self, method: str) -> list[Any]:
        """What a stream of calls said of each, which it writes as bytes; nothing of another method."""
        batch = RESULTS.get(method)
        return (
            [] if batch is None else [result for written in self.said for result in batch.FromString(written).results]
        )

    async def abort(
        self, code: grpc.StatusCode, _: str, trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
    ) -> None:
        """End the call."""
        self.set_trailing_metadata(trailing_metadata)
        packed = dict(trailing_metadata)[STATUS_METADATA]
        assert isinstance(packed, bytes)
        raise Aborted(code, status_pb2.Status.FromString(packed))


class Answering:
    """Takes in what a gateway would append or ask a host for, and answers at once; what it is given must decode."""

    name = "gateway"

    def __init__(self, rules: Rules, auth: Auth | None = None) -> None:
        self._rules = rules
        self.auth = auth or Auth()
        self.door = Door(ProcessSettings(), Sensor())
        self._listener: Listener | None = None

    def submit(self, call: Call) -> None:
        """Answer a call whose command decodes as every partition decodes it."""
        record = _decode_call(call.record)
        found = self._rules.of(record.entity)
        assert found is not None
        found[0].decode_command(record.command)
        reply = Reply(self.name, call.key[0], record.request_id, 0, self.replied(record.entity), 7, 0, False)
        asyncio.get_running_loop().call_soon(call.waiter.settled, [(call, reply)])

    def submit_all(self, calls: Sequence[Call]) -> list[tuple[Call, PlatformError]]:
        """The same of several."""
        for call in calls:
            self.submit(call)
        return []

    def replied(self, _entity: str, /) -> bytes:
        """What an entity says to a command."""
        return b"{}"

    async def read(self, partition: int, entity: str, view: str, args: bytes, key: Any, until_ms: int) -> Reply:
        """Answer a question that would go through the log."""
        await self.query(partition, entity, view, args, -1, until_ms)
        return Reply(self.name, key[0], key[1], 0, b"{}", 7, 0, False)

    async def query(
        self,
        partition: int,
        entity: str,
        view: str,
        args: bytes,
        at_least: int,
        left_s: float,
        tenant: str | None = None,
    ) -> Answer:
        """Answer a question; a listener has heard enough then."""
        found = self._rules.of(entity)
        assert found is not None
        assert left_s > 0
        assert isinstance(msgspec.json.decode(args or b"{}"), dict)
        msgspec.msgpack.encode((view, at_least, tenant))
        if self._listener is not None:
            self._listener.drain()
        return Answer(1, partition, 1, 0, self.shown(entity, view, args), 7)

    def shown(self, _entity: str, _view: str, _args: bytes, /) -> bytes:
        """What a view shows."""
        return b"[]"

    def check_not_halted(self, partition: int) -> None:
        """No partition is halted here."""
        assert 0 <= partition < CLUSTER.partitions

    def listen(self, _partition: int, _entity: str, listener: Listener) -> None:
        """Somebody listens."""
        self._listener = listener

    def unlisten(self, _partition: int, _entity: str, listener: Listener) -> None:
        """Nobody listens any more."""
        assert listener is self._listener
        self._listener = None


async def _once(batch: pb.InvokeBatch) -> AsyncIterator[pb.InvokeBatch]:
    yield batch


def reason_of(status: status_pb2.Status) -> str:
    """The reason that a status gives; empty when it gives none, or says nothing."""
    info = detail(status, details.ErrorInfo)
    return str(info.reason) if info is not None and status.message else ""


def judge_results(counts: Counts, bad: Mutant, calls: int, results: Sequence[Any]) -> None:
    """Each call of a batch has one result: a response, or an error with a reason."""
    if len(results) != calls:
        counts.wrong += 1
        counts.find(f"{len(results)} results of {calls} calls: {bad.written.hex():.600}")
    refused = [result.error for result in results if result.HasField("error")]
    for error in refused:
        judge(counts, bad, next(code for code in grpc.StatusCode if code.value[0] == error.code), error)
    if not refused:
        counts.effect("taken")


def judge(counts: Counts, bad: Mutant, code: grpc.StatusCode, status: status_pb2.Status) -> None:
    """A refusal has a reason, and is no crash of ours."""
    reason = reason_of(status)
    counts.effect(reason or "no reason")
    if not reason or code in NOT_CLEAR:
        counts.wrong += 1
        counts.find(f"{bad.method} was answered {code.name} {reason!r}: {bad.written.hex():.600}")


async def judged(
    counts: Counts, bad: Mutant, asking: Asking, answer: Awaitable[None], calls: int | None = None
) -> None:
    """Await what comes of a message, and judge it; of a stream with so many calls, each one's result."""
    try:
        await answer
    except Aborted as refusal:
        counts.refused += 1
        judge(counts, bad, refusal.code, refusal.status)
    except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
        counts.crashes += 1
        counts.find(f"{type(error).__name__}: {error!s:.200} of {bad.method} {bad.written.hex():.600}")
    else:
        if calls is None:
            counts.effect("taken")
            return
        results = asking.results(bad.method)
        counts.refused += any(result.HasField("error") for result in results)
        judge_results(counts, bad, calls, results)


def mutate_messages(_: Path, seed: int, size: int) -> Counts:
    """Messages of every method to a gateway's own service; what it takes in decodes in every partition."""
    return asyncio.run(_mutate(Counts("messages", seed), size))


async def _mutate(counts: Counts, size: int) -> Counts:
    chance, known = random.Random(counts.seed), registry()
    ingress = cast("Ingress", Answering(Rules(known.entities.values(), 1, "rules")))
    service = ProgramService(
        ingress, Routes(known, CLUSTER, ProcessSettings(), Sealing(MemorySubjects())), ProcessSettings(), Sensor()
    )
    for _ in range(size):
        bad = mutant(chance)
        counts.bad_inputs += 1
        if not bad.is_message:
            counts.refused += 1
            counts.effect("no message")
            continue
        asking, is_stream = Asking(), bad.method == "InvokeStream"
        calls = len(pb.InvokeBatch.FromString(bad.written).calls) if is_stream else None
        await judged(counts, bad, asking, _ask(service, bad, asking), calls)
    return counts


async def _ask(service: ProgramService, bad: Mutant, asking: Asking) -> None:
    context = cast("Any", asking)
    match bad.method:
        case "Invoke":
            await service.Invoke(pb.InvokeRequest.FromString(bad.written), context)
        case "InvokeStream":
            await service.InvokeStream(_once(pb.InvokeBatch.FromString(bad.written)), context)
        case "Query":
            await service.Query(pb.QueryRequest.FromString(bad.written), context)
        case "Describe":
            await service.Describe(pb.DescribeRequest.FromString(bad.written), context)
        case "ListTransitions":
            await service.ListTransitions(pb.ListTransitionsRequest.FromString(bad.written), context)
        case _:
            await service.Listen(pb.ListenRequest.FromString(bad.written), context)
