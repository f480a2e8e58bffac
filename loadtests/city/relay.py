"""The platform's edge as its gateway sees it: it relays the openings of very many persons over a few streams."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from gateway.v1 import session_pb2 as pb
from gateway.v1 import session_pb2_grpc
from loadtests.city.lanes import CALL_MS, Lanes, streamed
from loadtests.driver.naming import said_by

LANES = Lanes(streams=8, batch=200, window=200)


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

    def batch(some: Mapping[str, int]) -> pb.OpenBatch:
        message = pb.OpenBatch()
        for name, n in some.items():
            opening = message.opens.add()
            opening.CopyFrom(openings[n])
            opening.request_id = name
        return message

    def take(n: int, response: pb.OpenResponse) -> None:
        sessions[n] = response.session

    metadata = said_by("edge", CALL_MS)
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        await streamed(lambda: stub.OpenStream(metadata=metadata), len(openings), batch, take, LANES)
    return sessions
