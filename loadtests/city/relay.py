"""The platform's edge as its gateway sees it: it relays the openings of very many persons over a few streams."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc

from actors.clocks import wall_ms
from actors.errors import SetupError
from gateway.client import uuid7
from gateway.client_errors import COME_BACK
from gateway.status import error_of
from gateway.v1 import session_pb2 as pb
from gateway.v1 import session_pb2_grpc

STREAMS = 8
BATCH = 200
"""So many openings of a stream are on their way at a time."""
AGAIN_S = 0.5
TRIES_MAX = 100
CALLER = (("hutong-caller", "edge"), ("hutong-deadline-ms", "30000"))


async def relayed_per_s(address: str, program: str, opens: int) -> float:
    """How many openings a second are answered when so many persons whom nobody knows open a program.

    Raises SetupError when one is refused, unless it is to come back later.
    """
    openings = [
        pb.OpenRequest(program=program, openid=f"p{n}", source="scan", via=f"codes/{program}/{n}", device="phone")
        for n in range(opens)
    ]
    began = time.perf_counter()
    await relayed(address, openings)
    return opens / (time.perf_counter() - began)


async def relayed(address: str, openings: Sequence[pb.OpenRequest]) -> list[str]:
    """The sessions of these openings, in their order; each is named when it is sent. Raises SetupError as above."""
    sessions = [""] * len(openings)
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        batches = iter(range(0, len(openings), BATCH))
        await asyncio.gather(*(_relay(stub, openings, batches, sessions) for _ in range(STREAMS)))
    return sessions


async def _relay(stub: Any, openings: Sequence[pb.OpenRequest], batches: Iterator[int], sessions: list[str]) -> None:
    """One stream, which takes the next openings as long as there are any."""
    stream = stub.OpenStream(metadata=CALLER)
    for first in batches:
        now_ms = wall_ms()
        left = {uuid7(now_ms): n for n in range(first, min(first + BATCH, len(openings)))}
        for _ in range(TRIES_MAX):
            await stream.write(_batch(openings, left))
            left = await _not_opened(stream, left, sessions)
            if not left:
                break
            await asyncio.sleep(AGAIN_S)
        else:
            raise SetupError(f"{len(left)} openings were turned away {TRIES_MAX} times")
    await stream.done_writing()


async def _not_opened(stream: Any, asked: Mapping[str, int], sessions: list[str]) -> dict[str, int]:
    """Read a result for each; returns those that come back later."""
    left: dict[str, int] = {}
    answered = 0
    while answered < len(asked):
        results = (await stream.read()).results
        answered += len(results)
        for result in results:
            if result.HasField("error"):
                error = error_of(result.error)
                if error.reason not in COME_BACK:
                    raise SetupError(f"an opening was refused: {error}")
                left[result.request_id] = asked[result.request_id]
            else:
                sessions[asked[result.request_id]] = result.response.session
    return left


def _batch(openings: Sequence[pb.OpenRequest], asked: Mapping[str, int]) -> pb.OpenBatch:
    batch = pb.OpenBatch()
    for name, n in asked.items():
        opening = batch.opens.add()
        opening.CopyFrom(openings[n])
        opening.request_id = name
    return batch
