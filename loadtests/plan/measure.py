"""`python -m loadtests costs`: a platform of its own, every kind of call in step, and what each process used for it."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from actors.errors import PlatformError, SetupError
from actors.kernel.routing import partition_of
from gateway.client import Client
from loadtests.bench import processes
from loadtests.bench.effort import Tell
from loadtests.bench.platform import Platform, publish
from loadtests.bench.worker import Worker
from loadtests.bench.yardstick import Looks
from loadtests.city.board import size_bytes
from loadtests.driver.prepare import founded, opening_calls, prepare
from loadtests.driver.watching import machine, role_of
from loadtests.habits import WAYS
from loadtests.journeys import table
from loadtests.journeys.steps import Invoke, Journey, Open, Step, Town, Visit
from loadtests.journeys.ways import found
from loadtests.plan import tls
from loadtests.plan.costs import ROLES, CallCost, Costs
from loadtests.plan.model import EVENTS_MS, gathered_s
from loadtests.plan.stages import Lockstep, made

CITY = "Beijing"
MERCHANTS = 64
PARTITIONS = 16
PERSONS = {"browse": 6_000, "play": 10_000, "hire": 8_000, "return": 10_000}
PAGES = {"browse": 13}
"""Enough of them that a page has to go for the next one."""
ASKED = 400
UNARY = 1_500
THIN_ROUNDS = 400
ALONE = 1_600
ACCOUNTS = 20_000
REPLAYED = 60_000
STATES = "states"
IDLE_S = 4.0
SETTLES_S = 0.3
SETTLES_S_MAX = 8.0
SETTLED = 0.15
"""Of a core: what is used beyond an idle platform's share once all is done."""
RECORDED = {"log": "log", "kafka": "log", "gateway": "gateway", "host": "host"}


class Used(NamedTuple):
    """What a platform has used so far, by role, and what its log and its stores take on the disk; `at_s` says when."""

    at_s: float
    cpu_s: Mapping[str, float]
    log_bytes: int
    store_bytes: int


class Meter:
    """Reads what a platform's processes use, and says it in seconds of a processor of standard speed."""

    def __init__(self, platform: Platform, looks: Looks) -> None:
        self._platform = platform
        self._looks = looks
        run = platform.run()
        said = {process.pid: process.role for process in run.processes}
        self._root = run.processes[0].pid
        self._said = said
        self.idle: dict[str, float] = dict.fromkeys(ROLES, 0.0)
        """What it uses when nobody calls, in standard seconds a second."""

    def pids(self) -> dict[str, list[int]]:
        """The processes of each role; a spare host is of the rest."""
        found: dict[str, list[int]] = {role: [] for role in ROLES}
        serving = self._platform.hosts()
        for pid in processes.tree(self._root):
            role = role_of(self._said.get(pid, ""), processes.name(pid))
            role = "spare" if role == "host" and pid not in serving else role
            found[RECORDED.get(role, "rest")].append(pid)
        return found

    def read(self) -> Used:
        """As of now."""
        cpu_s = {role: sum(processes.cpu_of_s(pids).values()) for role, pids in self.pids().items()}
        whole, store = (size_bytes(folder) for folder in (self._platform.folder, self._platform.folder / STATES))
        return Used(time.monotonic(), cpu_s, whole - store, store)

    def slow_since(self, began_s: float) -> float:
        """How many times as long work took since then as it does at standard speed."""
        return self._looks.since(began_s).slow

    def used_s(self, before: Used, after: Used) -> dict[str, float]:
        """What was used between the two beyond what an idle platform does, in standard seconds by role."""
        slow, took_s = self.slow_since(before.at_s), after.at_s - before.at_s
        return {role: (after.cpu_s[role] - before.cpu_s[role]) / slow - self.idle[role] * took_s for role in ROLES}

    def rss_bytes(self) -> dict[str, int]:
        """By role, as of now."""
        return {role: sum(map(processes.rss_bytes, pids)) for role, pids in self.pids().items()}

    def settle(self) -> None:
        """Wait until what was set going is done, or long enough."""
        until = time.monotonic() + SETTLES_S_MAX
        while time.monotonic() < until:
            before = self.read()
            time.sleep(SETTLES_S)
            if sum(self.used_s(before, self.read()).values()) / SETTLES_S < SETTLED:
                return

    def learn_idle(self) -> None:
        """What it uses when nobody calls."""
        self.settle()
        before = self.read()
        time.sleep(IDLE_S)
        self.idle = {role: used_s / IDLE_S for role, used_s in self.used_s(before, self.read()).items()}


