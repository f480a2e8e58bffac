"""The disk of a host's stores is full for a while: nothing is lost, and the partition goes on by itself."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.adapters.hosting import shell
from actors.adapters.memory_states import MemoryStates, MemoryStore
from actors.errors import SetupError
from actors.ports import Batch
from tests.hosting.stage import WAIT_S, Stage, added, play, put, put_all


class FullStore:
    """A store that takes nothing while its disk is full."""

    def __init__(self, disk: "FullStates", store: MemoryStore) -> None:
        self._disk = disk
        self._store = store

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Store`."""
        return self._store.get(keys)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `Store`."""
        return self._store.scan(start, end, limit)

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        if self._disk.is_full:
            raise SetupError("no space left; free some", reason="STORE_NOT_USABLE")
        self._store.write(batch)

    def checkpoint(self, folder: Path) -> None:
        """See `Store`."""
        self._store.checkpoint(folder)

    def close(self) -> None:
        """See `Store`. While the disk is full it takes as long as the test wants."""
        if self._disk.is_full:
            self._disk.kept_waiting |= not self._disk.closes.wait(WAIT_S / 2)
        self._store.close()


class FullStates:
    """Stores on a disk that may be full."""

    def __init__(self) -> None:
        self.is_full = False
        self.kept_waiting = False
        self.closes = threading.Event()
        self.closes.set()
        self._states = MemoryStates()

    def open(self, folder: Path) -> FullStore:
        """See `States`."""
        return FullStore(self, self._states.open(folder))


def test_a_partition_whose_store_cannot_be_written_halts_and_comes_back_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "STORE_RETRY_S", 0.05)

    async def act() -> None:
        states = FullStates()
        stage = Stage(tmp_path, states)
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=1)
            await stage.serving(host, 0, last.offset - 1)
            states.is_full = True
            last = put_all(stage.log, 0, range(2, 5))
            assert "no space left" in await stage.halted(host, 0)
            states.is_full = False
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [1, 2, 3, 4]

    play(act)


def test_while_a_store_is_closed_slowly_other_partitions_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "STORE_RETRY_S", 0.05)

    async def act() -> None:
        states = FullStates()
        stage = Stage(tmp_path, states)
        async with stage.host() as host:
            await stage.serving(host, 0)
            await stage.serving(host, 1)
            states.is_full = True
            states.closes.clear()
            put(stage.log, 0, "tally.add", n=1)
            assert "no space left" in await stage.halted(host, 0)
            states.is_full = False
            last = put(stage.log, 1, "tally.add", n=2)
            await stage.serving(host, 1, last.offset - 1)
            assert not states.kept_waiting, "nothing else went on until the store was closed"
            states.closes.set()
            await stage.serving(host, 0, 0)
        assert (added(stage.log, 0), added(stage.log, 1)) == ([1], [2])

    play(act)
