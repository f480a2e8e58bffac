"""An operator runs more hosts or fewer, and moves partitions between them, while calls go on."""

import asyncio
from pathlib import Path

import pytest

from tests.cluster.stage import Load, Platform, under_load, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def test_hosts_come_and_go_and_partitions_move_while_every_call_is_answered_once(tmp_path: Path) -> None:
    async def trouble(load: Load) -> None:
        three = await asyncio.to_thread(platform.operate, "scale", "3")
        assert len(three["hosts"]) == 3
        placed = (await asyncio.to_thread(platform.operate, "status"))["partitions"][0]["host"]
        other = next(host for host in three["hosts"] if host != placed)
        load.slowest_s = 0.0
        moved = await asyncio.to_thread(platform.operate, "move", "0", other)
        await load.all_answered()
        print(f"a planned move: slowest call {load.slowest_s:.3f} s")
        assert moved["host"] == other
        assert (await asyncio.to_thread(platform.operate, "status"))["partitions"][0]["host"] == other
        one = await asyncio.to_thread(platform.operate, "scale", "1")
        assert len(one["hosts"]) == 1

    with Platform(tmp_path / "platform") as platform:
        under_load(platform, trouble)
        refused = platform.operate("move", "16", "host-1")["error"]
        assert (refused["reason"], refused["field"]) == ("NO_SUCH_PARTITION", "partition")
        assert platform.operate("move", "0", "elsewhere")["error"]["reason"] == "NO_SUCH_HOST"
        # What an operator wanted outlives Ray's session, and the controller with it.
        driver = platform.kill("driver")
        platform.replaced(driver, "driver")
        until(lambda: len(platform.processes("host-")) == 1, 60, "one host again")
