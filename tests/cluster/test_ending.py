"""However a platform ends, no process of it is left, and the next one in its folder begins cleanly."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from actors.adapters import ray_session
from actors.cli import running
from actors.cli.running import Process
from tests.cluster.stage import GONE_S_MAX, Load, Platform, descendants, under_load, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


async def no_trouble(load: Load) -> None:
    """Calls are answered."""
    await load.all_answered()


def _all_gone(before: Iterable[Process]) -> None:
    with contextlib.suppress(AssertionError):
        until(lambda: not any(map(running.alive, before)), GONE_S_MAX, "all processes gone")
    assert not [process for process in before if running.alive(process)]


def test_each_end_is_clean_and_the_next_start_in_the_folder_has_every_call(tmp_path: Path) -> None:
    folder = tmp_path / "up"

    def start() -> Platform:
        return Platform(folder, "--hosts", "1").started()

    platform = start()
    total = sum(under_load(platform, no_trouble).answered.values())
    print(f"SIGTERM: ended within {platform.end(signal.SIGTERM):.2f} s")
    assert platform.process.returncode == 0
    assert not (folder / "run.json").exists()

    platform = start()
    load = under_load(platform, no_trouble)
    assert sum(load.answered.values()) > total
    before = descendants(platform.process.pid)
    began = time.monotonic()
    platform.process.kill()
    platform.process.wait()
    _all_gone(before)
    print(f"kill -9 of up: all {len(before)} processes ended within {time.monotonic() - began:.2f} s")
    platform.end()

    platform = start()
    frozen = platform.kill("log", signal.SIGSTOP)  # a stopped process does not see that its parent ends
    os.kill(platform.process.pid, signal.SIGKILL)
    platform.close()
    assert running.alive(frozen)

    platform = start()
    assert not running.alive(frozen)
    assert f"ending log {frozen.pid}" in platform.errors
    again = under_load(platform, no_trouble)
    assert sum(again.answered.values()) > sum(load.answered.values())
    print(f"Ctrl-C: ended within {platform.end(signal.SIGINT):.2f} s")
    assert "Traceback" not in platform.errors
    assert len(list((folder / "ray").glob("session_2*"))) <= 3


def test_an_end_that_comes_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "up")
    until(lambda: len(descendants(platform.process.pid)) > 3, 60, "it has begun")
    platform.end()
    assert not (tmp_path / "up" / "starting.json").exists()
    assert not ray_session.outside(tmp_path / "up").exists()
