"""Clients that call counters at random over real gRPC, and note what they saw. Some of them do not wait long."""

import asyncio
import random
import time
from typing import NamedTuple, Self

from msgspec.structs import replace

from actors.errors import DeadlineExceeded, Overloaded, PlatformError, Unavailable
from gateway.client import Client
from tests.linearizability.history import Op

CLIENTS = 24
HOT, COLD = 4, 200
HOT_SHARE = 0.6
ADD_SHARE = 0.5
THINK_S_MAX = 0.02
READ_MS = 8_000
LAST_READ_MS = 30_000
LAST_READS_AT_ONCE = 32
LOOK_S = 0.05
OPS_MAX = 200_000
KEYS = tuple(f"h{number}" for number in range(HOT + COLD))
HOT_KEYS = KEYS[:HOT]
ENTITIES = tuple(f"programs/tally/tallys/{key}" for key in KEYS)


class Patience(NamedTuple):
    """How long a client waits for one try, how long it asks again under the same id, and when it hangs up."""

    deadline_ms: int
    retry_for_ms: int
    hangs_up_s: float | None = None


def patience(chance: random.Random) -> Patience:
    """Some wait for what comes, some ask until they know, some give up or hang up while their call is on its way."""
    return chance.choice(
        (
            Patience(10_000, 0),
            Patience(500, 15_000),
            Patience(chance.randrange(5, 60), 0),
            Patience(1_000, 0, hangs_up_s=chance.uniform(0.002, 0.04)),
        )
    )


class Clients:
    """Keeps calling until it is left; `history` is what was seen. Every op has a request id of its own."""

    def __init__(self, gateway: str, seed: int) -> None:
        self.history: list[Op] = []
        self.refused = 0
        """Adds that were said not to have happened, and so are in no history: if one did, the check finds a gap."""
        self.unread = 0
        """Reads without an answer."""
        self.errors: list[PlatformError] = []
        """What no fault that is played here should bring about."""
        self._clients = [Client(gateway, f"history-{seed}-{number}", seed) for number in range(CLIENTS)]
        self._seed = seed
        self._stopping = False
        self._callers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._callers = [asyncio.ensure_future(self._play(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        for client in self._clients:
            await client.close()

    async def stop(self) -> None:
        """Call no more; wait until the last call has ended."""
        self._stopping = True
        await asyncio.gather(*self._callers)

    def answered(self, kind: str) -> int:
        """How many ops of this kind were answered."""
        return sum(op.kind == kind and op.answered for op in self.history)

    @property
    def unknown(self) -> int:
        """How many adds nobody knows the outcome of."""
        return sum(not op.answered for op in self.history)

    async def enough(self, ops: int, seconds_max: float) -> bool:
        """Wait until so many ops were seen; whether they were, in time."""
        for _ in range(round(seconds_max / LOOK_S)):
            if len(self.history) >= ops:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def _play(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        while not self._stopping and len(self.history) < OPS_MAX:
            place = chance.randrange(HOT) if chance.random() < HOT_SHARE else HOT + chance.randrange(COLD)
            if chance.random() < ADD_SHARE:
                await self._add(number, ENTITIES[place], patience(chance))
            else:
                await self._read(number, ENTITIES[place], READ_MS)
            await asyncio.sleep(chance.uniform(0, THINK_S_MAX))

    async def _add(self, number: int, entity: str, patience: Patience) -> None:
        asked = Op(entity=entity, kind="add", client=number, began_ns=time.monotonic_ns())
        try:
            async with asyncio.timeout(patience.hangs_up_s):
                answer = await self._clients[number].invoke(
                    entity,
                    "tally.add",
                    b'{"n":1}',
                    deadline_ms=patience.deadline_ms,
                    retry_for_ms=patience.retry_for_ms,
                )
        except TimeoutError:
            self.history.append(asked)
        except (Unavailable, DeadlineExceeded, Overloaded) as error:
            if error.reason == "OUTCOME_UNKNOWN":
                self.history.append(asked)
            else:
                self.refused += 1
        except PlatformError as error:
            self.errors.append(error)
        else:
            self.history.append(replace(asked, ended_ns=time.monotonic_ns(), total=int(answer.value["total"])))

    async def _read(self, number: int, entity: str, deadline_ms: int) -> bool:
        asked = Op(entity=entity, kind="read", client=number, began_ns=time.monotonic_ns())
        try:
            view = await self._clients[number].query(entity, "total", linearizable=True, deadline_ms=deadline_ms)
        except (Unavailable, DeadlineExceeded, Overloaded):
            self.unread += 1
            return False
        except PlatformError as error:
            self.errors.append(error)
            return False
        self.history.append(replace(asked, ended_ns=time.monotonic_ns(), total=int(view.value)))
        return True

    async def last_reads(self) -> list[str]:
        """Read every counter that was called once more; those that could not be read."""
        await self.stop()
        turns = asyncio.Semaphore(LAST_READS_AT_ONCE)

        async def last_read(number: int, entity: str) -> bool:
            async with turns:
                return await self._read(number % CLIENTS, entity, LAST_READ_MS)

        called = sorted({op.entity for op in self.history})
        done = await asyncio.gather(*(last_read(number, entity) for number, entity in enumerate(called)))
        return [entity for entity, read in zip(called, done, strict=True) if not read]
