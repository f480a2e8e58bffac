"""The order of the measurements: quiet ones first, then those that share a minute, so that their ratios are fair."""

import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from loadtests.bench import ratios, sessions
from loadtests.bench.effort import Effort, Tell
from loadtests.bench.platform import Platform
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker

CALLERS = "loadtests.bench.callers"
Part: TypeAlias = Literal["replay", "sessions", "dev", "up", "calls"]
PARTS: tuple[Part, ...] = get_args(Part)
_BEGINS: Mapping[str, Part] = {
    "replay_": "replay",
    "sessions_": "sessions",
    "ready_dev": "dev",
    "idle_dev": "dev",
    "ready_up": "up",
    "idle_up": "up",
    "recovery_": "up",
}


def part_of(key: str) -> Part:
    """The part of the bench that measures the figure of this key."""
    begun: list[Part] = [part for begins, part in _BEGINS.items() if key.startswith(begins)]
    return begun[0] if begun else "calls"


def measure(logs: tuple[str, ...], effort: Effort, tell: Tell, parts: Collection[Part] = PARTS) -> Figures:
    """The figures of these parts. `logs` are those to measure; the figures of calls are those of the last one."""
    with (
        tempfile.TemporaryDirectory(prefix="hutong-bench-", ignore_cleanup_errors=True) as name,
        Worker(CALLERS) as caller,
    ):
        folder = Path(name)
        measures: dict[Part, tuple[str, Callable[[], Figures]]] = {
            "replay": ("replay", lambda: _replay(effort)),
            "sessions": (f"{effort.sessions:,} sessions on one host", lambda: _sessions(folder, effort)),
            "dev": ("dev", lambda: _dev(folder, caller, effort)),
            "up": ("up: ready, idle, and its host killed", lambda: _up(folder, caller, effort, tell)),
            "calls": (
                "calls beside the bare echo and Ray",
                lambda: ratios.measure(folder, caller, logs, effort, tell),
            ),
        }
        figures: Figures = {}
        for part, (said, of) in measures.items():
            if part in parts:
                tell(said)
                figures |= of()
        return figures


def _replay(effort: Effort) -> Figures:
    with Worker("loadtests.bench.replays") as replays:
        return {
            f"replay_{what}_per_s": replays.ask(what, records=effort.replayed)["records_per_s"]
            for what in ("account", "shop")
        }


def _sessions(folder: Path, effort: Effort) -> Figures:
    found = sessions.measure(folder / "sessions", effort.sessions)
    return {f"sessions_{key}": value for key, value in found.items()}


def _dev(folder: Path, caller: Worker, effort: Effort) -> Figures:
    with Platform(folder / "dev-cold", "dev") as cold:
        cold.wait_ready(caller)
    with Platform(folder / "dev", "dev") as dev:
        ready_s = dev.wait_ready(caller)
        return {"ready_dev_s": ready_s, "idle_dev_percent": _idle_percent(dev, effort.idle_s)}


def _idle_percent(platform: Platform, seconds: float) -> float:
    time.sleep(seconds / 4)  # what starting left to do is not idling
    before, began = platform.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return 100 * (platform.cpu_s() - before) / (time.monotonic() - began)


def _up(folder: Path, caller: Worker, effort: Effort, tell: Tell) -> Figures:
    """Fresh platforms: ready, one of them idle, and the host of each killed twice, with its stores and without."""
    with Platform(folder / "up-idle", "up") as idle:
        ready_s = [idle.wait_ready(caller)]
        idle_percent = _idle_percent(idle, effort.idle_s)
    kept: list[dict[str, float]] = []
    deleted: list[dict[str, float]] = []
    for kill in range(effort.kills):
        with Platform(folder / f"up-{kill}", "up", "--hosts", "1") as up:
            ready_s.append(up.wait_ready(caller))
            kept.append(_kill(up, caller, delete=False))
            caller.ask("feed", address=up.run().gateway, count=effort.commands)
            deleted.append(_kill(up, caller, delete=True))
            tell(f"kill {kill + 1}: {kept[-1]['all_s']:.2f} s with the store, {deleted[-1]['all_s']:.2f} s without")
    return {
        "idle_up_percent": idle_percent,
        "ready_up_s": statistics.median(ready_s),
        "recovery_store_kept_s": statistics.median(kill["all_s"] for kill in kept),
        "recovery_store_kept_first_s": statistics.median(kill["first_s"] for kill in kept),
        "recovery_store_deleted_s": statistics.median(kill["all_s"] for kill in deleted),
        "recovery_store_deleted_first_s": statistics.median(kill["first_s"] for kill in deleted),
        "recovery_commands": effort.commands,
    }


def _kill(platform: Platform, caller: Worker, *, delete: bool) -> dict[str, float]:
    run = platform.run()
    states = str(platform.folder / "states") if delete else ""
    return caller.ask(
        "recover", address=run.gateway, pid=platform.hosts()[0], partitions=run.cluster.partitions, states=states
    )
