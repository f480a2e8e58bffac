"""The frames in SQLite: tables, rows and their checksums. Used from one thread, through one connection.

One connection, because SQLite's checks do not cover two that write one WAL in all versions; `synchronous=FULL`, so a
commit is on the disk when it returns; an exclusive lock, so nobody else writes. A row is found by `slice number * 2^44
+ offset`, and its checksum covers where it stands: a row that was moved is as wrong as one that was changed.
"""

import struct
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import apsw
import crc32c

from actors.adapters.embedded.marks import Marks
from actors.adapters.reading import check_contiguous, where
from actors.adapters.topics import check_same_topic
from actors.errors import Corrupt, SetupError
from actors.ports import Fetched, Slice, Topic

FORMAT = 2
OFFSETS_MAX = 1 << 44
_STAMPED = struct.Struct(">qqq")
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE topics (name TEXT PRIMARY KEY, id TEXT NOT NULL, partitions INT NOT NULL, compacted INT NOT NULL,
    first INT NOT NULL) WITHOUT ROWID;
CREATE TABLE trims (slice INTEGER PRIMARY KEY, start INT NOT NULL, stamp_ms INT NOT NULL, crc INT NOT NULL);
CREATE TABLE frames (place INTEGER PRIMARY KEY, stamp_ms INT NOT NULL, crc INT NOT NULL, key BLOB, frame BLOB NOT NULL);
CREATE TABLE keys (slice INT, key BLOB, place INT NOT NULL, PRIMARY KEY (slice, key)) WITHOUT ROWID;
"""
_SELECT = "SELECT place, stamp_ms, crc, key, frame FROM frames WHERE place >= ? AND place < ? ORDER BY place"

_MISPLACED = """
SELECT (SELECT count(*) FROM frames WHERE place >= ?1 AND place < ?2) != (SELECT count(*) FROM keys WHERE slice = ?3)
    OR EXISTS (SELECT 1 FROM keys WHERE slice = ?3 AND NOT EXISTS (SELECT 1 FROM frames WHERE place = keys.place))
"""
_TOPICS = """
SELECT CAST(name AS BLOB), CAST(id AS BLOB), CAST(partitions AS INT), CAST(compacted AS INT), CAST(first AS INT)
FROM topics ORDER BY name
"""
_TRIMMED = "SELECT CAST(start AS INT), CAST(stamp_ms AS INT), CAST(crc AS INT) FROM trims WHERE slice = ?"
_CLEAR = """
DELETE FROM frames WHERE place IN (SELECT place FROM frames WHERE place >= ? AND place < ? ORDER BY place LIMIT ?)
"""

_UNREADABLE = (apsw.CorruptError, apsw.IOError, apsw.TooBigError, apsw.NotADBError, UnicodeDecodeError)
"""What reading may meet in a damaged file. It is the trouble of the slice that is read, not of all."""


class _Cursor(Protocol):
    """The part of apsw's cursor that is used; its own types name one that Python 3.11 does not have."""

    def execute(self, statements: str, bindings: Sequence[object] = ()) -> "_Cursor": ...

    def executemany(self, statements: str, bindings: Iterable[Sequence[object]]) -> "_Cursor": ...

    def fetchall(self) -> list[tuple[object, ...]]: ...

    def __iter__(self) -> Iterator[tuple[object, ...]]: ...

    def close(self, force: bool = False) -> None: ...


class Found(NamedTuple):
    """A slice as it is stored; `damage` says why nothing may be appended."""

    start: int
    end: int
    stamp_ms: int
    damage: str


class Row(NamedTuple):
    """A frame as it is written."""

    place: int
    stamp_ms: int
    crc: int
    key: bytes | None
    frame: bytes


def checksum(slice: Slice, offset: int, stamp_ms: int, key: bytes | None, frame: bytes) -> int:
    """Covers the frame, its key, its stamp, and the place it was written for."""
    crc = crc32c.crc32c(f"{slice.topic}/{slice.partition}".encode())
    crc = crc32c.crc32c(_STAMPED.pack(offset, stamp_ms, -1 if key is None else len(key)), crc)
    return crc32c.crc32c(frame, crc32c.crc32c(key, crc) if key else crc)


