"""Mutated messages over a socket to a gateway before a real host: one clear answer each, and nothing that was refused
has changed the log or a state.
"""

# How far the host's states have come is looked up in its core: there is no other word of it.
# pyright: reportPrivateUsage=false

import asyncio
import functools
import random
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.rpc import status_pb2

from actors.adapters.hosting.shell import Hosting
from actors.adapters.memory_keys import MemorySubjects
from actors.errors import PlatformError
from actors.kernel.record import Invoke, Read, Slice, decode_frame
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.server import SERVICE_NAME
from gateway.status import STATUS_METADATA
from gateway.v1 import program_pb2 as pb
from tests.bad_input.messages import Mutant, judge, judge_results, mutant, reason_of
from tests.gateway.scene import CLUSTER, PROCESS, Scene, jar_on, registry, request, scene
from tests.proof.counts import Counts

AT_ONCE = 64
ANSWER_S_MAX = 20.0
LISTEN_S = 0.3
CALLER = (("hutong-caller", "ann"),)
AFTER_THE_LOG = ("full", "REPLY_TOO_LONG", "REQUEST_ID_REUSED", "REQUEST_ID_TOO_OLD")
"""Refusals by the partition: the call stands on the log, and its answer in the window."""
FOR_NOW = "BEYOND_END"
"""A view at an offset that the log reaches later is answered then."""


class Answered(NamedTuple):
    """How a call ended."""

    code: grpc.StatusCode
    status: status_pb2.Status | None
    results: list[pb.InvokeResult]

    @property
    def refusals(self) -> list[str]:
        """Why it, or calls of it, were refused."""
        errors = [result.error for result in self.results if result.HasField("error")]
        return [reason_of(status) for status in ([self.status] if self.status else errors)]

    @property
    def changed_nothing(self) -> bool:
        """Whether all of it was refused before the log, for good."""
        refusals = self.refusals
        taken = len(refusals) < max(len(self.results), 1)
        return not taken and not any(reason in (*AFTER_THE_LOG, FOR_NOW) for reason in refusals)


def send_messages(folder: Path, seed: int, size: int) -> Counts:
    """Over the wire."""
    del folder
    return asyncio.run(_play(Counts("messages over the wire", seed), size))


async def _play(counts: Counts, size: int) -> Counts:
    chance = random.Random(counts.seed)
    async with scene() as made:
        stub = await made.served()
        channel = made.channels[-1]
        refused: list[Mutant] = []
        for start in range(0, size, AT_ONCE):
            bads = [mutant(chance) for _ in range(min(AT_ONCE, size - start))]
            answers = await asyncio.gather(*(_send(channel, bad) for bad in bads))
            for bad, answered in zip(bads, answers, strict=True):
                _judge(counts, bad, answered)
                if answered.changed_nothing and not _listens(bad):
                    refused.append(bad)
            await _serves(counts, stub, start)
        await _send_again(counts, made, channel, refused)
        await _serves(counts, stub, size)
    return counts


async def _send(channel: Any, bad: Mutant) -> Answered:
    path = f"/{SERVICE_NAME}/{bad.method}"
    call: Any
    results: list[pb.InvokeResult] = []
    if bad.method == "InvokeStream":
        call = channel.stream_stream(path)(metadata=CALLER, timeout=ANSWER_S_MAX)
    elif bad.method == "Listen":
        wait_s = LISTEN_S if _listens(bad) else ANSWER_S_MAX
        call = channel.unary_stream(path)(bad.written, metadata=CALLER, timeout=wait_s)
    else:
        call = channel.unary_unary(path)(bad.written, metadata=CALLER, timeout=ANSWER_S_MAX)
    try:
        if bad.method == "InvokeStream":
            await call.write(bad.written)
            await call.done_writing()
        if bad.method in ("InvokeStream", "Listen"):
            while (answer := await call.read()) is not grpc.aio.EOF:
                results += pb.InvokeResultBatch.FromString(answer).results if bad.method == "InvokeStream" else ()
        else:
            await call
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # its code says so
    code: grpc.StatusCode = await call.code()
    trailing: dict[str, Any] = dict(await call.trailing_metadata() or ())
    packed = trailing.get(STATUS_METADATA)
    status = status_pb2.Status.FromString(packed) if isinstance(packed, bytes) else None
    if status is None and code is not grpc.StatusCode.OK:
        status = status_pb2.Status(code=code.value[0])
    return Answered(code, status, results)


