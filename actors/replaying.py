"""Folds a partition again from its frames: the kernel as a host runs it, what it keeps in memory. Pure, and no I/O.

For whoever asks what became of a record: `why`, `replay`, tests. What is folded is thrown away afterwards; nothing is
appended, written or told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.errors import NotFound
from actors.kernel import layout
from actors.kernel.action import Action, CancelTimer, Event, EventRecord, NeedPackage, NeedState, Push, SetTimer
from actors.kernel.inbox import ENTRIES_MAX, Changes
from actors.kernel.partition import Partition
from actors.kernel.record import Fire, Frame, Invoke, Position, Programs, Read, Record, Sent, decode_frame
from actors.kernel.resident import resident_of
from actors.kernel.rules import Rules
from actors.ports import Fetched, Packages

RESIDENT_MAX = 100_000
Base = Callable[[Sequence[bytes]], Sequence[bytes | None]]
"""What a store holds that the replay begins from; it is only read."""
_decode_event = msgspec.msgpack.Decoder(EventRecord).decode


class Change(NamedTuple):
    """An entity's state before a record and after it."""

    before: object
    after: object


class Step(NamedTuple):
    """One record, and what came of it.

    `states` holds the entity that was asked and every one that the record touched. `raised` is what an author's code
    raised; `copy` says that this send had been applied before, `skipped` that an operator said not to apply it.
    """

    position: Position
    stamp_ms: int
    frame: Frame
    record: Record
    actions: Sequence[Action]
    states: Mapping[str, Change]
    raised: str = ""
    copy: bool = False
    skipped: bool = False


class Replay:
    """One partition. Begins empty, or from `meta`, `buckets` and `base` of a snapshot."""

    def __init__(
        self,
        topic: str,
        number: int,
        rules: Rules,
        route: Callable[[str], int],
        skips: Sequence[tuple[int, int]] = (),
        meta: layout.Meta | None = None,
        buckets: Mapping[int, tuple[int, int]] | None = None,
        programs: Mapping[str, Programs] | None = None,
        base: Base | None = None,
        packages: Packages | None = None,
    ) -> None:
        """`skips` are the (offset, index) of the records that operators said never to apply.

        `packages` loads those that the frames, or the snapshot, name; without it nothing may name any. Raises what it
        raises.
        """
        meta = meta or layout.Meta()
        meta.skips = sorted({*meta.skips, *skips})
        self._topic = topic
        self._skips = frozenset(meta.skips)
        self._packages = packages
        self._partition = Partition(number, rules, route, meta, buckets, programs)
        self._kept = _Kept(base)
        self._seen: dict[str, object] = {}
        while (need := self._partition.missing()) is not None:
            self._load(need)

    @property
    def next_offset(self) -> int:
        """The offset of the frame that is to come next."""
        return self._partition.meta.watermark + 1

    @property
    def chain(self) -> int:
        """The sum of all that was said and changed up to the last frame."""
        return self._partition.meta.chain

    def changed(self) -> Mapping[bytes, int]:
        """The store's keys of the entities that these frames changed, with the offset of the last change of each."""
        return self._kept.changed

    def stored(self, key: bytes) -> bytes | None:
        """What a store would hold under this key of an entity or of the window."""
        return self._kept.get(key)

    def state_of(self, entity: str) -> object:
        """An entity's state as the records applied so far left it; None for a kind that is unknown."""
        resident = self._partition.residents.get(entity)
        return self._at_rest(entity) if resident is None else resident.state

    def steps(self, frames: Iterable[Fetched], stop_at: Position | None = None) -> Iterator[Step]:
        """Every record of these frames, which come in order and without a hole, up to but without `stop_at`.

        Raises Corrupt where a host would halt.
        """
        partition = self._partition
        for fetched in frames:
            frame = decode_frame(self._topic, partition.number, fetched.offset, fetched.frame)
            partition.begin(fetched.offset, fetched.stamp_ms, frame)
            self._admit({key for record in frame.records for key in partition.keys(record)})
            for index, record in enumerate(frame.records):
                position = Position(partition.number, fetched.offset, index)
                if position == stop_at:
                    return
                yield self._step(position, fetched.stamp_ms, frame, record)
            changes = partition.end(int.from_bytes(fetched.frame[4:8]))
            self._kept.write(fetched.offset, changes, partition.window.floor_ms)
            partition.wrote(fetched.offset)
            partition.settled()
            if len(partition.residents) > RESIDENT_MAX:
                partition.residents.clear()
                self._seen.clear()

    def _step(self, position: Position, stamp_ms: int, frame: Frame, record: Record) -> Step:
        partition = self._partition
        skipped = (position.offset, position.index) in self._skips
        copy = isinstance(record, Sent) and not partition.sources.is_new(record.source, record.incarnation, record.seq)
        while isinstance(actions := partition.apply(position, record), NeedState | NeedPackage):
            if isinstance(actions, NeedState):
                self._admit(actions.keys)
            else:
                self._load(actions)
        raised = partition.poisons.pop()[1] if partition.poisons else ""
        states = {} if skipped else {entity: self._change(entity) for entity in _touched(record, actions)}
        return Step(position, stamp_ms, frame, record, actions, states, raised, copy, skipped)

    def _change(self, entity: str) -> Change:
        before = self._seen[entity] if entity in self._seen else self._at_rest(entity)
        resident = self._partition.residents.get(entity)
        after = self._seen[entity] = before if resident is None else resident.state
        return Change(before, after)

    def _at_rest(self, entity: str) -> object:
        """The state as the last frame left it."""
        found = self._partition.of(entity)
        if found is None:
            return None
        kind, _ = found
        shared = kind.entity.program in self._partition.programs
        return resident_of(kind, self._kept.get(layout.entity_key(entity)), None, shared=shared).state

    def _load(self, need: NeedPackage) -> None:
        if self._packages is None:
            raise NotFound(f"the package {need.hashes[0]} of {need.program} is not at hand")
        for package in need.hashes:
            self._partition.rules.add(package, self._packages(package))

    def _admit(self, keys: Iterable[bytes]) -> None:
        self._partition.admit({key: self._kept.get(key) for key in keys})


