"""A host's shell in the world: feeds the real `HostCore` and carries its work out, through whatever goes wrong."""

from collections import deque
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Protocol

from actors import link
from actors.adapters.hosting import stores
from actors.adapters.memory_states import MemoryStore
from actors.errors import Outcome
from actors.host import HostCore
from actors.kernel.record import Slice
from actors.kernel.rules import Rules
from actors.link import FromGateway, FromHost
from actors.ports import Fetched
from actors.settings import ClusterSettings, ProcessSettings
from actors.work import Append, Checkpoint, Close, FindEnd, Halted, Load, Open, Read, Scan, Tell, Work, Write
from tests.simulation.clock import Clock
from tests.simulation.disk import TOPIC_ID, Disk
from tests.simulation.faults import Faults
from tests.simulation.log import SimLog

TICK_MS = 250
POLL_FRAMES_MAX = 12


class Surroundings(Protocol):
    """What a host is in."""

    clock: Clock
    chance: Random
    faults: Faults
    log: SimLog
    disk: Disk
    cluster: ClusterSettings
    process: ProcessSettings
    rules: Rules

    def tell_gateway(self, host: "SimHost", gateway: str, messages: list[FromHost]) -> None:
        """Messages go to a gateway."""
        ...

    def strike(self, name: str, text: str) -> None:
        """Something goes wrong."""
        ...

    def halted(self, host: str, partition: int, why: str) -> None:
        """A partition halted, which no fault here should lead to."""
        ...


class SimHost:
    """One life of one host."""

    def __init__(self, name: str, world: Surroundings, skew_ms: int) -> None:
        """`skew_ms` is how far its clock is ahead."""
        self.name = name
        self.alive = True
        self.skew_ms = skew_ms
        self.core = HostCore(name, world.cluster, world.process, world.rules)
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
        self._tick()

    # -- from outside ---------------------------------------------------------------------------------------------

    def assign(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """The controller says what this host should own."""
        if self.alive:
            self.core.assign(wanted)
            self.carry_out()

    def linked(self, gateway: str) -> None:
        """A gateway's stream begins."""
        self.core.linked(gateway)
        self.carry_out()

    def unlinked(self, gateway: str) -> None:
        """A gateway's stream ended."""
        if self.alive:
            self.core.unlinked(gateway)
            self.carry_out()

    def told(self, gateway: str, messages: list[FromGateway]) -> None:
        """A gateway says these."""
        self.core.told(gateway, link.decode_from_gateway(link.encode(messages)))
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

    # -- time -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if not self.alive:
            return
        now_ms = self._clock.now_ms + self.skew_ms
        self.core.tick(now_ms)
        self.carry_out()
        due_ms = self.core.next_due_ms()
        wait_ms = TICK_MS if due_ms is None else min(TICK_MS, max(due_ms - now_ms, 1))
        self._clock.after(wait_ms, self._tick)

    # -- reading --------------------------------------------------------------------------------------------------

    def _poll_soon(self) -> None:
        self._polling = True
        self._clock.after(self._world.chance.randint(0, 2), self._poll)

    def _poll(self) -> None:
        self._polling = False
        if not self.alive:
            return
        while self._wanted:
            wanted = self._wanted.popleft()
            self._places = {number: self._places.get(number, offset) for number, offset in wanted.items()}
            self._begun = {number: self._begun.get(number, offset) for number, offset in wanted.items()}
        chance, faults = self._world.chance, self._world.faults
        batch: list[Fetched] = []
        more = False
        for number, place in self._places.items():
            frames = self._world.log.slices.get(Slice(self._world.cluster.commands_topic, number), [])
            end = min(len(frames), place + chance.randint(1, POLL_FRAMES_MAX))
            if place < end:
                if faults.poll_repeats and chance.random() < faults.poll_repeats:
                    place = max(self._begun[number], place - chance.randint(1, 3))
                    self._world.strike("poll_repeats", f"{self.name} reads {number} from {place} again")
                batch += frames[place:end]
                self._places[number] = end
                more = more or end < len(frames)
        if batch:
            delay_ms = 0
            if faults.poll_stale and chance.random() < faults.poll_stale:
                delay_ms = chance.randint(5, 60)
                self._world.strike("poll_stale", f"{self.name} is slow to see what it read")
            self._arrives_ms = max(self._arrives_ms, self._clock.elapsed_ms + delay_ms)
            self._clock.at(self._arrives_ms, partial(self._fetched, batch))
        if more:
            self._poll_soon()

    def _fetched(self, batch: list[Fetched]) -> None:
        if self.alive:
            self.core.fetched(batch, self._clock.now_ms + self.skew_ms)
            self.carry_out()

    # -- work -----------------------------------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Do what the core asks for until it asks for no more."""
        while works := self.core.work():
            for work in works:
                self._do(work)
        if self._telling:
            telling, self._telling = self._telling, {}
            for gateway, messages in telling.items():
                self._world.tell_gateway(self, gateway, messages)

    def _do(self, work: Work) -> None:
        core, chance = self.core, self._world.chance
        match work:
            case Tell(gateway, message):
                self._telling.setdefault(gateway, []).append(message)
            case Append(ticket, slice_, frame):
                self._world.log.append(self.name, slice_, frame, partial(self._appended, ticket))
            case Write(partition, offset, batch, swept_seconds):
                stores.write(self._stores[partition], batch, swept_seconds)
                core.wrote(partition, offset)
            case Load(partition, keys):
                core.loaded(partition, stores.load(self._stores[partition], keys))
            case Scan(partition, start, end, limit):
                core.scanned(partition, self._stores[partition].scan(start, end, limit))
            case Read(positions):
                self._wanted.append(positions)
                self._poll_soon()
            case FindEnd(partition, ticket):
                self._clock.after(chance.randint(0, 5), partial(self._find_end, partition, ticket))
            case Open(partition):
                life = self._lives[partition] = self._lives.get(partition, 0) + 1
                self._clock.after(chance.randint(1, 20), partial(self._open, partition, life))
            case Close(partition):
                self._lives[partition] = self._lives.get(partition, 0) + 1
                store = self._stores.pop(partition, None)
                if store is not None:
                    store.close()
            case Checkpoint(partition):
                self._world.disk.snapshot(partition, self._stores[partition])
            case Halted(partition, _, why):
                self._world.halted(self.name, partition, why)

    def _appended(self, ticket: int, outcome: int | Outcome) -> None:
        if self.alive:
            if isinstance(outcome, int):
                self.core.appended(ticket, outcome)
            else:
                self.core.append_failed(ticket)
            self.carry_out()

    def _find_end(self, partition: int, ticket: int) -> None:
        if self.alive:
            end = self._world.log.end(Slice(self._world.cluster.commands_topic, partition))
            self.core.end_found(partition, ticket, end)
            self.carry_out()

    def _open(self, partition: int, life: int) -> None:
        if self.alive and self._lives[partition] == life:
            opened = self._world.disk.open(partition)
            self._stores[partition] = opened.store
            self.core.opened(partition, opened.meta, opened.buckets, TOPIC_ID)
            self.carry_out()
