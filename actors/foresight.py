"""What records that wait are likely to need of the store, so that it is loaded for all of them at once. Pure.

A record that stops for want of a state is looked up by itself, and decided anew: several times the price.
"""

from collections.abc import Callable, Iterable

from actors.intake import Arrived
from actors.kernel import layout
from actors.kernel.partition import Partition
from actors.kernel.record import Invoke, Record, Sent
from actors.kernel.resident import UNREADABLE, Resident

REACHED_MAX = 64
AHEAD_MAX = 1_024


class Foresight:
    """Looks into each frame of one partition once, and a second time when what it needs first is loaded."""

    def __init__(self, mark: Callable[[int, int], None]) -> None:
        """`mark(offset, index)` is told which record's author is asked now: should that end the host, it is known."""
        self._mark = mark
        self._seen = -1
        self._again: list[tuple[int, int, Record]] = []

    def keys(self, partition: Partition, frames: Iterable[Arrived], before: int | None) -> set[bytes]:
        """What the frames that were not looked into yet need first; those from the offset `before` on stay unread."""
        keys: set[bytes] = set()
        again = self._again = []
        residents, recent_from = partition.residents, partition.window.recent_from_ms.to_bytes(6)
        for offset, _, frame, _ in frames:
            if offset <= self._seen:
                continue
            if before is not None and offset >= before:
                break
            self._seen = offset
            for index, record in enumerate(frame.records):
                if type(record) is Invoke:
                    made, resident = record.request_id, residents.get(record.entity)
                    is_fresh = made[:6] > recent_from and made[6] >> 4 == 7
                    if is_fresh and resident is not None and resident.kind.entity.reaches is None:
                        continue  # a fresh call of an entity in memory that reaches no other, as most are
                needed = partition.keys(record)
                if needed:
                    again.append((offset, index, record))
                    keys.update(needed)
                elif (asked := _asked(partition, record)) is not None:
                    self._mark(offset, index)
                    keys.update(_reached(partition, *asked))
        return keys

    def reached(self, partition: Partition) -> set[bytes]:
        """What they need further, now that this is loaded."""
        again, self._again = self._again, []
        keys: set[bytes] = set()
        for offset, index, record in again:
            asked = _asked(partition, record)
            if asked is not None:
                self._mark(offset, index)
                keys.update(_reached(partition, *asked))
        return keys


def reached(partition: Partition, record: Record) -> list[bytes]:
    """The store keys of what a record for an entity in memory is likely sent on to, and that is not in memory."""
    asked = _asked(partition, record)
    return [] if asked is None else _reached(partition, *asked)


def _asked(partition: Partition, record: Record) -> tuple[Resident, Invoke | Sent] | None:
    """The entity in memory that the record is for, if it can tell what it is sent on to."""
    if type(record) is not Invoke and type(record) is not Sent:
        return None
    resident = partition.residents.get(record.entity)
    if resident is None or resident.kind.entity.reaches is None or resident.state is UNREADABLE:
        return None
    return resident, record


def _reached(partition: Partition, resident: Resident, record: Invoke | Sent) -> list[bytes]:
    """What is loaded follows from it, and nothing else: whatever goes wrong here, `decide` is still asked."""
    residents, entity, kind, reaches = partition.residents, record.entity, resident.kind, resident.kind.entity.reaches
    assert reaches is not None
    try:
        command = kind.decode_command(record.command)
        if kind.is_ours:
            if len(kind.ahead) >= AHEAD_MAX:  # of those that were decided nothing is left
                kind.ahead.clear()
            kind.ahead[record.command] = command
        refs = reaches(resident.state, command, entity[len(kind.name) + 1 :])
        keys: list[bytes] = []
        for to in refs[:REACHED_MAX]:
            name = f"{to.kind}/{to.id}"
            if name not in residents and partition.of(name) is not None:
                keys.append(layout.entity_key(name))
        return keys
    except BaseException:  # noqa: BLE001 - an author's code may raise anything
        return []
