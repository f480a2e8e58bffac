"""Replay with the states resident: a host's core alone, fed with a log from memory. No log, store or network."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from uuid_utils import uuid7

from actors.host import HostCore
from actors.kernel.record import Epoch, Invoke, Slice, encode_frame, encode_record
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ownership import Phase
from actors.ports import Fetched
from actors.registry import load_programs
from actors.settings import ClusterSettings, ProcessSettings
from actors.work import Append, Load, Open, Scan, Write
from loadtests.bench.worker import Answer

HOST = "replay"
FRAME_RECORDS = 200
POLL_FRAMES = 4
STAMP_MS = 1_700_000_000_000


class Call(Struct, frozen=True):
    """One client's call: its entity's `kind/id`, the key it is routed by, and its command."""

    entity: str
    routing_key: str
    command: object


class MemoryHost:
    """A host core whose work is carried out in memory: every append succeeds at once, every store is empty."""

    def __init__(self, rules: Rules, cluster: ClusterSettings, epochs: dict[int, int]) -> None:
        """`epochs` are the offsets at which each partition's Epoch will be read back."""
        self.core = HostCore(HOST, cluster, ProcessSettings(), rules)
        self._topic = cluster.commands_topic
        self._epochs = epochs
        self._ends: dict[Slice, int] = {}
        self.core.tick(STAMP_MS)
        self.core.assign(dict.fromkeys(epochs, (1, 1)))
        self.carry_out()

    def feed(self, frames: Sequence[Fetched]) -> None:
        """Apply these frames and carry out what follows."""
        for start in range(0, len(frames), POLL_FRAMES):
            self.core.fetched(frames[start : start + POLL_FRAMES])
            self.carry_out()

    def carry_out(self) -> None:
        """Do all the work there is."""
        while works := self.core.work():
            for work in works:
                match work:
                    case Append(ticket, slice_):
                        self.core.appended(ticket, self._offset(slice_))
                    case Open(partition):
                        self.core.opened(partition, None, {}, {}, "memory")
                    case Load(partition, keys):
                        self.core.loaded(partition, dict.fromkeys(keys))
                    case Write(partition, offset):
                        self.core.wrote(partition, offset)
                    case Scan(partition):
                        self.core.scanned(partition, [])
                    case _:
                        pass

    def _offset(self, slice_: Slice) -> int:
        if slice_.topic == self._topic:
            return self._epochs[slice_.partition]
        self._ends[slice_] = self._ends.get(slice_, -1) + 1
        return self._ends[slice_]


def rules_of(folders: Sequence[Path]) -> Rules:
    """The entities of these programs, as a host has them."""
    registry = load_programs(folders, ())
    return Rules(registry.entities.values(), digest=registry.digest)


def measure(rules: Rules, warm: Sequence[Call], calls: Sequence[Call]) -> Answer:
    """Replay `warm`, which makes the states resident, then `calls`; returns their rate per second of CPU."""
    cluster = ClusterSettings()
    logs: dict[int, list[Fetched]] = {}
    _append(cluster, logs, warm)
    ends = {partition: len(frames) for partition, frames in logs.items()}
    _append(cluster, logs, calls)
    host = MemoryHost(rules, cluster, {partition: len(frames) for partition, frames in logs.items()})
    for partition, frames in logs.items():
        host.feed(frames[: ends.get(partition, 0)])
    left = _in_turn([frames[ends.get(partition, 0) :] for partition, frames in logs.items()])
    began = time.process_time()
    host.feed(left)
    seconds = time.process_time() - began
    epoch = [encode_record(Epoch(1, 1, HOST))]
    host.feed([_frame(cluster, partition, len(frames), epoch, 0) for partition, frames in logs.items()])
    for ownership in host.core.owned.values():
        assert ownership.phase is Phase.SERVING, ownership.halted
        assert not ownership.said.refused, ownership.said.refused
    return {"records_per_s": len(calls) / seconds, "records": len(calls), "seconds": seconds}


def _append(cluster: ClusterSettings, logs: dict[int, list[Fetched]], calls: Iterable[Call]) -> None:
    records: dict[int, list[bytes]] = {}
    for call in calls:
        partition = partition_of(call.routing_key, cluster.partitions, cluster.groups)
        record = Invoke(call.entity, msgspec.msgpack.encode(call.command), uuid7().bytes, "bench")
        records.setdefault(partition, []).append(encode_record(record))
    for partition, mine in records.items():
        frames = logs.setdefault(partition, [])
        for start in range(0, len(mine), FRAME_RECORDS):
            frames.append(_frame(cluster, partition, len(frames), mine[start : start + FRAME_RECORDS], 1))


def _frame(cluster: ClusterSettings, partition: int, offset: int, records: list[bytes], release: int) -> Fetched:
    topic = cluster.commands_topic
    frame = encode_frame(topic, partition, "gateway", release, "", records)
    return Fetched(Slice(topic, partition), offset, STAMP_MS + offset, frame)


def _in_turn(logs: list[list[Fetched]]) -> list[Fetched]:
    """The frames of all partitions as a host polls them: some of each in turn."""
    longest = max(map(len, logs))
    return [
        frame
        for start in range(0, longest, POLL_FRAMES)
        for frames in logs
        for frame in frames[start : start + POLL_FRAMES]
    ]
