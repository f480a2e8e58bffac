"""The streams between gateways and hosts: ordered while they last, and they do not always last."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from actors import link
from actors.link import FromGateway, FromHost, Lost, Owned
from tests.simulation.clock import Clock, up_to
from tests.simulation.faults import Faults
from tests.simulation.gateway import SimGateway
from tests.simulation.host import SimHost

DIAL_MS_MAX = 300
LATE_MS_MAX = 500
BROKEN = -1
"""The life of a stream that neither end knows yet to be broken."""

Ends = tuple[str, str]
"""A gateway and a host."""


class Surroundings(Protocol):
    """What a network is in."""

    clock: Clock
    chance: Random
    fate: Random
    faults: Faults
    hosts: dict[str, SimHost]
    gateways: dict[str, SimGateway]

    def strike(self, name: str, text: str) -> None:
        """Something is made to go wrong."""
        ...

    def felt(self, name: str) -> None:
        """What was made to go wrong had its effect."""
        ...


class Network:
    """All streams. Each has a life: what was sent over one does not arrive over the next."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._clock = world.clock
        self._lives = 0
        self.links: dict[Ends, int] = {}
        self._arrives_ms: dict[Ends, int] = {}
        self._clogged: dict[Ends, int] = {}
        self.epochs: dict[tuple[str, int], int] = {}
        """By gateway and partition: the highest epoch that was told to it."""

    # -- streams --------------------------------------------------------------------------------------------------

    def dial(self, gateway: str, host: str) -> None:
        """A stream begins soon."""
        self._clock.after(self._world.chance.randint(1, DIAL_MS_MAX), partial(self._link, (gateway, host)))

    def _link(self, ends: Ends) -> None:
        gateway, host = ends
        if gateway in self._world.gateways and host in self._world.hosts and ends not in self.links:
            self._lives += 1
            self.links[ends] = self._lives
            self._world.hosts[host].linked(gateway)

    def unlink(self, gateway: str, host: str) -> None:
        """A stream ends, with what is on its way."""
        if self.links.pop((gateway, host), None) is None:
            return
        if host in self._world.hosts:
            self._world.hosts[host].unlinked(gateway)
        if gateway in self._world.gateways:
            self._world.gateways[gateway].down(host)

    def drop(self, ends: Ends) -> None:
        """A stream breaks, and another is begun."""
        if ends in self.links:
            self.unlink(*ends)
            self.dial(*ends)

    def clog(self, ends: Ends, for_ms: int) -> None:
        """Nothing comes through for a while, in either direction; nothing is lost."""
        self._clogged[ends] = self._clock.elapsed_ms + for_ms

    def heal(self) -> None:
        """Nothing is clogged any more."""
        self._clogged.clear()

    # -- messages -------------------------------------------------------------------------------------------------

    def tell_gateway(self, host: str, gateway: str, messages: list[FromHost]) -> None:
        """Messages of a host go to a gateway, unless the stream breaks first."""
        ends = (gateway, host)
        life = self.links.get(ends)
        if life is not None and life != BROKEN:
            # Who owns what must come in order, as it does over TCP; what else overtakes it does no harm.
            standing = any(isinstance(message, Owned | Lost) for message in messages)
            arrives = partial(self._arrive, ends, life, link.encode(messages))
            self._travel((host, gateway), ends, arrives, may_overtake=not standing)

    def _arrive(self, ends: Ends, life: int, message: bytes) -> None:
        if self.links.get(ends) == life:
            gateway, host = ends
            messages = link.decode_from_host(message)
            for told in messages:
                if isinstance(told, Owned):
                    key = (gateway, told.partition)
                    self.epochs[key] = max(self.epochs.get(key, -1), told.epoch)
            self._world.gateways[gateway].heard(host, messages)

    def tell_host(self, gateway: str, host: str, messages: list[FromGateway]) -> None:
        """Messages of a gateway go to a host, unless the stream breaks first."""
        ends = (gateway, host)
        life = self.links.get(ends)
        if life is not None and life != BROKEN:
            self._travel((gateway, host), ends, partial(self._reach, ends, life, messages), may_overtake=True)

    def _reach(self, ends: Ends, life: int, messages: list[FromGateway]) -> None:
        if self.links.get(ends) == life:
            self._world.hosts[ends[1]].told(ends[0], messages)

    def _travel(self, way: Ends, ends: Ends, happens: Callable[[], None], *, may_overtake: bool) -> None:
        world, faults, fate = self._world, self._world.faults, self._world.fate
        now_ms = self._clock.elapsed_ms
        at_ms = now_ms + up_to(world.chance, 2)
        if faults.message_lost and fate.random() < faults.message_lost:
            world.strike("message_lost", f"a message from {way[0]} to {way[1]} is lost, and the stream with it")
            world.felt("message_lost")
            self.links[ends] = BROKEN
            self._clock.after(fate.randint(0, 50), partial(self.drop, ends))
            return
        if faults.message_late and fate.random() < faults.message_late:
            world.strike("message_late", f"a message from {way[0]} to {way[1]} is slow")
            world.felt("message_late")
            at_ms += fate.randint(20, LATE_MS_MAX)
        if self._clogged.get(ends, 0) > at_ms:
            world.felt("link_clogs")
            at_ms = self._clogged[ends]
        queued_ms = self._arrives_ms.get(way, 0)
        overtakes = may_overtake and queued_ms > at_ms and fate.random() < faults.message_overtakes
        if overtakes:
            world.strike("message_overtakes", f"a message from {way[0]} to {way[1]} overtakes another")
            world.felt("message_overtakes")
        else:
            at_ms = self._arrives_ms[way] = max(queued_ms, at_ms)
        self._clock.at(at_ms, happens)
        if faults.message_twice and fate.random() < faults.message_twice:
            world.strike("message_twice", f"a message from {way[0]} to {way[1]} comes twice")
            world.felt("message_twice")
            self._clock.at(at_ms, happens)
