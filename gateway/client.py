"""Our client: names every call before its first try, and retries safely with that name. For asyncio."""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import grpc
import msgspec

from actors.clocks import steady_ms, wall_ms
from actors.errors import DeadlineExceeded, Overloaded, PlatformError, Unavailable
from actors.kernel.record import Position
from gateway.auth import AUTHORIZATION, CALLER, PRIORITY, SCHEME, TENANT, proof_of_secret
from gateway.client_answers import Answer, CallTuple, Payload, Pushed, View, answer_of, bytes_of, position_of
from gateway.client_errors import COME_BACK, UNKNOWN, doubted, error_from, error_from_call, kept_back
from gateway.client_many import Many
from gateway.deadlines import DEADLINE
from gateway.shedding import Shedding, levels_from
from gateway.status import LEVEL_METADATA, TIME_METADATA
from gateway.tls import Tls, open_channel
from gateway.v1 import notify_pb2, notify_pb2_grpc, program_pb2_grpc
from gateway.v1 import program_pb2 as pb

__all__ = ["Answer", "CallTuple", "Client", "Payload", "Pushed", "View"]

TOKEN = "HUTONG_TOKEN"
RETRY_FOR_MS = 30_000
BACKOFF_MS = 20
BACKOFF_MS_MAX = 1_000
DEADLINE_MS = 10_000
WINDOW = 3_200
BATCH = 200

T = TypeVar("T")


