"""Code that loops, recurses or fills memory, in a whole platform: its partition halts, named, all others serve, and
`hutong skip` resumes it.
"""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from actors.cli.running import Process
from actors.cli.status import read_status
from actors.errors import PlatformError, Poisoned, Unavailable
from actors.kernel.routing import partition_of
from actors.settings import ClusterSettings
from gateway.client import Client
from tests.cluster.stage import Platform, until
from tests.proof.counts import Counts

DECIDE_MS_MAX = 1_000
SETTINGS = {"HUTONG_DECIDE_MS_MAX": str(DECIDE_MS_MAX), "HUTONG_MEMORY_BYTES_MAX": str(300 << 20)}
PARTITIONS = ClusterSettings().partitions
TOO_LONG = f"over {DECIDE_MS_MAX} ms"
HOWS = {
    "loop": TOO_LONG,
    "recurse": "RecursionError",
    "fill": "MemoryError",
    "loop in C": TOO_LONG,
    "recurse in C": "RecursionError",
    "fill at once": "MemoryError",
}
"""What a tally does on request, and what the halt says of it."""
ANSWER_MS_MAX = 30_000
QUESTION_MS_MAX = 1_000
KNOWN_S_MAX = 60.0


def halt_partitions(folder: Path, seed: int, size: int) -> Counts:
    """So many halts, one after the other; each way of HOWS in its turn."""
    counts = Counts("code that never ends", seed)
    folder.mkdir(parents=True, exist_ok=True)
    order = random.Random(seed).sample(range(PARTITIONS), PARTITIONS)
    with Platform(folder / "up", **SETTINGS) as platform:
        for number in range(size):
            how, partition = tuple(HOWS)[number % len(HOWS)], order[number % PARTITIONS]
            counts.bad_inputs += 1
            try:
                asyncio.run(_Halt(platform, counts, how, partition).play())
            except (AssertionError, PlatformError) as error:
                counts.crashes += 1
                counts.find(f"{how} on partition {partition}: {error!s:.600}; {platform.errors[-600:]}")
                break
            counts.fault(f"code: {how}", "halted, named, skipped")
    return counts


def tally_on(partition: int) -> str:
    """The name of a tally of this partition."""
    found = next(n for n in range(1_000) if partition_of(f"b{n}", PARTITIONS, {}) == partition)
    return f"programs/tally/tallys/b{found}"


class _Halt:
    """One call that makes the code misbehave, and all that comes of it."""

    def __init__(self, platform: Platform, counts: Counts, how: str, partition: int) -> None:
        self._platform = platform
        self._counts = counts
        self._how = how
        self._partition = partition
        self._entity = tally_on(partition)

    async def play(self) -> None:
        """Halt the partition, look around, skip the record. Raises AssertionError at whatever is not as it must be."""
        async with Client(self._platform.gateway, "bad") as client:
            totals = {number: await _total(client, number) for number in range(PARTITIONS)}
            hosts = set(self._platform.processes("host-"))
            request_id = client.new_request_id()
            said = await self._break(client, request_id, retry_for_ms=0)
            assert isinstance(said, Unavailable), f"the caller was told {said!r}"
            halted = await self._halted()
            for number in {*range(PARTITIONS)} - {self._partition}:
                assert await _add(client, number) == totals[number] + 1, f"partition {number}"
            await self._refused_while_halted(client)
            self._skip(halted)
            said = await self._break(client, request_id, retry_for_ms=ANSWER_MS_MAX)
            assert isinstance(said, Poisoned), f"the caller was told {said!r} of a call that was skipped"
            assert f"gave this call up at {self._partition}/" in str(said), said
            assert await _add(client, self._partition) == totals[self._partition] + 1, "the state has changed"
            self._counts.acked += PARTITIONS
            self._counts.refused += 1
        self._only_loops_cost_a_host(hosts)

    async def _break(self, client: Client, request_id: str, retry_for_ms: int) -> PlatformError:
        """How the call ends, which is never accepted."""
        try:
            payload = f'{{"how":"{self._how}"}}'.encode()
            await client.invoke(
                self._entity,
                "tally.break",
                payload,
                request_id=request_id,
                deadline_ms=ANSWER_MS_MAX,
                retry_for_ms=retry_for_ms,
            )
        except PlatformError as error:
            return error
        raise AssertionError("it was accepted")

    async def _halted(self) -> str:
        """What is said of the one partition that is halted, once that is known."""
        found: list[dict[str, Any]] = []

        def known() -> bool:
            found[:] = [row for row in read_status(self._platform.folder)["partitions"] if row["halted"]]
            return bool(found)

        await asyncio.to_thread(until, known, KNOWN_S_MAX, "a halted partition")
        assert [row["partition"] for row in found] == [self._partition], found
        halted: str = found[0]["halted"]
        assert halted.startswith(f"halted at {self._partition}/"), halted
        assert HOWS[self._how] in halted, halted
        return halted

    async def _refused_while_halted(self, client: Client) -> None:
        """A client tries again until the deadline, so that is a short one; what runs out first is then not the halt."""
        give_up_at = time.monotonic() + KNOWN_S_MAX
        said = ""
        while f"halted at {self._partition}/" not in said:
            assert time.monotonic() < give_up_at, said
            try:
                answer = await client.query(self._entity, "total", deadline_ms=QUESTION_MS_MAX)
            except PlatformError as error:
                said = str(error)
            else:
                raise AssertionError(f"a halted partition was asked and answered {answer}")

    def _skip(self, halted: str) -> None:
        position = halted.removeprefix("halted at ").partition(":")[0]
        said = self._platform.operate("skip", position)
        assert said.get("goes_on"), said

    def _only_loops_cost_a_host(self, before: set[Process]) -> None:
        """As many hosts as before, all of them the same but for the one that a loop held."""
        hosts: set[Process] = set()

        def replaced() -> bool:
            hosts.clear()
            hosts.update(self._platform.processes("host-"))
            return len(hosts) == len(before)

        until(replaced, KNOWN_S_MAX, f"as many hosts as before: {before}")
        assert len(before - hosts) == (HOWS[self._how] == TOO_LONG), f"{before} became {hosts}"


async def _total(client: Client, partition: int) -> int:
    total: int = (await client.query(tally_on(partition), "total", deadline_ms=ANSWER_MS_MAX)).value
    return total


async def _add(client: Client, partition: int) -> int:
    answer = await client.invoke(tally_on(partition), "tally.add", b'{"n":1}', retry_for_ms=ANSWER_MS_MAX)
    total: int = answer.value["total"]
    return total
