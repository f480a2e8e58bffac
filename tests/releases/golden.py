"""Golden logs: what a release wrote, how it is read, applied by today's code, and summed up.

Needs nothing but msgspec, so that any Python can run it: `python -m tests.releases.golden` prints the checksums that
this interpreter comes to, of every log, as one JSON object; with `--plant-a-set`, after a mistake was planted.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from actors.adapters.memory_states import MemoryStore
from actors.entity import AnyEntity, Context, Decision
from actors.host import HostCore
from actors.kernel import layout
from actors.kernel.layout import Meta
from actors.kernel.record import Programs, Slice
from actors.kernel.rules import Rules
from actors.ownership import Ownership, Phase
from actors.ports import Batch, Fetched
from actors.registry import load_programs, shipped_programs
from actors.settings import ClusterSettings, ProcessSettings
from actors.work import Append, Load, LoadPackage, Open, Scan, Write

DATA = Path(__file__).parent / "data"
NAMES = ("account", "bike", "package", "session", "shop", "tariff")
PROGRAMS = (
    Path(__file__).parents[2] / "loadtests" / "bench" / "programs" / "account",
    Path(__file__).parent / "tariff",
)
PACKAGES = tuple(Path(__file__).parent / "parcel" / version for version in ("first", "second"))
PARTITIONS = 2
CLUSTER = ClusterSettings(partitions=PARTITIONS)
TOPIC = CLUSTER.commands_topic
TOPIC_ID = "golden"
RELEASES = (1, 2)
"""What a golden log's frames carry: the first up to its middle, the second from there on."""
CHAIN_EVERY = 50
ALL = (b"", b"\xff" * 8)
ROWS_MAX = 1 << 30
NOBODY = (1 << 30, 0)
"""The assignment of a host that never gets its epoch onto the log: it only replays."""
Rows = list[tuple[bytes, bytes]]


class Kept(Struct, frozen=True, array_like=True):
    """A frame as the log kept it; its offset is its place among its partition's."""

    stamp_ms: int
    frame: bytes


class Log(Struct, frozen=True, array_like=True):
    """The frames of each partition, and its store as it was just before the second release, with the watermark."""

    frames: list[list[Kept]]
    snapshots: list[Rows]


class Sum(Struct, frozen=True):
    """What a partition came to at an offset: the chain of all that was said and changed, the sum of its store."""

    offset: int
    chain: str
    states: str


class Sums(Struct, frozen=True):
    """What a partition must come to: just before its barrier, at its end, and its chain at some offsets between."""

    frames: int
    records: int
    before: Sum
    end: Sum
    chains: dict[str, str]


def write(name: str, log: Log, sums: Sequence[Sums]) -> None:
    """Keep a log and its checksums."""
    (DATA / f"{name}.log").write_bytes(zlib.compress(msgspec.msgpack.encode(log), 9))
    text = msgspec.json.format(msgspec.json.encode(sums), indent=1)
    (DATA / f"{name}.json").write_bytes(text + b"\n")


def read(name: str) -> tuple[Log, list[Sums]]:
    """A log and its checksums as they were kept."""
    packed = zlib.decompress((DATA / f"{name}.log").read_bytes())
    sums = msgspec.json.decode((DATA / f"{name}.json").read_bytes(), type=list[Sums])
    return msgspec.msgpack.decode(packed, type=Log), sums


def entities() -> tuple[AnyEntity, ...]:
    """Every kind that a golden log speaks to, by today's code."""
    shipped = [folder for folder in shipped_programs() if (DATA / f"{folder.name}.log").exists()]
    return tuple(load_programs([*shipped, *PROGRAMS]).entities.values())


@cache
def packages() -> dict[str, tuple[AnyEntity, ...]]:
    """The packages of the golden log of that name, by what names their content: the first, and the second."""
    found = (load_programs([folder], ()).programs["parcel"] for folder in PACKAGES)
    return {program.digest: program.entities for program in found}


def changed(kind: str, change: Callable[[AnyEntity], AnyEntity]) -> tuple[AnyEntity, ...]:
    """The same, but one of them was changed: by a mistake that a checksum must find."""
    return tuple(change(entity) if entity.kind == kind else entity for entity in entities())


def hashing() -> tuple[AnyEntity, ...]:
    """The same, but an account's answer shows the order of a set, which hashes make."""

    def change(account: AnyEntity) -> AnyEntity:
        def decide(state: object, command: object, ctx: Context) -> Decision[Any]:
            return structs.replace(account.decide(state, command, ctx), reply=list(set(f"{command} twice".split())))

        return dataclasses.replace(account, decide=decide)

    return changed("account", change)