class Database:
    """The file `log.db` in a folder, and the marks beside it.

    Every method may raise `apsw.Error` or OSError; the engine knows what that means.
    """

    def __init__(self, folder: Path, vfs: str | None = None) -> None:
        """`vfs` is the name of SQLite's way to the disk, if not its own."""
        self.path = folder / "log.db"
        self._marks = Marks(folder)
        self._connection = apsw.Connection(str(self.path), vfs=vfs)
        self._execute = self._cursor().execute
        self._many = self._cursor().executemany
        self.wal_pages = 0
        try:
            self._prepare()
            self._check_format()
        except BaseException:
            self.abandon()  # Closing as usual would move a WAL that may be damaged into the database.
            raise

    def _prepare(self) -> None:
        for pragma in (
            "page_size=8192",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "cell_size_check=ON",
            "cache_size=-32768",
        ):
            self._execute(f"PRAGMA {pragma}").fetchall()
        # After the pragma above, which sets a hook of its own: we checkpoint ourselves, to see when that fails.
        self._connection.set_wal_hook(self._note_wal)

    def _cursor(self) -> _Cursor:
        return cast("_Cursor", self._connection.cursor())

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            # Some errors of the disk have rolled back by themselves.
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def _check_format(self) -> None:
        if not self._execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchall():
            with self._transaction():
                self._execute(_SCHEMA)
                self._execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
                self._note_topics()
        stored = self._execute("SELECT CAST(value AS INT) FROM meta WHERE name = 'format'").fetchall()
        if stored != [(FORMAT,)]:
            raise SetupError(
                f"{self.path} has format {stored[0][0] if stored else 'unknown'}, this release reads {FORMAT}; "
                "use the release that wrote it, or another folder",
                reason="LOG_FORMAT",
            )

    # Topics.

    def topics(self) -> dict[str, tuple[Topic, str, int]]:
        """Every topic with its id and the number of its first slice. Raises Corrupt."""
        rows = self._execute(_TOPICS).fetchall()
        noted = self._execute("SELECT CAST(value AS INT) FROM meta WHERE name = 'topics'").fetchall()
        if noted != [(_crc_of(rows),)]:
            raise Corrupt(f"the list of topics in {self.path} is not what was written there", position=str(self.path))
        return {
            name.decode(): (Topic(name.decode(), partitions, bool(compacted)), topic_id.decode(), first)
            for name, topic_id, partitions, compacted, first in cast("list[tuple[bytes, bytes, int, int, int]]", rows)
        }

    def _note_topics(self) -> None:
        crc = _crc_of(self._execute(_TOPICS).fetchall())
        self._execute("INSERT OR REPLACE INTO meta VALUES ('topics', ?)", (crc,))

    def create(self, topics: Sequence[Topic]) -> None:
        """Make the topics that do not exist, all or none. Raises SetupError if one exists otherwise."""
        existing = self.topics()
        free = max((first + topic.partitions for topic, _, first in existing.values()), default=0)
        self._marks.reserve(free + sum(topic.partitions for topic in topics))
        with self._transaction():
            for topic in topics:
                if topic.name in existing:
                    check_same_topic(existing[topic.name][0], topic)
                    continue
                values = (topic.name, uuid.uuid4().hex, topic.partitions, topic.compacted, free)
                self._execute("INSERT INTO topics VALUES (?, ?, ?, ?, ?)", values)
                free += topic.partitions
            self._note_topics()

    def find(self, slice: Slice, number: int, *, compacted: bool) -> Found:
        """What is stored of a slice, compared with what was acknowledged.

        The last frame is read and checked, since the next stamp builds on it.
        """
        acknowledged = self._marks.end(number)
        try:
            found = self._stored(slice, number)
        except (*_UNREADABLE, Corrupt) as error:
            # Not empty, whatever the marks know: who reads it must come upon the damage.
            why = f"{slice.topic}/{slice.partition} cannot be read in {self.path}: {error}"
            return Found(0, max(acknowledged, 1), 0, why)
        if found.end < acknowledged:
            place = where(slice, found.end)
            why = f"the frames from {place} to {acknowledged - 1} were acknowledged and are gone from {self.path}"
            return found._replace(end=acknowledged, damage=f"{why}; bring back a copy of the folder")
        first = number * OFFSETS_MAX
        if compacted and self._execute(_MISPLACED, (first, first + OFFSETS_MAX, number)).fetchall() != [(0,)]:
            return found._replace(damage=f"the newest frames of {slice.topic}/{slice.partition} are not all there")
        return found

    def _stored(self, slice: Slice, number: int) -> Found:
        start, stamp_ms = self._trimmed(slice, number)
        first = number * OFFSETS_MAX
        last = self._execute(
            "SELECT max(place) FROM frames WHERE place >= ? AND place < ?", (first, first + OFFSETS_MAX)
        )
        place = last.fetchall()[0][0]
        if place is None or _int(place) - first < start:
            return Found(start, start, stamp_ms, "")
        offset = _int(place) - first
        try:
            last_frames = self.read(slice, number, offset, 1, contiguous=True)
            if not last_frames:
                at = where(slice, offset)
                raise Corrupt(f"the file {self.path} is damaged: its pages disagree about {at}", position=at)
            stamp_ms = max(stamp_ms, last_frames[0].stamp_ms)
        except Corrupt as error:
            return Found(start, offset + 1, stamp_ms, str(error))
        return Found(start, offset + 1, stamp_ms, "")

    def _trimmed(self, slice: Slice, number: int) -> tuple[int, int]:
        """Where the slice begins, and the last stamp then. Raises Corrupt."""
        for row in self._execute(_TRIMMED, (number,)).fetchall():
            start, stamp_ms, crc = row
            if crc != _crc_of((number, start, stamp_ms)):
                place = f"{slice.topic}/{slice.partition}"
                raise Corrupt(f"where {place} begins is not what was written in {self.path}", position=place)
            return _int(start), _int(stamp_ms)
        return 0, 0

    # Frames.

    def append(self, rows: Sequence[Row], keyed: Iterable[tuple[int, bytes, int]]) -> None:
        """Write rows in one transaction; `keyed` is (slice number, key, place), whose earlier rows are forgotten.

        When this returns, the rows are on the disk. When it raises, none is, unless the error is one of the disk.
        """
        with self._transaction():
            self._many("INSERT INTO frames VALUES (?, ?, ?, ?, ?)", rows)
            for number, key, place in keyed:
                self._execute(
                    "DELETE FROM frames WHERE place = (SELECT place FROM keys WHERE slice = ? AND key = ?)",
                    (number, key),
                )
                self._execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", (number, key, place))
        for number, offset in dict(divmod(row.place, OFFSETS_MAX) for row in rows).items():
            self._marks.write(number, offset + 1)

    def read(self, slice: Slice, number: int, offset: int, bytes_max: int, *, contiguous: bool) -> list[Fetched]:
        """Frames from the offset on, at least one if there is any. Raises Corrupt naming the first bad one."""
        first = number * OFFSETS_MAX
        fetched: list[Fetched] = []
        size = 0
        cursor = self._cursor()
        try:
            for row in cursor.execute(_SELECT, (first + offset, first + OFFSETS_MAX)):
                if size >= bytes_max:
                    break
                found = _checked(slice, _int(row[0]) - first, row)
                if contiguous:
                    check_contiguous(slice, offset + len(fetched), found.offset)
                fetched.append(found)
                size += len(found.frame)
        except _UNREADABLE as error:
            place = where(slice, offset + len(fetched))
            raise Corrupt(f"the file {self.path} is damaged at or after {place}: {error}", position=place) from error
        finally:
            cursor.close(True)  # An open cursor would keep the WAL from being checkpointed.
        return fetched

    def set_start(self, number: int, start: int, stamp_ms: int) -> None:
        """The slice begins here from now on; `clear` frees what lies below."""
        with self._transaction():
            values = (number, start, stamp_ms, _crc_of((number, start, stamp_ms)))
            self._execute("INSERT OR REPLACE INTO trims VALUES (?, ?, ?, ?)", values)

    def clear(self, number: int, below: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows below an offset; whether there may be more."""
        first = number * OFFSETS_MAX
        with self._transaction():
            self._execute(_CLEAR, (first, first + below, rows_max))
            return self._connection.changes() == rows_max

    def checkpoint(self) -> None:
        """Move what the WAL holds into the database file."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._marks.sync()
        self.wal_pages = 0

    def abandon(self) -> None:
        """Free the file and write nothing more: the disk failed, and the next to open it finds what is really there."""
        with suppress(apsw.ConnectionClosedError):
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close(True)
        self._marks.close()

    def close(self) -> None:
        """Free the file; SQLite checkpoints and removes the WAL."""
        with suppress(apsw.FullError):  # The WAL still holds everything.
            self._connection.close()
        self._marks.sync()
        self._marks.close()


def _checked(slice: Slice, offset: int, row: Sequence[object]) -> Fetched:
    match row:
        case (_, int(stamp_ms), crc, None | bytes() as key, bytes(frame)) if 0 <= offset < OFFSETS_MAX:
            if checksum(slice, offset, stamp_ms, key, frame) == crc:
                return Fetched(slice, offset, stamp_ms, frame, key)
        case _:
            pass  # SQLite does not hold a column to its type, so damage may change even that.
    place = where(slice, offset)
    raise Corrupt(f"the frame at {place} is not what was written there", position=place)


def _crc_of(value: object) -> int:
    """Of what has one way to be written: numbers, bytes, and tuples and lists of them."""
    return crc32c.crc32c(repr(value).encode())


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