class Client:
    """A connection to a gateway, or to several behind one address.

    `caller` is the namespace of the request ids; without one, a random one is made and kept for this client's life.
    `priority` is 0 to 127, more is more important. Where identity is required, `token` says all of that, by default
    `$HUTONG_TOKEN`, or `secret`, which is good for `CredentialService` alone; `tls` is what it trusts. While a gateway
    that has too much to do says that it turns this client's calls away, they are kept back here: a call waits and
    tries again, as if it had been turned away there.
    """

    def __init__(
        self,
        address: str,
        caller: str = "",
        seed: int | None = None,
        *,
        tenant: str = "",
        priority: int | None = None,
        token: str | None = None,
        secret: str = "",
        tls: Tls | None = None,
        connection: grpc.aio.Channel | None = None,
    ) -> None:
        self.caller = caller or f"client-{os.urandom(8).hex()}"
        self._channel = connection or open_channel(address, tls)
        self._stub: Any = program_pb2_grpc.ProgramServiceStub(self._channel)
        token = os.environ.get(TOKEN, "") if token is None else token
        proof = proof_of_secret(secret) if secret else f"{SCHEME}{token}" if token else ""
        level = "" if priority is None else str(priority)
        said = ((AUTHORIZATION, proof), (CALLER, self.caller), (TENANT, tenant), (PRIORITY, level))
        self._metadata = tuple((key, value) for key, value in said if value)
        self._shedding = Shedding()
        self._ahead_ms = 0
        self._knows_time = False
        self._random = random.Random(seed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    def by(self, token: str) -> "Client":
        """Somebody else, whom this token names, over the same connection; it ends with ours."""
        return Client("", token=token, connection=self._channel)

    def new_request_id(self) -> str:
        """A UUIDv7 dated by the gateway's clock, as far as it is known."""
        return uuid7(wall_ms() + self._ahead_ms)

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
        request = pb.InvokeRequest(entity=entity, command=command, payload=bytes_of(payload), request_id=name)
        give_up_at = time.monotonic() + retry_for_ms / 1_000
        attempt, in_doubt = 0, False
        while True:
            outcome = await self._try(request, deadline_ms) if self._shedding.admits(steady_ms()) else kept_back()
            if isinstance(outcome, Answer):
                return outcome
            in_doubt = in_doubt or outcome.reason == UNKNOWN
            wait_s = self._wait_s(doubted(outcome) if in_doubt else outcome, attempt, give_up_at)
            attempt += 1
            await asyncio.sleep(wait_s)

    async def _try(self, request: pb.InvokeRequest, deadline_ms: int) -> Answer | PlatformError:
        call = self._stub.Invoke(request, timeout=deadline_ms / 1_000, metadata=self._metadata)
        try:
            response = await _answered(call)
            if not self._knows_time or self._shedding.is_holding:
                self._learn(await call.trailing_metadata())
            return answer_of(request.request_id, response)
        except grpc.aio.AioRpcError as error:
            self._learn(error.trailing_metadata())
            return error_from(error)
        except Unavailable as error:
            return error

    def _wait_s(self, error: PlatformError, attempt: int, give_up_at: float) -> float:
        """How long to wait before the next try; raises the error when there is none."""
        if not isinstance(error, Unavailable | Overloaded | DeadlineExceeded):
            raise error
        least_ms = 0 if isinstance(error, DeadlineExceeded) else error.retry_after_ms
        backoff_ms = min(BACKOFF_MS << min(attempt, 10), BACKOFF_MS_MAX) * self._random.uniform(0.5, 1.0)
        wait_s = max(least_ms, backoff_ms) / 1_000
        if isinstance(error, Overloaded) and error.reason not in COME_BACK:
            raise error  # a bound of the call itself: waiting does not help
        if time.monotonic() + wait_s > give_up_at:
            raise error
        return wait_s

    def _learn(self, metadata: Iterable[tuple[str, Any]] | None) -> None:
        level, own = 0, 0
        for key, value in metadata or ():
            if key == TIME_METADATA:
                self._ahead_ms = int(value) - wall_ms()
                self._knows_time = True
            elif key == LEVEL_METADATA:
                level, own = levels_from(str(value))
        self._shedding.learn(level, own, steady_ms())

    # -- many calls -----------------------------------------------------------------------------------------------

    async def invoke_many(
        self,
        calls: Sequence[CallTuple],
        *,
        window: int = WINDOW,
        deadline_ms: int = DEADLINE_MS,
        retry_for_ms: int = RETRY_FOR_MS,
    ) -> list[Answer | PlatformError]:
        """Ask for many commands over one stream, at most `window` on their way; the outcomes in the calls' order.

        What is not answered when the stream breaks, or can be tried again, is sent again under the same ids, for as
        long as `retry_for_ms` without any progress; then the error is such a call's outcome.
        """
        many = Many(calls)
        give_up_at = time.monotonic() + retry_for_ms / 1_000
        attempt = 0
        while open_ := many.open():
            before = len(many.outcomes)
            error = await self._stream(open_, many, window, deadline_ms)
            if len(many.outcomes) == len(calls):
                break
            if len(many.outcomes) > before:
                attempt, give_up_at = 0, time.monotonic() + retry_for_ms / 1_000
            many.in_doubt = many.in_doubt or error.reason == UNKNOWN
            try:
                wait_s = self._wait_s(doubted(error) if many.in_doubt else error, attempt, give_up_at)
            except PlatformError as last:
                return [many.outcomes.get(nth, last) for nth in range(len(calls))]
            attempt += 1
            await asyncio.sleep(wait_s)
        return [many.outcomes[nth] for nth in range(len(calls))]

    async def _stream(self, open_: Sequence[int], many: Many, window: int, deadline_ms: int) -> PlatformError:
        """One stream's life; returns what a call that is still open then came to."""
        metadata = (*self._metadata, (DEADLINE, str(deadline_ms)))
        call = self._stub.InvokeStream(metadata=metadata)
        again: PlatformError = Unavailable("the stream ended", outcome="OUTCOME_UNKNOWN")
        batch = min(BATCH, window)
        sent = answered = 0
        try:
            while answered < len(open_):
                while sent < len(open_) and sent - answered <= window - batch and self._shedding.admits(steady_ms()):
                    some = open_[sent : sent + batch]
                    await _answered(call.write(many.batch(some, self.new_request_id)))
                    sent += len(some)
                if sent == answered:
                    return kept_back()
                results = await _answered(call.read())
                if results is grpc.aio.EOF:
                    break
                for result in results.results:
                    again = many.take(result) or again
                answered += len(results.results)
                self._shedding.learn(results.level, results.own_level, steady_ms())
            else:
                await call.done_writing()
                if await _answered(call.read()) is grpc.aio.EOF and not self._knows_time:
                    self._learn(await call.trailing_metadata())
            if answered < len(open_):  # it ended early, and says why when it is asked
                self._learn(await call.trailing_metadata())
                again = error_from_call(await call.code(), await call.details(), await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            again = error_from(error)
        except Unavailable as error:
            again = error
        except (asyncio.InvalidStateError, grpc.aio.UsageError):
            again = Unavailable("the stream broke", outcome="OUTCOME_UNKNOWN")
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
        request = pb.QueryRequest(entity=entity, view=view, args=bytes_of(args), linearizable=linearizable)
        if at_least is not None:
            request.at_least.CopyFrom(
                pb.Position(partition=at_least.partition, offset=at_least.offset, index=at_least.index)
            )
        answer = await self._ask(self._stub.Query, request, deadline_ms)
        return View(answer.payload, position_of(answer.position))

    async def describe(self, program: str = "") -> Mapping[str, Any]:
        """What a program, or the platform itself, takes and tells."""
        answer = await self._ask(self._stub.Describe, pb.DescribeRequest(program=program), DEADLINE_MS)
        described: dict[str, Any] = msgspec.json.decode(answer.description)
        return described

    async def programs(self) -> list[str]:
        """The names of the programs that run here."""
        answer = await self._ask(self._stub.Describe, pb.DescribeRequest(), DEADLINE_MS)
        return list(answer.programs)

    async def ask(
        self,
        service: Callable[[grpc.aio.Channel], Any],
        method: str,
        request: object,
        deadline_ms: int = DEADLINE_MS,
    ) -> Any:
        """Ask one of the typed services, by its stub's class and the method's name.

        It is asked again and again within the deadline: what changes anything must carry its request id.
        """
        return await self._ask(getattr(service(self._channel), method), request, deadline_ms)

    async def _ask(self, method: Any, request: object, deadline_ms: int) -> Any:
        """Ask again and again within the deadline: what changes nothing, or is recognised by its request id."""
        give_up_at = time.monotonic() + deadline_ms / 1_000
        attempt = 0
        while True:
            try:
                return await _answered(method(request, timeout=deadline_ms / 1_000, metadata=self._metadata))
            except grpc.aio.AioRpcError as broken:
                error = error_from(broken)
            except Unavailable as given_up:
                error = given_up
            await asyncio.sleep(self._wait_s(error, attempt, give_up_at))
            attempt += 1

    def listen(self, entity: str, cursor: int = 0) -> AsyncGenerator[Pushed]:
        """An entity's pushes above `cursor`, for ever: dials again, without loss or repeat, when a gateway goes."""
        return self._listened(
            lambda above: self._stub.Listen(pb.ListenRequest(entity=entity, cursor=above), metadata=self._metadata),
            cursor,
        )

    def listen_box(self, program: str, openid: str, cursor: int = 0) -> AsyncGenerator[Pushed]:
        """What a program puts into a person's box above `cursor`, in the same way."""
        stub: Any = notify_pb2_grpc.NotifyServiceStub(self._channel)
        return self._listened(
            lambda above: stub.ListenBox(
                notify_pb2.ListenBoxRequest(program=program, openid=openid, cursor=above), metadata=self._metadata
            ),
            cursor,
        )

    async def _listened(self, dial: Callable[[int], Any], cursor: int) -> AsyncGenerator[Pushed]:
        attempt = 0
        while True:
            call = dial(cursor)
            try:
                while (push := await _answered(call.read())) is not grpc.aio.EOF:
                    attempt, cursor = 0, push.cursor
                    yield Pushed(push.cursor, push.payload)
                error: PlatformError = Unavailable("the stream ended", outcome="NOT_APPENDED")
            except grpc.aio.AioRpcError as broken:
                error = error_from(broken)
            except Unavailable as given_up:
                error = given_up
            finally:
                call.cancel()
            await asyncio.sleep(self._wait_s(error, attempt, float("inf")))
            attempt += 1


async def _answered(call: Awaitable[T]) -> T:
    """A call's answer. When a gateway gives a call up with CANCELLED, gRPC raises CancelledError: our task goes on.

    Raises Unavailable then.
    """
    try:
        return await call
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unavailable("the gateway gave the call up", outcome=UNKNOWN) from None


def uuid7(now_ms: int) -> str:
    """A UUID that begins with this time in milliseconds since 1970 (RFC 9562, version 7)."""
    time_, noise = f"{now_ms:012x}", os.urandom(10).hex()
    return f"{time_[:8]}-{time_[8:]}-7{noise[:3]}-{'89ab'[int(noise[3], 16) % 4]}{noise[4:7]}-{noise[7:19]}"
