"""The benchmark's client process: calls the bare echo and the platform in the same way. Run as a worker."""

import asyncio
import os
import signal
import time

from actors.errors import PlatformError
from actors.kernel.routing import partition_of
from gateway.client import Client
from loadtests.bench import worker
from loadtests.bench.echo import BytesClient
from loadtests.bench.pace import Call, closed_loop
from loadtests.bench.worker import Answer, Question

IN_FLIGHT = 64
STREAMS = 16
STREAM_BATCH = 600
KEYS = 1_000
WARM_S = 0.3
COMMAND = "account.add"
PAYLOAD = b'{"amount":5}'
RECOVERY_MS_MAX = 60_000


def account(n: int) -> str:
    """The account of the n-th call."""
    return f"programs/account/accounts/{n % KEYS}"


async def _bytes(question: Question) -> Answer:
    client = BytesClient(str(question["address"]))
    try:
        return await _unary(client, float(question["seconds"]))
    finally:
        await client.close()


async def _invoke(question: Question) -> Answer:
    async with Client(str(question["address"])) as client:

        async def call(n: int) -> None:
            await client.invoke(account(n), COMMAND, PAYLOAD)

        return await _unary(call, float(question["seconds"]))


async def _unary(call: Call, seconds: float) -> Answer:
    """Half the time with many in flight, half with one."""
    await closed_loop(call, IN_FLIGHT, WARM_S)
    many = await closed_loop(call, IN_FLIGHT, seconds / 2)
    await closed_loop(call, 1, WARM_S)
    one = await closed_loop(call, 1, seconds / 2)
    return {"per_s": many["per_s"], "p50_ms": one["p50_ms"]}


async def _many(question: Question) -> Answer:
    """Unary calls with many in flight and nothing else, so that what each costs a process can be told."""
    async with Client(str(question["address"])) as client:

        async def call(n: int) -> None:
            await client.invoke(account(n), COMMAND, PAYLOAD)

        found = await closed_loop(call, IN_FLIGHT, float(question["seconds"]))
    return {"per_s": found["per_s"], "calls": found["calls"]}


async def _stream(question: Question) -> Answer:
    """So many streams, each of which sends its next calls once the last are answered."""
    async with Client(str(question["address"])) as client:

        async def batch(n: int) -> None:
            await _batch(client, n * STREAM_BATCH)

        warm = await closed_loop(batch, STREAMS, WARM_S, STREAM_BATCH)
        found = await closed_loop(batch, STREAMS, float(question["seconds"]), STREAM_BATCH)
    return {"per_s": found["per_s"], "calls": warm["calls"] + found["calls"]}


async def _feed(question: Question) -> Answer:
    """So many calls over streams, as fast as they go."""
    count = int(question["count"])
    async with Client(str(question["address"])) as client:
        batches = iter(range(0, count, STREAM_BATCH))

        async def feed() -> None:
            for start in batches:
                await _batch(client, start)

        began = time.perf_counter()
        await asyncio.gather(*(feed() for _ in range(STREAMS)))
    return {"seconds": time.perf_counter() - began}


async def _first(question: Question) -> Answer:
    """One good answer, however long it takes."""
    async with Client(str(question["address"])) as client:
        await client.invoke(account(0), COMMAND, PAYLOAD, retry_for_ms=RECOVERY_MS_MAX)
    return {}


async def _recover(question: Question) -> Answer:
    """Kill a host, remove its stores if asked to, and time the first good answer of each partition."""
    keys = {partition_of(str(n), int(question["partitions"]), {}): n for n in range(KEYS)}
    async with Client(str(question["address"])) as client:
        await asyncio.gather(*(client.invoke(account(n), COMMAND, PAYLOAD) for n in keys.values()))
        os.kill(int(question["pid"]), signal.SIGKILL)
        began = time.perf_counter()
        if question["states"]:
            os.rename(str(question["states"]), f"{question['states']}-deleted")  # noqa: PTH104 - takes no time

        async def answered_s(n: int) -> float:
            await client.invoke(account(n), COMMAND, PAYLOAD, deadline_ms=RECOVERY_MS_MAX, retry_for_ms=RECOVERY_MS_MAX)
            return time.perf_counter() - began

        times_s = await asyncio.gather(*map(answered_s, keys.values()))
    return {"first_s": min(times_s), "all_s": max(times_s)}


async def _batch(client: Client, start: int) -> None:
    outcomes = await client.invoke_many([(account(n), COMMAND, PAYLOAD) for n in range(start, start + STREAM_BATCH)])
    for outcome in outcomes:
        if isinstance(outcome, PlatformError):
            raise outcome


if __name__ == "__main__":
    tasks = {"bytes": _bytes, "invoke": _invoke, "many": _many, "stream": _stream, "feed": _feed, "first": _first}
    tasks["recover"] = _recover
    worker.serve({name: worker.awaited(task) for name, task in tasks.items()})
