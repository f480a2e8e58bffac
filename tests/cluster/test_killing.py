"""Whatever process of a platform is killed comes back, every call is answered, and nothing is lost or done twice."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from actors.cli import running
from tests.cluster.stage import Load, Platform, descendants, under_load, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
SILENCE_S = 3.0


def kill(platform: Platform, role: str, *, figures: str) -> Load:
    """Kill the first process of a role under load; calls are answered again, and another process has its role."""

    async def trouble(load: Load) -> None:
        began = time.monotonic()
        load.slowest_s = 0.0
        victim = platform.kill(role)
        await load.all_answered()
        await asyncio.to_thread(platform.replaced, victim, role)
        replaced_s = time.monotonic() - began
        await load.all_answered()
        print(f"{figures}: slowest call {load.slowest_s:.2f} s, replaced after {replaced_s:.2f} s")

    return under_load(platform, trouble)


def test_it_says_what_it_is_when_it_is_ready(platform: Platform) -> None:
    banner = platform.banner
    assert banner["ready"] is True
    assert banner["folder"] == str(platform.folder)
    assert str(banner["gateway"]).startswith("127.0.0.1:")
    roles = [process["role"].partition("-")[0] for process in banner["processes"]]
    assert {"up", "gateway", "log", "driver", "gcs_server", "raylet", "host"} <= set(roles)
    assert roles.count("host") == 2


def test_no_secret_stands_in_a_command_line_or_in_a_file_that_others_may_read(platform: Platform) -> None:
    secrets = [(platform.folder / name).read_text() for name in ("token", "ray-token")]
    for process in descendants(platform.process.pid):
        said = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert not any(secret in said for secret in secrets)
    assert platform.folder.stat().st_mode & 0o077 == 0
    assert all((platform.folder / name).stat().st_mode & 0o077 == 0 for name in ("token", "ray-token"))


def test_every_host_of_a_folder_orders_sets_alike(platform: Platform) -> None:
    environments = [Path(f"/proc/{host.pid}/environ").read_text() for host in platform.processes("host-")]
    seeds = {line for text in environments for line in text.split("\0") if line.startswith("PYTHONHASHSEED=")}
    assert len(environments) == 2
    assert len(seeds) == 1
    assert seeds != {"PYTHONHASHSEED=0"}


@pytest.mark.parametrize(
    "role",
    [
        *(pytest.param(role, marks=pytest.mark.proved) for role in ("host-", "gateway-0", "log", "gcs_server")),
        "raylet",
        "driver",
    ],
)
def test_a_process_that_is_killed_is_replaced_and_no_call_is_lost(platform: Platform, role: str) -> None:
    load = kill(platform, role, figures=f"kill -9 of {role}")
    assert load.errors == []


def test_a_host_that_is_stopped_is_replaced_and_ended(platform: Platform) -> None:
    async def trouble(load: Load) -> None:
        victim = platform.kill("host-", signal.SIGSTOP)
        took_s = await asyncio.to_thread(platform.replaced, victim, "host-")
        assert took_s > SILENCE_S - 1.5
        await asyncio.to_thread(until, lambda: not running.alive(victim), 10, "the stopped host ended")
        await load.all_answered()
        print(f"SIGSTOP of a host: slowest call {load.slowest_s:.2f} s, replaced after {took_s:.2f} s")

    under_load(platform, trouble)


def test_a_spare_host_takes_the_place_of_one_that_is_killed_and_no_others_partitions_move(
    platform: Platform,
) -> None:
    async def trouble(load: Load) -> None:
        await asyncio.to_thread(until, lambda: platform.processes("spare-"), 60, "a spare host")
        (spare,) = platform.processes("spare-")
        before = owners(platform)
        victim = platform.kill("host-")
        await load.all_answered()
        await asyncio.to_thread(until, lambda: platform.processes("spare-") != [spare], 60, "another spare host")
        await asyncio.to_thread(until, lambda: platform.processes("spare-"), 60, "another spare host")
        after = owners(platform)
        assert victim.pid in before.values()
        assert after == {number: spare.pid if pid == victim.pid else pid for number, pid in before.items()}

    under_load(platform, trouble)


def owners(platform: Platform) -> dict[int, int]:
    """By partition the process that owns it."""
    status = platform.operate("status")
    pids = {host["name"]: host["pid"] for host in status["hosts"]}
    return {row["partition"]: pids[row["host"]] for row in status["partitions"]}


def test_a_host_that_slept_for_a_moment_goes_on_and_nothing_is_done_twice(platform: Platform) -> None:
    async def trouble(load: Load) -> None:
        victim = platform.kill("host-", signal.SIGSTOP)
        await asyncio.sleep(SILENCE_S / 3)
        os.kill(victim.pid, signal.SIGCONT)
        await load.all_answered()
        assert running.alive(victim)

    under_load(platform, trouble)
