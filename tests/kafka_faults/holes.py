"""A log that lost what it had acknowledged, or is another one by now: a real host on it halts and says what is gone."""

import asyncio
import gc
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec

from actors.adapters.hosting.shell import Hosting
from actors.adapters.kafka import KafkaLog
from actors.adapters.kafka_topics import configs
from actors.adapters.rocksdb import RocksStates
from actors.errors import Corrupt, SetupError, Unavailable
from actors.ports import Log, Reader, Slice, Topic
from infra.kafka.broker import Cluster, start
from tests.hosting.stage import CLUSTER, Stage, added, put, put_all
from tests.kafka_faults.stand import DEADLINE_MS, admin, leader_of, seen
from tests.proof.counts import Counts

COMMANDS = CLUSTER.commands_topic
FRAMES = 20
HALT_S_MAX = 60.0
ACT_S_MAX = 150.0
REPLICAS = [2, 3]
"""The brokers that have the commands topic in the unclean election; the other one keeps the quorum."""


def holes(folder: Path, seed: int, rounds: int) -> Counts:
    """Retention past the consumer, a topic deleted and made again: with one broker."""
    counts = Counts("kafka, holes", seed=seed)
    for n in range(rounds):
        with start(folder / f"{n}") as cluster:
            log = KafkaLog(cluster.addresses, append_deadline_ms=DEADLINE_MS)
            try:
                log.create(CLUSTER.topics(("tally",)))
                stage = Stage(folder / f"{n}" / "host", RocksStates(), log)
                _play(partial(_trimmed, counts, stage))
                _play(partial(_cut, counts, stage))
                _cut_under_a_reader(counts, log)
                _play(partial(_made_again, counts, stage, cluster))
            finally:
                log.close()
        gc.collect()
    return counts


def unclean(folder: Path, seed: int, rounds: int) -> Counts:
    """A replica that had fallen behind is made leader by force, and what the other one had acknowledged is gone."""
    counts = Counts("kafka, unclean election", seed=seed)
    for n in range(rounds):
        with start(folder / f"{n}", brokers=3) as cluster:
            log = KafkaLog(cluster.addresses, append_deadline_ms=DEADLINE_MS)
            try:
                _careless_topic(cluster)
                log.create(CLUSTER.topics(("tally",)))
                stage = Stage(folder / f"{n}" / "host", RocksStates(), log)
                _play(partial(_elected_by_force, counts, stage, cluster))
            finally:
                log.close()
        gc.collect()
    return counts


async def _trimmed(counts: Counts, stage: Stage) -> None:
    """A host trims the log below its snapshots; another one without its store has the same states by what is left."""
    slice_ = Slice(COMMANDS, 0)
    async with stage.host(snapshot_records=4) as host:
        for n in range(FRAMES):
            last = put(stage.log, 0, "tally.add", n=n)
            await stage.serving(host, 0, last.offset - 1)
        trimmed = await asyncio.to_thread(seen, lambda: stage.log.spans([slice_])[slice_].start > 0)
    shutil.rmtree(stage.folder / "states")
    async with stage.host() as host:
        await stage.serving(host, 0, stage.log.spans([slice_])[slice_].end - 2)
    if trimmed and added(stage.log, 0) == list(range(FRAMES)):
        counts.fault("store lost above a trimmed log", "recovered from a snapshot and the log's tail")
    else:
        counts.find(f"a trimmed log: trimmed {trimmed}, the events hold {added(stage.log, 0)}")


async def _cut(counts: Counts, stage: Stage) -> None:
    """The log is cut between two lives of a host, beyond its store; another partition is served all the same."""
    async with stage.host() as host:
        for partition in (0, 1):
            last = put_all(stage.log, partition, range(FRAMES))
            await stage.serving(host, partition, last.offset - 1)
    counts.acked += 4 * FRAMES
    last = put_all(stage.log, 0, range(FRAMES))
    stage.log.trim(Slice(COMMANDS, 0), last.offset - 1)
    async with stage.host() as host:
        why = await _halted(stage, host, 0)
        _judge(counts, "retention cut past the consumer", why, "no store or snapshot reaches back to it")
        await stage.serving(host, 1)


def _cut_under_a_reader(counts: Counts, log: Log) -> None:
    """The log is cut beyond where a reader stands."""
    slice_ = Slice(COMMANDS, 1)
    reader = log.reader()
    reader.assign({slice_: 2})
    log.trim(slice_, 5)
    _judge(counts, "retention cut under a reader", _what_stops(reader), "frames were cut")
    reader.close()


async def _made_again(counts: Counts, stage: Stage, cluster: Cluster) -> None:
    """The commands topic is deleted and made again under a host that serves."""
    before = stage.log.topic_id(COMMANDS)

    def made() -> bool:
        try:
            stage.log.create(CLUSTER.topics(("tally",)))
            return stage.log.topic_id(COMMANDS) != before
        except (Unavailable, SetupError):
            return False

    async with stage.host() as host:
        await stage.serving(host, 1)
        with admin(cluster) as client:
            await asyncio.to_thread(client.delete_topics, [COMMANDS])
        if not await asyncio.to_thread(seen, made):
            counts.unseen += 1
            return
        _judge(counts, "topic deleted and made again", await _halted(stage, host, 1), "deleted and made again")
    async with stage.host() as host:
        _judge(counts, "topic made again between two lives", await _halted(stage, host, 1), "gone", "anew")


