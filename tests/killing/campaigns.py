"""What is killed, stopped and moved, how often, and what was seen of it. Each campaign has a platform of its own."""

import asyncio
import os
import random
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from actors.cli import running
from actors.cli.archive import Archive, open_archive
from actors.cli.running import Process
from actors.cli.status import records_behind
from actors.controller import STEADY_MS
from actors.ports import Slice, Span
from gateway.client import Client
from tests.cluster.stage import Platform, until
from tests.killing.steady import Steady
from tests.proof.counts import Counts

HOSTS = 4
BEHIND = 10_000
BEHIND_KEYS = 500
BACK_S_MAX = 90.0
GOOD_S = 1.0
"""An answer counts as good that comes within so long of its offer."""
HEAD_AWAY_S = 45.0
CALM_S = 3.0
OTHERS_SHARE_MIN = 0.95
MOVE_MS_MAX = 500.0
RECOVERY_MS_MAX = 5_000.0
SESSION_MS_MAX = 15_000.0
RAYLET_MS_MAX = 20_000.0


class Sizes(NamedTuple):
    """How often each trouble comes."""

    kills: int
    stops: int
    moves: int
    logs: int
    gateways: int
    heads: int
    raylets: int
    ups: int
    behind: int
    head_away_s: float


FULL = Sizes(40, 20, 60, 10, 10, 2, 3, 3, 10, HEAD_AWAY_S)
QUICK = Sizes(2, 1, 4, 1, 1, 1, 0, 0, 1, 0.0)
Trouble: TypeAlias = Callable[[Platform, Steady, Counts, random.Random], Awaitable[None]]


def hosts(folder: Path, seed: int, sizes: Sizes) -> Counts:
    """Hosts killed and stopped, partitions moved, the log's owner and gateways killed, all under one load."""
    troubles: list[tuple[int, Trouble]] = [
        (sizes.kills, kill_host),
        (sizes.stops, stop_host),
        (sizes.logs, kill_log),
        (sizes.gateways, kill_gateway),
    ]

    async def play(platform: Platform, steady: Steady, counts: Counts, chance: random.Random) -> None:
        await move_partitions(platform, steady, counts, chance, sizes.moves)
        plan = [trouble for times, trouble in troubles for _ in range(times)]
        chance.shuffle(plan)
        for trouble in plan:
            await trouble(platform, steady, counts, chance)
        _spread(counts)

    return _under_load("hosts", folder, seed, play)


def session(folder: Path, seed: int, sizes: Sizes) -> Counts:
    """Ray's own processes and the supervisor killed: a new session, or a new start on the same folder."""

    async def play(platform: Platform, steady: Steady, counts: Counts, _chance: random.Random) -> None:
        for _ in range(sizes.heads):
            await kill_head(platform, steady, counts, sizes.head_away_s)
        for _ in range(sizes.raylets):
            await kill_raylet(platform, steady, counts)
        for _ in range(sizes.ups):
            await kill_up(platform, steady, counts)

    return _under_load("session", folder, seed, play)


def behind(folder: Path, seed: int, sizes: Sizes) -> Counts:
    """The only host killed with 10,000 commands behind: how long until they are all answered."""
    counts = Counts("behind", seed)
    with Platform(folder, "--hosts", "1") as platform:
        for nth in range(sizes.behind):
            # A host that ends soon after its start is taken for one that keeps crashing: that is another matter.
            asyncio.run(_recover(platform, counts, STEADY_MS / 1_000 if nth else 0))
        asyncio.run(_check_behind(platform, counts, sizes.behind))
    counts.figures["behind_recovery_ms_p99"] = _p99(counts.recovery_ms)
    if counts.recovery_ms and max(counts.recovery_ms) > RECOVERY_MS_MAX:
        counts.short.append(f"recovery at {BEHIND} behind took {max(counts.recovery_ms):.0f} ms at most")
    return counts


CAMPAIGNS: Mapping[str, Callable[[Path, int, Sizes], Counts]] = {"hosts": hosts, "session": session, "behind": behind}


def _under_load(
    name: str,
    folder: Path,
    seed: int,
    play: Callable[[Platform, Steady, Counts, random.Random], Awaitable[None]],
) -> Counts:
    counts = Counts(name, seed)

    async def run(platform: Platform) -> None:
        async with Steady(platform.gateway, seed) as steady:
            await asyncio.sleep(CALM_S)
            await play(platform, steady, counts, random.Random(seed))
            await steady.settled()
            counts.unavailable_ms_max = 1_000 * steady.slowest_s(0)
            counts.figures[f"{name}_calls_not_offered"] = steady.skipped
            await steady.check(counts)

    with Platform(folder, "--hosts", str(HOSTS)) as platform:
        asyncio.run(run(platform))
    return counts


