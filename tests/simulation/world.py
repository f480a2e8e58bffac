"""A whole cluster on one thread from one seed: gateways, log, hosts, controller and clients."""

import zlib
from collections import deque
from functools import partial
from random import Random
from typing import NamedTuple

from actors.kernel import layout
from actors.kernel.action import Reply
from actors.kernel.record import Slice
from actors.kernel.routing import partition_of
from actors.link import Answer, Ask, FromGateway, FromHost
from actors.settings import ClusterSettings, ProcessSettings
from tests.simulation.broken import Broken
from tests.simulation.chief import NOTICE_MS_MAX, Chief
from tests.simulation.city import work_of
from tests.simulation.client import SimClient
from tests.simulation.clock import Clock
from tests.simulation.counts import Counts
from tests.simulation.disk import Disk
from tests.simulation.faults import Faults, draw
from tests.simulation.following import SimFollower
from tests.simulation.gateway import SimGateway
from tests.simulation.host import SimHost
from tests.simulation.log import SimLog
from tests.simulation.network import Network
from tests.simulation.trouble import EVENTS
from tests.simulation.workload import Work

GATEWAYS = 2
STORM_MS = 6_000
SETTLE_MS_MAX = 150_000
STEPS_MAX = 1_000_000
DETECTION_MS_MAX = 800
NOTES_MAX = 60
SKEW_MS_MAX = 2_000
SHORT_SEEDS = 300


class Scale(NamedTuple):
    """How large a world is."""

    partitions: int
    hosts: int
    clients: int
    calls: int
    """By each client."""


SHORT, LONG = Scale(4, 2, 5, 18), Scale(8, 3, 42, 6)


def scale_of(seed: int) -> Scale:
    """The worlds of the default run are short; all others are long."""
    return SHORT if seed < SHORT_SEEDS else LONG


class Look(NamedTuple):
    """A query that a gateway let through: whose answer, what, and the highest epoch that the gateway had heard of."""

    ask: Ask
    host: str
    answer: Answer
    epoch: int


