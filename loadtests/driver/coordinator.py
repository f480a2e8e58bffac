"""Plays one run: starts its generators, lets them begin together, watches, and makes of what they say one result."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from actors.errors import DeadlineExceeded, PlatformError, SetupError, Unauthenticated, Unavailable
from gateway.client import TOKEN, Client
from gateway.tls import pinned
from loadtests.driver import watching
from loadtests.driver.audit import Found, Reader, asked, audited
from loadtests.driver.ledger import read
from loadtests.driver.messages import Done, Play, Task
from loadtests.driver.outcome import Told, run_of
from loadtests.driver.prepare import founded
from loadtests.driver.reports import Child, Playing, Seconds
from loadtests.driver.result import Run, Second
from loadtests.driver.target import Lag, Target
from loadtests.journeys.steps import Town
from loadtests.scenarios import Scenario

BEGINS_S = 1.0
LOOK_S = 0.2
LAG_EVERY_S = 2.0
"""A look at every host costs a call to each."""
OVERDUE_S = 240.0
"""After the planned end; generators give up long before."""
Tell = Callable[[str], None]
See = Callable[[Second], None]


class Order(Struct, frozen=True, kw_only=True):
    """What is to be run, checked."""

    scenario: Scenario
    play: Play
    compress: str
    bounds: Mapping[str, float]
    folder: Path
    generators: int
    unary: bool = False
    on_cluster: bool = False
    """Whether generators run on the Ray cluster that was joined."""
    settings: Mapping[str, str] = {}


class Ended(NamedTuple):
    """What the generators came to, before anybody looked at the log."""

    done: Sequence[Done]
    lost: tuple[str, ...]
    planned: int


class Coordinator:
    """One run against one platform. `tell` takes what happens, `see` every second that is over."""

    def __init__(self, order: Order, target: Target, tell: Tell, see: See) -> None:
        self._order = order
        self._target = target
        self._tell = tell
        self._mark = f"{time.time_ns() // 1_000_000:x}"
        self._children: list[Playing] = []
        self._seconds = Seconds(order.generators, see)
        self._killed: list[tuple[float, str]] = []
        self._trouble: list[str] = []
        self._cuts = 0

    async def run(self) -> Run:
        """Play it. Raises SetupError when it could not even begin."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.cut)
        try:
            town = await self._founded()
            began_ms, ended, watch = await self._played(town)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            for child in self._children:
                await child.end()
        self._tell("looking for what is lost or doubled …")
        found, unaudited = await self._audited(ended)
        order = self._order
        return run_of(
            Told(
                scenario=order.scenario,
                play=order.play,
                compress=order.compress,
                bounds=order.bounds,
                began_at_ms=began_ms,
                planned=ended.planned,
                done=ended.done,
                lost_generators=ended.lost,
                trouble=tuple(self._trouble),
                is_cut=self._cuts > 0,
                found=found,
                unaudited=unaudited,
                seconds=self._seconds.told(),
                killed=self._killed,
                processes=watch.told(),
                machine=watching.machine(),
                settings=order.settings,
            )
        )

    def cut(self) -> None:
        """End early: generators wait for what is on its way. The second time they do not."""
        self._cuts += 1
        for child in self._children:
            if self._cuts == 1:
                child.cut()
            else:
                child.kill()
        self._tell("ending early …")

    # -- before ---------------------------------------------------------------------------------------------------

    async def _founded(self) -> Town:
        """Open the town. Raises SetupError with what is missing."""
        target = self._target
        async with self._client("before") as client:
            try:
                return await founded(client, self._mark)
            except (Unavailable, DeadlineExceeded) as error:
                message = f"no gateway answers at {target.gateway}: {error}. Is the platform up, and the address right?"
                raise SetupError(message, reason="NO_GATEWAY") from error
            except Unauthenticated as error:
                message = (
                    f"callers of {target.gateway} must prove who they are ({error.reason}): set {TOKEN} to what "
                    "`hutong keys issue operator/load` prints there, or name its folder with --dir"
                )
                raise SetupError(message, reason="NO_TOKEN") from error
            except PlatformError as error:
                raise SetupError(f"the town could not be opened: {error}", reason=error.reason) from error

    def _task(self, town: Town, part: int) -> Task:
        order, target = self._order, self._target
        return Task(
            play=order.play,
            part=part,
            parts=order.generators,
            address=target.gateway,
            town=town,
            folder=str(order.folder),
            unary=order.unary,
            identity=target.identity,
            tls_cert=target.tls_cert,
        )

    # -- the run --------------------------------------------------------------------------------------------------

    async def _played(self, town: Town) -> tuple[int, Ended, watching.Watch]:
        order = self._order
        self._tell(f"{order.generators} generators look up who does what …")
        for part in range(order.generators):
            self._children.append(await self._started(part, self._task(town, part)))
        ready = [await child.ready() for child in self._children]
        planned = sum(each.arrivals for each in ready)
        self._tell(f"{planned:,} openings of {order.play.users:,} persons in {order.play.window.run_s:g} s")
        others = {child.pid: "generator" for child in self._children if child.pid} | {os.getpid(): "coordinator"}
        watch = watching.Watch(self._target, others)
        at_ns = time.time_ns() + int(BEGINS_S * 1e9)
        for child in self._children:
            child.go(at_ns)
        beside = [asyncio.ensure_future(self._watched(watch, at_ns)), asyncio.ensure_future(self._faults(at_ns))]
        try:
            ends = await asyncio.gather(*(child.played(self._seconds.take) for child in self._children))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        lost = tuple(end for end in ends if isinstance(end, str))
        done = [end for end in ends if isinstance(end, Done)]
        return at_ns // 1_000_000, Ended(done, lost, planned), watch

    async def _started(self, part: int, task: Task) -> Playing:
        if not self._order.on_cluster:
            return await Child.start(part, task, self._target.token)
        from loadtests.driver.cluster import FarChild

        return await FarChild.start(part, task, self._target.token)

    async def _watched(self, watch: watching.Watch, at_ns: int) -> None:
        """Once a second: who uses what, how far behind the partitions are, whether there is room."""
        beside = asyncio.ensure_future(self._lagged(at_ns))
        folders = [self._order.folder, *([Path(self._target.folder)] if self._target.folder else [])]
        second = 0
        overdue_s = self._order.play.window.run_s + OVERDUE_S
        try:
            while True:
                await _until(at_ns, second)
                watch.look()
                second += 1
                trouble = watching.no_room(*folders)
                if second > overdue_s:
                    trouble = f"the generators had not ended {OVERDUE_S:g} s after they should have"
                if trouble and not self._trouble:
                    self._trouble.append(trouble)
                    self._tell(trouble)
                    for child in self._children:
                        child.cut()
        finally:
            beside.cancel()

    async def _lagged(self, at_ns: int) -> None:
        if not self._target.log_url:
            return
        log = await asyncio.to_thread(self._target.open_log)
        try:
            lag = Lag(self._target, log)
            while True:
                behind = await asyncio.to_thread(lag.behind)
                self._seconds.behind(int((time.time_ns() - at_ns) / 1e9), behind)
                await asyncio.sleep(LAG_EVERY_S)
        finally:
            log.close()

    async def _faults(self, at_ns: int) -> None:
        """Kill hosts when the scenario says so."""
        run_s = self._order.play.window.run_s
        for part in self._order.scenario.kills:
            await _until(at_ns, part * run_s)
            hosts = await asyncio.to_thread(self._target.hosts)
            if not hosts:
                self._trouble.append("there was no host to kill: none is a process of this machine")
                return
            os.kill(hosts[0], signal.SIGKILL)
            at_s = (time.time_ns() - at_ns) / 1e9
            self._killed.append((at_s, f"kill -9 of a host, one of {len(hosts)}"))
            self._tell(f"killed a host (kill -9 {hosts[0]})")

    # -- afterwards -----------------------------------------------------------------------------------------------

    async def _audited(self, ended: Ended) -> tuple[Found, str]:
        """What the log shows, and why nobody could look."""
        otherwise = sum(each.told_otherwise for each in ended.done)
        if ended.lost:
            return Found(0, otherwise, 0), "a generator took with it what had been accepted"
        if not self._target.log_url:
            return await self._asked(ended, otherwise)
        try:
            return await asyncio.to_thread(self._audit, ended, otherwise), ""
        except (PlatformError, OSError) as error:
            return Found(0, otherwise, 0), f"the log could not be read: {error}"

    async def _asked(self, ended: Ended, otherwise: int) -> tuple[Found, str]:
        """What the platform itself says of some sessions, where its log cannot be read."""
        drawn = {session: pages for each in ended.done for session, pages in each.drawn.items()}
        try:
            async with self._client("after") as client:
                found = await asked(client, drawn)
        except PlatformError as error:
            return Found(0, otherwise, 0), f"the platform does not say what its sessions came to: {error}"
        for name in (name for each in ended.done for name in each.ledger):
            (self._order.folder / name).unlink()
        return found._replace(
            doubled=found.doubled + otherwise
        ), "" if drawn else "no session was drawn to be looked at"

    def _client(self, what: str) -> Client:
        tls = pinned(Path(self._target.tls_cert)) if self._target.tls_cert else None
        return Client(self._target.gateway, f"load-{self._mark}-{what}", token=self._target.token, tls=tls)

    def _audit(self, ended: Ended, otherwise: int) -> Found:
        names = [name for each in ended.done for name in each.ledger]
        accepted = read(self._order.folder, names)
        assert self._target.cluster is not None
        log = self._target.open_log()
        try:
            reader = Reader(log, self._target.cluster, self._mark, tuple(accepted))
            found = audited(reader, accepted, sum(each.unknown for each in ended.done))
        finally:
            log.close()
        for name in names:
            (self._order.folder / name).unlink()
        return found._replace(doubled=found.doubled + otherwise)


async def _until(at_ns: int, second: float) -> None:
    """Wait for a moment of the run."""
    await asyncio.sleep(max(at_ns / 1e9 + second - time.time(), 0))
