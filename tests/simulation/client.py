"""A client: asks one thing after the other, and asks again with the same id until it knows, through any gateway."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from actors.errors import PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import Invoke
from tests.simulation.clock import Clock
from tests.simulation.gateway import SimGateway
from tests.simulation.workload import Asking

GIVES_UP_MS = 30_000
DOUBLES = 0.10
REUSES = 0.05
TIMELESS = 0.05


class Surroundings(Protocol):
    """What a client is in."""

    clock: Clock
    chance: Random
    timeless_ids: bool

    def some_gateway(self) -> SimGateway | None:
        """Any gateway that answers the door."""
        ...


class Call(NamedTuple):
    """A call and when it was first tried."""

    record: Invoke
    first_ms: int


class SimClient:
    """One caller."""

    def __init__(self, name: str, asks: Iterator[Asking], world: Surroundings) -> None:
        self.name = name
        self.done = False
        self.answers: dict[bytes, Reply | None] = {}
        """By request id: what came back, or None when the client gave up."""
        self.reused: dict[bytes, Reply | None] = {}
        """By request id: what came back to the same id with another body."""
        self._asks = asks
        self._world = world
        self._clock = world.clock
        self._call: Call | None = None
        self._at: SimGateway | None = None
        self._next()

    @property
    def waits_for(self) -> Invoke | None:
        """The call that is not answered."""
        return None if self._call is None else self._call.record

    def _next(self) -> None:
        asking = next(self._asks, None)
        if asking is None:
            self.done = True
            return
        record = Invoke(asking.entity, asking.command, self._request_id(), self.name)
        self._call = Call(record, self._clock.now_ms)
        self._try(self._call)

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
        if self._clock.now_ms - call.first_ms > GIVES_UP_MS:
            self._settle(call, None)
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
        try:
            gateway.invoke(record, deadline_ms, settled, streamed=self._world.chance.random() < 0.5)
        except PlatformError:
            self._clock.after(20, partial(settled, None))

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

    def _settle(self, call: Call, reply: Reply | None) -> None:
        record = call.record
        self.answers[record.request_id] = reply
        self._call = None
        if reply is not None and self._world.chance.random() < REUSES:
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
