"""The C load generator wrk, told by `pay.lua` to pay to random keys, each call under a request id of its own."""

import json
import os
import resource
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from actors.errors import SetupError
from infra.peers import environments

SCRIPT = Path(__file__).with_name("pay.lua")
LATE_S_MAX = 30.0


def pay(url: str, connections: int, keys: int, seconds: float) -> dict[str, float]:
    """Drive the service at `url` with so many connections, one call in flight on each. Raises SetupError on errors."""
    program, environment = environments.wrk()
    threads = min(2, connections)
    options = [f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
    before_s = _children_s()
    done = subprocess.run(
        [str(program), *options, "-s", str(SCRIPT), url, "--", str(keys), uuid.uuid4().hex[:12]],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds + LATE_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"wrk failed: {(done.stdout + done.stderr)[-400:]}", reason="PEER_FAILED")
    return figures(done.stdout.splitlines(), _children_s() - before_s)


def figures(lines: Sequence[str], cpu_s: float) -> dict[str, float]:
    """What wrk's script says last. Raises SetupError if calls failed: a rate of refusals is no rate."""
    said = json.loads(lines[-1])
    if said["errors"] > 0 or said["calls"] == 0:
        raise SetupError(f"{said['errors']} of {said['calls']} calls had no good answer", reason="PEER_FAILED")
    return {
        "calls": said["calls"],
        "per_s": said["calls"] / (said["duration_us"] / 1e6),
        "p50_ms": said["p50_us"] / 1_000,
        "p99_ms": said["p99_us"] / 1_000,
        "generator_us": 1e6 * cpu_s / said["calls"],
    }


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