class _Kept:
    """What a store would hold of entities and of the window, over a snapshot's base."""

    def __init__(self, base: Base | None) -> None:
        self._base = base
        self.changed: dict[bytes, int] = {}
        self._entities: dict[bytes, bytes] = {}
        self._window: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        found = (self._entities if key[:1] == layout.ENTITY else self._window).get(key)
        return self._base([key])[0] if found is None and self._base is not None else found

    def write(self, offset: int, changes: Changes, floor_ms: int) -> None:
        """Take a frame's changes in. Window entries at or below the floor count for nothing, and go when many."""
        for key, value in changes.puts.items():
            if key[:1] == layout.ENTITY:
                self._entities[key] = value
                self.changed[key] = offset
            elif key.startswith((layout.WINDOW, layout.TIMELESS)):
                self._window[key] = value
        if len(self._window) > 2 * ENTRIES_MAX:
            self._window = {k: v for k, v in self._window.items() if layout.decode_entry(v).entry_ms > floor_ms}


def entity_of(record: Record) -> str:
    """The entity that a record asks, as the log calls it; "" for records that ask none."""
    match record:
        case Invoke(entity=entity) | Sent(entity=entity) | Fire(entity=entity) | Read(entity=entity):
            return entity
        case _:
            return ""


def _touched(record: Record, actions: Sequence[Action]) -> dict[str, None]:
    """States change by events only, so the events name all that did."""
    asked = entity_of(record)
    touched: dict[str, None] = {asked: None} if asked else {}
    for action in actions:
        match action:
            case Event(record=event):
                touched[_decode_event(event).entity] = None
            case SetTimer(entity=entity) | CancelTimer(entity=entity) | Push(entity=entity):
                touched[entity] = None
            case _:
                pass
    return touched
