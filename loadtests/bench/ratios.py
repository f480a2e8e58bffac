"""The rows that are ratios: everything is up at once, and each round measures each in turn."""

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from loadtests.bench import echo, processes
from loadtests.bench.effort import Effort, Tell
from loadtests.bench.platform import Platform
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker


def measure(folder: Path, caller: Worker, logs: tuple[str, ...], effort: Effort, tell: Tell) -> Figures:
    """Every ratio, and what it is made of; `logs` are those to measure, the figures of calls are those of the last."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        platforms = {
            log: stack.enter_context(Platform(folder / f"calls-{log}", "up", "--hosts", "1", "--log", log))
            for log in logs
        }
        ray = stack.enter_context(Worker("loadtests.bench.ray_calls"))
        address = stack.enter_context(echo.running()).address
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
    echo_address: str,
    platforms: Mapping[str, Platform],
    seconds: float,
) -> None:
    def note(key: str, value: float) -> None:
        found.setdefault(key, []).append(value)

    for key, task in (("grpc_echo", "invoke"), ("grpc_bytes_echo", "bytes")):
        bare = caller.ask(task, address=echo_address, seconds=seconds)
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
    bare, ray = medians["grpc_echo_unary_per_s"], medians["ray_async_actor_calls_per_s"]
    streamed = {log: medians[f"{log}.invoke_stream_per_s"] for log in logs}
    figures: Figures = {
        "grpc_echo_unary_per_s": bare,
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
        "stream_to_echo": streamed[log] / bare,
        "stream_to_ray": streamed[log] / ray,
        "unary_to_echo": medians[f"{log}.invoke_unary_per_s"] / bare,
        "p50_to_echo": medians[f"{log}.invoke_unary_p50_ms"] / medians["grpc_echo_p50_ms"],
        "embedded_to_kafka": streamed["embedded"] / streamed["kafka"]
        if len(logs) == len(("embedded", "kafka"))
        else None,
    }
    return figures | {key.replace(".", "_"): value for key, value in medians.items() if "." in key}
