"""Raw calls to one Ray actor, many in flight: what the platform would be if every call were one. Run as a worker."""

import os
import secrets
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any, cast

from loadtests.bench import worker
from loadtests.bench.pace import PAYLOAD
from loadtests.bench.worker import Answer, Question

IN_FLIGHT = 1_000
GATHERED = 100


class Echo:
    """An actor that takes one call after the other."""

    def echo(self, payload: bytes) -> bytes:
        """The payload."""
        return payload


class AsyncEcho:
    """An actor that has all the calls in flight."""

    async def echo(self, payload: bytes) -> bytes:
        """The payload."""
        return payload


def start(folder: Path) -> Any:
    """A session of Ray of its own, with token authentication, and one actor in it."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    os.environ.update(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_worker_niceness="0",  # as the platform's own session has it
        RAY_USE_UVLOOP="0",  # likewise
    )
    import ray

    untyped = cast("Any", ray)
    untyped.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=80 << 20,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder / "ray"),
    )
    return untyped


def _calls(ray: Any, actor: Any, seconds: float) -> Answer:
    """Keep the calls in flight, gathering the oldest answers as the next calls are made."""
    began = time.perf_counter()
    flying: deque[Any] = deque()
    answered = 0
    while flying or not answered:
        if time.perf_counter() < began + seconds:
            flying.extend(actor.echo.remote(PAYLOAD) for _ in range(IN_FLIGHT - len(flying)))
        answers = ray.get([flying.popleft() for _ in range(min(GATHERED, len(flying)))])
        assert answers[-1] == PAYLOAD
        answered += len(answers)
    return {"per_s": answered / (time.perf_counter() - began)}


def main() -> None:
    """Serve until stdin ends."""
    folder = Path(tempfile.mkdtemp(prefix="hutong-bench-ray-"))
    ray = start(folder)
    try:
        actors = {"sync": ray.remote(num_cpus=0)(Echo).remote(), "async": ray.remote(num_cpus=0)(AsyncEcho).remote()}
        ray.get([actor.echo.remote(PAYLOAD) for actor in actors.values()])

        def calls(question: Question) -> Answer:
            return _calls(ray, actors[str(question["task"])], float(question["seconds"]))

        worker.serve(dict.fromkeys(actors, calls))
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
