"""An author's code that loops, or fills memory, halts its own partition; all others, and the host, go on."""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from actors.errors import PlatformError, Poisoned
from actors.kernel.routing import partition_of
from actors.settings import ClusterSettings
from gateway.client import Client
from tests.cluster.stage import Platform, command, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
SETTINGS = {"HUTONG_DECIDE_MS_MAX": "1000", "HUTONG_MEMORY_BYTES_MAX": str(300 << 20)}
KNOWN_S_MAX = 30.0
PARTITIONS = ClusterSettings().partitions


def tally_on(partition: int) -> str:
    """The name of a tally of this partition."""
    found = next(n for n in range(1_000) if partition_of(f"b{n}", PARTITIONS, {}) == partition)
    return f"programs/tally/tallys/b{found}"


async def misbehave(platform: Platform, entity: str, how: str) -> PlatformError:
    """How one call ends that makes the code misbehave. Made once: a copy of it would be one more such record."""
    async with Client(platform.gateway, "bad") as client:
        try:
            payload = f'{{"how":"{how}"}}'.encode()
            await client.invoke(entity, "tally.break", payload, deadline_ms=3_000, retry_for_ms=0)
        except PlatformError as error:
            return error
    raise AssertionError("it was accepted")


async def halt_of(platform: Platform, entity: str) -> str:
    """What is said of the partition of this entity once it is halted."""
    until = time.monotonic() + KNOWN_S_MAX
    async with Client(platform.gateway, "asks") as client:
        while True:
            try:
                await client.query(entity, "total", deadline_ms=1_000)
            except PlatformError as error:
                if "halted" in str(error):
                    return str(error)
            assert time.monotonic() < until


async def adds(platform: Platform, entity: str) -> int:
    """The total after one more."""
    async with Client(platform.gateway, "good") as client:
        answer = await client.invoke(entity, "tally.add", b'{"n":1}', retry_for_ms=30_000)
    total: int = answer.value["total"]
    return total


def test_code_that_raises_loops_or_fills_memory_harms_its_own_partition_only(tmp_path: Path) -> None:
    with Platform(tmp_path / "up", **SETTINGS) as platform:
        assert isinstance(asyncio.run(misbehave(platform, tally_on(0), "raise")), Poisoned)
        assert asyncio.run(adds(platform, tally_on(0))) == 1
        hosts = {process.pid for process in platform.processes("host-")}

        asyncio.run(misbehave(platform, tally_on(1), "fill"))
        filled = asyncio.run(halt_of(platform, tally_on(1)))
        assert "halted at 1/" in filled
        assert "MemoryError" in filled
        assert {process.pid for process in platform.processes("host-")} == hosts

        asyncio.run(misbehave(platform, tally_on(2), "loop"))
        looped = asyncio.run(halt_of(platform, tally_on(2)))
        for partition in {*range(PARTITIONS)} - {1, 2}:
            assert asyncio.run(adds(platform, tally_on(partition))) == 1 + (partition == 0)

        position = looped.split("halted at ")[1].split()[0].rstrip(":,.")
        done = subprocess.run(
            command("skip", position, "--dir", str(platform.folder), "--json"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done
        assert asyncio.run(adds(platform, tally_on(2))) == 1
        until(lambda: len(platform.processes("host-")) == len(hosts), 30, "as many hosts as before")
