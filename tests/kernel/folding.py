"""Folds records through a real `Partition` over a dict for a store, as a host does: the one helper of these tests."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from actors.adapters.hosting import stores
from actors.adapters.memory_states import MemoryStore
from actors.entity import AnyEntity
from actors.kernel import layout
from actors.kernel.action import Action, Event, EventRecord, NeedPackage, NeedState, Reply, Send
from actors.kernel.inbox import Changes
from actors.kernel.partition import Partition
from actors.kernel.record import Frame, Invoke, Position, Record, Sent
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ports import Batch, Store
from tests.kernel.box import RULES, Box, Do, encode

PARTITIONS = 4
START_MS = 1_800_000_000_000
A = TypeVar("A")


def route(key: str) -> int:
    """The partition of a routing key in these tests."""
    return partition_of(key, PARTITIONS, {})


def id_on(partition: int, prefix: str = "b") -> str:
    """An id, which is its own routing key, of this partition."""
    return next(f"{prefix}{n}" for n in range(1_000) if route(f"{prefix}{n}") == partition)


def uuid7(n: int, at_ms: int = START_MS) -> bytes:
    """The n-th request id of this time."""
    return at_ms.to_bytes(6) + (0x7000 | (n >> 62)).to_bytes(2) + (n & (1 << 62) - 1 | 1 << 63).to_bytes(8)


def uuid4(n: int) -> bytes:
    """A request id that carries no time."""
    return bytes(6) + b"\x40\x00" + (n | 1 << 63).to_bytes(8)


def call(entity: str, command: Do, n: int, at_ms: int = START_MS, caller: str = "ann") -> Invoke:
    """A client's call."""
    return Invoke(entity, encode(command), uuid7(n, at_ms), caller)


def send(source: int, seq: int, entity: str, command: Do, on_reject: Do | None = None, incarnation: int = 0) -> Sent:
    """A send from a box of another partition."""
    back = encode(on_reject) if on_reject else b""
    return Sent(source, incarnation, seq, entity, encode(command), f"box/{id_on(source)}", back, "")


class Fold:
    """One partition, its store, and what came out of it."""

    def __init__(
        self,
        number: int = 0,
        rules: Rules = RULES,
        store: Store | None = None,
        route: Callable[[str], int] = route,
    ) -> None:
        self.number = number
        self.rules = rules
        self.store: Store = store or MemoryStore({})
        self.route = route
        self.packages: dict[str, Sequence[AnyEntity]] = {}
        self.actions: list[Action] = []
        self.unwritten: Changes | None = None
        self.reopen()

    def reopen(self) -> None:
        """Forget what is in memory and begin from the store."""
        assert self.unwritten is None, "write first"
        stored = self.store.get([layout.META])[0]
        meta = None if stored is None else layout.decode_meta(stored)
        pairs = self.store.scan(*layout.BUCKETS, limit=1_000_000)
        buckets = {layout.bucket_of(key): layout.decode_bucket(value) for key, value in pairs}
        programs = stores.programs_of(self.store, self.number)
        self.partition = Partition(self.number, self.rules, self.route, meta, buckets, programs)

    @property
    def next_offset(self) -> int:
        """Where the next frame stands."""
        return self.partition.meta.watermark + 1

    def frame(
        self,
        *records: Record,
        after_ms: int = 0,
        at_ms: int | None = None,
        producer: str = "g1",
        release: int = 1,
        prefetch: bool = True,
        write: bool = True,
    ) -> list[Action]:
        """Apply one frame, stamped `after_ms` after the last one, and return its actions."""
        partition, offset = self.partition, self.next_offset
        stamp_ms = at_ms if at_ms is not None else max(partition.meta.now_ms, START_MS) + after_ms
        partition.begin(offset, stamp_ms, Frame(producer, release, "", list(records)))
        if prefetch:
            self.load(sorted({key for record in records for key in partition.keys(record)}))
        actions: list[Action] = []
        for index, record in enumerate(records):
            actions += self.apply(Position(self.number, offset, index), record)
        changes = partition.end(zlib.crc32(str(records).encode()))
        if self.unwritten is None:
            self.unwritten = changes
        else:
            self.unwritten.merge(changes)
        if write:
            self.write()
        self.actions += actions
        return actions

    def apply(self, position: Position, record: Record) -> Sequence[Action]:
        """Apply one record, loading what it needs."""
        for _ in range(1_000):
            outcome = self.partition.apply(position, record)
            if isinstance(outcome, NeedPackage):
                for package in outcome.hashes:
                    self.rules.add(package, self.packages[package])
            elif isinstance(outcome, NeedState):
                self.load(outcome.keys)
            else:
                return outcome
        raise AssertionError("a record that needs a thousand loads")

    def load(self, keys: Sequence[bytes]) -> None:
        """Hand the partition what the store holds."""
        self.partition.admit(stores.load(self.store, keys))

    def write(self) -> None:
        """Write what changed since the last time."""
        if self.unwritten is not None:
            changes, self.unwritten = self.unwritten, None
            changes.prune()
            batch = Batch(changes.puts, list(changes.deletes), changes.delete_ranges)
            stores.write(self.store, batch, changes.swept_seconds)
            self.partition.wrote(self.partition.meta.watermark)
            self.partition.settled()

    def box(self, entity: str) -> Box:
        """The state of a box as the fold sees it."""
        found = self.partition.residents.get(entity)
        if found is None:
            self.load([layout.entity_key(entity)])
            found = self.partition.residents[entity]
        assert isinstance(found.state, Box)
        return found.state

    def timers(self, entity: str) -> Mapping[str, layout.Timer]:
        """The timers of a box."""
        self.box(entity)
        return self.partition.residents[entity].timers

    def stored(self) -> dict[bytes, bytes]:
        """Everything in the store."""
        return dict(self.store.scan(b"", b"\xff", 1_000_000))


def only(kind: type[A], actions: Sequence[object]) -> A:
    """The one action of this kind."""
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, f"{len(found)} of {kind.__name__} in {actions}"
    return found[0]


def replied(actions: Sequence[Action]) -> Reply:
    """The one reply."""
    return only(Reply, actions)


def reason(reply: Reply) -> str:
    """Why a call was refused."""
    return str(msgspec.json.decode(reply.payload)["reason"])


def sends(actions: Sequence[Action]) -> list[Send]:
    """The sends, in order."""
    return [action for action in actions if isinstance(action, Send)]


def decode_sent(action: Send) -> Sent:
    """The record of a send."""
    return msgspec.msgpack.decode(action.record, type=Sent)


def decode_event(action: Event) -> EventRecord:
    """The record of an event."""
    return msgspec.msgpack.decode(action.record, type=EventRecord)
