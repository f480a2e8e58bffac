"""Folds the final log again, by the kernel alone: what every host should have said and stored."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from actors.adapters.hosting import stores
from actors.adapters.memory_states import MemoryStore
from actors.kernel import layout
from actors.kernel.action import Action, Code, Event, NeedPackage, NeedState, Reply, Send
from actors.kernel.inbox import Changes
from actors.kernel.partition import Partition
from actors.kernel.record import Epoch, Fire, Frame, Invoke, Position, Programs, Record, Sent, decode_frame
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ports import Batch, Fetched
from tests.simulation.disk import TOPIC_ID, everything, read

Key = tuple[str, bytes]


class Decoded(NamedTuple):
    """A frame as it was read back, and what it says."""

    fetched: Fetched
    frame: Frame


def read_all(frames: Sequence[Fetched]) -> list[Decoded]:
    """Decode frames of the commands topic; a replay and several checks look at them."""
    return [Decoded(fetched, decode_frame(*fetched.slice, fetched.offset, fetched.frame)) for fetched in frames]


def owners_said(frames: Sequence[Decoded]) -> dict[int, str]:
    """Every takeover that counts, by its offset: read from the log once more, without the kernel."""
    owners: dict[int, str] = {}
    last = (-1, -1)
    for fetched, frame in frames:
        for record in frame.records:
            if isinstance(record, Epoch) and (record.term, record.n) > last:
                last = (record.term, record.n)
                owners[fetched.offset] = record.host
    return owners


class Replayed:
    """One partition folded from the first frame on."""

    def __init__(self, number: int, rules: Rules, partitions: int) -> None:
        self.number = number
        self.owners: dict[int, str] = {}
        """By offset: every takeover that counts."""
        self.store = MemoryStore({})
        self.first: dict[Key, tuple[Invoke, Reply]] = {}
        """By call: its first copy on the log and the answer to it."""
        self.events: list[tuple[str, bytes]] = []
        """Every event in order: its kind, and how it is encoded."""
        self.views: dict[tuple[int, str], bytes] = {}
        """By (offset, entity): what its view says after that frame."""
        self.sent: dict[tuple[int, int], bytes] = {}
        """By (destination, seq): every send."""
        self.decided: dict[Key, int] = {}
        """By call: how often it was decided anew."""
        self.fired: list[tuple[int, str]] = []
        """Every `Fire` that had an effect: its offset, and who said it."""
        self.choices: dict[Key, Programs | None] = {}
        """By call: which packages decided where it stands."""
        self.received = 0
        """Sends of other partitions that were new."""
        self._choice: Programs | None = None
        self._rules = rules
        self._partitions = partitions
        self.partition = self._partition(layout.Meta(topic_id=TOPIC_ID), {}, {})

    def _partition(
        self, meta: layout.Meta, buckets: dict[int, tuple[int, int]], programs: dict[str, Programs]
    ) -> Partition:
        def route(key: str) -> int:
            return partition_of(key, self._partitions, {})

        return Partition(self.number, self._rules, route, meta, buckets, programs)

    @property
    def stored(self) -> dict[bytes, bytes]:
        """Everything in the store."""
        return everything(self.store)

    def fold(self, frames: Sequence[Decoded], looked: set[tuple[int, str, str]], cold: Random | None = None) -> None:
        """Apply all frames. With `cold`, states and window are dropped now and then, and writes gathered."""
        unwritten: Changes | None = None
        wanted = {offset for offset, *_ in looked}
        for fetched, frame in frames:
            changes = self._frame(fetched, frame)
            unwritten = changes if unwritten is None else _merged(unwritten, changes)
            if fetched.offset in wanted:
                self._look(fetched.offset, looked)
            if cold is None or cold.random() < 0.2:
                self._write(unwritten)
                unwritten = None
                if cold is not None and cold.random() < 0.3:
                    opened = read(self.store)
                    assert opened.meta is not None
                    self.partition = self._partition(opened.meta, opened.buckets, opened.programs)
        if unwritten is not None:
            self._write(unwritten)

    def _frame(self, fetched: Fetched, frame: Frame) -> Changes:
        number, offset = self.number, fetched.offset
        self.partition.begin(offset, fetched.stamp_ms, frame)
        for index, record in enumerate(frame.records):
            if isinstance(record, Programs) and (self._choice is None or record.generation > self._choice.generation):
                self._choice = record
            before = self._heard(record)
            actions = self._apply(Position(number, offset, index), record)
            if isinstance(record, Fire) and actions:
                self.fired.append((offset, frame.producer))
            self.received += self._heard(record) != before
            self._take(record, actions)
        return self.partition.end(int.from_bytes(fetched.frame[4:8]))

    def _heard(self, record: Record) -> tuple[int, int, int]:
        """What the partition remembers of the source of a send; it is something else after a new one."""
        if not isinstance(record, Sent):
            return 0, 0, 0
        incarnation, next_, above = self.partition.meta.sources.get(record.source, (0, 0, []))
        return incarnation, next_, len(above)

    def _apply(self, position: Position, record: Record) -> list[Action]:
        while isinstance(outcome := self.partition.apply(position, record), NeedState | NeedPackage):
            assert isinstance(outcome, NeedState), f"{outcome.hashes} are known to this world"
            self.partition.admit(stores.load(self.store, outcome.keys))
        return list(outcome)

    def _take(self, record: Record, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Reply() if isinstance(record, Invoke) and not action.duplicate:
                    key = (action.caller, action.request_id)
                    self.first.setdefault(key, (record, action))
                    self.choices.setdefault(key, self._choice)
                    self.decided[key] = self.decided.get(key, 0) + (action.code != Code.REQUEST_ID_TOO_OLD)
                case Event(kind=kind, record=encoded):
                    self.events.append((kind, encoded))
                case Send(destination, seq, encoded):
                    self.sent[destination, seq] = encoded
                case _:
                    pass

    def _look(self, offset: int, looked: set[tuple[int, str, str]]) -> None:
        for at, entity, view in looked:
            if at == offset:
                self.views[at, entity] = self.view(entity, view)

    def view(self, entity: str, view: str) -> bytes:
        """What a view says now."""
        while isinstance(answer := self.partition.view(entity, view, b""), NeedState):
            self.partition.admit(stores.load(self.store, answer.keys))
        return answer[1]

    def state(self, entity: str) -> object:
        """The state of an entity now."""
        if entity not in self.partition.residents:
            self.partition.admit(stores.load(self.store, [layout.entity_key(entity)]))
        return self.partition.residents[entity].state

    def _write(self, changes: Changes) -> None:
        changes.prune()
        batch = Batch(changes.puts, list(changes.deletes), changes.delete_ranges)
        stores.write(self.store, batch, changes.swept_seconds)


def _merged(earlier: Changes, later: Changes) -> Changes:
    earlier.merge(later)
    return earlier
