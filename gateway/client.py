"""Our client: names every call before its first try, and retries safely with that name. For asyncio."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import grpc
import msgspec
from google.rpc import status_pb2

from actors.errors import DeadlineExceeded, Overloaded, PlatformError, Unavailable
from actors.kernel.record import Position
from gateway.auth import CALLER
from gateway.services.program import TIME_METADATA
from gateway.status import STATUS_METADATA, error_of
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc

RETRY_FOR_MS = 30_000
BACKOFF_MS = 20
BACKOFF_MS_MAX = 1_000
DEADLINE_MS = 10_000
WINDOW = 3_200
BATCH = 200
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.use_local_subchannel_pool", 1),
]

Payload: TypeAlias = Mapping[str, Any] | bytes
CallTuple: TypeAlias = tuple[str, str, Payload]
"""(entity, command, payload)."""


class Answer(NamedTuple):
    """An accepted call's answer. `payload` is JSON."""

    payload: bytes
    position: Position
    duplicate: bool
    request_id: str

    @property
    def value(self) -> Any:
        """The answer as Python values; None when the program gave none."""
        return msgspec.json.decode(self.payload) if self.payload else None


class View(NamedTuple):
    """A query's answer: JSON, and how far the state had come."""

    payload: bytes
    position: Position

    @property
    def value(self) -> Any:
        """The answer as Python values."""
        return msgspec.json.decode(self.payload)


class Pushed(NamedTuple):
    """One push; keep the greatest cursor that was handled."""

    cursor: int
    payload: bytes

    @property
    def value(self) -> Any:
        """The push as Python values."""
        return msgspec.json.decode(self.payload)


