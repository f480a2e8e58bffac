"""A store or a snapshot is held against the log as it is then, not as it was before: others go on meanwhile."""

from pathlib import Path

import pytest

from actors import snapshots
from actors.adapters.hosting.stores import Opener
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryObjects, MemoryStates, MemoryStore
from actors.errors import Corrupt
from actors.kernel import layout
from actors.kernel.record import Empty, Slice, encode_frame, encode_record
from actors.ports import Batch, Span
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=1)
SLICE = Slice(CLUSTER.commands_topic, 0)


class BusyLog(MemoryLog):
    """A log of four frames that grows meanwhile."""

    def __init__(self) -> None:
        super().__init__(lambda: 0)
        self.create(CLUSTER.topics(("box",)))
        self.grow(4)

    def grow(self, frames: int) -> None:
        """So many frames more."""
        for _ in range(frames):
            self.append(SLICE, encode_frame(*SLICE, "g", 1, "", [encode_record(Empty())])).result()


class HeldStates(MemoryStates):
    """The store is held by its former owner, which applies what it appends until it lets go."""

    def __init__(self, log: BusyLog, folder: Path) -> None:
        super().__init__()
        self._log = log
        self._folder = folder

    def open(self, folder: Path) -> MemoryStore:
        store = super().open(folder)
        if folder == self._folder:
            self._log.grow(3)
            store.write(_written(_meta(self._log, 6)))
        return store


class LateObjects(MemoryObjects):
    """Somebody who served since uploads a snapshot just before it is looked for."""

    def __init__(self, log: BusyLog, folder: Path) -> None:
        super().__init__()
        self._log = log
        self._folder = folder

    def list(self, prefix: str) -> list[str]:
        if self._folder.exists():
            return super().list(prefix)
        self._log.grow(3)
        store = MemoryStates().open(self._folder / "made")
        meta = _meta(self._log, 6)
        store.write(_written(meta))
        store.checkpoint(self._folder / "checkpoint")
        snapshots.upload(self, self._folder / "checkpoint", snapshots.info_of(0, meta))
        return super().list(prefix)


def _meta(log: BusyLog, watermark: int) -> layout.Meta:
    return layout.Meta(watermark=watermark, topic_id=log.topic_id(SLICE.topic))


def _written(meta: layout.Meta) -> Batch:
    return Batch(puts={layout.META: layout.encode(meta)})


def _opened(log: BusyLog, states: MemoryStates, objects: MemoryObjects, folder: Path) -> int:
    damaged: list[Corrupt] = []
    opener = Opener(states, objects, log, folder / "states", SLICE.topic, "h2", damaged.append)
    meta = opener.open(0).meta
    assert not damaged
    assert log.spans([SLICE]) == {SLICE: Span(0, 7)}
    return meta.watermark if meta else -1


def test_a_store_that_its_former_owner_held_for_a_while_may_be_ahead_of_where_the_log_ended_before(
    tmp_path: Path,
) -> None:
    log, kept = BusyLog(), tmp_path / "states" / "0000" / "h1"
    kept.mkdir(parents=True)
    assert _opened(log, HeldStates(log, kept), MemoryObjects(), tmp_path) == 6


def test_a_snapshot_that_comes_meanwhile_may_be_ahead_of_where_the_log_ended_before(tmp_path: Path) -> None:
    log = BusyLog()
    assert _opened(log, MemoryStates(), LateObjects(log, tmp_path / "another"), tmp_path) == 6


def test_a_store_that_is_ahead_of_the_log_is_refused(tmp_path: Path) -> None:
    log, states = BusyLog(), MemoryStates()
    store = states.open(tmp_path / "states" / "0000" / "h1")
    store.write(_written(_meta(log, 4)))
    store.close()
    with pytest.raises(Corrupt, match="the states are at offset 4, the log ends at 4: acknowledged records are gone"):
        _opened(log, states, MemoryObjects(), tmp_path)
