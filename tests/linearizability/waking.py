"""A host that is stopped, loses a partition meanwhile, and wakes up before anyone has missed it: it must not count."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence

from actors.cli import running
from actors.cli.archive import open_archive
from tests.cluster.stage import Platform
from tests.killing.campaigns import Trouble
from tests.killing.steady import Steady
from tests.proof.counts import Counts

FAULT = "host stopped, robbed of a partition and woken"


def wakes_robbed(keys: Sequence[str]) -> Trouble:
    """The owner of one of these keys' partitions is stopped, the partition moved, and the owner woken at once.

    It took too long when the controller missed the host first, and ended it: then nothing was seen.
    """

    async def rob(platform: Platform, steady: Steady, counts: Counts, chance: random.Random) -> None:
        hosts = [process for process in platform.processes("host-") if running.alive(process)]
        with open_archive(platform.folder) as archive:
            partition = archive.route(chance.choice(keys))
        status = await asyncio.to_thread(platform.operate, "status")
        owner = next(row["host"] for row in status["partitions"] if row["partition"] == partition)
        victim = next((host for host in hosts if host.role == owner), None)
        if victim is None:
            counts.unseen += 1
            return
        other = chance.choice([host for host in hosts if host != victim])
        os.kill(victim.pid, signal.SIGSTOP)
        done = await asyncio.to_thread(platform.operate, "move", str(partition), other.role)
        woken = running.alive(victim)
        if woken:
            os.kill(victim.pid, signal.SIGCONT)
        await steady.settled()
        if woken and "error" not in done and running.alive(victim):
            counts.fault(FAULT)
        else:
            counts.unseen += 1

    return rob