class Sums:
    """What the stages of each kind used together."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._wire: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._log: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._store: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._cpu_s: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(lambda: dict.fromkeys(ROLES, 0.0))

    async def take(self, kind: str, path: str, calls: int, making: "asyncio.Future[int]") -> None:
        """Wait for these calls, and note what they used beyond what an idle platform does."""
        key = kind, path
        before = self._meter.read()
        self._wire[key] += await making
        self._seconds[key] += time.monotonic() - before.at_s
        await asyncio.to_thread(self._meter.settle)
        after = self._meter.read()
        self._calls[key] += calls
        self._log[key] += after.log_bytes - before.log_bytes
        self._store[key] += after.store_bytes - before.store_bytes
        for role, used_s in self._meter.used_s(before, after).items():
            self._cpu_s[key][role] += used_s

    def costs(self) -> tuple[CallCost, ...]:
        """Each kind's cost a call."""
        return tuple(
            CallCost(
                kind=kind,
                path=path,
                calls=calls,
                per_s=calls / self._seconds[kind, path],
                cpu_us={role: max(1e6 * used / calls, 0.0) for role, used in self._cpu_s[kind, path].items()},
                log_bytes=max(self._log[kind, path] / calls, 0.0),
                store_bytes=max(self._store[kind, path] / calls, 0.0),
                wire_bytes=self._wire[kind, path] / calls,
            )
            for (kind, path), calls in sorted(self._calls.items())
        )


def measure(log: str, tell: Tell) -> Costs:
    """Everything, in some two minutes. Raises SetupError when a call is refused."""
    with (
        tempfile.TemporaryDirectory(prefix="hutong-costs-", ignore_cleanup_errors=True) as name,
        Worker("loadtests.bench.callers") as caller,
        Looks() as looks,
    ):
        tell("replay")
        began_s = time.monotonic()
        with Worker("loadtests.bench.replays") as replays:
            replay_per_s = replays.ask("shop", records=REPLAYED)["records_per_s"] * looks.since(began_s).slow
        tell(f"a platform on the {log} log")
        sized = ("--log", log, "--hosts", "1", "--partitions", str(PARTITIONS))
        with Platform(Path(name), "up", *sized) as platform:
            platform.wait_ready(caller)
            tell("releasing what ships, so that searches find it")
            publish(platform.folder)
            return asyncio.run(_measured(log, platform, looks, caller, replay_per_s, tell))


async def _measured(
    log: str, platform: Platform, looks: Looks, caller: Worker, replay_per_s: float, tell: Tell
) -> Costs:
    meter, address = Meter(platform, looks), platform.run().gateway
    await asyncio.to_thread(meter.learn_idle)
    sums = Sums(meter)
    async with Client(address, "costs") as client:
        town = await founded(client, f"{time.time_ns() // 1_000_000:x}")
        await prepare(client, opening_calls(town, range(MERCHANTS), [CITY]))
        before = meter.rss_bytes()
        for journey, persons in PERSONS.items():
            tell(f"{persons:,} persons who {journey}")
            await _in_step(client, address, sums, _visits(town, journey, persons), tell)
        session_bytes = (meter.rss_bytes()["host"] - before["host"]) / sum(PERSONS.values())
        for way in WAYS:
            await _in_step(client, address, sums, _askers(town, way), tell)
        tell("calls one by one")
        await _unary(client, address, sums, town)
        thin_us = await _thin(client, meter, tell)
    rss_bytes = meter.rss_bytes()
    tell("a host's end")
    killed_s = time.monotonic()
    recovered = caller.ask("recover", address=address, pid=platform.hosts()[0], partitions=PARTITIONS, states="")
    return Costs(
        taken_at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        command=f"python -m loadtests costs --log {log}",
        machine=machine(),
        log=log,
        partitions=PARTITIONS,
        calls=sums.costs(),
        frame_us=thin_us,
        idle_cores=meter.idle,
        rss_bytes=rss_bytes,
        session_bytes=max(session_bytes, 0.0),
        replay_per_s=replay_per_s,
        tls_us_a_kb=tls.us_a_kb() / meter.slow_since(killed_s),
        recovers_s=recovered["all_s"] / meter.slow_since(killed_s),
        pace=looks.since(0.0),
    )


def _visits(town: Town, journey: str, persons: int) -> Iterator[Journey]:
    for n in range(persons):
        program = table.program_of(journey, n)
        visit = Visit(
            town, f"{town.mark}{journey}{n}", program, CITY, "recent", n % MERCHANTS, PAGES.get(journey, 1), n
        )
        yield table.JOURNEYS[journey](visit)


