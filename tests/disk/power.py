"""A disk whose power is cut: an SQLite VFS under the product's own writer that knows what was synced."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw

SECTOR_BYTES = 512


class Write(NamedTuple):
    """What was written and not synced; without data, the file was cut to this length."""

    offset: int
    data: bytes | None


class Content:
    """A file: what is on the disk for certain, and what was done since, in order."""

    def __init__(self, synced: bytes, exists: bool) -> None:
        """`exists` says that the name is on the disk for certain; a file that was just made has none there yet."""
        self.synced = bytearray(synced)
        self.pending: list[Write] = []
        self.is_certain = exists
        self.is_gone = False

    def sync(self) -> None:
        """All of it is on the disk."""
        for write in self.pending:
            apply(self.synced, write)
        self.pending.clear()

    def after_cut(self, chance: Random) -> bytes | None:
        """What a power cut leaves of it; None if nothing, not even its name."""
        if (self.is_gone or not self.is_certain) and chance.random() < 0.5:
            return None
        left = bytearray(self.synced)
        for write in survivors(self.pending, chance):
            apply(left, write)
        return bytes(left)


def apply(content: bytearray, write: Write) -> None:
    """Do to the content what the write says."""
    if write.data is None:
        del content[write.offset :]
        return
    if len(content) < write.offset:
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


def survivors(pending: list[Write], chance: Random) -> list[Write]:
    """A subset of what was not synced: none, all, the first, any, or any sectors of them; the last may be torn."""
    match chance.randrange(5):
        case 0:
            return []
        case 1:
            kept = list(pending)
        case 2:
            kept = pending[: chance.randrange(len(pending) + 1)]
        case 3:
            kept = [write for write in pending if chance.random() < 0.5]
        case _:
            kept = [write for write in _sectors(pending) if chance.random() < 0.5]
    if kept and kept[-1].data:
        last = kept.pop()
        assert last.data is not None
        kept.append(Write(last.offset, last.data[: chance.randrange(len(last.data) + 1)]))
    return kept


def _sectors(pending: list[Write]) -> list[Write]:
    parts: list[Write] = []
    for write in pending:
        if write.data is None:
            parts.append(write)
            continue
        at = 0
        while at < len(write.data):
            step = SECTOR_BYTES - (write.offset + at) % SECTOR_BYTES
            parts.append(Write(write.offset + at, write.data[at : at + step]))
            at += step
    return parts


class PowerDisk(apsw.VFS):
    """Passes everything on to the real disk, and remembers what a power cut could leave of it.

    `before(what)` is called before each write, sync, cut and removal, and may raise as a disk does.
    """

    def __init__(self, name: str, before: Callable[[str], None]) -> None:
        super().__init__(name, "")
        self.name = name
        self.before = before
        self.files: dict[str, Content] = {}

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "PowerFile":  # noqa: N802
        """A file of the log."""
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        existed = path.exists()
        if path.name not in self.files:
            self.files[path.name] = Content(path.read_bytes() if existed else b"", existed)
        content = self.files[path.name]
        content.is_gone = False
        return PowerFile(self, content, name, flags)

    def sync_folder(self) -> None:
        """SQLite syncs the folder with the first sync of a file: names that came and went are certain."""
        self.files = {name: content for name, content in self.files.items() if not content.is_gone}
        for content in self.files.values():
            content.is_certain = True

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """The name may still be there after a cut."""
        self.before("delete")
        if Path(filename).name in self.files:
            self.files[Path(filename).name].is_gone = True
        super().xDelete(filename, syncdir)


class PowerFile(apsw.VFSFile):
    """One open file of a PowerDisk."""

    def __init__(
        self, disk: PowerDisk, content: Content, name: "str | apsw.URIFilename | None", flags: list[int]
    ) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._content = content

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Not on the disk before a sync."""
        self._disk.before("write")
        self._content.pending.append(Write(offset, bytes(data)))
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType] - apsw leaves its type of bytes open

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Not on the disk before a sync."""
        self._disk.before("truncate")
        self._content.pending.append(Write(newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """On the disk from now on, as far as the log can know: the real disk is spared."""
        del flags
        self._disk.before("sync")
        self._content.sync()
        if not self._content.is_certain:
            self._disk.sync_folder()
