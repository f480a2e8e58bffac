"""Drains of a filled log in this process, or in an actor of a Ray session of its own. Run as a worker."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtests.bars import drain
from loadtests.bench import ray_calls, worker
from loadtests.bench.worker import Answer, Question


class Drain:
    """What an actor of Ray does: the same as this process would."""

    def host(self, url: str, token: str, folder: str, n: int, records: int) -> float:
        """See `drain.host_per_s`."""
        return drain.host_per_s(url, token, folder, n, records, metered=False)


def _answered(per_s: Callable[[Question], float]) -> Callable[[Question], Answer]:
    return lambda question: {"per_s": per_s(question)}


def _plain(question: Question) -> float:
    log = str(question["url"]), str(question["token"]), str(question["folder"])
    counts = int(question["n"]), int(question["records"])
    return drain.host_per_s(*log, *counts, metered=bool(question["metered"]))


def _bare(question: Question) -> float:
    return drain.bare_per_s(str(question["url"]), str(question["token"]), int(question["records"]))


def _in_ray(ray: Any, question: Question) -> float:
    """In an actor that is new each time, as the plain process's host is."""
    actor = ray.remote(num_cpus=0)(Drain).remote()
    words = [question[key] for key in ("url", "token", "folder", "n", "records")]
    try:
        return float(ray.get(actor.host.remote(*words), timeout=2 * drain.DRAIN_S_MAX))
    finally:
        ray.kill(actor)


def main() -> None:
    """Serve until stdin ends."""
    folder = Path(tempfile.mkdtemp(prefix="hutong-drain-ray-"))
    ray = ray_calls.start(folder)
    try:
        worker.serve(
            {"plain": _answered(_plain), "bare": _answered(_bare), "ray": _answered(lambda asked: _in_ray(ray, asked))}
        )
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
