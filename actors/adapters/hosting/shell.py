"""The loop of a host: feeds the core with what happened, carries out what it answers. Thin: no rule lives here."""

import asyncio
import contextlib
import itertools
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import ParamSpec

import msgspec

from actors.adapters.hosting import stores
from actors.adapters.hosting.behind import Behind
from actors.adapters.hosting.config import HostConfig
from actors.adapters.hosting.keeping import Keeping
from actors.adapters.hosting.learning import Learning
from actors.adapters.hosting.links import Links
from actors.adapters.hosting.observing import Observer, Report
from actors.adapters.hosting.packaging import Packaging
from actors.adapters.hosting.stores import Opened, Opener
from actors.adapters.hosting.watching import Watching
from actors.adapters.polling import Poller
from actors.clocks import wall_ms
from actors.errors import Corrupt, PlatformError, SetupError, Unavailable
from actors.host import HostCore
from actors.kernel.record import Position
from actors.kernel.rules import Rules
from actors.link import FromGateway
from actors.ownership import Ownership, Phase
from actors.ports import Appended, Fetched, Log, Objects, Packages, Slice, States, Store
from actors.sensor import Sensor
from actors.verdicts import Verdict, standing
from actors.work import (
    Append,
    Checkpoint,
    Close,
    FindEnd,
    Halted,
    Load,
    LoadPackage,
    Open,
    Read,
    Scan,
    Tell,
    Work,
    Write,
)

TICK_S = 0.25
TIMERS_S = 0.025
"""Timers that fall due within so long are fired by one frame: with hundreds a second, each would else have its own."""
DRAIN_LOOK_S = 0.02
OPEN_RETRY_S = 0.2
STORE_RETRY_S = 5.0

P = ParamSpec("P")


class Parts:
    """What a host is wired to; the wiring makes it, so that tests and `dev` can choose."""

    def __init__(
        self,
        log: Log,
        states: States,
        objects: Objects,
        rules: Rules,
        sensor: Sensor,
        packages: Packages | None = None,
    ) -> None:
        self.log = log
        self.states = states
        self.objects = objects
        self.rules = rules
        self.packages = packages
        self.sensor = sensor


