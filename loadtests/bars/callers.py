"""The client's process of the bars: calls at a pace of their own, alone or beside a flooded key. Run as a worker."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from actors.errors import Overloaded, PlatformError
from actors.kernel.routing import partition_of
from gateway.client import Client
from loadtests.bench import worker
from loadtests.bench.callers import COMMAND, KEYS, PAYLOAD, account
from loadtests.bench.pace import quantile
from loadtests.bench.worker import Answer, Question

OTHERS = 9
FLOODS, FLOOD_CALLS = 4, 600
WARM_S = 1.0
CREATE_STREAMS, CREATE_CALLS = 8, 500


class Calls(Protocol):
    """What calls are made with."""

    async def invoke(self, entity: str, command: str, payload: bytes, /) -> object:
        """One call; returns once it was answered."""
        ...


async def paced(client: Calls, accounts: Sequence[str], per_s: float, seconds: float) -> Answer:
    """So many calls a second, whether or not the last were answered; times run from when each was due."""
    times_ms: list[float] = []

    async def call(account: str, due: float) -> None:
        try:
            await client.invoke(account, COMMAND, PAYLOAD)
        except PlatformError:
            return
        times_ms.append(1_000 * (time.perf_counter() - due))

    began, offered = time.perf_counter(), int(per_s * seconds)
    async with asyncio.TaskGroup() as calls:
        for n in range(offered):
            due = began + n / per_s
            if (early_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
            calls.create_task(call(accounts[n % len(accounts)], due))
    p50_ms, p99_ms = (quantile(times_ms, share) if times_ms else float("inf") for share in (0.5, 0.99))
    return {"p50_ms": p50_ms, "p99_ms": p99_ms, "served": len(times_ms) / offered}


async def _pace(question: Question) -> Answer:
    async with Client(str(question["address"])) as client:
        accounts = [account(n) for n in range(KEYS)]
        await paced(client, accounts, float(question["per_s"]), WARM_S)
        return await paced(client, accounts, float(question["per_s"]), float(question["seconds"]))


def neighbours(partitions: int) -> list[int]:
    """Keys of one partition."""
    of = partition_of("0", partitions, {})
    return [n for n in range(100 * KEYS) if partition_of(str(n), partitions, {}) == of][: OTHERS + 1]


async def _flooded(question: Question) -> Answer:
    """Calls to some keys of a partition, first by themselves, then while another of them is called without an end."""
    hot, *others = (f"programs/account/accounts/{n}" for n in neighbours(int(question["partitions"])))
    per_s, seconds = float(question["per_s"]), float(question["seconds"])
    over, found = asyncio.Event(), {"hot_served": 0.0, "hot_refused": 0.0}
    address = str(question["address"])
    async with Client(address) as client, Client(address, "flood") as flooding:

        async def flood() -> None:
            while not over.is_set():
                for outcome in await flooding.invoke_many([(hot, COMMAND, PAYLOAD)] * FLOOD_CALLS):
                    found["hot_refused"] += isinstance(outcome, Overloaded)
                    found["hot_served"] += not isinstance(outcome, PlatformError)

        await paced(client, others, per_s, WARM_S)
        alone = await paced(client, others, per_s, seconds)
        async with asyncio.TaskGroup() as floods:
            for _ in range(FLOODS):
                floods.create_task(flood())
            await paced(client, others, per_s, WARM_S)
            beside = await paced(client, others, per_s, seconds)
            over.set()
    return {
        **found,
        "others_served": beside["served"] / alone["served"],
        "others_p99": beside["p99_ms"] / alone["p99_ms"],
    }


async def _create(question: Question) -> Answer:
    """One call to each of these accounts, over streams."""
    first, count = int(question["first"]), int(question["count"])
    async with Client(str(question["address"])) as client:
        starts = iter(range(first, first + count, CREATE_CALLS))

        async def create() -> None:
            for start in starts:
                names = [f"programs/account/accounts/{n}" for n in range(start, start + CREATE_CALLS)]
                outcomes = await client.invoke_many([(name, COMMAND, PAYLOAD) for name in names])
                for outcome in outcomes:
                    if isinstance(outcome, PlatformError):
                        raise outcome

        await asyncio.gather(*(create() for _ in range(CREATE_STREAMS)))
    return {}


async def _activate(question: Question) -> Answer:
    """Calls to accounts that nobody has called for long, one after the other."""
    times_ms: list[float] = []
    async with Client(str(question["address"])) as client:
        await client.invoke(account(0), COMMAND, PAYLOAD)
        for n in range(int(question["first"]), int(question["first"]) + int(question["count"])):
            began = time.perf_counter()
            await client.invoke(f"programs/account/accounts/{n}", COMMAND, PAYLOAD)
            times_ms.append(1_000 * (time.perf_counter() - began))
    return {"p50_ms": quantile(times_ms, 0.5), "p99_ms": quantile(times_ms, 0.99)}


if __name__ == "__main__":
    tasks = {"pace": _pace, "flooded": _flooded, "create": _create, "activate": _activate}
    worker.serve({name: worker.awaited(task) for name, task in tasks.items()})
