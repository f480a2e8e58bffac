"""Which event loop a process runs: a gateway uvloop's, and whatever Ray starts, so a host, Python's own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from actors.adapters.ray_session import environment
from gateway.server import GatewayConfig

WAIT_S = 60.0
ASKS_RAY = """
import asyncio
from ray._private import async_compat
async_compat.try_install_uvloop()
print(type(async_compat.get_new_event_loop()).__module__, type(asyncio.new_event_loop()).__module__)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_runs_uvloop_and_ends_in_good_order_when_it_is_told(tmp_path: Path, number: signal.Signals) -> None:
    config = GatewayConfig(name="gateway-1", log_url="embedded://127.0.0.1:1", token="t", folder=str(tmp_path))
    command = [sys.executable, "-m", "actors.cli.children", "gateway", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdin is not None
        assert gateway.stdout is not None
        gateway.stdin.write(msgspec.json.encode(config))
        gateway.stdin.close()
        assert msgspec.json.decode(gateway.stdout.readline())["ready"]
        assert "/uvloop/loop." in Path(f"/proc/{gateway.pid}/maps").read_text()
        gateway.send_signal(number)
        assert gateway.wait(WAIT_S) == 0


@pytest.mark.parametrize("whose", ["ours", "ray's own"])
def test_ray_is_told_to_run_pythons_own_loop(tmp_path: Path, whose: str) -> None:
    told = dict(environment(tmp_path)) if whose == "ours" else dict[str, str]()
    bare = {name: value for name, value in os.environ.items() if name != "RAY_USE_UVLOOP"}
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKS_RAY],
        env={**bare, **told},
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    loops = asked.stdout.split()
    assert loops == (["asyncio.unix_events"] * 2 if whose == "ours" else ["uvloop"] * 2)