# -- hosts, log, gateways ---------------------------------------------------------------------------------------------


async def kill_host(platform: Platform, steady: Steady, counts: Counts, chance: random.Random) -> None:
    """A host dies; another takes its place."""
    victim = chance.choice(_alive(platform, "host-"))
    took_s = await _trouble(platform, steady, victim, signal.SIGKILL, "host-")
    counts.kills += 1
    counts.fault("host killed")
    counts.recovery_ms.append(1_000 * took_s)


async def stop_host(platform: Platform, steady: Steady, counts: Counts, chance: random.Random) -> None:
    """A host is stopped for longer than it may be silent; if it still lives when it wakes up, it must not count."""
    victim = chance.choice(_alive(platform, "host-"))
    await _trouble(platform, steady, victim, signal.SIGSTOP, "host-")
    if running.alive(victim):
        os.kill(victim.pid, signal.SIGCONT)
        counts.fault("host stopped beyond its silence and woken")
    else:
        counts.fault("host stopped beyond its silence")


async def kill_log(platform: Platform, steady: Steady, counts: Counts, _: random.Random) -> None:
    """The owner of the embedded log dies."""
    await _trouble(platform, steady, _alive(platform, "log")[0], signal.SIGKILL, "log")
    counts.fault("log owner killed")


async def kill_gateway(platform: Platform, steady: Steady, counts: Counts, _: random.Random) -> None:
    """A gateway dies with calls in flight; their clients ask again under the same ids."""
    await _trouble(platform, steady, _alive(platform, "gateway-0")[0], signal.SIGKILL, "gateway-0")
    counts.fault("gateway killed")


async def move_partitions(
    platform: Platform, steady: Steady, counts: Counts, chance: random.Random, times: int
) -> None:
    """Planned moves: how long calls wait, and what others lose."""
    before_s = time.monotonic()
    usual = steady.goodput_per_s(before_s - CALM_S, before_s, GOOD_S)
    pauses_ms: list[float] = []
    for _ in range(times):
        partition, host = await asyncio.to_thread(platform.some_move, chance)
        began_s = time.monotonic()
        done = await asyncio.to_thread(platform.operate, "move", partition, host)
        await steady.settled()
        if "error" in done:
            counts.find(f"partition {partition} was not moved to {host}: {done['error']}")
            continue
        counts.fault("partition moved")
        pauses_ms.append(1_000 * steady.slowest_s(began_s))
    lost = 1 - steady.goodput_per_s(before_s, time.monotonic(), GOOD_S) / usual
    p99_ms = _p99(pauses_ms)
    counts.figures |= {"move_pause_ms_p99": p99_ms, "move_goodput_lost": max(lost, 0.0)}
    if p99_ms > MOVE_MS_MAX:
        counts.short.append(f"a planned move paused calls for {p99_ms:.0f} ms (p99), over {MOVE_MS_MAX:.0f} ms")


async def _trouble(platform: Platform, steady: Steady, victim: Process, number: signal.Signals, role: str) -> float:
    """Signal it, wait until calls are answered again and it is replaced; how long the slowest call took."""
    began_s = time.monotonic()
    os.kill(victim.pid, number)
    size = HOSTS if role == "host-" else 1

    def replaced() -> bool:
        mine = [process for process in platform.processes(role) if running.alive(process)]
        return victim not in mine and len(mine) >= size

    await asyncio.to_thread(until, replaced, BACK_S_MAX, f"another {role}; {platform.errors}")
    await steady.settled()
    return steady.slowest_s(began_s)


# -- Ray and the supervisor -------------------------------------------------------------------------------------------


async def kill_head(platform: Platform, steady: Steady, counts: Counts, seconds: float) -> None:
    """Ray's GCS dies: calls go on, and a new session takes over beside the old one.

    What is kept of the goodput is a promise for so many `seconds`; of fewer, of the start alone, nothing is said.
    """
    began_s = time.monotonic()
    usual = steady.goodput_per_s(began_s - CALM_S, began_s, GOOD_S)
    victim = _alive(platform, "gcs_server")[0]
    await _trouble(platform, steady, victim, signal.SIGKILL, "gcs_server")
    await asyncio.sleep(max(began_s + seconds - time.monotonic(), 0))
    ended_s = time.monotonic() - GOOD_S
    await steady.settled()
    pause_ms = 1_000 * steady.slowest_s(began_s)
    counts.fault("Ray's GCS killed")
    if seconds:
        share = steady.goodput_per_s(began_s, ended_s, GOOD_S) / usual
        _kept(counts, share)
    counts.figures["gcs_pause_ms_max"] = max(pause_ms, counts.figures.get("gcs_pause_ms_max", 0.0))
    if pause_ms > SESSION_MS_MAX:
        counts.short.append(f"a new session of Ray paused calls for {pause_ms:.0f} ms")


