"""How far each slice was acknowledged, written beside the database: what a damaged database lost is noticed.

SQLite drops the end of a damaged WAL and reads an old copy of a page without a word, so the log itself could not tell
frames that are gone from frames that never were. A mark is written after the commit it is about and before its answer.
It is not synced, so it costs no time on the disk: it survives the process, and after a power cut it may be an older
one, which claims less than is there and never more.
"""

import errno
import os
import struct
from pathlib import Path

import crc32c

from actors.adapters.appends import not_appended

MARKS_NAME = "log.marks"
_MARK = struct.Struct("<QQI12x")
_CHECKED = struct.Struct("<QQ")


class Marks:
    """One slot a slice in a file of its own; a slot never crosses a sector."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if the file cannot be opened or read."""
        self._file = os.open(folder / MARKS_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stored = os.pread(self._file, os.fstat(self._file).st_size, 0)
        self._ends = dict(_marks_of(stored))

    def end(self, number: int) -> int:
        """Where the slice ended at least when it was last written to; 0 if nothing is known."""
        return self._ends.get(number, 0)

    def reserve(self, slices: int) -> None:
        """Have room for so many slices. Raises Unavailable if there is none."""
        try:
            if slices:
                os.posix_fallocate(self._file, 0, slices * _MARK.size)
        except OSError as error:
            raise not_appended(f"the log's marks cannot be made ({error}); free some space, then go on") from error

    def write(self, number: int, end: int) -> None:
        """The slice is committed up to here. Raises OSError."""
        self._ends[number] = end
        try:
            os.pwrite(self._file, _MARK.pack(number, end, _crc(number, end)), number * _MARK.size)
        except OSError as error:
            # Some file systems need space to write what was reserved. The older mark stays true.
            if error.errno != errno.ENOSPC:
                raise

    def sync(self) -> None:
        """Bring what was written to the disk. Raises OSError."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Free the file."""
        os.close(self._file)


def _crc(number: int, end: int) -> int:
    return crc32c.crc32c(_CHECKED.pack(number, end))


def _marks_of(stored: bytes) -> "list[tuple[int, int]]":
    """The marks that are whole; of one that is torn, damaged or stands in another's slot nothing is known."""
    whole = len(stored) // _MARK.size * _MARK.size
    slots = enumerate(_MARK.iter_unpack(stored[:whole]))
    return [(number, end) for slot, (number, end, crc) in slots if slot == number and crc == _crc(number, end)]