class Host:
    """A real host core with one partition; its store is in memory, what it appends is for the caller to carry out."""

    def __init__(
        self,
        number: int,
        rules: Rules,
        rows: Rows | None = None,
        name: str = "replay",
        assignment: tuple[int, int] = NOBODY,
    ) -> None:
        """Begins with an empty store, or with the rows of a snapshot."""
        self.number = number
        self.store = MemoryStore(dict(rows or []))
        self.appends: list[Append] = []
        self.chains: dict[str, str] = {}
        self.core = HostCore(name, CLUSTER, ProcessSettings(), rules)
        self.core.assign({number: assignment})
        self.carry_out()

    @property
    def ownership(self) -> Ownership:
        """The partition in this host's hands."""
        return self.core.owned[self.number]

    @property
    def meta(self) -> Meta:
        """What is folded beside the states."""
        partition = self.ownership.partition
        assert partition is not None, self.ownership.halted
        return partition.meta

    def carry_out(self) -> None:
        """Do what the core asks for until it asks for no more; what it appends waits in `appends`."""
        while works := self.core.work():
            for work in works:
                match work:
                    case Open(number):
                        self.core.opened(number, *self._held(), TOPIC_ID)
                    case Load(number, keys):
                        self.core.loaded(number, dict(zip(keys, self.store.get(keys), strict=True)))
                    case Scan(number, start, end, limit):
                        self.core.scanned(number, self.store.scan(start, end, limit))
                    case Write(number, offset, batch, swept_seconds):
                        self._write(batch, swept_seconds)
                        self.core.wrote(number, offset)
                    case LoadPackage(_, package):
                        self.core.package_loaded(package, packages()[package])
                    case Append():
                        self.appends.append(work)
                    case _:
                        pass

    def frame(self, offset: int, kept: Kept) -> None:
        """The host reads this frame."""
        self.core.fetched([Fetched(Slice(TOPIC, self.number), offset, kept.stamp_ms, kept.frame)], kept.stamp_ms)
        self.carry_out()

    def appended(self, append: Append, offset: int) -> None:
        """What it appended is on the log there."""
        self.core.appended(append.ticket, offset)
        self.carry_out()

    def replay(self, frames: Sequence[Kept]) -> "Host":
        """Apply what of a log's frames it has not, as a host does that took over and is not heard yet."""
        fence = self.appends.pop(0) if self.appends else None
        assert fence is None or fence.slice == Slice(TOPIC, self.number)
        for offset in range(max(self.ownership.written, 0), len(frames)):
            self.frame(offset, frames[offset])
            while self.appends:
                self.appended(self.appends.pop(0), 0)
            if self.ownership.ended:
                break
            if offset % CHAIN_EVERY == 0 and self.meta.watermark == offset:
                self.chains[str(offset)] = f"{self.meta.chain:08x}"
        return self

    # The adapters' own way to read and write a store imports gRPC, which another Python may not have.

    def _held(self) -> tuple[Meta | None, dict[int, tuple[int, int]], dict[str, Programs]]:
        stored = self.store.get([layout.META])[0]
        pairs = self.store.scan(*layout.BUCKETS, limit=ROWS_MAX)
        buckets = {layout.bucket_of(key): layout.decode_bucket(value) for key, value in pairs}
        tables = (layout.decode_programs(value) for _, value in self.store.scan(*layout.PROGRAMS, limit=ROWS_MAX))
        programs = {table.program: table for table in tables}
        return None if stored is None else layout.decode_meta(stored), buckets, programs

    def _write(self, batch: Batch, swept_seconds: Sequence[int]) -> None:
        for second in swept_seconds:
            start, end = layout.sweep_range(second)
            gone = (layout.swept(key) for key, _ in self.store.scan(start, end, ROWS_MAX))
            batch.deletes += [key for key in gone if key not in batch.puts]
            batch.delete_ranges.append((start, end))
        self.store.write(batch)

    @property
    def rows(self) -> Rows:
        """All that the store holds: a snapshot."""
        return self.store.scan(*ALL, limit=ROWS_MAX)

    def sum(self) -> Sum:
        """What it came to."""
        states = hashlib.sha256(msgspec.msgpack.encode(self.rows)).hexdigest()
        return Sum(self.meta.watermark, f"{self.meta.chain:08x}", states)


def watermark_of(rows: Rows) -> int:
    """The offset that a snapshot is of."""
    return layout.decode_meta(dict(rows)[layout.META]).watermark


def replayed(number: int, frames: Sequence[Kept], before: Rules, rules: Rules) -> tuple[Host, Host]:
    """A partition of a golden log, from its beginning: by a host of the older release up to the barrier, then on from
    there by one of the newer.
    """
    older = Host(number, before).replay(frames)
    assert older.ownership.phase is Phase.STOPPED, f"{older.ownership.phase} {older.ownership.halted}"
    return older, Host(number, rules, older.rows).replay(frames)


def sums_of(number: int, frames: Sequence[Kept], before: Rules, rules: Rules) -> Sums:
    """What a partition of a golden log comes to."""
    older, newer = replayed(number, frames, before, rules)
    records = older.ownership.applied_records + newer.ownership.applied_records
    return Sums(newer.meta.watermark + 1, records, older.sum(), newer.sum(), older.chains | newer.chains)


def all_sums(names: Iterable[str], kinds: Iterable[AnyEntity]) -> dict[str, list[Sums]]:
    """The same of several golden logs, by these kinds of entities."""
    before, rules = (Rules(kinds, release) for release in RELEASES)
    return {
        name: [sums_of(number, frames, before, rules) for number, frames in enumerate(read(name)[0].frames)]
        for name in names
    }


def main() -> None:
    """Print what this interpreter comes to."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases.golden")
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--plant-a-set", action="store_true", help="first plant a mistake that hash seeds bring out")
    options = parser.parse_args()
    sums = all_sums(options.names, hashing() if options.plant_a_set else entities())
    print(json.dumps({"python": list(sys.version_info[:3]), "sums": msgspec.to_builtins(sums)}))


if __name__ == "__main__":
    main()
