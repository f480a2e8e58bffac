"""A controller's shell in the world: carries out what the real `Controller` decides, and may be replaced or be late."""

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Protocol

from actors.controller import Assign, Controller, EndHost, Say, StartHost
from actors.errors import Outcome
from actors.kernel.record import Slice, encode_frame, frame_records
from actors.kernel.rules import Rules
from actors.placement import Placed, Release, Term, decode_placement, encode_placement, placement_key
from actors.ports import Fetched
from actors.settings import ClusterSettings, ProcessSettings
from tests.simulation.clock import Clock
from tests.simulation.host import SimHost
from tests.simulation.log import SimLog

ASK_MS = 300
RETRY_MS = 50
START_MS_MAX = 400
END_MS_MAX = 100
CALL_MS_MAX = 30
NOTICE_MS_MAX = 1_000


class Scaled(Protocol):
    """How many hosts there should be."""

    @property
    def hosts(self) -> int:
        """So many."""
        ...


class Surroundings(Protocol):
    """What a controller is in."""

    clock: Clock
    chance: Random
    log: SimLog
    cluster: ClusterSettings
    process: ProcessSettings
    rules: Rules
    hosts: dict[str, SimHost]

    @property
    def scale(self) -> Scaled:
        """How large the world is."""
        ...

    def start_host(self) -> SimHost:
        """One more host."""
        ...

    def chief_ended(self, chief: "Chief") -> None:
        """A controller has ended."""
        ...

    def end_host(self, name: str) -> None:
        """The end of a host, by force."""
        ...


class Chief:
    """One life of one controller."""

    def __init__(self, name: str, world: Surroundings) -> None:
        self.alive = True
        self.unseen: set[str] = set()
        """Hosts that do not answer it, though they are alive."""
        self.controller = Controller(
            name,
            world.cluster,
            world.scale.hosts,
            world.process.host_silence_ms_max,
            world.rules.release,
            world.rules.digest,
            spares=world.process.spare_hosts,
        )
        self._world = world
        self._clock = world.clock
        self._slice = Slice(world.cluster.placement_topic, 0)
        self._said_ms: dict[str, int] = {}
        self.carry_out()
        self._ask()

    def carry_out(self) -> None:
        """Do what the controller wants."""
        for action in self.controller.actions():
            match action:
                case Say(placement):
                    frame = encode_frame(*self._slice, self.controller.name, 0, "", [encode_placement(placement)])
                    assert placement_key(placement)
                    self._say(frame, isinstance(placement, Term))
                case Assign(host, wanted):
                    self._assign(host, wanted)
                case StartHost():
                    self._clock.after(self._world.chance.randint(50, START_MS_MAX), self._start)
                case EndHost(host):
                    if host not in self.unseen:
                        self._clock.after(
                            self._world.chance.randint(1, END_MS_MAX), partial(self._world.end_host, host)
                        )

    def _say(self, frame: bytes, is_term: bool) -> None:
        if self.alive:
            done = partial(self._appended, frame, is_term)
            self._world.log.append(self.controller.name, self._slice, frame, done)

    def _appended(self, frame: bytes, is_term: bool, outcome: int | Outcome) -> None:
        if not isinstance(outcome, int):
            self._clock.after(RETRY_MS, partial(self._say, frame, is_term))
        elif is_term and self.alive:
            self.controller.term_begun(outcome)
            self.carry_out()

    def _assign(self, name: str, wanted: Mapping[int, tuple[int, int]]) -> None:
        """Calls to one host arrive in order, sooner or later."""
        host = self._world.hosts.get(name)
        if host is not None and name not in self.unseen:
            at_ms = max(self._said_ms.get(name, 0), self._clock.elapsed_ms + self._world.chance.randint(0, CALL_MS_MAX))
            self._said_ms[name] = at_ms
            self._clock.at(at_ms, partial(host.assign, dict(wanted)))

    def _start(self) -> None:
        if self.alive:
            host = self._world.start_host()
            self.controller.host_up(host.name, f"{host.name}:1", 1, self._clock.now_ms)
            self.carry_out()

    def _ask(self) -> None:
        """Ask every host how it is."""
        if not self.alive:
            return
        for name in self._started():
            host = self._world.hosts.get(name)
            if host is not None and name not in self.unseen and not host.is_stopped:
                self.controller.heard(name, self._clock.now_ms)
        self.controller.tick(self._clock.now_ms)
        self.carry_out()
        self._clock.after(ASK_MS, self._ask)

    def _started(self) -> list[str]:
        return [*self.controller.hosts, *self.controller.spares]

    def host_died(self, name: str) -> None:
        """The news that a host has ended arrives."""
        if self.alive:
            self.controller.host_down(name)
            self.carry_out()

    def move(self) -> None:
        """An operator wants a partition elsewhere."""
        if self.controller.hosts:
            chance = self._world.chance
            self.controller.move(
                chance.randrange(self._world.cluster.partitions), chance.choice(sorted(self.controller.hosts))
            )
            self.carry_out()

    def read(self, fetched: Fetched) -> None:
        """A frame of the placement topic arrives: a later term, be it a late copy of our own, is our end."""
        for record in frame_records(*self._slice, fetched.offset, fetched.frame):
            match decode_placement(record):
                case Term() if self.controller.superseded(fetched.offset):
                    self._end()
                case (Placed() | Release()) as said:
                    self.controller.said_late(said)
                case _:
                    pass
        self.carry_out()

    def _end(self) -> None:
        """Say and do no more; our hosts end with us, each when it notices."""
        if self.alive:
            self.alive = False
            for name in self._started():
                self._clock.after(self._world.chance.randint(0, NOTICE_MS_MAX), partial(self._world.end_host, name))
            self._world.chief_ended(self)
