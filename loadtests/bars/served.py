"""T9, T12 and O3: calls to a whole platform on the embedded log, with the bare echo beside it."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from loadtests.bars.effort import Effort
from loadtests.bench import echo, processes
from loadtests.bench.effort import Tell
from loadtests.bench.platform import Platform
from loadtests.bench.rows import Figures
from loadtests.bench.worker import Worker

HALF, OTHERS_PER_S = 0.5, 180.0


class Served:
    """A platform, an echo, and a client's process for both. Use it as a context."""

    def __init__(self, folder: Path, effort: Effort, tell: Tell) -> None:
        self._folder, self._effort, self._tell = folder, effort, tell
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._caller = stack.enter_context(Worker("loadtests.bench.callers"))
            self._pacer = stack.enter_context(Worker("loadtests.bars.callers"))
            self._platform = stack.enter_context(Platform(self._folder / "served", "up", "--hosts", "1"))
            self._echo = stack.enter_context(echo.running())
            self._platform.wait_ready(self._caller)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fronted(self) -> Figures:
        """CPU of the gateway a unary call against the echo's, in turn."""
        run = self._platform.run()
        costs: dict[str, list[float]] = {"echo": [], "gateway": [], "host": []}
        rates: list[float] = []
        for _ in range(self._effort.rounds):
            costs["echo"].append(self._cost_us(self._echo.address, {"echo": [self._echo.pid]})["echo"])
            both = self._cost_us(run.gateway, {"gateway": run.gateways(), "host": self._platform.hosts()}, rates)
            for role, cost_us in both.items():
                costs[role].append(cost_us)
            self._tell("CPU a unary call: " + ", ".join(f"{role} {some[-1]:.0f} µs" for role, some in costs.items()))
        ratios = [gateway / bare for gateway, bare in zip(costs["gateway"], costs["echo"], strict=True)]
        return {
            "gateway_to_echo_cpu": statistics.median(ratios),
            **{f"unary_{role}_cpu_us": statistics.median(some) for role, some in costs.items()},
            "unary_most_per_s": statistics.median(rates),
        }

    def _cost_us(self, address: str, pids: dict[str, list[int]], rates: list[float] | None = None) -> dict[str, float]:
        before = {role: _cpu_s(some) for role, some in pids.items()}
        answer = self._caller.ask("many", address=address, seconds=self._effort.seconds)
        if rates is not None:
            rates.append(answer["per_s"])
        return {role: 1e6 * (_cpu_s(some) - before[role]) / answer["calls"] for role, some in pids.items()}

    def paced(self) -> Figures:
        """Half of the most calls, offered whether or not the last were answered."""
        address, found = self._platform.run().gateway, list[dict[str, float]]()
        most = self._caller.ask("many", address=address, seconds=self._effort.seconds)["per_s"]
        for _ in range(self._effort.rounds):
            found.append(self._pacer.ask("pace", address=address, per_s=HALF * most, seconds=2 * self._effort.seconds))
            self._tell(f"at {HALF * most:,.0f} calls/s: p99 {found[-1]['p99_ms']:.1f} ms")
        return {f"half_{key}": statistics.median(one[key] for one in found) for key in ("p50_ms", "p99_ms")}

    def hot(self) -> Figures:
        """Keys of one partition while another of its keys is flooded."""
        run = self._platform.run()
        found = [
            self._pacer.ask(
                "flooded",
                address=run.gateway,
                partitions=run.cluster.partitions,
                per_s=OTHERS_PER_S,
                seconds=2 * self._effort.seconds,
            )
            for _ in range(self._effort.rounds)
        ]
        self._tell("flooded: " + ", ".join(f"{key} {value:,.3g}" for key, value in found[-1].items()))
        return {key: statistics.median(one[key] for one in found) for key in found[0]}


def _cpu_s(pids: Sequence[int]) -> float:
    return sum(processes.cpu_of_s(pids).values())