def _kept(counts: Counts, share: float) -> None:
    """How much of the goodput was kept from the GCS's death on, the new session's start included."""
    counts.figures["gcs_goodput_share"] = min(share, counts.figures.get("gcs_goodput_share", 1.0))
    if share < OTHERS_SHARE_MIN:
        counts.short.append(f"without Ray's GCS {share:.1%} of the goodput was kept, under {OTHERS_SHARE_MIN:.0%}")


async def kill_raylet(platform: Platform, steady: Steady, counts: Counts) -> None:
    """Ray's raylet dies and takes its hosts with it."""
    took_s = await _trouble(platform, steady, _alive(platform, "raylet")[0], signal.SIGKILL, "raylet")
    counts.fault("Ray's raylet killed")
    counts.figures["raylet_pause_ms_max"] = max(1_000 * took_s, counts.figures.get("raylet_pause_ms_max", 0.0))
    if 1_000 * took_s > RAYLET_MS_MAX:
        counts.short.append(f"after the raylet's end the slowest call took {took_s:.1f} s")


async def kill_up(platform: Platform, steady: Steady, counts: Counts) -> None:
    """The supervisor dies, and everything with it; another `up` begins on the same folder and port."""
    began_s = time.monotonic()
    port = platform.gateway.rpartition(":")[2]
    platform.process.kill()
    platform.close()
    again = await asyncio.to_thread(lambda: Platform(platform.folder, "--hosts", str(HOSTS), "--port", port).started())
    platform.process, platform.banner = again.process, again.banner
    await steady.settled()
    counts.fault("supervisor killed")
    counts.figures["up_pause_ms_max"] = max(
        1_000 * steady.slowest_s(began_s), counts.figures.get("up_pause_ms_max", 0.0)
    )


# -- far behind -------------------------------------------------------------------------------------------------------


async def _recover(platform: Platform, counts: Counts, after_s: float) -> None:
    """Stop the host, let 10,000 commands come, kill it, and wait until all of them are answered."""
    await asyncio.sleep(after_s)
    victim = _alive(platform, "host-")[0]
    async with Client(platform.gateway) as client:
        os.kill(victim.pid, signal.SIGSTOP)
        calls = [(f"programs/tally/tallys/b{n % BEHIND_KEYS}", "tally.add", b'{"n":1}') for n in range(BEHIND)]
        with open_archive(platform.folder) as archive:
            before = archive.spans()
            flying = asyncio.ensure_future(client.invoke_many(calls, window=BEHIND, deadline_ms=60_000))
            await asyncio.to_thread(_appended, archive, before)
        os.kill(victim.pid, signal.SIGKILL)
        began_s = time.monotonic()
        outcomes = await flying
    counts.recovery_ms.append(1_000 * (time.monotonic() - began_s))
    counts.kills += 1
    counts.fault("only host killed far behind")
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    counts.acked += len(outcomes) - len(refused)
    for error in refused[:3]:
        counts.find(f"a call ended with {error!r}")
    await asyncio.to_thread(platform.replaced, victim, "host-")


def _appended(archive: Archive, before: Mapping[Slice, Span]) -> None:
    """Wait until all the commands are in the log; the host that would apply them is stopped."""
    until(
        lambda: sum(records_behind(archive, one.partition, span.end - 1) for one, span in before.items()) >= BEHIND,
        30,
        "the commands are in the log",
    )


async def _check_behind(platform: Platform, counts: Counts, times: int) -> None:
    """Every command happened once."""
    async with Client(platform.gateway) as client:
        for n in range(BEHIND_KEYS):
            view = await client.query(f"programs/tally/tallys/b{n}", "total", linearizable=True)
            counts.lost += max(times * BEHIND // BEHIND_KEYS - view.value, 0)
            counts.twice += max(view.value - times * BEHIND // BEHIND_KEYS, 0)


def _alive(platform: Platform, role: str) -> list[Process]:
    return [process for process in platform.processes(role) if running.alive(process)]


def _spread(counts: Counts) -> None:
    p99_ms = _p99(counts.recovery_ms)
    counts.figures["host_recovery_ms_p99"] = p99_ms
    if p99_ms > RECOVERY_MS_MAX:
        counts.short.append(f"recovery of a host took {p99_ms:.0f} ms (p99), over {RECOVERY_MS_MAX:.0f} ms")


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else max(values, default=0.0)
