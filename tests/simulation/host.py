"""A host's shell in the world: feeds the real `HostCore` and carries its work out, through whatever goes wrong."""

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Protocol, cast

from actors import link
from actors.adapters.hosting import stores
from actors.adapters.hosting.behind import Behind
from actors.adapters.memory_states import MemoryStore
from actors.errors import Outcome
from actors.host import HostCore
from actors.kernel.record import Slice
from actors.link import FromGateway, FromHost
from actors.ports import Fetched
from actors.settings import ClusterSettings, ProcessSettings
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
from tests.simulation import workload
from tests.simulation.broken import Broken
from tests.simulation.clock import Clock, up_to
from tests.simulation.disk import TOPIC_ID, Disk, Upload
from tests.simulation.faults import Faults
from tests.simulation.log import SimLog

TICK_MS = 250
POLL_FRAMES_MAX = 12
RETRY_MS = 100
UPLOAD_MS_MAX = 1_500
SLOW_MS_MAX = 120
LOAD_MS_MAX = 300
ROUNDS_MAX = 2_000


class Surroundings(Protocol):
    """What a host is in."""

    clock: Clock
    chance: Random
    fate: Random
    faults: Faults
    log: SimLog
    disk: Disk
    cluster: ClusterSettings
    process: ProcessSettings
    work: workload.Work

    def tell_gateway(self, host: str, gateway: str, messages: list[FromHost]) -> None:
        """Messages go to a gateway."""
        ...

    def strike(self, name: str, text: str) -> None:
        """Something is made to go wrong."""
        ...

    def felt(self, name: str) -> None:
        """What was made to go wrong had its effect."""
        ...

    def crashed(self, host: "SimHost") -> None:
        """A host has ended by itself."""
        ...

    def halted(self, host: str, partition: int, why: str) -> None:
        """A partition halted, which no fault here should lead to."""
        ...


class _Loop:
    """As much of an event loop as `Behind` needs: it calls later."""

    def __init__(self, host: "SimHost", clock: Clock) -> None:
        self._host = host
        self._clock = clock

    def call_later(self, delay_s: float, happens: Callable[[], None]) -> None:
        """Call this after so many seconds, if the host is still there."""
        self._clock.after(int(delay_s * 1_000), partial(self._host.when_it_runs, happens))


