"""A gateway that is told to gather appends what came meanwhile together, and nothing before. Time is the test's own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from actors.adapters.memory import MemoryLog
from actors.clocks import steady_ms
from actors.kernel.record import Invoke, Slice, decode_frame, encode_record
from actors.placement import Packaged
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.auth import Auth
from gateway.client import uuid7
from gateway.ingress import Ingress, Single
from gateway.pending import Call

CLUSTER = ClusterSettings(partitions=2)
TURNS = 20
GATHER_MS = 50


class Frozen(asyncio.SelectorEventLoop):
    """A loop on which it is as late as the test says: a timer never falls due by itself."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


class Deaf:
    """Wants to hear nothing of programs."""

    def packaged(self, word: Packaged) -> None:
        del word

    def all_read(self) -> None:
        pass


def records(log: MemoryLog, partition: int) -> list[int]:
    """How many records each frame has."""
    slice_ = Slice(CLUSTER.commands_topic, partition)
    fetched = log.fetch(slice_, 0, 1 << 20)
    return [len(decode_frame(*slice_, one.offset, one.frame).records) for one in fetched]


def call(n: int, partition: int) -> Call:
    request_id = bytes.fromhex(uuid7(n + 1).replace("-", ""))
    record = encode_record(Invoke(f"account/{n}", msgspec.msgpack.encode({"type": "account.add"}), request_id, "ann"))
    return Call(("ann", request_id), partition, record, Single(), steady_ms() + 60_000, streamed=True)


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def played(gather_ms: int, play: Callable[[Frozen, Ingress, MemoryLog], Coroutine[Any, Any, None]]) -> None:
    log = MemoryLog(lambda: 1_000)
    log.create(CLUSTER.topics(("account",)))
    loop = Frozen()

    async def run() -> None:
        process = ProcessSettings(gather_ms=gather_ms)
        ingress = Ingress("g", log, CLUSTER, process, "", Sensor(), Auth(), Deaf())
        try:
            await play(loop, ingress, log)
        finally:
            await ingress.probe.stop()

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
        log.close()


def test_what_comes_while_it_gathers_is_one_frame_of_each_partition() -> None:
    async def play(loop: Frozen, ingress: Ingress, log: MemoryLog) -> None:
        for n in range(6):
            ingress.submit(call(n, n % 2))
            await turns()
        assert (records(log, 0), records(log, 1)) == ([], [])
        loop.now_s += GATHER_MS / 1_000
        await turns()
        assert (records(log, 0), records(log, 1)) == ([3], [3])

    played(GATHER_MS, play)


def test_an_acknowledgement_sends_nothing_that_is_still_gathered() -> None:
    async def play(loop: Frozen, ingress: Ingress, log: MemoryLog) -> None:
        ingress.submit(call(0, 0))
        loop.now_s += GATHER_MS / 1_000
        await turns()  # appended, and acknowledged
        ingress.submit(call(1, 0))
        await turns()
        ingress.submit(call(2, 0))
        await turns()
        assert records(log, 0) == [1]
        loop.now_s += GATHER_MS / 1_000
        await turns()
        assert records(log, 0) == [1, 2]

    played(GATHER_MS, play)


def test_calls_that_come_in_turns_next_to_each_other_go_in_one_frame() -> None:
    async def play(loop: Frozen, ingress: Ingress, log: MemoryLog) -> None:
        assert loop.time() == 0.0
        for n in range(4):
            ingress.submit(call(n, 0))
            if n % 2 == 0:
                await asyncio.sleep(0)
            else:
                await turns()
        assert records(log, 0) == [2, 2]

    played(0, play)


def test_without_being_told_to_gather_a_call_goes_at_once() -> None:
    async def play(loop: Frozen, ingress: Ingress, log: MemoryLog) -> None:
        assert loop.time() == 0.0
        ingress.submit(call(0, 0))
        await turns()
        assert records(log, 0) == [1]

    played(0, play)
