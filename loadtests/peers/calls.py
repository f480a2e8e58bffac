"""Our own client's process: calls the platform, and the bare echo that answers as it does. Run as a worker."""

from actors.errors import PlatformError
from gateway.client import Client
from loadtests.bench import worker
from loadtests.bench.pace import closed_loop
from loadtests.bench.worker import Answer, Question
from loadtests.peers.contestant import key_in_turn

COMMAND = "account.add"
PAYLOAD = b'{"amount":1}'
STREAM_BATCH = 600
READY_MS_MAX = 60_000


def account(key: str) -> str:
    """The entity of a key."""
    return f"programs/account/accounts/{key}"


async def _first(question: Question) -> Answer:
    async with Client(str(question["address"])) as client:
        await client.invoke(account("first"), COMMAND, PAYLOAD, retry_for_ms=READY_MS_MAX)
    return {}


async def _unary(question: Question) -> Answer:
    keys = int(question["keys"])
    async with Client(str(question["address"])) as client:

        async def call(n: int) -> None:
            await client.invoke(account(key_in_turn(n, keys)), COMMAND, PAYLOAD)

        return await closed_loop(call, int(question["in_flight"]), float(question["seconds"]))


async def _streamed(question: Question) -> Answer:
    """So many streams, each of which sends its next calls once the last are answered."""
    keys = int(question["keys"])
    async with Client(str(question["address"])) as client:

        async def batch(n: int) -> None:
            some = range(n * STREAM_BATCH, (n + 1) * STREAM_BATCH)
            calls = [(account(key_in_turn(each, keys)), COMMAND, PAYLOAD) for each in some]
            for outcome in await client.invoke_many(calls):
                if isinstance(outcome, PlatformError):
                    raise outcome

        return await closed_loop(batch, int(question["in_flight"]), float(question["seconds"]), STREAM_BATCH)


if __name__ == "__main__":
    tasks = {"first": _first, "unary": _unary, "streamed": _streamed}
    worker.serve({name: worker.awaited(task) for name, task in tasks.items()})
