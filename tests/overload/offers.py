"""Calls offered at a pace that does not depend on the answers, and what became of them."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Self

import grpc
from msgspec import Struct, field

from actors.clocks import wall_ms
from gateway.client import uuid7
from gateway.shedding import Shedding
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc
from tests.overload.http2 import Connection, header_block, message

KEYS = 400
GOOD_MS = 1_000.0
"""An answer that comes later is nobody's any more."""
ROOM_MS_MAX = 200.0
"""A caller that finds no room on its connections or in its stream for so long does without, as with a pool of them."""
TICK_S = 0.005
BEHIND_S_MAX = 0.05
"""What this process could not offer in time for longer than this is not offered: a burst is another trouble."""
OK, EXHAUSTED = 0, 8
COMMAND, PAYLOAD = "tally.add", b'{"n":1}'
CONNECTIONS = 2
OPEN_MAX = 1_000
"""Calls that a caller in streams has on the way at once; our own client's window is three times that."""


def tally(number: int) -> str:
    """The entity of a call."""
    return f"programs/tally/tallys/t{number % KEYS}"


class Group(NamedTuple):
    """Callers of one kind: how many, how important, and what they offer together."""

    name: str
    priority: int
    callers: int
    per_s: float

    def metadata(self, nth: int) -> tuple[tuple[str, str], ...]:
        """Who calls."""
        return (("hutong-caller", f"{self.name}-{nth}"), ("hutong-priority", str(self.priority)))


class Said(Struct):
    """What became of a group's calls."""

    offered: int = 0
    good: int = 0
    late: int = 0
    refused: int = 0
    unknown: int = 0
    kept: int = 0
    """Not sent: kept back below the level, or there was no room on the way for `ROOM_MS_MAX`."""
    waits_ms: list[float] = field(default_factory=list[float])

    def ended(self, status: int, waited_ms: float) -> None:
        """One call's end."""
        if status == OK:
            self.waits_ms.append(waited_ms)
            if waited_ms <= GOOD_MS:
                self.good += 1
            else:
                self.late += 1
        elif status == EXHAUSTED:
            self.refused += 1
        else:
            self.unknown += 1


class Waiting:
    """Calls that are offered and not sent yet: a connection carries so many at a time, and a stream pushes back."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._line: deque[tuple[bytes, float]] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def offer(self, block: bytes, now: float) -> None:
        """One more."""
        self._said.offered += 1
        self._line.append((block, now))

    def first(self, now: float) -> tuple[bytes, float] | None:
        """The next to go and when it was offered; what has waited too long never goes."""
        while self._line and (now - self._line[0][1]) * 1_000 > ROOM_MS_MAX:
            self._line.popleft()
            self._said.kept += 1
        return self._line[0] if self._line else None

    def gone(self) -> None:
        """The next is on its way."""
        self._line.popleft()

    def give_up(self) -> None:
        """None of them goes any more."""
        self._said.kept += len(self._line)
        self._line.clear()


def invoke(number: int) -> pb.InvokeRequest:
    """A call with an id of its own."""
    name = uuid7(wall_ms())
    return pb.InvokeRequest(entity=tally(number), command=COMMAND, payload=PAYLOAD, request_id=name)


class Unary:
    """Calls one by one over HTTP/2 by hand: they cost little here, and nobody listens to what is said of levels."""

    def __init__(self, address: str, groups: Sequence[Group], seed: int) -> None:
        self._address = address
        self.said = {group.name: Said() for group in groups}
        self._random = random.Random(seed)
        self._blocks = [
            (group.name, header_block("Invoke", group.metadata(nth)), group.per_s / group.callers)
            for group in groups
            for nth in range(group.callers)
        ]
        self._whose: dict[tuple[int, int], str] = {}
        self._connections: list[Connection] = []
        self._own = {group.name: nth * CONNECTIONS for nth, group in enumerate(groups)}
        """Each group's first connection: who is important does not come over one that is full of others' calls."""
        self._done = asyncio.Event()

    async def __aenter__(self) -> Self:
        for nth in range(CONNECTIONS * len(self._own)):
            self._connections.append(await Connection.to(self._address, partial(self._ended, nth)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()

    def _ended(self, nth: int, stream: int, status: int, waited_ms: float) -> None:
        name = self._whose.pop((nth, stream), None)
        if name is not None:
            self.said[name].ended(status, waited_ms)
        self._done.set()

    def _send(self, name: str, block: bytes, since: float | None = None) -> bool:
        nth = self._own[name] + self._random.randrange(CONNECTIONS)
        connection = self._connections[nth]
        if not connection.has_room:
            return False
        body = message(invoke(self._random.randrange(KEYS)).SerializeToString())
        self._whose[nth, connection.call(block, body, since=since)] = name
        return True

    async def offer(self, seconds: float) -> None:
        """Offer at each group's pace for so long; then wait until all are answered, for 3 s at most."""
        names, blocks, rates = zip(*self._blocks, strict=True)
        waiting = {name: Waiting(said) for name, said in self.said.items()}
        owed, last, until = 0.0, time.perf_counter(), time.perf_counter() + seconds
        while (now := time.perf_counter()) < until:
            owed, last = min(owed + sum(rates) * (now - last), sum(rates) * BEHIND_S_MAX), now
            for nth in self._random.choices(range(len(names)), rates, k=int(owed)):
                waiting[names[nth]].offer(blocks[nth], now)
            owed -= int(owed)
            for name, line in waiting.items():
                while (first := line.first(now)) and self._send(name, *first):
                    line.gone()
            await asyncio.sleep(TICK_S)
        for line in waiting.values():
            line.give_up()
        end = time.perf_counter() + 3
        while self._whose and (left_s := end - time.perf_counter()) > 0:
            self._done.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), left_s)

    async def saturate(self, in_flight: int, seconds: float) -> float:
        """As many calls at a time, the next when one is answered; how many a second were answered well."""
        name, block, _ = self._blocks[0]
        said, until = self.said[name], time.perf_counter() + seconds
        before, began = said.good, time.perf_counter()
        while time.perf_counter() < until:
            while len(self._whose) < in_flight and self._send(name, block):
                said.offered += 1
            self._done.clear()
            await self._done.wait()
        per_s = (said.good - before) / (time.perf_counter() - began)
        while self._whose:
            self._done.clear()
            await self._done.wait()
        return per_s


