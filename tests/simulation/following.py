"""The follower of a world: it reads what the catalogue says, and brings a program's packages to every partition.

What is read of events, and which package is to decide what, is the product's own. Here is a log that fails, and an end
at any time, after which the follower begins again from the first event.
"""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Protocol, cast

from actors.domain.catalog.program import PROGRAM
from actors.errors import Outcome
from actors.kernel.record import Programs, Slice, encode_frame, encode_record
from actors.ports import Place, Put
from actors.projections import switches
from actors.projections.reading import follow
from actors.settings import ClusterSettings
from tests.simulation.clock import Clock
from tests.simulation.log import SimLog

LOOK_MS_MAX = 150
NAME = "follower"


class Surroundings(Protocol):
    """What a follower is in."""

    clock: Clock
    chance: Random
    cluster: ClusterSettings
    log: SimLog

    def note(self, text: str) -> None:
        """Remember an event."""
        ...


class SimFollower:
    """Follows one program. `is_done` says whether all partitions have what the catalogue said last."""

    def __init__(self, world: Surroundings, program: str) -> None:
        self._world = world
        self._program = program
        self._life = 0
        self._begin()
        self._look()

    def begin_again(self) -> None:
        """It ends, and another begins; what it had handed in may still reach the log."""
        self._world.note("the follower begins again")
        self._begin()

    def _begin(self) -> None:
        self._life += 1
        self._places: dict[Slice, Place] = {}
        self._hashes: dict[int, str] = {}
        self._shown: dict[str, switches.Switch] = {}
        self._there: dict[int, int] = {}
        self._on_its_way: dict[int, int] = {}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to read, and every partition has the last switch."""
        record = self._record()
        has_read = all(not self._unread(slice_) for slice_ in self._slices())
        return has_read and (record is None or not any(self._lacks(n, record) for n in self._partitions()))

    def _partitions(self) -> range:
        return range(self._world.cluster.partitions)

    def _slices(self) -> list[Slice]:
        topic = self._world.cluster.events_topic_of(PROGRAM.kind)
        return [Slice(topic, partition) for partition in self._partitions()]

    def _unread(self, slice_: Slice) -> int:
        return self._world.log.end(slice_) - self._places.get(slice_, Place()).next_offset

    def _look(self) -> None:
        self._world.clock.after(self._world.chance.randint(1, LOOK_MS_MAX), self._look)
        for slice_ in self._slices():
            if self._unread(slice_):
                frames = self._world.log.committed(slice_)[self._places.get(slice_, Place()).next_offset :]
                followed = follow((switches.HASHES, switches.SWITCHES), self._places, frames)
                self._places |= followed.places
                for change in followed.changes:
                    self._learn(change)
        record = self._record()
        if record is None:
            return
        for partition in self._partitions():
            if self._lacks(partition, record) and self._on_its_way.get(partition, -1) < record.generation:
                self._append(partition, record)

    def _learn(self, change: object) -> None:
        assert isinstance(change, Put)
        program, _, part = change.key.partition("/")
        values = cast("Sequence[Any]", change.values)
        if program == self._program and change.table == switches.HASHES_TABLE:
            self._hashes[int(part)] = values[0]
        elif program == self._program:
            self._shown[part] = switches.Switch(*values)

    def _record(self) -> Programs | None:
        live, gray = (self._shown.get(part, switches.Switch()) for part in (switches.LIVE, switches.GRAY))
        shares = switches.shares_of(live, gray, self._hashes)
        return Programs(self._program, max(live.generation, gray.generation), shares) if shares else None

    def _lacks(self, partition: int, record: Programs) -> bool:
        return self._there.get(partition, -1) < record.generation

    def _append(self, partition: int, record: Programs) -> None:
        slice_ = Slice(self._world.cluster.commands_topic, partition)
        frame = encode_frame(*slice_, NAME, 0, "", [encode_record(record)])
        self._on_its_way[partition] = record.generation
        done = partial(self._appended, self._life, partition, record)
        self._world.log.append(f"{NAME}{self._life}", slice_, frame, done)

    def _appended(self, life: int, partition: int, record: Programs, outcome: int | Outcome) -> None:
        """What failed is handed in again; it may be there twice then, and counts once."""
        if life != self._life:
            return
        if isinstance(outcome, int):
            self._there[partition] = max(self._there.get(partition, -1), record.generation)
        elif self._on_its_way.get(partition) == record.generation:
            del self._on_its_way[partition]
