"""A store under an even load stops growing: what leaves the window, fires or is overwritten leaves the disk, too."""

import contextlib
import shutil
from pathlib import Path

from actors.adapters.rocksdb import RocksStates
from actors.kernel.inbox import WINDOW_MS
from actors.kernel.record import Epoch, Fire, Invoke
from tests.kernel.box import Arming, Do, encode
from tests.kernel.folding import START_MS, Fold, call, id_on, send, uuid4

WINDOW_S = WINDOW_MS // 1_000
BOXES = [f"box/{id_on(0, prefix)}" for prefix in "abcdefghij"]
CALLS_A_SECOND = 8
WRITE_EVERY_S, SNAPSHOT_EVERY_S = 10, 50
DUE_AFTER_S = 30
ADD = Do(add=1, answer="so much", pad="x" * 40)


class EvenLoad:
    """A partition over a store on the disk that a snapshot is taken of now and then; every second is like the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = RocksStates().open(folder / "store")
        self._fold = Fold(store=self._store)
        self._fold.frame(Epoch(1, 1, "h1"), producer="h1")
        self._second = 0

    def play(self, seconds: int) -> tuple[int, int]:
        """So many seconds: how many pairs the store has then, and the fewest bytes on the disk after a snapshot."""
        fewest: list[int] = []
        for _ in range(seconds):
            self._second += 1
            self._frame()
            if self._second % SNAPSHOT_EVERY_S == 0:
                self._fold.write()
                self._store.checkpoint(self._folder / "checkpoint")
                shutil.rmtree(self._folder / "checkpoint")
                fewest.append(_bytes(self._folder / "store"))
        return len(self._fold.stored()), min(fewest)

    def close(self) -> None:
        """The store's lock is free."""
        self._store.close()

    def _frame(self) -> None:
        """Calls whose ids have a time, one whose id has none and that arms a timer, a send, and a timer that fires."""
        second, at_ms = self._second, START_MS + 1_000 * self._second
        first = second * CALLS_A_SECOND
        calls = [call(BOXES[n % len(BOXES)], ADD, n, at_ms) for n in range(first, first + CALLS_A_SECOND)]
        arming = Arming(f"t{second}", at_ms + 1_000 * DUE_AFTER_S, ADD)
        timeless = Invoke(_armed(second), encode(Do(arm=(arming,))), uuid4(second), "ann")
        self._fold.frame(*calls, timeless, send(1, second - 1, BOXES[0], ADD), at_ms=at_ms, write=False)
        if (armed := second - DUE_AFTER_S) > 0:
            self._fold.frame(Fire(_armed(armed), f"t{armed}", armed, at_ms), at_ms=at_ms, producer="h1", write=False)
        if second % WRITE_EVERY_S == 0:
            self._fold.write()
        self._fold.actions.clear()


def _bytes(folder: Path) -> int:
    """What RocksDB has there; a file may go meanwhile."""
    size = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _armed(second: int) -> str:
    """Whose timer is armed in this second: one a second, so that its generation is the second."""
    return BOXES[second % len(BOXES)]


def test_a_store_holds_no_more_after_nine_windows_than_after_three(tmp_path: Path) -> None:
    load = EvenLoad(tmp_path)
    load.play(2 * WINDOW_S)
    pairs, size_bytes = load.play(WINDOW_S)
    load.play(5 * WINDOW_S)
    pairs_later, size_bytes_later = load.play(WINDOW_S)
    load.close()
    assert pairs > WINDOW_S * (CALLS_A_SECOND + 1), "the window is full"
    assert pairs_later == pairs
    assert size_bytes_later < 1.3 * size_bytes