async def _elected_by_force(counts: Counts, stage: Stage, cluster: Cluster) -> None:
    """One replica falls behind, the other one dies, the first one leads: what only the dead one had is gone."""
    log, behind, ahead = stage.log, REPLICAS[1] - 1, REPLICAS[0] - 1
    slow = Slice(COMMANDS, 1)
    async with stage.host() as host:
        last = put_all(log, 0, range(FRAMES))
        await stage.serving(host, 0, last.offset - 1)
        cluster.kill(behind)
        await asyncio.to_thread(_put_patiently, log)
        for partition in (0, 1):
            last = put_all(log, partition, range(2 * FRAMES))
            await stage.serving(host, partition, last.offset - 1)
        reader = log.reader()
        reader.assign({slow: 0})
        await asyncio.to_thread(_read_to, reader, last.offset)
        cluster.kill(ahead)
        await asyncio.to_thread(cluster.restart, behind)
        forced = await asyncio.to_thread(seen, lambda: leader_of(cluster, slow) == behind, HALT_S_MAX)
        ended = await asyncio.to_thread(_end_of, log, slow) if forced else last.offset
        if ended >= last.offset:
            counts.unseen += 1
            return
        counts.effect("acknowledged frames that an unclean election took")
        await asyncio.to_thread(_put_beyond, log, last.offset + FRAMES)
        for partition in (0, 1):
            _judge(counts, "unclean election, host", await _halted(stage, host, partition), "gone")
        why = await asyncio.to_thread(_what_stops, reader)
        _judge(counts, "unclean election, reader that was overtaken", why, "gone")
        reader.close()
    async with stage.host() as host:
        why = await _halted(stage, host, 1)
        _judge(counts, "unclean election, between two lives", why, "acknowledged records are gone")
    counts.acked += 5 * FRAMES


def _end_of(log: Log, slice: Slice) -> int:
    """Where a partition ends: brokers that have just found another leader are asked until they know of it."""
    ends: list[int] = []

    def told() -> bool:
        try:
            ends.append(log.spans([slice])[slice].end)
        except Unavailable:
            return False
        return True

    assert seen(told, HALT_S_MAX), f"nobody says where {slice} ends"
    return ends[-1]


def _careless_topic(cluster: Cluster) -> None:
    """The commands topic as it must never be: two copies, one enough, and any of them may lead."""
    careless = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    assignments = dict.fromkeys(range(CLUSTER.partitions), REPLICAS)
    settings = configs(Topic(COMMANDS, CLUSTER.partitions)) | careless
    with admin(cluster) as client:
        client.create_topics({COMMANDS: {"assignments": assignments, "configs": settings}}, wait_for_metadata=True)


def _put_patiently(log: Log) -> None:
    """Append until it is acknowledged by the replica that is left."""

    def done() -> bool:
        try:
            for partition in (0, 1):
                put(log, partition, "tally.add", n=0)
        except Unavailable:
            return False
        return True

    assert seen(done, HALT_S_MAX), "the replica that was left did not go on alone"


def _put_beyond(log: Log, offset: int) -> None:
    """Append to partition 1 until other frames stand where the lost ones stood."""

    def done() -> bool:
        try:
            return put(log, 1, "tally.add", n=0).offset >= offset
        except Unavailable:
            return False

    assert seen(done, HALT_S_MAX), "the new leader took no appends"


def _read_to(reader: Reader, offset: int) -> None:
    reached = -1
    while reached < offset:
        reached = max([reached, *(fetched.offset for fetched in reader.poll(1_000))])


def _what_stops(reader: Reader) -> str:
    """Poll until the reader says that the log is not what it was; what it says, or what it gave instead."""
    said: list[str] = []

    def stopped() -> bool:
        try:
            said.extend(f"gave the frame at {fetched.offset}" for fetched in reader.poll(500)[:1])
        except Unavailable:
            return False
        except Corrupt as error:
            said.append(str(error))
        return bool(said)

    seen(stopped, HALT_S_MAX)
    return said[0] if said else "nothing"


async def _halted(stage: Stage, host: Hosting, partition: int) -> str:
    """Wait until the partition is halted; why, or how it stands instead."""
    loop = asyncio.get_running_loop()
    until = loop.time() + HALT_S_MAX
    while True:
        mine = await stage.until(host, partition, lambda _: True)
        if mine["phase"] == "Halted" or loop.time() > until:
            return str(mine["halted"] or mine)
        await asyncio.sleep(0.05)


def _judge(counts: Counts, kind: str, why: str, *words: str) -> None:
    """The fault was survived if the reason that was given names it."""
    if any(word in why for word in words):
        counts.fault(kind, "halted, and the cause named")
    else:
        counts.wrong += 1
        counts.find(f"{kind}: {msgspec.json.encode(why)[:300]!r}")


def _play(act: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(act(), ACT_S_MAX)

    asyncio.run(run())
