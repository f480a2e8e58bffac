"""Raw Ray's contestant, and its caller: two actors that hold the accounts, each calls' driver in this process.

Run in Ray's environment as a worker of the benchmark, inside a network of its own.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import time
import uuid
import zlib
from pathlib import Path
from typing import Any

import ray

from loadtests.bench import worker
from loadtests.bench.pace import closed_loop
from loadtests.bench.ray_calls import start
from loadtests.bench.worker import Answer, Question
from loadtests.peers.campaign import GIVE_UP_S, KEYS, PAUSE_S, NoAnswer, campaign, key_of
from loadtests.peers.contestant import key_in_turn
from loadtests.peers.services.accounts import Accounts
from loadtests.peers.services.network import loopback_up

ACTORS = 2
ANSWER_S_MAX = 5.0


class Payer:
    """Pays by calls to the actors, a key's always to the same one."""

    def __init__(self) -> None:
        actor = ray.remote(num_cpus=0, max_restarts=-1)(Held)
        self._actors = [actor.remote() for _ in range(ACTORS)]
        ray.get([actor.pid.remote() for actor in self._actors])

    def _actor(self, key: str) -> Any:
        return self._actors[zlib.crc32(key.encode()) % ACTORS]

    async def pay(self, key: str, request_id: str) -> int:
        """Add 1. Raises NoAnswer."""
        try:
            return await asyncio.wait_for(self._actor(key).pay.remote(key, request_id, 1), ANSWER_S_MAX)
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise NoAnswer(str(error)) from error

    async def kill(self) -> None:
        """Kill all the actors' processes; Ray starts them anew."""
        for pid in [await self._pid(actor) for actor in self._actors]:
            os.kill(pid, signal.SIGKILL)

    async def _pid(self, actor: Any) -> int:
        """The actor's process, once it answers: it may still be starting anew."""
        give_up_at = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return await asyncio.wait_for(actor.pid.remote(), ANSWER_S_MAX)
            except (ray.exceptions.RayError, TimeoutError):
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def balances(self) -> dict[str, int]:
        """What the campaign's accounts hold."""
        keys = [key_of(n) for n in range(KEYS)]
        return dict(
            zip(keys, await asyncio.gather(*(self._actor(key).balance.remote(key) for key in keys)), strict=True)
        )


class Held(Accounts):
    """The accounts as an actor."""

    def pid(self) -> int:
        """The actor's process."""
        return os.getpid()


async def _measure(payer: Payer, question: Question) -> Answer:
    keys = int(question["keys"])
    run = uuid.uuid4().hex[:8]

    async def call(n: int) -> None:
        await payer.pay(key_in_turn(n, keys), f"{run}-{n}")

    return await closed_loop(call, int(question["in_flight"]), float(question["seconds"]))


async def _campaign(payer: Payer, question: Question) -> Answer:
    ledger = await campaign(payer.pay, payer.kill, lambda: uuid.uuid4().hex, int(question["kills"]))
    return ledger.figures(await payer.balances())


def main() -> None:
    """Serve until stdin ends."""
    loopback_up()
    folder = Path(tempfile.mkdtemp(prefix="hutong-peers-ray-"))
    session = start(folder)
    try:
        payer = Payer()
        tasks = {"unary": _measure, "campaign": _campaign}
        worker.serve(
            {name: lambda question, task=task: asyncio.run(task(payer, question)) for name, task in tasks.items()}
        )
    finally:
        session.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
