"""A whole cluster on one thread from one seed: gateways, log, hosts, controller and clients, and what goes wrong."""

from collections import deque
from functools import partial
from random import Random

from actors import link
from actors.kernel import layout
from actors.kernel.action import Reply
from actors.kernel.record import Slice
from actors.kernel.routing import partition_of
from actors.link import Answer, Ask, FromGateway, FromHost
from actors.settings import ClusterSettings, ProcessSettings
from tests.simulation.chief import NOTICE_MS_MAX, Chief
from tests.simulation.client import SimClient
from tests.simulation.clock import START_MS, Clock
from tests.simulation.disk import Disk
from tests.simulation.faults import Faults, draw
from tests.simulation.gateway import SimGateway
from tests.simulation.host import SimHost
from tests.simulation.log import SimLog
from tests.simulation.workload import CLIENTS, MERCHANTS, RULES, calls, opening

PARTITIONS = 4
GATEWAYS = 2
STORM_MS = 6_000
SETTLE_MS_MAX = 150_000
STEPS_MAX = 400_000
DETECTION_MS_MAX = 800
LEAP_MS = 660_000
NOTES_MAX = 120
SKEW_MS_MAX = 2_000
ALL_TIMERS = layout.timer_range(0, 1 << 60)


class Broken(AssertionError):
    """The world did what it must not."""


