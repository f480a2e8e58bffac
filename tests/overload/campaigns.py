"""More calls than can be done, and clients that mean harm, against a real platform: what it does, what a no costs."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from actors.errors import Overloaded, PlatformError
from gateway.client import Client
from loadtests.bench import processes
from tests.cluster.stage import Platform
from tests.overload.hostile import ATTACKS
from tests.overload.offers import COMMAND, KEYS, PAYLOAD, Group, Said, Streamed, Unary, tally
from tests.proof.counts import Counts

GOODPUT_MIN = 0.90
TOP_MIN = 0.99
REJECT_MAX = 0.30
NORMAL_S_MAX = 5.0
NORMAL_MS = 50.0
NORMAL_TIMES = 10
STREAMS, STREAM_CALLS = 8, 600
STREAMED_PER_S = 30_000
STALLED_PER_S = 500
SHUT = {
    "HUTONG_QUEUEING_MS_MAX": "0",
    "HUTONG_QUEUEING_LINE_MIN": "0",
    "HUTONG_QUEUEING_WINDOW_MS": "200",
    "HUTONG_QUEUEING_WINDOW_CALLS": "200",
}
"""Settings of a gateway whose door lets fewer in with each moment."""
SHUT_PART, SHUT_TRIES = 0.9, 12
IN_FLIGHT = (32, 64, 128)


class Size(NamedTuple):
    """How long each part takes, and how many a hostile client opens."""

    warm_s: float
    measure_s: float
    load_s: float
    attack_s: float
    connections: int
    stall_s: float


QUICK = Size(warm_s=1, measure_s=1, load_s=5, attack_s=1, connections=100, stall_s=3)
FULL = Size(warm_s=5, measure_s=6, load_s=30, attack_s=8, connections=500, stall_s=30)


class Cost(NamedTuple):
    """What the platform did in a stretch of time."""

    cpu_s: float
    seconds: float

    @classmethod
    def now(cls, platform: Platform) -> "Cost":
        """Up to now; the difference of two is a stretch."""
        pids = processes.tree(platform.process.pid)
        return cls(sum(processes.cpu_of_s(pids).values()), time.perf_counter())

    def since(self, before: "Cost") -> "Cost":
        """The stretch from then on."""
        return Cost(self.cpu_s - before.cpu_s, self.seconds - before.seconds)


def groups(total_per_s: float, callers: int) -> list[Group]:
    """One in fifty is of the top priority, the others are spread below."""
    top = Group("top", 127, 2 if callers < 20 else 5, total_per_s * 0.02)
    below = [Group(f"p{priority}", priority, callers // 6, total_per_s * 0.98 / 6) for priority in range(0, 120, 20)]
    return [top, *below]


def unary(folder: Path, seed: int, size: Size) -> Counts:
    """Twice the capacity in calls one by one, from clients that ignore the level."""
    counts = Counts("unary 2x", seed)

    async def play(platform: Platform) -> list[Said]:
        one = [Group("one", 64, 1, 0)]
        async with Unary(platform.gateway, one, seed) as calm:
            await calm.saturate(IN_FLIGHT[0], size.warm_s)
            best_per_s = max([await calm.saturate(in_flight, size.measure_s) for in_flight in IN_FLIGHT])
        counts.figures["unary best /s"] = best_per_s
        async with Unary(platform.gateway, groups(2 * best_per_s, 120), seed) as crowd:
            await crowd.offer(size.load_s)
        _judge(counts, "unary 2x", crowd.said, best_per_s, size.load_s)
        _offered(counts, "unary 2x", 2 * best_per_s)
        counts.figures["unary normal again s"] = await _normal_s(platform, counts)
        return [*calm.said.values(), *crowd.said.values()]

    return _on_platform(folder, counts, play)


def streams(folder: Path, seed: int, size: Size) -> Counts:
    """Five times the capacity in streams, from clients that keep their calls back as the level says."""
    counts = Counts("streams 5x", seed)

    async def play(platform: Platform) -> list[Said]:
        said = Said()
        await _flood(platform, size.warm_s, said)
        best = await _flood(platform, size.measure_s * 2, said)
        calm = Streamed(platform.gateway, groups(best, 12))
        await calm.offer(size.measure_s * 2)
        best_open = sum(one.good for one in calm.said.values()) / (size.measure_s * 2)
        counts.figures |= {"streams closed best /s": best, "streams open best /s": best_open}
        crowd = Streamed(platform.gateway, groups(5 * best, 12))
        await crowd.offer(size.load_s)
        _judge(counts, "streams 5x", crowd.said, max(best, best_open), size.load_s)
        _offered(counts, "streams 5x", 5 * best)
        counts.figures["streams normal again s"] = await _normal_s(platform, counts)
        return [said, *calm.said.values(), *crowd.said.values()]

    return _on_platform(folder, counts, play)


def refusals(folder: Path, seed: int, size: Size) -> Counts:
    """What a no costs against a yes, of calls one by one and in streams: CPU of all the platform's processes.

    The first platform lets everybody in; to the second any queue is too long, so that it turns nearly everybody away.
    """
    counts = Counts("refusals", seed)

    async def play(platform: Platform) -> list[Said]:
        everyone: list[Said] = []
        for way, offer in WAYS.items():
            accepted_us = counts.figures.get(f"{way} accepted us CPU", 0.0)
            for seed_of_try in range(seed, seed + SHUT_TRIES):
                said = await offer(platform.gateway, seed_of_try, size.warm_s)
                everyone.append(said)
                if not accepted_us or said.refused > SHUT_PART * said.offered:
                    break
            before = Cost.now(platform)
            said = await offer(platform.gateway, seed, size.measure_s * 2)
            cost_us = Cost.now(platform).since(before).cpu_s * 1e6
            everyone.append(said)
            accepted = said.good + said.late
            if not accepted_us:
                counts.figures[f"{way} accepted us CPU"] = cost_us / max(accepted, 1)
            elif said.refused < SHUT_PART * said.offered:
                counts.find(f"{way}: {said.refused} of {said.offered} were refused: too few to say what a no costs")
            else:
                part = max(cost_us - accepted * accepted_us, 0) / said.refused / accepted_us
                counts.figures[f"{way} refused / accepted CPU"] = part
                if part > REJECT_MAX:
                    counts.short.append(f"{way}: a no costs {part:.0%} of a yes, the bar is {REJECT_MAX:.0%}")
        return everyone

    _on_platform(folder, counts, play)
    return _on_platform(folder.with_name("door"), counts, play, **SHUT)


async def _one_by_one(address: str, seed: int, seconds: float) -> Said:
    async with Unary(address, [Group("one", 64, 1, 0)], seed) as calls:
        await calls.saturate(IN_FLIGHT[1], seconds)
    return calls.said["one"]


async def _in_streams(address: str, seed: int, seconds: float) -> Said:
    del seed
    calls = Streamed(address, [Group("one", 64, STREAMS, STREAMED_PER_S)], heeds=False)
    await calls.offer(seconds)
    return calls.said["one"]


WAYS: dict[str, Callable[[str, int, float], Awaitable[Said]]] = {"unary": _one_by_one, "streams": _in_streams}


def hostile(folder: Path, seed: int, size: Size) -> Counts:
    """Clients that mean harm, one kind after the other; a good one calls on and is served."""
    counts = Counts("hostile", seed)

    async def play(platform: Platform) -> list[Said]:
        good = Said()
        gateway = platform.processes("gateway-")[0].pid
        async with _served(platform, good, counts, "nobody"):
            await asyncio.sleep(size.attack_s)
        idle_bytes = processes.rss_bytes(gateway)
        for name, attack in ATTACKS.items():
            async with _served(platform, good, counts, name):
                effects = await attack(platform.gateway, size.attack_s, size.connections)
            if all(effects.values()):
                counts.fault(name)
            counts.figures |= effects
        counts.figures["gateway memory / idle"] = processes.rss_bytes(gateway) / max(idle_bytes, 1)
        if platform.processes("gateway-")[0].pid != gateway:
            counts.find("the gateway ended under an attack")
        counts.figures["hostile normal again s"] = await _normal_s(platform, counts)
        return [good]

    return _on_platform(folder, counts, play)


def stalled(folder: Path, seed: int, size: Size) -> Counts:
    """The log stands still in the middle of a load that is no overload, and goes on."""
    counts = Counts("stalled log", seed)

    async def play(platform: Platform) -> list[Said]:
        log = platform.processes("log")[0].pid
        gateway = platform.processes("gateway-")[0].pid
        async with Unary(platform.gateway, [Group("one", 64, 20, STALLED_PER_S)], seed) as calls:
            offering = asyncio.ensure_future(calls.offer(2 * size.warm_s + size.stall_s))
            await asyncio.sleep(size.warm_s)
            before_bytes = processes.rss_bytes(gateway)
            os.kill(log, signal.SIGSTOP)
            try:
                await asyncio.sleep(size.stall_s)
                counts.figures["stalled log: gateway memory / before"] = processes.rss_bytes(gateway) / before_bytes
            finally:
                os.kill(log, signal.SIGCONT)
            counts.figures["stalled log: normal again s"] = await _normal_s(platform, counts)
            await offering
        said = calls.said["one"]
        if said.good + said.late < said.offered:
            counts.fault("log stalled")
        counts.figures["stalled log: answered"] = (said.good + said.late) / max(said.offered, 1)
        return [said]

    return _on_platform(folder, counts, play)


CAMPAIGNS = {"unary": unary, "streams": streams, "refusals": refusals, "hostile": hostile, "stalled": stalled}
FULL_ONLY = ("refusals", "stalled")


# --- the platform under it ---


def _on_platform(
    folder: Path, counts: Counts, play: Callable[[Platform], Awaitable[Sequence[Said]]], **env: str
) -> Counts:
    """Play on a platform of its own; then nothing that was refused is on the log, and all that was answered is."""

    async def run(platform: Platform) -> None:
        said = await play(platform)
        acked = sum(one.good + one.late for one in said)
        unknown = sum(one.unknown for one in said)
        total = await _total(platform)
        counts.acked += acked
        counts.unknown += unknown
        counts.refused += sum(one.refused for one in said)
        counts.lost += max(acked - total, 0)
        counts.wrong += max(total - acked - unknown, 0)

    with Platform(folder, **env) as platform:
        asyncio.run(run(platform))
    return counts


async def _total(platform: Platform) -> int:
    async with Client(platform.gateway, "sum") as client:
        views = [
            (await client.query(tally(number), "total", linearizable=True, deadline_ms=30_000)).value
            for number in range(KEYS)
        ]
    return sum(views)


async def _flood(platform: Platform, seconds: float, said: Said) -> float:
    """Streams that send the next calls once the last are answered; how many a second were."""
    until, began, before = time.perf_counter() + seconds, time.perf_counter(), said.good
    async with Client(platform.gateway, "flood") as client:

        async def one(nth: int) -> None:
            calls = [(tally(nth * 97 + n), COMMAND, PAYLOAD) for n in range(STREAM_CALLS)]
            while time.perf_counter() < until:
                answers = await client.invoke_many(calls)
                said.good += sum(not isinstance(answer, PlatformError) for answer in answers)
                said.refused += sum(isinstance(answer, Overloaded) for answer in answers)
                said.unknown += sum(
                    isinstance(answer, PlatformError) and not isinstance(answer, Overloaded) for answer in answers
                )

        await asyncio.gather(*(one(nth) for nth in range(STREAMS)))
    return (said.good - before) / (time.perf_counter() - began)


async def _normal_s(platform: Platform, counts: Counts) -> float:
    """How long until calls are answered as on any other day, so many in a row."""
    began, in_row, first = time.perf_counter(), 0, 0.0
    async with Client(platform.gateway, "after") as client:
        while in_row < NORMAL_TIMES and (now := time.perf_counter()) - began < 4 * NORMAL_S_MAX:
            try:
                await client.query(tally(in_row), "total", linearizable=True, deadline_ms=1_000)
                is_normal = (time.perf_counter() - now) * 1_000 < NORMAL_MS
            except PlatformError:
                is_normal = False
            first = now if in_row == 0 else first
            in_row = in_row + 1 if is_normal else 0
    seconds = first - began if in_row else 4 * NORMAL_S_MAX
    if seconds > NORMAL_S_MAX:
        counts.short.append(f"{counts.scenario}: normal again after {seconds:.1f} s, at most {NORMAL_S_MAX:.0f}")
    return seconds


def _judge(counts: Counts, name: str, said: dict[str, Said], best_per_s: float, seconds: float) -> None:
    """The figures of a crowd, and which of them fell short."""
    everyone = list(said.values())
    good = sum(one.good for one in everyone)
    refused = sum(one.refused for one in everyone)
    top = said["top"]
    waits_ms = sorted(wait for one in everyone for wait in one.waits_ms) or [0.0]
    counts.figures |= {
        f"{name} offered /s": sum(one.offered for one in everyone) / seconds,
        f"{name} sent /s": sum(one.offered - one.kept for one in everyone) / seconds,
        f"{name} goodput / best": good / seconds / best_per_s,
        f"{name} top answered": top.good / max(top.offered, 1),
        f"{name} refused /s": refused / seconds,
        f"{name} p99 ms": waits_ms[int(len(waits_ms) * 0.99)],
    }
    counts.effects |= {f"{name} {group} good of {one.offered}": one.good for group, one in said.items()}
    for figure, is_short, bar in (
        ("goodput / best", good / seconds / best_per_s < GOODPUT_MIN, GOODPUT_MIN),
        ("top answered", top.good / max(top.offered, 1) < TOP_MIN, TOP_MIN),
    ):
        if is_short:
            value = counts.figures[f"{name} {figure}"]
            counts.short.append(f"{name} {figure}: {value:.3f}, the bar is {bar}")


def _offered(counts: Counts, name: str, wanted_per_s: float) -> None:
    """Say so when less was offered than was meant to be: the clients had too little of the cores."""
    offered_per_s = counts.figures[f"{name} offered /s"]
    if offered_per_s < 0.9 * wanted_per_s:
        counts.short.append(
            f"{name}: only {offered_per_s:,.0f}/s of {wanted_per_s:,.0f}/s were offered; clients starved"
        )


@asynccontextmanager
async def _served(platform: Platform, said: Said, counts: Counts, name: str) -> AsyncGenerator[None]:
    """A good client that calls 50 times a second while something goes on."""
    waits_ms: list[float] = []
    failed = 0
    ending = asyncio.Event()

    async def call(client: Client) -> None:
        nonlocal failed
        while not ending.is_set():
            began = time.perf_counter()
            try:
                await client.invoke(tally(len(waits_ms)), COMMAND, PAYLOAD, deadline_ms=5_000, retry_for_ms=0)
                waits_ms.append((time.perf_counter() - began) * 1_000)
                said.good += 1
            except PlatformError as error:
                failed += 1
                said.refused += error.reason in ("OVERLOADED", "NOT_APPENDED")
                said.unknown += error.reason not in ("OVERLOADED", "NOT_APPENDED")
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), 0.02)

    async with Client(platform.gateway, "good") as client:
        calling = asyncio.ensure_future(call(client))
        try:
            yield
        finally:
            ending.set()
            await calling
    counts.figures[f"good client under {name}: served"] = len(waits_ms) / max(len(waits_ms) + failed, 1)
    counts.figures[f"good client under {name}: p99 ms"] = (
        statistics.quantiles(waits_ms, n=100, method="inclusive")[98] if len(waits_ms) > 1 else 0.0
    )
    if failed > len(waits_ms) / 100:
        counts.short.append(f"under {name}, {failed} of {len(waits_ms) + failed} calls of a good client failed")
