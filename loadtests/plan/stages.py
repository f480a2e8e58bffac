"""Journeys in step: all of them make their first call, then all their second; so what one kind costs can be seen."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from actors.errors import PlatformError, SetupError
from gateway.client import Client
from gateway.v1 import (
    notify_pb2_grpc,
    search_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    ways_pb2_grpc,
)
from loadtests.city.relay import relayed
from loadtests.journeys.steps import Invoke, Journey, Open, Query, Refused, Step, Think, Wait
from loadtests.wholeday.footprint import kind_of

STREAMS = 8
IN_FLIGHT = 64
PATIENT_MS = 60_000
"""What is measured is processor time, so a busy machine only makes it take longer."""
STUBS: dict[str, Any] = {
    "NotifyService": notify_pb2_grpc.NotifyServiceStub,
    "SearchService": search_pb2_grpc.SearchServiceStub,
    "WaysService": ways_pb2_grpc.WaysServiceStub,
}


Make = Callable[[Sequence[Step]], Awaitable[tuple[Sequence[Any], int]]]
"""Makes calls of one kind; comes to what each came to, and their bytes on the wire."""


class Lockstep:
    """Journeys that are played in step. Thinking takes no time; what programs measure themselves does."""

    def __init__(self, journeys: Iterable[Journey], make: Make) -> None:
        self._make = make
        self._at: list[tuple[Journey, Step]] = []
        self._waits_s = 0.0
        self._advance((journey, None) for journey in journeys)

    async def stages(self) -> AsyncIterator[tuple[str, int, "asyncio.Future[int]"]]:
        """Every stage: its kind, how many calls, and what makes them, which comes to the bytes on the wire."""
        while self._at:
            await asyncio.sleep(self._waits_s)
            self._waits_s = 0.0
            kinds = Counter(kind_of(step) for _, step in self._at)
            kind = max(sorted(kinds), key=lambda one: kinds[one])
            some = [one for one in self._at if kind_of(one[1]) == kind]
            self._at = [one for one in self._at if kind_of(one[1]) != kind]
            making = asyncio.ensure_future(self._made(some))
            yield kind, len(some), making
            await making

    async def _made(self, some: Sequence[tuple[Journey, Step]]) -> int:
        answers, wire_bytes = await self._make([step for _, step in some])
        self._advance(zip((journey for journey, _ in some), answers, strict=True))
        return wire_bytes

    def _advance(self, answered: Iterable[tuple[Journey, Any]]) -> None:
        """Each journey's next call."""
        for journey, answer in answered:
            try:
                step = journey.send(answer)
                while isinstance(step, Think | Wait):
                    if isinstance(step, Wait):
                        self._waits_s = max(self._waits_s, step.seconds)
                    step = journey.send(None)
            except StopIteration:
                continue
            self._at.append((journey, step))


async def made(
    client: Client, address: str, steps: Sequence[Step], *, unary: bool = False
) -> tuple[Sequence[Any], int]:
    """What these calls of one kind came to, and their bytes on the wire. Raises SetupError when one is refused."""
    match steps[0]:
        case Open():
            return await _opened(client, address, [step for step in steps if isinstance(step, Open)], unary)
        case Invoke():
            return await _invoked(client, [step for step in steps if isinstance(step, Invoke)], unary)
        case Query():
            return await _at_once(client, steps, _queried)
        case _:
            return await _at_once(client, steps, _asked)


async def _opened(client: Client, address: str, steps: Sequence[Open], unary: bool) -> tuple[Sequence[Any], int]:
    openings = [
        session_pb2.OpenRequest(
            program=step.program, openid=step.openid, source=step.source, via=step.via, city=step.city, device="phone"
        )
        for step in steps
    ]
    size = sum(opening.ByteSize() for opening in openings) + len(openings) * _ANSWER_BYTES
    if not unary:
        return await relayed(address, openings), size

    async def one(client: Client, n: int) -> str:
        openings[n].request_id = client.new_request_id()
        response = await client.ask(session_pb2_grpc.SessionServiceStub, "Open", openings[n], deadline_ms=PATIENT_MS)
        return str(response.session)

    return await _many(client, len(openings), one), size


_ANSWER_BYTES = 120
"""A result with its request id, its position and a name."""


async def _invoked(client: Client, steps: Sequence[Invoke], unary: bool) -> tuple[Sequence[Any], int]:
    calls = [(step.entity, step.command, step.payload) for step in steps]
    size = sum(len(entity) + len(command) + len(payload) + 40 + _ANSWER_BYTES for entity, command, payload in calls)
    answers: list[Any] = [None] * len(calls)
    if unary:

        async def one(client: Client, n: int) -> bytes:
            return (await client.invoke(*calls[n], deadline_ms=PATIENT_MS, retry_for_ms=PATIENT_MS)).payload

        return await _many(client, len(calls), one), size

    async def some(first: int) -> None:
        part = slice(first, None, STREAMS)
        outcomes = await client.invoke_many(calls[part], deadline_ms=PATIENT_MS, retry_for_ms=PATIENT_MS)
        for n, outcome in zip(range(len(calls))[part], outcomes, strict=True):
            answers[n] = _answer(steps[n], outcome)

    await asyncio.gather(*(some(first) for first in range(STREAMS)))
    return answers, size


def _answer(step: Invoke, outcome: Any) -> Any:
    if not isinstance(outcome, PlatformError):
        return outcome.payload
    if outcome.reason in step.may:
        return Refused(outcome.reason)
    raise SetupError(f"{step.command} of {step.entity} was refused: {outcome}")


async def _queried(client: Client, step: Any) -> tuple[Any, int]:
    view = await client.query(step.entity, step.view, step.args, deadline_ms=PATIENT_MS)
    return view.payload, len(step.entity) + len(step.view) + len(step.args) + len(view.payload) + 40


async def _asked(client: Client, step: Any) -> tuple[Any, int]:
    request = type(step.request)()
    request.CopyFrom(step.request)
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = client.new_request_id()
    response = await client.ask(STUBS[step.service], step.method, request, deadline_ms=PATIENT_MS)
    return response, request.ByteSize() + response.ByteSize() + 40


async def _at_once(client: Client, steps: Sequence[Step], ask: Any) -> tuple[Sequence[Any], int]:
    async def one(client: Client, n: int) -> tuple[Any, int]:
        found: tuple[Any, int] = await ask(client, steps[n])
        return found

    found = await _many(client, len(steps), one)
    return [answer for answer, _ in found], sum(size for _, size in found)


async def _many(client: Client, count: int, one: Any) -> list[Any]:
    """So many calls, `IN_FLIGHT` at a time."""
    answers: list[Any] = [None] * count
    numbers: Iterator[int] = iter(range(count))

    async def some() -> None:
        for n in numbers:
            answers[n] = await one(client, n)

    await asyncio.gather(*(some() for _ in range(min(IN_FLIGHT, count))))
    return answers