class World:
    """One run. `notes` are its last events, for a person; `trace` is a sum over all of them."""

    def __init__(
        self, seed: int, faults: Faults | None = None, scale: Scale | None = None, work: Work | None = None
    ) -> None:
        self.seed = seed
        self.work = work_of(seed) if work is None else work
        self.scale = scale_of(seed) if scale is None else scale
        self.chance = Random(seed)
        self.fate = Random(f"the fate of {seed}")
        drawn = draw(self.fate)  # also when others are given: what is drawn after it must be the same
        self.drawn = drawn if faults is None else faults
        self.faults = self.drawn
        self.clock = Clock()
        self.notes: deque[str] = deque(maxlen=NOTES_MAX)
        self.trace = 0
        self.counts = Counts(worlds=1)
        self.cluster = ClusterSettings(partitions=self.scale.partitions)
        crowded = self.drawn.crowded
        self.process = ProcessSettings(
            resident_max=6 if crowded else 1_000,
            outbox_max=8 if crowded else 1_000,
            snapshot_records=10 * self.scale.partitions,
            spare_hosts=seed % 2,
        )
        self.rules = self.work.new_rules(loaded=True)
        self.generation = 0
        """Of the last choice of packages."""
        self.log = SimLog(self.clock, self.fate, self.drawn, self)
        self.disk = Disk(self.fate, self)
        self.timeless_ids = not self.drawn.leaps
        self.said_replies: dict[tuple[str, bytes], list[Reply]] = {}
        self.looks: list[Look] = []
        self.may_halt: set[int] = set()
        self.halts: dict[int, str] = {}
        """By partition that may halt: why it did."""
        self.healed_ms = 0
        self._asks = 0
        self._lives = 0
        self.hosts: dict[str, SimHost] = {}
        self.gateways: dict[str, SimGateway] = {}
        self.network = Network(self)
        self.chief = Chief("c0", self)
        self._chiefs = [self.chief]
        for _ in range(GATEWAYS):
            self._start_gateway()
        self.follower = SimFollower(self, self.work.follows) if self.work.follows else None
        self.clients = self._clients()
        for name in self.drawn.events:
            self.clock.after(self.fate.randint(100, STORM_MS), partial(self._event, name))
        self.clock.after(STORM_MS, self._heal)
        self.clock.after(200, self._look)
        self._next_check_ms = 0

    def _clients(self) -> list[SimClient]:
        asks = Random(f"what is asked in {self.seed}")
        scripts = [iter(self.work.opening(asks))]
        scripts += [self.work.calls(Random(asks.random()), self.scale.calls) for _ in range(self.scale.clients)]
        return [SimClient(f"client{n}", script, self) for n, script in enumerate(scripts)]

    # -- running --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until everything has settled. Raises Broken when it does not."""
        for _ in range(STEPS_MAX):
            self.clock.step()
            if self.healed_ms and self.clock.elapsed_ms >= self._next_check_ms:
                self._next_check_ms = self.clock.elapsed_ms + 200
                unsettled = self.unsettled()
                if not unsettled:
                    return
                if self.clock.elapsed_ms - self.healed_ms > SETTLE_MS_MAX:
                    raise Broken("not settled: " + "; ".join(unsettled))
        raise Broken("too many steps")

    def unsettled(self) -> list[str]:
        """What is still going on, although nothing goes wrong any more."""
        found = [f"{client.name} waits for {client.waits_for}" for client in self.clients if not client.done]
        if self.follower is not None and not self.follower.is_done:
            found.append("the follower has not brought all partitions what the catalogue says")
        for partition in range(self.scale.partitions):
            host = self.owner_of(partition)
            ownership = host.core.owned.get(partition) if host is not None else None
            end = self.log.end(Slice(self.cluster.commands_topic, partition))
            if host is None or ownership is None or ownership.partition is None or not ownership.serving:
                found.append(f"{partition} is not served by {host and host.name}: {ownership and ownership.phase}")
            elif ownership.outbox.records or ownership.written != end - 1:
                watermark = ownership.partition.meta.watermark
                found.append(f"{partition} ends at {end}, applied {watermark}, written {ownership.written}")
            elif timers := host.store_of(partition).scan(
                *layout.timer_range(0, ownership.partition.meta.now_ms + self.work.timers_ms), limit=3
            ):
                found.append(f"{partition} has timers: {timers}")
        return found

    def story(self) -> str:
        """What to know about a failure."""
        return "\n".join(
            [
                "from tests.simulation.faults import Faults; from tests.simulation.world import Scale, World",
                f"World({self.seed}, {self.drawn.told()}, {self.scale}).run()",
                f"what had an effect: {self.counts.felt}",
                f"its last {len(self.notes)} events:",
                *self.notes,
            ]
        )

    def owner_of(self, partition: int) -> SimHost | None:
        """The host that should own a partition, if it is alive."""
        return self.hosts.get(self.chief.controller.placed.get(partition, ""))

    def note(self, text: str) -> None:
        """Remember an event."""
        note = f"{self.clock.elapsed_ms:>7} ms  {text}"
        self.trace = zlib.crc32(note.encode(), self.trace)
        self.notes.append(note)

    # -- what goes wrong ------------------------------------------------------------------------------------------

    def strike(self, name: str, text: str) -> None:
        """Something is made to go wrong: count it and remember it."""
        self.counts.strike(name)
        self.note(text)

    def felt(self, name: str) -> None:
        """What was made to go wrong had its effect."""
        self.counts.feel(name)

    def _event(self, name: str) -> None:
        if not self.healed_ms:
            EVENTS[name](self)

    def start_chief(self) -> None:
        """Another controller begins."""
        self._lives += 1
        self.note(f"the controller c{self._lives} begins")
        self.chief = Chief(f"c{self._lives}", self)
        self._chiefs.append(self.chief)

    def chief_ended(self, chief: Chief) -> None:
        """A controller has ended; if it was the last that began, another is started."""
        self.felt("controller_restarts")
        self.note(f"{chief.controller.name} is superseded")
        self._chiefs.remove(chief)
        if chief is self.chief:
            self.start_chief()

    def end_gateway(self, gateway: SimGateway) -> None:
        """A gateway ends, and another is started."""
        gateway.alive = False
        del self.gateways[gateway.name]
        for host in list(self.hosts):
            self.network.unlink(gateway.name, host)
        for client in self.clients:
            client.gateway_died(gateway)
        self.clock.after(self.chance.randint(50, 500), self._start_gateway)

    def crashed(self, host: SimHost) -> None:
        """A host is gone, which the controller learns a little later."""
        host.crash()
        del self.hosts[host.name]
        for gateway in list(self.gateways):
            self.network.unlink(gateway, host.name)
        self.clock.after(self.chance.randint(20, DETECTION_MS_MAX), partial(self.chief.host_died, host.name))

    def end_host(self, name: str) -> None:
        """A host is ended by force."""
        if name in self.hosts:
            self.note(f"{name} is ended")
            self.crashed(self.hosts[name])

    def _heal(self) -> None:
        self.note("nothing goes wrong any more")
        self.log.heal()
        self.network.heal()
        self.faults = Faults(crowded=self.drawn.crowded)
        self.chief.unseen.clear()
        for host in list(self.hosts.values()):
            if host.name not in self.chief.controller.hosts:
                self.end_host(host.name)
            else:
                host.stopped_until_ms = -1
                host.go_on("host_stops")
        self.healed_ms = self._next_check_ms = self.clock.elapsed_ms

    # -- hosts and gateways ---------------------------------------------------------------------------------------

    def start_host(self) -> SimHost:
        """One more host, under a new name."""
        self._lives += 1
        skew_ms = self.chance.randint(-SKEW_MS_MAX, SKEW_MS_MAX) if self.faults.clock_jumps else 0
        host = SimHost(f"h{self._lives}", self, skew_ms)
        self.note(f"{host.name} starts")
        self.hosts[host.name] = host
        for gateway in self.gateways:
            self.network.dial(gateway, host.name)
        return host

    def _start_gateway(self) -> None:
        self._lives += 1
        gateway = SimGateway(f"g{self._lives}", self)
        self.gateways[gateway.name] = gateway
        for host in self.hosts:
            self.network.dial(gateway.name, host)

    def tell_gateway(self, host: str, gateway: str, messages: list[FromHost]) -> None:
        """Messages of a host go to a gateway."""
        self.network.tell_gateway(host, gateway, messages)

    def tell_host(self, gateway: str, host: str, messages: list[FromGateway]) -> None:
        """Messages of a gateway go to a host."""
        self.network.tell_host(gateway, host, messages)

    # -- what hosts and gateways say to the world -------------------------------------------------------------------

    def grown(self, slice_: Slice) -> None:
        """A slice has a frame more."""
        if slice_.topic == self.cluster.placement_topic:
            fetched = self.log.slices[slice_][-1]
            for chief in self._chiefs:
                self.clock.after(self.chance.randint(0, NOTICE_MS_MAX), partial(chief.read, fetched))
        if slice_.topic == self.cluster.commands_topic:
            for host in self.hosts.values():
                host.grown(slice_)

    def halted(self, host: str, partition: int, why: str) -> None:
        """A partition halted: only what a test has done to it may lead to that."""
        self.note(f"{host} halts {partition}: {why}")
        if partition not in self.may_halt:
            raise Broken(f"{host} halted {partition}: {why}")
        self.halts[partition] = why

    def said(self, reply: Reply) -> None:
        """Keep every answer, whoever gave it, to compare them in the end."""
        self.said_replies.setdefault((reply.caller, reply.request_id), []).append(reply)

    def partition_of(self, entity: str) -> int:
        """Where an entity is; what has no kind goes anywhere."""
        found = self.rules.of(entity)
        key = entity if found is None else found[0].routing(found[1])
        return partition_of(key, self.scale.partitions, {})

    def some_gateway(self) -> SimGateway | None:
        """Any gateway that is there."""
        return self.chance.choice(list(self.gateways.values())) if self.gateways else None

    def _look(self) -> None:
        """Query a view, now and then; half the time as it is after the last call known to be there."""
        gateway = self.some_gateway()
        if gateway is not None:
            self._asks += 1
            entity, view = self.chance.choice(self.work.looks)
            partition = self.partition_of(entity)
            known = max((client.known.get(partition, -1) for client in self.clients), default=-1)
            at_least = known if self.chance.random() < 0.5 else -1
            ask = Ask(self._asks, partition, entity, view, b"", at_least)
            gateway.query(ask, partial(self._looked, gateway.name, ask))
        if not self.healed_ms:
            self.clock.after(self.chance.randint(50, 400), self._look)

    def _looked(self, gateway: str, ask: Ask, host: str, answer: Answer) -> None:
        self.looks.append(Look(ask, host, answer, self.network.epochs.get((gateway, ask.partition), -1)))