class Client:
    """A connection to a gateway, or to several behind one address.

    `caller` is the namespace of the request ids; without one, a random one is made and kept for this client's life.
    """

    def __init__(self, address: str, caller: str = "", seed: int | None = None) -> None:
        self.caller = caller or f"client-{os.urandom(8).hex()}"
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._stub: Any = program_pb2_grpc.ProgramServiceStub(self._channel)
        self._metadata = ((CALLER, self.caller),)
        self._ahead_ms = 0
        self._random = random.Random(seed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    def new_request_id(self) -> str:
        """A UUIDv7 dated by the gateway's clock, as far as it is known."""
        return uuid7(time.time_ns() // 1_000_000 + self._ahead_ms)

    # -- one call -------------------------------------------------------------------------------------------------

    async def invoke(
        self,
        entity: str,
        command: str,
        payload: Payload = b"",
        *,
        request_id: str = "",
        deadline_ms: int = DEADLINE_MS,
        retry_for_ms: int = RETRY_FOR_MS,
    ) -> Answer:
        """Ask an entity for a command, exactly once however often it takes.

        Raises what the call ended with, from `actors.errors`; Unavailable, Overloaded and DeadlineExceeded only after
        `retry_for_ms` of tries.
        """
        name = request_id or self.new_request_id()
        request = pb.InvokeRequest(entity=entity, command=command, payload=_bytes(payload), request_id=name)
        give_up_at = time.monotonic() + retry_for_ms / 1_000
        for attempt in range(1_000_000):
            call = self._stub.Invoke(request, timeout=deadline_ms / 1_000, metadata=self._metadata)
            try:
                return _answer(await call)
            except grpc.aio.AioRpcError as error:
                self._learn_time(error.trailing_metadata())
                wait_s = self._wait_s(error_from(error), attempt, give_up_at)
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    def _wait_s(self, error: PlatformError, attempt: int, give_up_at: float) -> float:
        """How long to wait before the next try; raises the error when there is none."""
        if not isinstance(error, Unavailable | Overloaded | DeadlineExceeded):
            raise error
        least_ms = error.retry_after_ms if isinstance(error, Overloaded) else 0
        backoff_ms = min(BACKOFF_MS << min(attempt, 10), BACKOFF_MS_MAX)
        wait_s: float = max(least_ms, backoff_ms) * self._random.uniform(0.5, 1.0) / 1_000
        if isinstance(error, Overloaded) and error.reason not in ("OVERLOADED", "CALLER_LIMIT"):
            raise error  # a bound of the call itself: waiting does not help
        if time.monotonic() + wait_s > give_up_at:
            raise error
        return wait_s

    def _learn_time(self, metadata: Iterable[tuple[str, Any]] | None) -> None:
        for key, value in metadata or ():
            if key == TIME_METADATA:
                self._ahead_ms = int(value) - time.time_ns() // 1_000_000

    # -- many calls -----------------------------------------------------------------------------------------------

    async def invoke_many(
        self, calls: Sequence[CallTuple], *, window: int = WINDOW, retry_for_ms: int = RETRY_FOR_MS
    ) -> list[Answer | PlatformError]:
        """Ask for many commands over one stream, at most `window` on their way; the outcomes in the calls' order.

        What is not answered when the stream breaks, or can be tried again, is sent again under the same ids.
        """
        requests = {
            name: pb.InvokeRequest(entity=entity, command=command, payload=_bytes(payload), request_id=name)
            for entity, command, payload in calls
            for name in (self.new_request_id(),)
        }
        outcomes: dict[str, Answer | PlatformError] = {}
        give_up_at = time.monotonic() + retry_for_ms / 1_000
        attempt = 0
        while open_ := [request for name, request in requests.items() if name not in outcomes]:
            before = len(outcomes)
            last: PlatformError | None = await self._stream(open_, window, outcomes)
            if len(outcomes) == len(requests):
                break
            attempt = 0 if len(outcomes) > before else attempt + 1
            error = last or Unavailable("some calls were not answered", outcome="OUTCOME_UNKNOWN")
            await asyncio.sleep(self._wait_s(error, attempt, give_up_at))
        return [outcomes[name] for name in requests]

    async def _stream(
        self, requests: Sequence[pb.InvokeRequest], window: int, outcomes: dict[str, Answer | PlatformError]
    ) -> PlatformError | None:
        """One stream's life; returns why it ended before every call was answered for good."""
        call = self._stub.InvokeStream(metadata=self._metadata)
        again: PlatformError | None = None
        sent = answered = 0
        try:
            while answered < len(requests):
                while sent < len(requests) and sent - answered <= window - min(BATCH, window):
                    batch = requests[sent : sent + min(BATCH, window)]
                    await call.write(pb.InvokeBatch(calls=batch))
                    sent += len(batch)
                results = await call.read()
                if results is grpc.aio.EOF:
                    return Unavailable("the stream ended", outcome="OUTCOME_UNKNOWN")
                for result in results.results:
                    again = _take(result, outcomes) or again
                answered += len(results.results)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            if isinstance(error, grpc.aio.AioRpcError):
                return error_from(error)
            return Unavailable("the stream broke", outcome="OUTCOME_UNKNOWN")
        finally:
            call.cancel()
        return again

    # -- reading --------------------------------------------------------------------------------------------------

    async def query(
        self,
        entity: str,
        view: str,
        args: Payload = b"",
        *,
        at_least: Position | None = None,
        linearizable: bool = False,
        deadline_ms: int = DEADLINE_MS,
    ) -> View:
        """Ask an entity's view, if need be at or after a position: read your writes."""
        request = pb.QueryRequest(entity=entity, view=view, args=_bytes(args), linearizable=linearizable)
        if at_least is not None:
            request.at_least.CopyFrom(pb.Position(partition=at_least.partition, offset=at_least.offset, index=at_least.index))
        give_up_at = time.monotonic() + deadline_ms / 1_000
        for attempt in range(1_000_000):
            try:
                answer = await self._stub.Query(request, timeout=deadline_ms / 1_000, metadata=self._metadata)
                return View(answer.payload, _position(answer.position))
            except grpc.aio.AioRpcError as error:
                wait_s = self._wait_s(error_from(error), attempt, give_up_at)
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def describe(self, program: str = "") -> Mapping[str, Any]:
        """What a program, or the platform itself, takes and tells."""
        try:
            answer = await self._stub.Describe(pb.DescribeRequest(program=program), timeout=DEADLINE_MS / 1_000)
        except grpc.aio.AioRpcError as error:
            raise error_from(error) from None
        described: dict[str, Any] = msgspec.json.decode(answer.description)
        return described

    async def listen(self, entity: str, cursor: int = 0) -> AsyncIterator[Pushed]:
        """An entity's pushes above `cursor`, for ever: dials again, without loss or repeat, when a gateway goes."""
        attempt = 0
        while True:
            call = self._stub.Listen(pb.ListenRequest(entity=entity, cursor=cursor), metadata=self._metadata)
            try:
                async for push in call:
                    attempt, cursor = 0, push.cursor
                    yield Pushed(push.cursor, push.payload)
                error: PlatformError = Unavailable("the stream ended", outcome="NOT_APPENDED")
            except grpc.aio.AioRpcError as broken:
                error = error_from(broken)
            finally:
                call.cancel()
            await asyncio.sleep(self._wait_s(error, attempt, float("inf")))
            attempt += 1


def uuid7(now_ms: int) -> str:
    """A UUID that begins with this time in milliseconds since 1970 (RFC 9562, version 7)."""
    time_, noise = f"{now_ms:012x}", os.urandom(10).hex()
    return f"{time_[:8]}-{time_[8:]}-7{noise[:3]}-{'89ab'[int(noise[3], 16) % 4]}{noise[4:7]}-{noise[7:19]}"


def _bytes(payload: Payload) -> bytes:
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)


def _position(position: pb.Position) -> Position:
    return Position(position.partition, position.offset, position.index)


def _answer(response: pb.InvokeResponse) -> Answer:
    return Answer(response.payload, _position(response.position), response.duplicate, response.request_id)


def _take(result: pb.InvokeResult, outcomes: dict[str, Answer | PlatformError]) -> PlatformError | None:
    """Note one result; returns its error when the call should be sent again."""
    if result.HasField("response"):
        outcomes[result.request_id] = _answer(result.response)
        return None
    error = error_of(result.error)
    if isinstance(error, Unavailable | DeadlineExceeded) or error.reason in ("OVERLOADED", "CALLER_LIMIT"):
        return error
    outcomes[result.request_id] = error
    return None


def error_from(error: grpc.aio.AioRpcError) -> PlatformError:
    """The error that a gRPC failure stands for; one that no gateway described is Unavailable, its outcome unknown."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_METADATA:
            return error_of(status_pb2.Status.FromString(value))
    message = error.details() or error.code().name
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(message, outcome="OUTCOME_UNKNOWN")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(message, retry_after_ms=0, reason="TOO_BIG" if "larger" in message else "OVERLOADED")
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Unavailable(message, outcome="OUTCOME_UNKNOWN")
    return error_of(status_pb2.Status(code=error.code().value[0], message=message))