def _judge(counts: Counts, bad: Mutant, answered: Answered) -> None:
    """One clear answer; of what is no message at all, gRPC itself says so."""
    counts.bad_inputs += 1
    if not bad.is_message:
        counts.refused += 1
        counts.effect(f"no message: {answered.code.name}")
        if answered.code is grpc.StatusCode.OK:
            counts.wrong += 1
            counts.find(f"no message, and accepted: {bad.method} {bad.written.hex():.600}")
        return
    if bad.method == "InvokeStream" and answered.code is grpc.StatusCode.OK:
        counts.refused += bool(answered.refusals)
        judge_results(counts, bad, len(pb.InvokeBatch.FromString(bad.written).calls), answered.results)
    elif _listens(bad) and answered.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        counts.effect("taken")
    elif answered.status is not None:
        counts.refused += 1
        judge(counts, bad, answered.code, answered.status)
    else:
        counts.effect("taken")


@functools.cache
def _routes() -> Routes:
    """What the gateway checks calls by."""
    return Routes(registry(), CLUSTER, PROCESS, Sealing(MemorySubjects()))


def _listens(bad: Mutant) -> bool:
    """Whether this is a good question for pushes, which has no end of its own."""
    if bad.method != "Listen" or not bad.is_message:
        return False
    routes = _routes()
    try:
        routes.check_view(routes.to(pb.ListenRequest.FromString(bad.written).entity), "pushes")
    except PlatformError:
        return False
    return True


async def _serves(counts: Counts, stub: Any, number: int) -> None:
    """Whoever calls rightly is answered."""
    try:
        await stub.Invoke(request(jar_on(number % 2)), metadata=CALLER, timeout=ANSWER_S_MAX)
        counts.acked += 1
    except grpc.aio.AioRpcError as error:
        counts.crashes += 1
        counts.find(f"after {number} messages a good call got {error.code().name}: {error.details()}")


async def _send_again(counts: Counts, made: Scene, channel: grpc.aio.Channel, refused: list[Mutant]) -> None:
    """What was refused before the log is refused again, and neither the log nor a state is another one then."""
    before = _standing(made)
    for start in range(0, len(refused), AT_ONCE):
        some = refused[start : start + AT_ONCE]
        for bad, answered in zip(some, await asyncio.gather(*(_send(channel, bad) for bad in some)), strict=True):
            if not answered.changed_nothing:
                counts.wrong += 1
                counts.find(f"refused, then not: {bad.method} {bad.written.hex():.600}")
    after = _standing(made)
    counts.figures |= {"refused and sent again": len(refused), "calls on the log": sum(calls for calls, _ in after)}
    if after != before:
        counts.wrong += 1
        counts.find(f"what was refused changed something: calls on the log and sums of states {before} → {after}")


def _standing(made: Scene) -> list[tuple[int, int]]:
    """Of each partition, how many calls are on the log, and the sum over all that its states have answered."""
    standing: list[tuple[int, int]] = []
    hosting = made.hosts[0]
    assert isinstance(hosting, Hosting)
    for number in range(CLUSTER.partitions):
        slice_ = Slice(CLUSTER.commands_topic, number)
        records = [
            record
            for fetched in made.log.fetch(slice_, 0, 1 << 30)
            for record in decode_frame(*slice_, fetched.offset, fetched.frame).records
        ]
        partition = hosting._core.owned[number].partition
        assert partition is not None
        standing.append((sum(isinstance(record, Invoke | Read) for record in records), partition.meta.chain))
    return standing