class SimHost:
    """One life of one host."""

    def __init__(self, name: str, world: Surroundings, skew_ms: int) -> None:
        """`skew_ms` is how far its clock is ahead."""
        self.name = name
        self.alive = True
        self.skew_ms = skew_ms
        self.stopped_until_ms = -1
        self.core = HostCore(name, world.cluster, world.process, world.work.new_rules(loaded=False))
        self._world = world
        self._clock = world.clock
        self._stores: dict[int, MemoryStore] = {}
        self._lives: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._begun: dict[int, int] = {}
        self._wanted: deque[Mapping[int, int]] = deque()
        self._polling = False
        self._arrives_ms = 0
        self._telling: dict[str, list[FromHost]] = {}
        self._uploading: set[int] = set()
        self._torn: set[tuple[int, int]] = set()
        self._waiting: list[Callable[[], None]] = []
        self._behind = Behind(
            cast(AbstractEventLoop, _Loop(self, world.clock)), self._append, self._write, self.carry_out
        )
        self._tick()

    # -- from outside ---------------------------------------------------------------------------------------------

    def when_it_runs(self, happens: Callable[[], None]) -> None:
        """Do this now; or once the stopped process goes on; or never, if it has ended."""
        if self.alive:
            if self.is_stopped or self._waiting:  # what waits comes first, also at the moment in which it goes on
                self._waiting.append(happens)
            else:
                happens()

    @property
    def is_stopped(self) -> bool:
        """Whether the process does nothing now, though it is alive."""
        return self._clock.elapsed_ms < self.stopped_until_ms

    def stop(self, for_ms: int, kind: str) -> None:
        """Do nothing for a while, and then go on as if nothing had been."""
        self.stopped_until_ms = max(self.stopped_until_ms, self._clock.elapsed_ms + for_ms)
        self._clock.at(self.stopped_until_ms, partial(self.go_on, kind))

    def go_on(self, kind: str) -> None:
        """Everything that came meanwhile is seen now."""
        if self.alive and not self.is_stopped and self._waiting:
            self._world.felt(kind)
            waiting, self._waiting = self._waiting, []
            for happens in waiting:
                self.when_it_runs(happens)

    def assign(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """The controller says what this host should own."""
        self.when_it_runs(partial(self._then, partial(self.core.assign, wanted)))

    def linked(self, gateway: str) -> None:
        """A gateway's stream begins."""
        self.when_it_runs(partial(self._then, partial(self.core.linked, gateway)))

    def unlinked(self, gateway: str) -> None:
        """A gateway's stream ended."""
        self.when_it_runs(partial(self._then, partial(self.core.unlinked, gateway)))

    def told(self, gateway: str, messages: list[FromGateway]) -> None:
        """A gateway says these."""
        arrived = link.decode_from_gateway(link.encode(messages))
        self.when_it_runs(partial(self._then, partial(self.core.told, gateway, arrived)))

    def _then(self, happens: Callable[[], None]) -> None:
        happens()
        self.carry_out()

    def crash(self) -> None:
        """End at once: what was written stays, all else is gone."""
        self.alive = False
        for store in self._stores.values():
            store.close()

    def grown(self, slice_: Slice) -> None:
        """The log has a frame more."""
        if slice_.partition in self._places and not self._polling:
            self._poll_soon()

    def store_of(self, partition: int) -> MemoryStore:
        """The open store of a partition."""
        return self._stores[partition]

    def log_end(self, partition: int) -> int:
        """The offset that the next frame of a partition will have."""
        return self._world.log.end(Slice(self._world.cluster.commands_topic, partition))

    # -- time -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now_ms = self._clock.now_ms + self.skew_ms
        self.core.tick(now_ms)
        self.carry_out()
        due_ms = self.core.next_due_ms()
        wait_ms = TICK_MS if due_ms is None else min(TICK_MS, max(due_ms - now_ms, 1))
        self._clock.after(wait_ms, partial(self.when_it_runs, self._tick))

    # -- reading --------------------------------------------------------------------------------------------------

    def _poll_soon(self, wait_ms: int = 4) -> None:
        self._polling = True
        self._clock.after(up_to(self._world.chance, wait_ms), partial(self.when_it_runs, self._poll))

    def _poll(self) -> None:
        self._polling = False
        log, commands = self._world.log, self._world.cluster.commands_topic
        if log.is_away:
            self._world.felt("log_away")
            self._poll_soon(RETRY_MS)
            return
        while self._wanted:
            wanted = self._wanted.popleft()
            self._places = {
                number: self._places.get(number, self.begins_at(number, offset)) for number, offset in wanted.items()
            }
            self._begun = {number: self._begun.get(number, offset) for number, offset in wanted.items()}
        chance = self._world.chance
        batch: list[Fetched] = []
        more = False
        for number, place in self._places.items():
            frames = log.committed(Slice(commands, number))
            if place < len(frames):
                end = min(len(frames), place + 1 + up_to(chance, POLL_FRAMES_MAX))
                batch += frames[self._again(number, place) : end]
                self._places[number] = end
                more = more or end < len(frames)
        if batch:
            self._arrive(batch)
        if more:
            self._poll_soon()

    def begins_at(self, number: int, offset: int) -> int:  # noqa: ARG002 - a planted bug looks at the partition
        """Where the log is read from when the core wants to read a partition from `offset`."""
        return offset

    def _again(self, number: int, place: int) -> int:
        """From where to read: now and then from what was read already."""
        world, rate = self._world, self._world.faults.poll_repeats
        if rate and world.fate.random() < rate:
            earlier = max(self._begun[number], place - world.fate.randint(1, 3))
            if earlier < place:
                world.strike("poll_repeats", f"{self.name} reads {number} from {earlier} again")
                world.felt("poll_repeats")
            return earlier
        return place

    def _arrive(self, batch: list[Fetched]) -> None:
        world, faults, fate = self._world, self._world.faults, self._world.fate
        if faults.frame_torn and fate.random() < faults.frame_torn:
            batch = self._tear(batch)
        delay_ms = 0
        if faults.poll_stale and fate.random() < faults.poll_stale:
            delay_ms = fate.randint(5, 60)
            world.strike("poll_stale", f"{self.name} is slow to see what it read")
            world.felt("poll_stale")
        self._arrives_ms = max(self._arrives_ms, self._clock.elapsed_ms + delay_ms)
        self._clock.at(self._arrives_ms, partial(self.when_it_runs, partial(self._fetched, batch)))

    def _tear(self, batch: list[Fetched]) -> list[Fetched]:
        """One frame is cut short or has a wrong bit where it is read; the log itself has it whole."""
        fate = self._world.fate
        place = fate.randrange(len(batch))
        fetched = batch[place]
        content = bytearray(fetched.frame)
        if fate.random() < 0.5:
            content = content[: fate.randrange(len(content))]
        else:
            content[fate.randrange(len(content))] ^= 1 << fate.randrange(8)
        self._torn.add((fetched.slice.partition, fetched.offset))
        where = f"{fetched.slice.partition}/{fetched.offset}"
        self._world.strike("frame_torn", f"{self.name} reads a damaged copy of the frame at {where}")
        return [*batch[:place], fetched._replace(frame=bytes(content)), *batch[place + 1 :]]

    def _fetched(self, batch: list[Fetched]) -> None:
        self.core.fetched(batch, self._clock.now_ms + self.skew_ms)
        self.carry_out()

    # -- work -----------------------------------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Do what the core asks for until it asks for no more."""
        rounds = 0
        while self.alive and (works := self.core.work()):
            rounds += 1
            if rounds > ROUNDS_MAX:
                raise Broken(f"{self.name} asks for the same work without end: {works[:3]}")
            for work in works:
                if self.alive:
                    self._do(work)
        if self._telling:
            telling, self._telling = self._telling, {}
            for gateway, messages in telling.items():
                self._world.tell_gateway(self.name, gateway, messages)

    def _do(self, work: Work) -> None:
        core, chance, world = self.core, self._world.chance, self._world
        if world.faults.crash_at_work and world.fate.random() < world.faults.crash_at_work:
            self._crash_before(work)
            return
        match work:
            case Tell(gateway, message):
                self._telling.setdefault(gateway, []).append(message)
            case Append(slice=slice_):
                if slice_.topic == world.cluster.commands_topic:
                    self._append(work)
                else:
                    self._behind.append(work)
            case Write():
                self._behind.write(work)
            case Load(partition, keys):
                self._is_slow()
                core.loaded(partition, stores.load(self._stores[partition], keys))
            case LoadPackage(_, package):
                loaded = partial(core.package_loaded, package, world.work.packages[package])
                wait_ms = chance.randint(1, LOAD_MS_MAX)
                self._clock.after(wait_ms, partial(self.when_it_runs, partial(self._then, loaded)))
            case Scan(partition, start, end, limit):
                self._behind.flush(partition)
                core.scanned(partition, self._stores[partition].scan(start, end, limit))
            case Read(positions):
                self._wanted.append(positions)
                self._poll_soon()
            case FindEnd(partition, ticket):
                self._clock.after(
                    chance.randint(0, 5), partial(self.when_it_runs, partial(self._find_end, partition, ticket))
                )
            case Open(partition):
                life = self._lives[partition] = self._lives.get(partition, 0) + 1
                self._open_soon(partition, life)
            case Close(partition):
                self._close(partition)
            case Checkpoint(partition):
                self._checkpoint(partition)
            case Halted(partition, position, why):
                self._halted(partition, position, why)

    def _crash_before(self, work: Work) -> None:
        """End between two steps: what was handed out before is on its way, this and all after it never was."""
        name = f"crash_at_{type(work).__name__.lower()}"
        self._world.strike(name, f"{self.name} crashes just before {type(work).__name__}")
        self._world.felt(name)
        self._world.crashed(self)

    def _append(self, work: Append) -> None:
        self._world.log.append(self.name, work.slice, work.frame, partial(self._appended, work.ticket))

    def _appended(self, ticket: int, outcome: int | Outcome) -> None:
        if isinstance(outcome, int):
            happens = partial(self.core.appended, ticket, outcome)
        else:
            happens = partial(self.core.append_failed, ticket)
        self.when_it_runs(partial(self._then, happens))

    def _write(self, work: Write) -> None:
        store = self._stores.get(work.partition)
        if self.alive and store is not None:
            self._is_slow()
            stores.write(store, work.batch, work.swept_seconds)
            self.core.wrote(work.partition, work.offset)

    def _is_slow(self) -> None:
        """The disk takes its time, and the process, which has one thread, with it."""
        world = self._world
        if world.faults.disk_slow and world.fate.random() < world.faults.disk_slow:
            world.strike("disk_slow", f"{self.name} waits for its disk")
            self.stop(world.fate.randint(5, SLOW_MS_MAX), "disk_slow")

    def _find_end(self, partition: int, ticket: int) -> None:
        if self._world.log.is_away:
            self._clock.after(RETRY_MS, partial(self.when_it_runs, partial(self._find_end, partition, ticket)))
            return
        self.core.end_found(partition, ticket, self.log_end(partition))
        self.carry_out()

    # -- stores ---------------------------------------------------------------------------------------------------

    def _open_soon(self, partition: int, life: int, wait_ms: int = 20) -> None:
        wait_ms = self._world.chance.randint(1, wait_ms)
        self._clock.after(wait_ms, partial(self.when_it_runs, partial(self._open, partition, life)))

    def _open(self, partition: int, life: int) -> None:
        if self._lives[partition] != life:
            return
        if self._world.log.is_away:
            self._world.felt("log_away")
            self._open_soon(partition, life, RETRY_MS)
            return
        opened = self._world.disk.open(partition)
        watermark = -1 if opened.meta is None else opened.meta.watermark
        if watermark >= self.log_end(partition):
            opened.store.close()
            where = f"{partition}/{watermark}"
            self.core.halt(partition, where, f"the states are at {watermark}: acknowledged records are gone")
        else:
            self._stores[partition] = opened.store
            self.core.opened(partition, opened.meta, opened.buckets, opened.programs, TOPIC_ID)
        self.carry_out()

    def _close(self, partition: int) -> None:
        self._behind.flush(partition)
        self._lives[partition] = self._lives.get(partition, 0) + 1
        store = self._stores.pop(partition, None)
        if store is not None:
            store.close()

    def _checkpoint(self, partition: int) -> None:
        self._behind.flush(partition)
        if self.alive and partition not in self._uploading:
            self._uploading.add(partition)
            upload = self._world.disk.checkpoint(self.name, partition, self._stores[partition])
            self._clock.after(self._world.chance.randint(1, UPLOAD_MS_MAX), partial(self._upload, upload))

    def _upload(self, upload: Upload) -> None:
        """The upload runs in a thread of its own: it goes on when the partition has moved, and ends with the host."""
        world = self._world
        if self.alive:
            half = world.fate.random() < world.faults.snapshot_half
            if half:
                world.strike("snapshot_half", f"{self.name} crashes in the midst of a snapshot of {upload.partition}")
            world.disk.upload(upload, cut_off=half)
            self._uploading.discard(upload.partition)
            if half:
                world.crashed(self)

    # -- halts ----------------------------------------------------------------------------------------------------

    def _halted(self, partition: int, position: str, why: str) -> None:
        """A partition halts where a damaged frame was read, and an operator retries it; nothing else may halt one."""
        number, _, rest = position.partition("/")
        offset = int(rest.partition("/")[0] or -1)
        if (int(number), offset) not in self._torn:
            self._world.halted(self.name, partition, f"at {position}: {why}")
            return
        self._world.felt("frame_torn")
        self._torn.discard((int(number), offset))
        wait_ms = self._world.chance.randint(50, 500)
        self._clock.after(wait_ms, partial(self.when_it_runs, partial(self._retry, partition)))

    def _retry(self, partition: int) -> None:
        ownership = self.core.owned.get(partition)
        if ownership is not None and ownership.halted:
            self.core.restart(partition)
            self.carry_out()
