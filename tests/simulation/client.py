"""A client: asks one thing after the other, and asks again with the same id until it knows, through any gateway."""

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec

from actors.errors import Outcome, PlatformError
from actors.kernel.action import Code, Reply
from actors.kernel.record import Invoke
from tests.simulation.clock import Clock
from tests.simulation.counts import Counts
from tests.simulation.evening import Asking
from tests.simulation.gateway import SimGateway

GIVES_UP_MS = 1_500
DOUBLES = 0.10
REUSES = 0.05
TIMELESS = 0.05


class Surroundings(Protocol):
    """What a client is in."""

    clock: Clock
    chance: Random
    counts: Counts
    timeless_ids: bool

    def partition_of(self, entity: str) -> int:
        """Where an entity is."""
        ...

    def some_gateway(self) -> SimGateway | None:
        """Any gateway that answers the door."""
        ...


class Call(NamedTuple):
    """A call, when it was first tried, and whether it is tried until it is answered."""

    record: Invoke
    first_ms: int
    stubborn: bool = False
    then: Callable[[Any], list[Asking]] | None = None


class Known(NamedTuple):
    """What a client knows of one call: when it was first tried, when it was answered, where it was decided."""

    record: Invoke
    asked_ms: int
    answered_ms: int
    reply: Reply
    partition: int


class SimClient:
    """One caller."""

    def __init__(self, name: str, asks: Iterator[Asking], world: Surroundings) -> None:
        self.name = name
        self.done = False
        self.answers: dict[bytes, Reply] = {}
        """By request id: what came back."""
        self.history: list[Known] = []
        self.known: dict[int, int] = {}
        """By partition: the greatest offset that a call of ours is known to stand at."""
        self.reused: dict[bytes, Reply | None] = {}
        """By request id: what came back to the same id with another body."""
        self.tries: dict[tuple[str, Invoke], int] = {}
        """By gateway and call: how many tries were made there, without those that it says it has not appended."""
        self._asks = asks
        self._world = world
        self._clock = world.clock
        self._call: Call | None = None
        self._given_up: list[Call] = []
        self._later: list[tuple[int, int, Asking]] = []
        """What follows from answers: when, which of them all, and what."""
        self._follows = 0
        self._at: SimGateway | None = None
        self._next()

    @property
    def waits_for(self) -> Invoke | None:
        """The call that is not answered."""
        return None if self._call is None else self._call.record

    def _next(self) -> None:
        asking = self._due() or next(self._asks, None)
        if asking is not None:
            self._world.counts.asked += 1
            self._world.counts.bad_inputs += asking.is_bad
            record = Invoke(asking.entity, asking.command, self._request_id(), self.name)
            self._call = Call(record, self._clock.elapsed_ms, then=asking.then)
        elif self._given_up:
            self._call = self._given_up.pop()._replace(stubborn=True)
            self._world.counts.unknown_settled += 1
        elif self._later:
            self._clock.at(self._later[0][0], self._next)
            return
        else:
            self.done = True
            return
        self._try(self._call)

    def _due(self) -> Asking | None:
        """What follows from an answer, when its time has come."""
        if self._later and self._later[0][0] <= self._clock.elapsed_ms:
            return heapq.heappop(self._later)[2]
        return None

    def _request_id(self) -> bytes:
        chance = self._world.chance
        drawn = bytearray(chance.randbytes(16))
        drawn[8] = drawn[8] & 0x3F | 0x80
        if self._world.timeless_ids and chance.random() < TIMELESS:
            drawn[6] = drawn[6] & 0x0F | 0x40
        else:
            drawn[:6] = (self._clock.now_ms + chance.randint(-500, 500)).to_bytes(6)
            drawn[6] = drawn[6] & 0x0F | 0x70
        return bytes(drawn)

    def _try(self, call: Call) -> None:
        if call is not self._call:
            return
        if not call.stubborn and self._clock.elapsed_ms - call.first_ms > GIVES_UP_MS:
            self._given_up.append(call)
            self._call = None
            self._next()
            return
        chance, gateway = self._world.chance, self._world.some_gateway()
        if gateway is None:
            self._again(call)
            return
        self._at = gateway
        deadline_ms = self._clock.now_ms + chance.randint(200, 2_500)
        if chance.random() < DOUBLES:
            self._double(call)
        self._invoke(gateway, call.record, deadline_ms, partial(self._answered, call))

    def _invoke(
        self, gateway: SimGateway, record: Invoke, deadline_ms: int, settled: Callable[[Reply | None], None]
    ) -> None:
        name = (gateway.name, record)
        self.tries[name] = self.tries.get(name, 0) + 1
        told = partial(self._told, name, settled)
        try:
            gateway.invoke(record, deadline_ms, told, streamed=self._world.chance.random() < 0.5)
        except PlatformError:  # refused before the log
            self._clock.after(20, partial(told, "NOT_APPENDED"))

    def _told(self, name: tuple[str, Invoke], settled: Callable[[Reply | None], None], what: Reply | Outcome) -> None:
        self.tries[name] -= what == "NOT_APPENDED"
        settled(what if isinstance(what, Reply) else None)

    def _double(self, call: Call) -> None:
        """The same call through another gateway at the same time, as a proxy might do."""
        other = self._world.some_gateway()
        if other is not None and other is not self._at:
            self._invoke(other, call.record, self._clock.now_ms + 1_000, partial(self._answered, call))

    def _again(self, call: Call) -> None:
        self._clock.after(self._world.chance.randint(10, 200), partial(self._try, call))

    def _answered(self, call: Call, reply: Reply | None) -> None:
        if call is not self._call:
            return
        if reply is None:
            self._again(call)
        else:
            self._settle(call, reply)

    def _settle(self, call: Call, reply: Reply) -> None:
        record = call.record
        self.answers[record.request_id] = reply
        partition = self._world.partition_of(record.entity)
        self.history.append(Known(record, call.first_ms, self._clock.elapsed_ms, reply, partition))
        self.known[partition] = max(self.known.get(partition, -1), reply.offset)
        self._call = None
        if call.then is not None and reply.code == Code.OK:
            for asking in call.then(msgspec.json.decode(reply.payload or b"null")):
                self._follows += 1
                due_ms = self._clock.elapsed_ms + asking.after_ms
                heapq.heappush(self._later, (due_ms, self._follows, asking))
        if self._world.chance.random() < REUSES:
            self._reuse(record)
        self._next()

    def _reuse(self, record: Invoke) -> None:
        """The same id with another body, once."""
        gateway = self._world.some_gateway()
        if gateway is not None:
            other = Invoke(record.entity, record.command + b"\x00", record.request_id, record.caller)
            self.reused[record.request_id] = None
            self._invoke(gateway, other, self._clock.now_ms + 1_000, partial(self._reused, record.request_id))

    def _reused(self, request_id: bytes, reply: Reply | None) -> None:
        self.reused[request_id] = reply

    def gateway_died(self, gateway: SimGateway) -> None:
        """The connection was reset."""
        if self._at is gateway and self._call is not None:
            self._again(self._call)