class Hosting:
    """One running host, on the event loop that it is made in. `assign`, `restart`, `status` are for any thread."""

    def __init__(
        self, config: HostConfig, parts: Parts, report: Report, failed: Callable[[], None] | None = None
    ) -> None:
        """`report(event, facts)` is told what an operator should see.

        `failed()` is called when a step of ours raised what nobody expected: half of it is done, so this host must end.
        """
        self._failed = failed
        self._config = config
        self._parts = parts
        self._report = report
        self._watching = Watching(config.notes_dir, config.process.decide_ms_max) if config.watchdog else None
        progress = self._watching.progress if self._watching else None
        self._core = HostCore(config.name, config.cluster, config.process, parts.rules, progress)
        self._observer = Observer(self._core, parts.sensor, report)
        self._control = Slice(config.cluster.control_topic, 0)
        self._learning = Learning(parts.log, self._control, config.notes_dir)
        self._stores: dict[int, Store] = {}
        self._opens: dict[int, int] = {}
        self._lives = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        whole = self._whole
        self._links = Links(config.token, whole(self._linked), whole(self._unlinked), whole(self._told), self._status)
        self._poller = Poller(parts.log.reader(), self._loop, whole(self._fetched), whole(self._read_failed))
        self._opener = Opener(
            parts.states,
            parts.objects,
            parts.log,
            config.states_dir,
            config.cluster.commands_topic,
            config.name,
            lambda damage: report("a snapshot cannot be used", {"why": str(damage)}),
        )
        self._keeping = Keeping(config, self._opener, parts.log, parts.sensor, self._core.owned, report)
        self._packaging = Packaging(self._core, parts.packages, parts.log, config.cluster, report)
        self._done: list[tuple[int, Future[Appended]]] = []
        self._done_lock = threading.Lock()
        self._behind = Behind(self._loop, self._append, self._write, whole(self._carry_out))
        self._ticking: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    # -- from outside ---------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Begin; returns the address of the link server."""
        port = await self._links.start("127.0.0.1:0")
        self._opener.sweep()
        self._poller.start()
        self._read({})
        self._tick()
        return f"127.0.0.1:{port}"

    def assign(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """The whole set of partitions that this host should own, each with its assignment (term, n)."""
        self._call(lambda: self._core.assign(wanted))

    def restart(self, partition: int) -> None:
        """Try a halted partition again."""
        self._call(lambda: self._core.restart(partition))

    def status(self) -> "Future[bytes]":
        """How every partition stands, as JSON."""
        answer: Future[bytes] = Future()
        self._call(lambda: answer.set_result(self._status()))
        return answer

    def _status(self) -> bytes:
        return msgspec.json.encode(self._core.status())

    def _call(self, function: Callable[[], object]) -> None:
        def run() -> None:
            function()
            self._carry_out()

        self._loop.call_soon_threadsafe(self._whole(run))

    def _whole(self, step: Callable[P, None]) -> Callable[P, None]:
        """A step that is done whole, or is this host's last."""

        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                step(*args, **kwargs)
            except BaseException as error:  # a thread that ended without a word would look alive
                self._fail(error)
                raise

        return run

    def _fail(self, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error))
        self._report("this host cannot go on", {"error": repr(error), "trace": trace})
        if self._failed is not None:
            self._failed()

    async def drain(self) -> int | None:
        """Apply all that the log has, write all that follows; for at most `drain_ms_max`, and then say what is left.

        No timer is fired any more. Returns how many records were applied so far, or None when something is left.
        """
        self._core.draining = True
        until = time.monotonic() + self._config.process.drain_ms_max / 1_000
        topic, left = self._config.cluster.commands_topic, ["the log is away"]
        while time.monotonic() < until:
            self._behind.hand_on()
            slices = [Slice(topic, number) for number in self._core.owned]
            with contextlib.suppress(Unavailable):
                spans = await asyncio.to_thread(self._parts.log.spans, slices)
                if len(slices) == len(self._core.owned):
                    left = self._core.left({slice_.partition: span.end for slice_, span in spans.items()})
                    if not left:
                        return self._applied()
            await asyncio.sleep(DRAIN_LOOK_S)
        self._report("stopped before all was written: other rules will not go on from here", {"left": left})
        return None

    async def stop(self) -> None:
        """Let every partition go and end."""
        self._core.assign({})
        self._carry_out()
        self._behind.stop()
        if self._ticking is not None:
            self._ticking.cancel()
        await self._links.stop()
        await asyncio.to_thread(self._poller.stop)
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._watching:
            self._watching.stop()

    # -- the loop -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now_ms = wall_ms()
        self._core.tick(now_ms)
        self._carry_out()
        if self._observer.look(now_ms, time.monotonic()):
            self._spawn(self._find_ends())
        wait_s = next_tick_s(self._core.next_due_ms(), now_ms)
        self._ticking = self._loop.call_later(wait_s, self._whole(self._tick))

    def _fetched(self, frames: Sequence[Fetched]) -> None:
        began, applied = time.perf_counter(), self._applied()
        self._parts.sensor.frames_polled(len(frames), sum(len(frame.frame) for frame in frames))
        for frame in frames:
            if frame.slice == self._control:
                self._learn(frame)
        commands = [frame for frame in frames if frame.slice != self._control]
        self._core.fetched(commands, wall_ms())
        self._carry_out()
        self._parts.sensor.frames_applied(len(frames), time.perf_counter() - began, max(self._applied() - applied, 0))

    def _applied(self) -> int:
        return sum(ownership.applied_records for ownership in self._core.owned.values())

    def _learn(self, frame: Fetched) -> None:
        """Take a verdict in; a partition that was halted may begin anew."""
        try:
            verdicts = self._learning.take(frame)
        except Corrupt as error:
            # It may have said to skip a record: going on without it would be another history.
            for number in list(self._core.owned):
                self._core.halt(number, error.position, str(error))
            return
        for verdict in verdicts:
            ownership = self._core.owned.get(verdict.position.partition)
            if verdict.word in ("skip", "retry") and ownership is not None and ownership.halted:
                self._core.restart(verdict.position.partition)

    def _read_failed(self, error: Corrupt) -> None:
        """The log is damaged where it was to be read: one partition stops, or all if it is what operators said."""
        topic, number, offset = error.position.rsplit("/", 2)
        ownership = self._core.owned.get(int(number))
        if topic != self._control.topic and ownership is not None and ownership.phase is Phase.REPLAYING:
            self._spawn(self._cannot_replay(ownership, f"{number}/{offset}", str(error)))
            return
        for partition in list(self._core.owned) if topic == self._control.topic else [int(number)]:
            self._core.halt(partition, f"{number}/{offset}", str(error))
        self._carry_out()

    async def _cannot_replay(self, ownership: Ownership, place: str, why: str) -> None:
        """Begin anew if the log was trimmed under a replay: a snapshot reaches beyond that by now. Else halt."""
        number = ownership.number
        slice_ = Slice(self._config.cluster.commands_topic, number)
        start = -1
        with contextlib.suppress(Unavailable):
            start = (await asyncio.to_thread(self._parts.log.spans, [slice_]))[slice_].start
        if self._core.owned.get(number) is not ownership or ownership.phase is not Phase.REPLAYING:
            return
        if ownership.intake.next_offset < start:
            self._core.restart(number)
        elif int(place.rpartition("/")[2]) >= ownership.intake.next_offset:  # else said of a read that was given up
            self._core.halt(number, place, why)
        self._carry_out()

    def _linked(self, gateway: str) -> None:
        self._core.linked(gateway)
        self._carry_out()

    def _unlinked(self, gateway: str) -> None:
        self._core.unlinked(gateway)
        self._carry_out()

    def _told(self, gateway: str, messages: Sequence[FromGateway]) -> None:
        self._core.told(gateway, messages)
        self._carry_out()

    # -- work -----------------------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        while works := self._core.work():
            for work in works:
                try:
                    self._do(work)
                except PlatformError as error:
                    self._cannot_store(work, error)
        self._observer.phase_changes(time.monotonic())

    def _do(self, work: Work) -> None:
        match work:
            case Tell(gateway, message):
                self._links.tell(gateway, message)
            case Append(slice=slice_) if slice_.topic != self._config.cluster.commands_topic:
                self._behind.append(work)
            case Append():
                self._append(work)
            case Write():
                self._behind.write(work)
            case Load(partition, keys):
                self._core.loaded(partition, stores.load(self._stores[partition], keys))
            case LoadPackage(program, package):
                self._spawn(self._packaging.load(program, package, self._carry_out))
            case Scan(partition, start, end, limit):
                self._behind.flush(partition)
                self._core.scanned(partition, self._stores[partition].scan(start, end, limit))
            case Read(positions):
                self._read(positions)
            case FindEnd(partition, ticket):
                self._spawn(self._find_end(partition, ticket))
            case Open(partition):
                self._opens[partition] = life = next(self._lives)
                self._spawn(self._open(partition, life))
            case Close(partition):
                self._behind.flush(partition)
                self._close(partition)
            case Checkpoint(partition):
                self._behind.flush(partition)
                upload = self._keeping.checkpoint(partition, self._stores[partition])
                if upload is not None:
                    self._spawn(upload)
            case Halted(partition, position, why):
                self._halted(partition, position, why)

    def _append(self, work: Append) -> None:
        future = self._parts.log.append(work.slice, work.frame)
        future.add_done_callback(lambda done: self._append_done(work.ticket, done))

    def _write(self, work: Write) -> None:
        store = self._stores.get(work.partition)
        if store is None:
            return  # an earlier write failed, and none may be left out: what is lost is replayed
        try:
            stores.write(store, work.batch, work.swept_seconds)
        except PlatformError as error:
            self._cannot_store(work, error)
        else:
            self._core.wrote(work.partition, work.offset)

    def _cannot_store(self, work: Work, error: PlatformError) -> None:
        """The store failed: go on from what it has, at once or once an operator has looked."""
        assert isinstance(work, Write | Load | Scan | Checkpoint)
        store = self._stores.pop(work.partition, None)
        if store is not None:  # on a full disk this takes a second, in which other partitions go on
            self._spawn(asyncio.to_thread(store.close))
        self._close(work.partition)
        self._stop(work.partition, error)

    def _stop(self, partition: int, error: PlatformError) -> None:
        """Halt a partition; what its surroundings caused, such as a full disk, is tried again after a while."""
        position = error.position if isinstance(error, Corrupt) else str(partition)
        self._core.halt(partition, position, str(error))
        if isinstance(error, SetupError):
            self._loop.call_later(STORE_RETRY_S, self._call, lambda: self._core.restart(partition))

    def _halted(self, partition: int, position: str, why: str) -> None:
        self._report("partition halted", {"partition": partition, "position": position, "why": why})
        parts = position.split("/")
        if len(parts) == len(Position.__struct_fields__) and all(part.isdecimal() for part in parts):
            where = Position(*map(int, parts))
            known = self._learning.verdicts.get(where)
            if known is None or known.word != "halted":
                self._learning.append(Verdict(where, "halted", why))

    def _read(self, positions: Mapping[int, int]) -> None:
        topic = self._config.cluster.commands_topic
        commands = {Slice(topic, number): offset for number, offset in positions.items()}
        self._poller.assign({self._control: self._learning.next_offset, **commands})

    def _append_done(self, ticket: int, future: "Future[Appended]") -> None:
        with self._done_lock:
            self._done.append((ticket, future))
            first = len(self._done) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would care
                self._loop.call_soon_threadsafe(self._whole(self._take_done))

    def _take_done(self) -> None:
        with self._done_lock:
            done, self._done = self._done, []
        for ticket, future in done:
            error = future.exception()
            if error is None:
                self._core.appended(ticket, future.result().offset)
            else:
                self._core.append_failed(ticket)
        self._carry_out()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._spawned)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    async def _find_ends(self) -> None:
        """How far the log goes, for the lag that the metrics show."""
        topic = self._config.cluster.commands_topic
        try:
            spans = await asyncio.to_thread(
                self._parts.log.spans, [Slice(topic, number) for number in self._core.owned]
            )
        except Unavailable:
            return
        self._observer.ends = {slice_.partition: span.end for slice_, span in spans.items()}

    async def _find_end(self, partition: int, ticket: int) -> None:
        slice_ = Slice(self._config.cluster.commands_topic, partition)
        while partition in self._core.owned:
            try:
                spans = await asyncio.to_thread(self._parts.log.spans, [slice_])
            except Unavailable:
                await asyncio.sleep(OPEN_RETRY_S)
                continue
            self._core.end_found(partition, ticket, spans[slice_].end)
            self._carry_out()
            return

    async def _open(self, partition: int, life: int) -> None:
        while self._opens.get(partition) == life:
            try:
                await self._learning.know()
                opened = await asyncio.to_thread(self._opener.open, partition)
            except Unavailable as error:
                self._report("waiting for the log", {"partition": partition, "why": str(error)})
                await asyncio.sleep(OPEN_RETRY_S)
                continue
            except PlatformError as error:
                self._stop(partition, error)
            else:
                self._take_store(partition, life, opened)
            self._carry_out()
            return

    def _take_store(self, partition: int, life: int, opened: Opened) -> None:
        if self._opens.get(partition) != life:
            opened.store.close()
            return
        self._stores[partition] = opened.store
        skips, stop_at = standing(self._learning.verdicts.values(), partition)
        meta, buckets, programs, topic_id = opened[1:]
        self._core.opened(partition, meta, buckets, programs, topic_id, skips, stop_at)

    def _close(self, partition: int) -> None:
        self._opens.pop(partition, None)
        store = self._stores.pop(partition, None)
        if store is not None:
            store.close()


def next_tick_s(due_ms: int | None, now_ms: int) -> float:
    """How long until the host looks around again, when the first timer falls due then, or none is known."""
    return TICK_S if due_ms is None else min(TICK_S, max((due_ms - now_ms) / 1_000, TIMERS_S))