class Streamed:
    """Callers with a stream each, who keep their calls back as the level says, if they heed it."""

    def __init__(self, address: str, groups: Sequence[Group], *, heeds: bool = True) -> None:
        self._heeds = heeds
        self._address = address
        self._groups = groups
        self.said = {group.name: Said() for group in groups}
        self.reasons: Counter[str] = Counter()

    async def offer(self, seconds: float) -> None:
        """Offer at each group's pace for so long, and wait for what is on its way."""
        callers = [(group, nth) for group in self._groups for nth in range(group.callers)]
        await asyncio.gather(*(self._call(group, nth, seconds) for group, nth in callers))

    async def _call(self, group: Group, nth: int, seconds: float) -> None:
        said, shedding, sent_at = self.said[group.name], Shedding(), dict[str, float]()
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            stub: Any = program_pb2_grpc.ProgramServiceStub(channel)
            stream = stub.InvokeStream(metadata=group.metadata(nth))
            reading = asyncio.ensure_future(self._read(stream, said, shedding, sent_at))
            writing: asyncio.Future[Any] | None = None
            waiting = Waiting(said)
            owed, last, until = 0.0, time.perf_counter(), time.perf_counter() + seconds
            while (now := time.perf_counter()) < until and not reading.done():
                owed, last = owed + group.per_s / group.callers * (now - last), now
                for _ in range(int(owed)):
                    if not self._heeds or shedding.admits(int(now * 1_000)):
                        waiting.offer(b"", now)
                    else:
                        said.offered += 1
                        said.kept += 1
                owed -= int(owed)
                if writing is None or writing.done():  # else the last message has not gone: the stream pushes back
                    calls = self._next(waiting, sent_at, now)
                    if calls:
                        writing = asyncio.ensure_future(stream.write(pb.InvokeBatch(calls=calls)))
                await asyncio.sleep(4 * TICK_S)
            waiting.give_up()
            if writing is not None:
                await asyncio.wait([writing], timeout=3)
            await stream.done_writing()
            await asyncio.wait([reading], timeout=3)
            said.unknown += len(sent_at)
            stream.cancel()
            await asyncio.wait([reading], timeout=3)

    def _next(self, waiting: Waiting, sent_at: dict[str, float], now: float) -> list[pb.InvokeRequest]:
        """As many of the calls that wait as may be on the way."""
        calls: list[pb.InvokeRequest] = []
        while len(sent_at) < OPEN_MAX and (first := waiting.first(now)):
            call = invoke(len(sent_at))
            sent_at[call.request_id] = first[1]
            calls.append(call)
            waiting.gone()
        return calls

    async def _read(self, stream: Any, said: Said, shedding: Shedding, sent_at: dict[str, float]) -> None:
        try:
            async for batch in stream:
                now = time.perf_counter()
                shedding.learn(batch.level, batch.own_level, int(now * 1_000))
                for result in batch.results:
                    waited_ms = (now - sent_at.pop(result.request_id)) * 1_000
                    said.ended(OK if result.HasField("response") else result.error.code, waited_ms)
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            self.reasons[type(error).__name__] += 1