def _askers(town: Town, way: str) -> Iterator[Journey]:
    for n in range(ASKED):
        visit = Visit(town, f"{town.mark}{way}{n}", "bike", CITY, way, 0, 1, n)
        visit.asks = True
        yield _finding(visit)


def _finding(visit: Visit) -> Journey:
    yield from found(visit)


async def _in_step(client: Client, address: str, sums: Sums, journeys: Iterator[Journey], tell: Tell) -> None:
    lockstep = Lockstep(journeys, partial(made, client, address))
    async for kind, calls, making in lockstep.stages():
        began = time.monotonic()
        await sums.take(kind, "stream", calls, making)
        tell(f"  {kind}: {calls:,} in {time.monotonic() - began:.1f} s")


async def _unary(client: Client, address: str, sums: Sums, town: Town) -> None:
    """The frequent kinds, one by one, many at a time."""
    opens: list[Step] = [Open("shop", f"{town.mark}u{n}", "recent", "", CITY) for n in range(UNARY)]
    before = asyncio.ensure_future(made(client, address, opens, unary=True))
    sessions: Sequence[str] = []

    async def size(making: "asyncio.Future[tuple[Sequence[str], int]]") -> int:
        nonlocal sessions
        sessions, found = await making
        return found

    await sums.take("open", "unary", UNARY, asyncio.ensure_future(size(before)))
    pages: list[Step] = [
        Invoke(session, "session.enter-page", b'{"path":"pages/1/index"}', "page") for session in sessions
    ]
    closes: list[Step] = [Invoke(session, "session.close", b"", "close") for session in sessions]
    for kind, steps in (("page", pages), ("close", closes)):
        making = asyncio.ensure_future(made(client, address, steps, unary=True))
        await sums.take(kind, "unary", UNARY, asyncio.ensure_future(size(making)))


async def _thin(client: Client, meter: Meter, tell: Tell) -> dict[str, float]:
    """What a frame costs beside the calls in it, by role; of the rest it is a frame of events.

    A call among very many costs a call. One alone in its frame, with others in all other partitions, costs a frame and
    its part of a round besides; one alone on the platform costs a frame and a whole round.
    """
    tell("calls that are alone in their frames")
    one_each = {partition_of(str(n), PARTITIONS, {}): n for n in range(ACCOUNTS)}
    thin = [_add(n) for n in one_each.values()] * THIN_ROUNDS
    dense = [_add(n) for n in range(ACCOUNTS)]
    await _all(client, dense, PARTITIONS * 100)
    among, shared, alone = [
        await _used(client, meter, calls, window)
        for calls, window in ((dense, 2_000), (thin, PARTITIONS), (thin[:ALONE], 1))
    ]
    return frame_us(among, shared, alone)


class Thin(NamedTuple):
    """What a call cost by role, and how many there were a second."""

    cpu_us: Mapping[str, float]
    per_s: float


def frame_us(among: Thin, shared: Thin, alone: Thin) -> dict[str, float]:
    """Of calls among many, of `PARTITIONS` at a time each alone in its frame, and one by one: what a frame costs."""
    found: dict[str, float] = {}
    for role in ROLES:
        its_part_us = max(alone.cpu_us[role] - shared.cpu_us[role], 0.0) / (PARTITIONS - 1)
        found[role] = max(shared.cpu_us[role] - among.cpu_us[role] - its_part_us, 0.0)
    calls_a_frame = shared.per_s / gathered_s(shared.per_s, PARTITIONS, EVENTS_MS)
    return found | {"rest": found["rest"] * calls_a_frame}


def _add(account: int) -> tuple[str, str, bytes]:
    return f"programs/account/accounts/{account}", "account.add", b'{"amount":5}'


async def _used(client: Client, meter: Meter, calls: Sequence[tuple[str, str, bytes]], window: int) -> Thin:
    before = meter.read()
    await _all(client, calls, window)
    answered_s = time.monotonic() - before.at_s
    await asyncio.to_thread(meter.settle)
    used_s = meter.used_s(before, meter.read())
    return Thin({role: 1e6 * used / len(calls) for role, used in used_s.items()}, len(calls) / answered_s)


async def _all(client: Client, calls: Sequence[tuple[str, str, bytes]], window: int) -> None:
    for outcome in await client.invoke_many(calls, window=window):
        if isinstance(outcome, PlatformError):
            raise SetupError(f"a call was refused: {outcome}")