class World:
    """One run. `notes` are its last events, for a person."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.faults = draw(self.chance) if faults is None else faults
        self.drawn = str(self.faults)
        self.clock = Clock()
        self.notes: deque[str] = deque(maxlen=NOTES_MAX)
        self.cluster = ClusterSettings(partitions=PARTITIONS)
        crowded = self.faults.crowded
        self.process = ProcessSettings(
            resident_max=6 if crowded else 1_000, outbox_max=8 if crowded else 1_000, snapshot_records=40
        )
        self.rules = RULES
        self.log = SimLog(self.clock, self.chance, self.faults, self)
        self.disk = Disk(self.chance)
        self.timeless_ids = not self.faults.leaps
        self.said_replies: dict[tuple[str, bytes], list[Reply]] = {}
        self.looks: list[tuple[Ask, Answer]] = []
        self.happened: dict[str, int] = {}
        self._asks = 0
        self._lives = 0
        self._links: dict[tuple[str, str], int] = {}
        self._arrives_ms: dict[tuple[str, str], int] = {}
        self.hosts: dict[str, SimHost] = {}
        self.gateways: dict[str, SimGateway] = {}
        self.chief = Chief("c0", self)
        self._chiefs = [self.chief]
        for _ in range(GATEWAYS):
            self._start_gateway()
        scripts = [iter(opening(self.chance)), *(calls(self.chance) for _ in range(CLIENTS))]
        self.clients = [SimClient(f"client{n}", script, self) for n, script in enumerate(scripts)]
        for name in self.faults.events:
            self.clock.after(self.chance.randint(100, STORM_MS), partial(self._event, name))
        self.clock.after(STORM_MS, self._heal)
        self.clock.after(200, self._look)
        self.healed_ms = 0
        self._next_check_ms = 0

    # -- running --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until everything has settled. Raises Broken when it does not."""
        for _ in range(STEPS_MAX):
            self.clock.step()
            if self.healed_ms and self.clock.now_ms >= self._next_check_ms:
                self._next_check_ms = self.clock.now_ms + 200
                unsettled = self.unsettled()
                if not unsettled:
                    return
                if self.clock.now_ms - self.healed_ms > SETTLE_MS_MAX:
                    raise Broken("not settled: " + "; ".join(unsettled))
        raise Broken("too many steps")

    def unsettled(self) -> list[str]:
        """What is still going on, although nothing goes wrong any more."""
        found = [f"{client.name} waits for {client.waits_for}" for client in self.clients if not client.done]
        for partition in range(PARTITIONS):
            host = self.owner_of(partition)
            ownership = host.core.owned.get(partition) if host is not None else None
            end = self.log.end(Slice(self.cluster.commands_topic, partition))
            if host is None or ownership is None or ownership.partition is None or not ownership.serving:
                found.append(f"{partition} is not served by {host and host.name}: {ownership and ownership.phase}")
            elif ownership.outbox.records or ownership.written != end - 1:
                watermark = ownership.partition.meta.watermark
                found.append(f"{partition} ends at {end}, applied {watermark}, written {ownership.written}")
            elif timers := host.store_of(partition).scan(*ALL_TIMERS, limit=3):
                found.append(f"{partition} has timers: {timers}")
        return found

    def story(self) -> str:
        """What to know about a failure."""
        return "\n".join([f"seed {self.seed}", self.drawn, f"so far: {self.happened}", *self.notes])

    def owner_of(self, partition: int) -> SimHost | None:
        """The host that should own a partition, if it is alive."""
        return self.hosts.get(self.chief.controller.placed.get(partition, ""))

    def note(self, text: str) -> None:
        """Remember an event."""
        self.notes.append(f"{self.clock.now_ms - START_MS:>7} ms  {text}")

    # -- what goes wrong ------------------------------------------------------------------------------------------

    def strike(self, name: str, text: str) -> None:
        """Something goes wrong: count it and remember it."""
        self.happened[name] = self.happened.get(name, 0) + 1
        self.note(text)

    def _event(self, name: str) -> None:
        if not self.healed_ms:
            getattr(self, f"_{name}")()

    def _host_crashes(self) -> None:
        if self.hosts:
            host = self.chance.choice(list(self.hosts.values()))
            self.strike("host_crashes", f"{host.name} crashes")
            self._end(host)

    def _zombies(self) -> None:
        """The controller takes a host for dead, at once or after its silence; the host goes on for a while."""
        seen = [name for name in self.chief.controller.hosts if name in self.hosts]
        if seen:
            name = self.chance.choice(seen)
            self.strike("zombies", f"{name} is out of the controller's sight, and goes on")
            self.chief.unseen.add(name)
            if self.chance.random() < 0.5:
                self.chief.host_died(name)
            self.clock.after(self.chance.randint(200, 5_000), partial(self.end_host, name))

    def _moves(self) -> None:
        self.strike("moves", "an operator moves a partition")
        self.chief.move()

    def _controller_restarts(self) -> None:
        """A new controller begins; the former one and its hosts go on until they notice."""
        self._lives += 1
        self.strike("controller_restarts", f"another controller begins: c{self._lives}")
        self.chief = Chief(f"c{self._lives}", self)
        self._chiefs.append(self.chief)

    def chief_ended(self, chief: Chief) -> None:
        """A controller has ended; if it was the last that began, another is started."""
        self.note(f"{chief.controller.name} is superseded")
        self._chiefs.remove(chief)
        if chief is self.chief:
            self._lives += 1
            self.chief = Chief(f"c{self._lives}", self)
            self._chiefs.append(self.chief)

    def _gateway_crashes(self) -> None:
        if not self.gateways:
            return
        gateway = self.chance.choice(list(self.gateways.values()))
        self.strike("gateway_crashes", f"{gateway.name} crashes")
        gateway.alive = False
        del self.gateways[gateway.name]
        for host in list(self.hosts):
            self._unlink(gateway.name, host)
        for client in self.clients:
            client.gateway_died(gateway)
        self.clock.after(self.chance.randint(50, 500), self._start_gateway)

    def _link_drops(self) -> None:
        if self._links:
            gateway, host = self.chance.choice(list(self._links))
            self.strike("link_drops", f"the stream between {gateway} and {host} breaks")
            self._unlink(gateway, host)
            self._dial(gateway, host)

    def _stores_lost(self) -> None:
        partition = self.chance.randrange(PARTITIONS)
        self.strike("stores_lost", f"the stores of {partition} that nobody holds are lost")
        self.disk.lose(partition)

    def _clock_jumps(self) -> None:
        self.log.skew_ms = self.chance.randint(-60_000, 60_000)
        self.strike("clock_jumps", f"the log's clock is {self.log.skew_ms} ms off")

    def _leaps(self) -> None:
        self.strike("leaps", "eleven minutes pass at once")
        self.clock.leap(LEAP_MS)

    def _end(self, host: SimHost) -> None:
        host.crash()
        del self.hosts[host.name]
        for gateway in list(self.gateways):
            self._unlink(gateway, host.name)
        self.clock.after(self.chance.randint(20, DETECTION_MS_MAX), partial(self.chief.host_died, host.name))

    def end_host(self, name: str) -> None:
        """A host is ended by force."""
        if name in self.hosts:
            self.note(f"{name} is ended")
            self._end(self.hosts[name])

    def _heal(self) -> None:
        self.note("nothing goes wrong any more")
        self.log.faults = Faults()
        self.log.skew_ms = 0
        self.faults = Faults(crowded=self.faults.crowded)
        self.chief.unseen.clear()
        for name in list(self.hosts):
            if name not in self.chief.controller.hosts:
                self.end_host(name)
        self.healed_ms = self._next_check_ms = self.clock.now_ms

    # -- hosts, gateways and the streams between them ---------------------------------------------------------------

    def start_host(self) -> SimHost:
        """One more host, under a new name."""
        self._lives += 1
        skew_ms = self.chance.randint(-SKEW_MS_MAX, SKEW_MS_MAX) if self.faults.clock_jumps else 0
        host = SimHost(f"h{self._lives}", self, skew_ms)
        self.note(f"{host.name} starts")
        self.hosts[host.name] = host
        for gateway in self.gateways:
            self._dial(gateway, host.name)
        return host

    def _start_gateway(self) -> None:
        self._lives += 1
        gateway = SimGateway(f"g{self._lives}", self)
        self.gateways[gateway.name] = gateway
        for host in self.hosts:
            self._dial(gateway.name, host)

    def _dial(self, gateway: str, host: str) -> None:
        self.clock.after(self.chance.randint(1, 300), partial(self._link, gateway, host))

    def _link(self, gateway: str, host: str) -> None:
        if gateway in self.gateways and host in self.hosts and (gateway, host) not in self._links:
            self._lives += 1
            self._links[gateway, host] = self._lives
            self.hosts[host].linked(gateway)

    def _unlink(self, gateway: str, host: str) -> None:
        if self._links.pop((gateway, host), None) is None:
            return
        if host in self.hosts:
            self.hosts[host].unlinked(gateway)
        if gateway in self.gateways:
            self.gateways[gateway].down(host)

    def tell_gateway(self, host: SimHost, gateway: str, messages: list[FromHost]) -> None:
        """Messages of a host go to a gateway, unless the stream breaks first."""
        life = self._links.get((gateway, host.name))
        if life is not None:
            self._travel((host.name, gateway), partial(self._arrive, gateway, host.name, life, link.encode(messages)))

    def _arrive(self, gateway: str, host: str, life: int, message: bytes) -> None:
        if self._links.get((gateway, host)) == life:
            self.gateways[gateway].heard(host, link.decode_from_host(message))

    def tell_host(self, gateway: SimGateway, host: str, messages: list[FromGateway]) -> None:
        """Messages of a gateway go to a host, unless the stream breaks first."""
        life = self._links.get((gateway.name, host))
        if life is not None:
            self._travel((gateway.name, host), partial(self._reach, gateway.name, host, life, messages))

    def _reach(self, gateway: str, host: str, life: int, messages: list[FromGateway]) -> None:
        if self._links.get((gateway, host)) == life:
            self.hosts[host].told(gateway, messages)

    def _travel(self, way: tuple[str, str], happens: partial[None]) -> None:
        at_ms = max(self._arrives_ms.get(way, 0), self.clock.elapsed_ms + self.chance.randint(0, 2))
        self._arrives_ms[way] = at_ms
        self.clock.at(at_ms, happens)

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
        """A partition halted: nothing that goes wrong here may lead to that."""
        raise Broken(f"{host} halted {partition}: {why}")

    def said(self, reply: Reply) -> None:
        """Keep every answer, whoever gave it, to compare them in the end."""
        self.said_replies.setdefault((reply.caller, reply.request_id), []).append(reply)

    def partition_of(self, entity: str) -> int:
        """Where an entity is; what has no kind goes anywhere."""
        found = self.rules.of(entity)
        key = entity if found is None else found[0].routing(found[1])
        return partition_of(key, PARTITIONS, {})

    def some_gateway(self) -> SimGateway | None:
        """Any gateway that is there."""
        return self.chance.choice(list(self.gateways.values())) if self.gateways else None

    def _look(self) -> None:
        """Query a shop's totals, now and then."""
        gateway = self.some_gateway()
        if gateway is not None:
            self._asks += 1
            entity = f"shop/{self.chance.choice(MERCHANTS)}"
            ask = Ask(self._asks, self.partition_of(entity), entity, "totals", b"", -1)
            gateway.query(ask, lambda answer: self.looks.append((ask, answer)))
        if not self.healed_ms:
            self.clock.after(self.chance.randint(100, 900), self._look)
