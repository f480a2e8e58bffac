"""The order of the measurements: quiet ones first, then those that share a minute, so that their ratios are fair."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeAlias

from loadtests.bench import processes, sessions
from loadtests.bench.platform import Platform
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker

Tell: TypeAlias = Callable[[str], None]
CALLERS = "loadtests.bench.callers"


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int = 5
    seconds: float = 4.0
    kills: int = 3
    commands: int = 200_000
    sessions: int = 1_050_000
    replayed: int = 200_000
    idle_s: float = 20.0


QUICK = Effort(rounds=1, seconds=2.0, kills=1, commands=20_000, sessions=100_000, replayed=50_000, idle_s=4.0)


def measure(logs: tuple[str, ...], effort: Effort, tell: Tell) -> Figures:
    """Every figure. `logs` are those to measure; the figures of calls are those of the last one."""
    with (
        tempfile.TemporaryDirectory(prefix="hutong-bench-", ignore_cleanup_errors=True) as name,
        Worker(CALLERS) as caller,
    ):
        folder = Path(name)
        figures: Figures = {}
        tell("replay")
        with Worker("loadtests.bench.replays") as replays:
            for what in ("account", "shop"):
                figures[f"replay_{what}_per_s"] = replays.ask(what, records=effort.replayed)["records_per_s"]
        tell(f"{effort.sessions:,} sessions on one host")
        figures |= {
            f"sessions_{key}": value for key, value in sessions.measure(folder / "sessions", effort.sessions).items()
        }
        tell("dev")
        figures |= _dev(folder, caller, effort)
        tell("up: ready, idle, and its host killed")
        figures |= _up(folder, caller, effort, tell)
        tell("calls beside the bare echo and Ray")
        return calls(folder, caller, logs, effort, tell) | figures


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


def calls(folder: Path, caller: Worker, logs: tuple[str, ...], effort: Effort, tell: Tell) -> Figures:
    """The rows that are ratios: everything is up at once, and each round measures each in turn."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        platforms = {
            log: stack.enter_context(Platform(folder / f"calls-{log}", "up", "--hosts", "1", "--log", log))
            for log in logs
        }
        ray = stack.enter_context(Worker("loadtests.bench.ray_calls"))
        command = [sys.executable, "-m", "loadtests.bench.echo"]
        echo = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(processes.end, echo, 5)
        assert echo.stdout is not None
        address = echo.stdout.readline().decode().strip()
        for platform in platforms.values():
            platform.wait_ready(caller)
        for round_ in range(effort.rounds):
            _round(found, caller, ray, address, platforms, effort.seconds)
            tell(f"round {round_ + 1}: " + ", ".join(f"{key} {values[-1]:,.4g}" for key, values in found.items()))
        partitions = platforms[logs[-1]].run().cluster.partitions
    return figures_of({key: statistics.median(values) for key, values in found.items()}, logs) | {
        "partitions": partitions
    }


def _round(
    found: dict[str, list[float]],
    caller: Worker,
    ray: Worker,
    echo: str,
    platforms: Mapping[str, Platform],
    seconds: float,
) -> None:
    def note(key: str, value: float) -> None:
        found.setdefault(key, []).append(value)

    for key, task in (("grpc_echo", "invoke"), ("grpc_bytes_echo", "bytes")):
        bare = caller.ask(task, address=echo, seconds=seconds)
        note(f"{key}_unary_per_s", bare["per_s"])
        note(f"{key}_p50_ms", bare["p50_ms"])
    for kind in ("async", "sync"):
        note(f"ray_{kind}_actor_calls_per_s", ray.ask(kind, seconds=seconds / 2)["per_s"])
    for log, platform in platforms.items():
        run = platform.run()
        unary = caller.ask("invoke", address=run.gateway, seconds=seconds)
        note(f"{log}.invoke_unary_per_s", unary["per_s"])
        note(f"{log}.invoke_unary_p50_ms", unary["p50_ms"])
        pids = {"host": platform.hosts(), "gateway": run.gateways()}
        before = {role: sum(processes.cpu_of_s(some).values()) for role, some in pids.items()}
        streamed = caller.ask("stream", address=run.gateway, seconds=seconds)
        note(f"{log}.invoke_stream_per_s", streamed["per_s"])
        for role, some in pids.items():
            used_s = sum(processes.cpu_of_s(some).values()) - before[role]
            note(f"{log}.{role}_cpu_us", 1e6 * used_s / streamed["calls"])


def figures_of(medians: Mapping[str, float], logs: tuple[str, ...]) -> Figures:
    """The named figures, from the last of the logs, and the ratios; each log's own beside them."""
    log = logs[-1]
    echo, ray = medians["grpc_echo_unary_per_s"], medians["ray_async_actor_calls_per_s"]
    streamed = {log: medians[f"{log}.invoke_stream_per_s"] for log in logs}
    figures: Figures = {
        "grpc_echo_unary_per_s": echo,
        "grpc_echo_p50_ms": medians["grpc_echo_p50_ms"],
        "grpc_bytes_echo_unary_per_s": medians["grpc_bytes_echo_unary_per_s"],
        "grpc_bytes_echo_p50_ms": medians["grpc_bytes_echo_p50_ms"],
        "ray_actor_calls_per_s": ray,
        "ray_sync_actor_calls_per_s": medians["ray_sync_actor_calls_per_s"],
        "invoke_unary_per_s": medians[f"{log}.invoke_unary_per_s"],
        "invoke_unary_p50_ms": medians[f"{log}.invoke_unary_p50_ms"],
        "invoke_stream_per_s": streamed[log],
        "host_cpu_us_per_command": medians[f"{log}.host_cpu_us"],
        "gateway_cpu_us_per_streamed_command": medians[f"{log}.gateway_cpu_us"],
        "stream_to_echo": streamed[log] / echo,
        "stream_to_ray": streamed[log] / ray,
        "unary_to_echo": medians[f"{log}.invoke_unary_per_s"] / echo,
        "p50_to_echo": medians[f"{log}.invoke_unary_p50_ms"] / medians["grpc_echo_p50_ms"],
        "embedded_to_kafka": streamed["embedded"] / streamed["kafka"]
        if len(logs) == len(("embedded", "kafka"))
        else None,
    }
    return figures | {key.replace(".", "_"): value for key, value in medians.items() if "." in key}
