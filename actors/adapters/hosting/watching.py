"""The host's side of its watchdog: the mapped progress, the watchdog's process, and the notes it left."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.adapters.hosting import watchdog
from actors.kernel.record import Position


class Note(Struct, frozen=True):
    """A record at which a host hung or ended."""

    partition: int
    offset: int
    index: int
    why: str
    died: bool

    @property
    def position(self) -> Position:
        """Where the record stands."""
        return Position(self.partition, self.offset, self.index)


class Watching:
    """A running watchdog over this process; `progress` is what the host writes into."""

    def __init__(self, folder: Path, decide_ms_max: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        pid = os.getpid()
        self._file = folder / f"progress-{pid}"
        self._file.write_bytes(bytes(watchdog.PROGRESS.size))
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), watchdog.PROGRESS.size)
        self.progress = memoryview(self._map).cast("q")
        script = watchdog.__file__
        arguments = [str(self._file), str(pid), str(folder), str(decide_ms_max)]
        self._process = subprocess.Popen([sys.executable, "-I", script, *arguments], stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the watchdog: the host ends in good order."""
        self._process.terminate()
        self._process.wait()
        self.progress.release()
        self._map.close()
        self._file.unlink(missing_ok=True)


def has_notes(folder: Path) -> bool:
    """Whether a watchdog has left a note here."""
    return next(folder.glob("*.json"), None) is not None


def take_notes(folder: Path) -> Iterator[Note]:
    """The notes that watchdogs left here; each file goes once the caller has come back for the next."""
    for path in sorted(folder.glob("*.json")):
        try:
            note = msgspec.json.decode(path.read_bytes(), type=Note)
        except FileNotFoundError:
            continue  # another host of this machine was quicker
        except (msgspec.MsgspecError, UnicodeDecodeError):
            path.unlink(missing_ok=True)  # a power cut took what it said: that record is tried again
            continue
        yield note
        path.unlink(missing_ok=True)
