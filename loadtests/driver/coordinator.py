"""Plays one run: starts its generators, lets them begin together, watches, and makes of what they say one result."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from actors.errors import DeadlineExceeded, PlatformError, SetupError, Unauthenticated, Unavailable
from gateway.client import TOKEN, Client
from gateway.tls import pinned
from loadtests.driver import watching
from loadtests.driver.audit import Found, Reader, asked, audited
from loadtests.driver.crew import Crew
from loadtests.driver.ledger import read
from loadtests.driver.messages import PATIENCE_S, Done, Play, Task
from loadtests.driver.outcome import Gathered, run_of
from loadtests.driver.playing import Child, Playing
from loadtests.driver.prepare import founded
from loadtests.driver.result import Run, Second
from loadtests.driver.seconds import Seconds
from loadtests.driver.target import Lag, Target
from loadtests.driver.verdict import FEWER, Trouble
from loadtests.endings import on_end
from loadtests.journeys.steps import Town
from loadtests.journeys.table import LEAVES
from loadtests.scenarios import Scenario

BEGINS_S = 1.0
"""So long after the last generator was ready all of them begin, together."""
LAG_EVERY_S = 2.0
"""A look at every host costs a call to each."""
OVERDUE_S = 240.0
"""After the planned end; generators give up long before."""
NOT_BEGUN = "it was ended before anybody arrived: there is nothing to report"
Tell = Callable[[str], None]
See = Callable[[Second], None]
T = TypeVar("T")


class RunOrder(Struct, frozen=True, kw_only=True):
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
    machine: Mapping[str, str] = {}
    """What it is played on, as it was before anything was started."""


class Ended(NamedTuple):
    """What the generators came to, before anybody looked at the log."""

    done: Sequence[Done]
    lost: tuple[str, ...]
    planned: int


class Coordinator:
    """One run against one platform. `tell` takes what happens, `see` every second that is over."""

    def __init__(self, order: RunOrder, target: Target, tell: Tell, see: See) -> None:
        self._order = order
        self._target = target
        self._tell = tell
        self._mark = f"{time.time_ns() // 1_000_000:x}"
        self._seconds = Seconds(order.generators, see)
        self._crew = Crew(tell, self._seconds.take)
        self._killed: list[tuple[float, str]] = []
        self._trouble: list[Trouble] = []
        self._plays = True
        self._is_cut, self._is_over = asyncio.Event(), asyncio.Event()
        """Somebody wants it to end early; and to end at once."""

    async def run(self) -> Run:
        """Play it. Ctrl-C and SIGTERM end it early. Raises SetupError when it could not even begin."""
        loop = asyncio.get_running_loop()
        with on_end(lambda: loop.call_soon_threadsafe(self.cut)):
            try:
                town = await _unless(self._is_cut, self._founded(), NOT_BEGUN)
                ready = await _unless(self._is_cut, self._crew.ready(self._starts(town)), NOT_BEGUN)
                began_ms, ended, watch = await self._played(sum(each.arrivals for each in ready))
            except BaseException:
                self._crew.kill()
                raise
            finally:
                await self._crew.end()
            self._plays = False
            self._tell("looking for what is lost or doubled …")
            found, unaudited = await self._audited(ended)
            return self._told(began_ms, ended, watch, found, unaudited)

    def _told(self, began_ms: int, ended: Ended, watch: watching.Watch, found: Found, unaudited: str) -> Run:
        order = self._order
        return run_of(
            Gathered(
                scenario=order.scenario,
                play=order.play,
                compress=order.compress,
                bounds=order.bounds,
                began_at_ms=began_ms,
                planned=ended.planned,
                done=ended.done,
                lost_generators=ended.lost,
                trouble=tuple(self._trouble),
                is_cut=self._is_cut.is_set(),
                found=found,
                unaudited=unaudited,
                seconds=self._seconds.told(),
                killed=self._killed,
                processes=watch.told(),
                pace=tuple(watch.pace),
                machine=order.machine,
                settings=order.settings,
            )
        )

    def cut(self) -> None:
        """End early: generators wait for what is on its way, for a while. The second time nobody waits for anything."""
        if self._is_cut.is_set() or not self._plays:
            self._is_over.set()
            self._crew.kill()
            self._tell("ending at once …")
        else:
            self._crew.cut()
            self._tell(f"ending early: {PATIENCE_S:g} s for what is on its way; once more ends it at once")
        self._is_cut.set()

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

    def _starts(self, town: Town) -> Iterator[Awaitable[Playing]]:
        self._tell(f"looking up who does what, generators: {self._order.generators} …")
        return (self._started(part, self._task(town, part)) for part in range(self._order.generators))

    async def _played(self, planned: int) -> tuple[int, Ended, watching.Watch]:
        order = self._order
        self._tell(f"{planned:,} openings of {order.play.users:,} persons in {order.play.window.run_s:g} s")
        watch = watching.Watch(
            self._target, dict.fromkeys(self._crew.pids(), "generator") | {os.getpid(): "coordinator"}
        )
        at_ns, began_s = time.time_ns() + int(BEGINS_S * 1e9), time.monotonic() + BEGINS_S
        self._crew.go(at_ns)
        works = (self._watched(watch, began_s), self._lagged(began_s), self._faults(began_s))
        beside = [asyncio.ensure_future(work) for work in works]
        for task in beside:
            task.add_done_callback(self._looked_away)
        try:
            ends = await self._crew.played()
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

    async def _watched(self, watch: watching.Watch, began_s: float) -> None:
        """Once a second: who uses what, how far behind the partitions are, whether there is room, who stands still."""
        folders = [self._order.folder, *([Path(self._target.folder)] if self._target.folder else [])]
        second = 0
        overdue_s = self._order.play.window.run_s + OVERDUE_S
        while True:
            await _until(began_s, second)
            watch.look()
            self._crew.look(time.monotonic())
            second += 1
            if full := watching.no_room(*folders):
                self._end(Trouble(full, watching.MAKE_ROOM))
            if self._target.is_gone:
                why = "the platform ended in the middle of the run"
                self._end(Trouble(why, "see in what it printed why it did, and begin again"))
            if second > overdue_s:
                why = f"the generators had not ended {OVERDUE_S:g} s after they should have"
                self._end(Trouble(why, FEWER))

    def _looked_away(self, task: "asyncio.Task[None]") -> None:
        """Who watches the run, or kills for it, has ended: by an error, and the run is worth nothing."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._end(Trouble(f"nobody saw it to its end: {type(error).__name__}: {error}", "see what that says"))

    def _end(self, trouble: Trouble) -> None:
        """End early for the run's own sake."""
        if not self._trouble:
            self._trouble.append(trouble)
            self._tell(trouble.why)
            self._crew.cut()

    async def _lagged(self, began_s: float) -> None:
        if not self._target.log_url:
            return
        log = await asyncio.to_thread(self._target.open_log)
        try:
            lag = Lag(self._target, log)
            while True:
                behind = await asyncio.to_thread(lag.behind)
                self._seconds.behind(int(time.monotonic() - began_s), behind)
                await asyncio.sleep(LAG_EVERY_S)
        finally:
            log.close()

    async def _faults(self, began_s: float) -> None:
        """Kill hosts when the scenario says so."""
        run_s = self._order.play.window.run_s
        for part in self._order.scenario.kills:
            await _until(began_s, part * run_s)
            hosts = await asyncio.to_thread(self._target.hosts)
            if not hosts:
                why = "there was no host to kill: none is a process of this machine"
                self._end(Trouble(why, "leave --dir out, or name a platform that `hutong up` runs here"))
                return
            os.kill(hosts[0], signal.SIGKILL)
            at_s = time.monotonic() - began_s
            self._killed.append((at_s, f"kill -9 of a host, one of {len(hosts)}"))
            self._tell(f"killed a host (kill -9 {hosts[0]})")

    # -- afterwards -----------------------------------------------------------------------------------------------

    async def _audited(self, ended: Ended) -> tuple[Found, str]:
        """What the log shows, and why nobody could look."""
        found, why = Found(0, 0, 0), ""
        ledgers = [name for each in ended.done for name in each.ledger]
        doubts = sum((Counter(each.doubts) for each in ended.done), Counter[str]())
        drawn = {session: pages for each in ended.done for session, pages in each.drawn.items()}
        try:
            if ended.lost:
                why = "a generator took with it what had been accepted"
            elif self._target.log_url:
                found = await asyncio.to_thread(self._audit, ledgers, doubts)
            elif drawn:
                found = await _unless(self._is_over, self._asked(drawn), "somebody ended the audit")
            else:
                why = "no session was drawn to be looked at"
        except (PlatformError, OSError) as error:
            where = "the log could not be read" if self._target.log_url else "the platform does not say what came of it"
            why = f"{where}: {error}"
        finally:
            for name in ledgers:
                (self._order.folder / name).unlink(missing_ok=True)
        otherwise = sum(each.told_otherwise for each in ended.done)
        return found._replace(doubled=found.doubled + otherwise), why

    async def _asked(self, drawn: Mapping[str, int]) -> Found:
        """What the platform itself says of some sessions, where its log cannot be read."""
        async with self._client("after") as client:
            return await asked(client, drawn)

    def _client(self, what: str) -> Client:
        tls = pinned(Path(self._target.tls_cert)) if self._target.tls_cert else None
        return Client(self._target.gateway, f"load-{self._mark}-{what}", token=self._target.token, tls=tls)

    def _audit(self, ledgers: list[str], doubts: Mapping[str, int]) -> Found:
        accepted = read(self._order.folder, ledgers)
        assert self._target.cluster is not None
        log = self._target.open_log()
        try:
            reader = Reader(log, self._target.cluster, self._mark, LEAVES)
            return audited(reader, accepted, doubts, self._is_over.is_set)
        finally:
            log.close()


async def _unless(is_set: asyncio.Event, work: Coroutine[Any, Any, T], why: str) -> T:
    """What the work comes to. Raises SetupError with why, and gives the work up, once the event is set."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(is_set.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if is_set.is_set():
            raise SetupError(why, reason="CUT")
        return working.result()
    finally:
        for each in (working, waiting):
            each.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


async def _until(began_s: float, second: float) -> None:
    """Wait for a moment of the run, which began then by a clock that nobody sets."""
    await asyncio.sleep(max(began_s + second - time.monotonic(), 0))
