"""Read models in SQLite: rows and how far the topics are read stand in one file and change in one transaction.

A commit is not synced: after a power cut the file may be older, and is then caught up. One that is damaged is removed.
Names of tables and columns are ours, values are bound.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, cast

import apsw

from actors.adapters.searching import MAPPED_BYTES_MAX, SearchIndex
from actors.errors import Corrupt, Unavailable
from actors.ports import Change, Place, Put, Slice
from actors.projections.reading import Listing, Projection
from actors.projections.search import Listed, Query

_BUSY_MS_MAX = 5_000
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)
_SCHEMA = """
CREATE TABLE terms (terms TEXT NOT NULL);
CREATE TABLE places (topic TEXT, partition INT, next_offset INT NOT NULL, incarnation INT NOT NULL,
    offset INT NOT NULL, place INT NOT NULL, n INT NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""
T = TypeVar("T")


class _Cursor(Protocol):
    """The part of apsw's cursor that is used; its own types name one that Python 3.11 does not have."""

    def execute(self, statements: str, bindings: Sequence[object] = ()) -> "_Cursor": ...

    def executemany(self, statements: str, bindings: Iterable[Sequence[object]]) -> "_Cursor": ...

    def fetchall(self) -> list[tuple[object, ...]]: ...

    def __iter__(self) -> Iterator[tuple[object, ...]]: ...


class SqliteRows:
    """The `Rows` in one file; used from one thread at a time.

    With `terms` it is written, and rows that hang on other terms are dropped; without, it is read beside its writer.
    """

    def __init__(self, path: Path, projections: Sequence[Projection], terms: str | None = None) -> None:
        self._path = path
        self._columns = {one.table: ("key", *one.columns) for one in projections}
        self._listings = list(dict.fromkeys(one.listing for one in projections if one.listing is not None))
        self._terms = terms
        try:
            self._guarded(self._open)
        except Corrupt:
            if terms is None:
                raise
            self.forget()

    def places(self) -> dict[Slice, Place]:
        """See `Rows.places`."""
        read = self._guarded(lambda: self._cursor.execute("SELECT * FROM places").fetchall())
        rows = cast("list[tuple[str, int, int, int, int, int, int]]", read)
        return {
            Slice(topic, number): Place(end, (life, offset, index, n))
            for topic, number, end, life, offset, index, n in rows
        }

    def write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        """See `Rows.write`."""
        self._guarded(lambda: self._write(changes, places))

    def find(self, table: str, equal: Mapping[str, object], rows_max: int) -> list[tuple[object, ...]]:
        """See `Rows.find`."""
        assert equal.keys() <= set(self._columns[table])
        condition = " AND ".join(f'"{column}" = ?' for column in equal) or "1"
        select = f'SELECT * FROM "{table}" WHERE {condition} ORDER BY key LIMIT ?'  # noqa: S608 - names are ours
        return self._guarded(lambda: self._cursor.execute(select, (*equal.values(), rows_max)).fetchall())

    def search(self, query: Query, hits_max: int) -> list[Listed]:
        """What the search finds among the rows that are listed. Raises InvalidCommand when the query is too long."""
        return self._guarded(lambda: self._index.find(query, hits_max))

    def nearby(self, position: tuple[float, float], hits_max: int) -> list[Listed]:
        """What the search finds nearest to a position. Raises InvalidCommand for one that cannot be."""
        return self._guarded(lambda: self._index.nearby(position, hits_max))

    def listed(self, after: str, hits_max: int) -> list[Listed]:
        """What the search finds at all, by name in order, from the first above `after` on."""
        return self._guarded(lambda: self._listed(after, hits_max))

    def is_current(self) -> bool:
        """Whether the file is still the one that was opened: its writer may have made another."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def forget(self) -> None:
        """See `Rows.forget`."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._open()

    def close(self) -> None:
        """See `Rows.close`."""
        self._connection.close()

    def _guarded(self, work: Callable[[], T]) -> T:
        """What SQLite says of a damaged file or of one that is held, in the platform's words."""
        try:
            return work()
        except _DAMAGED as error:
            raise Corrupt(f"the read models in {self._path} are damaged: {error}", position="") from error
        except apsw.SQLError as error:
            if self._terms is not None:
                raise
            message = f"the read models in {self._path} are not those that are asked for, or are being made: {error}"
            raise Unavailable(message, outcome="NOT_APPENDED") from error
        except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
            message = f"the read models in {self._path} cannot be used: {error}"
            raise Unavailable(message, outcome="NOT_APPENDED") from error

    def _write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        sums: Counter[tuple[str, str]] = Counter()
        with self._connection:
            for change in changes:
                if isinstance(change, Put):
                    marks = ", ".join("?" * (1 + len(change.values)))
                    insert = f'INSERT OR REPLACE INTO "{change.table}" VALUES ({marks})'  # noqa: S608 - names are ours
                    self._cursor.execute(insert, (change.key, *change.values))
                else:
                    sums[change.table, change.key] += change.more
            for (table, key), more in sums.items():
                _, column = self._columns[table]
                add = f'INSERT INTO "{table}" VALUES (?1, ?2) ON CONFLICT (key) '  # noqa: S608 - names are ours
                self._cursor.execute(f'{add} DO UPDATE SET "{column}" = "{column}" + ?2', (key, more))
            for listing in self._listings:
                keys = dict.fromkeys(change.key for change in changes if change.table in listing.tables)
                if listed := [found for key in keys if (found := self._found(listing, key))]:
                    self._index.put(listed)
            read = ((*slice_, place.next_offset, *place.last) for slice_, place in places.items())
            self._cursor.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?, ?)", read)

    def _listed(self, after: str, hits_max: int) -> list[Listed]:
        keys = (
            (listing, cast("str", row[0]))
            for listing in self._listings
            for row in self._cursor.execute(
                f'SELECT key FROM "{listing.tables[0]}" WHERE key > ? ORDER BY key LIMIT ?',  # noqa: S608 - ours
                (after, hits_max),
            ).fetchall()
        )
        return [found for listing, key in keys if (found := self._found(listing, key))]

    def _found(self, listing: Listing, key: str) -> Listed | None:
        """What the rows of a key are found by now."""
        rows: list[tuple[object, ...] | None] = []
        for table in listing.tables:
            select = f'SELECT * FROM "{table}" WHERE key = ?'  # noqa: S608 - names are ours
            read = self._cursor.execute(select, (key,)).fetchall()
            rows.append(read[0][1:] if read else None)
        return listing.make(key, rows)

    def _open(self) -> None:
        reads = self._terms is None
        flags = apsw.SQLITE_OPEN_READONLY if reads else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._connection = apsw.Connection(str(self._path), flags)
        self._connection.set_busy_timeout(_BUSY_MS_MAX)
        self._inode = self._path.stat().st_ino
        self._cursor = cast("_Cursor", self._connection.cursor())
        self._index = SearchIndex(self._connection)
        self._cursor.execute(f"PRAGMA mmap_size={MAPPED_BYTES_MAX}")
        if reads:
            return
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            self._cursor.execute(f"PRAGMA {pragma}")
        with self._connection:
            tables = [
                cast("str", row[0])
                for row in self._cursor.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            ]
            kept = self._cursor.execute("SELECT terms FROM terms").fetchall() if "terms" in tables else []
            if kept != [(self._terms,)]:
                self._make(tables)

    def _make(self, former: Sequence[str]) -> None:
        """In one transaction with what is dropped, so whoever reads sees the former rows or the new tables."""
        self._index.drop()
        for table in former:
            self._cursor.execute(f'DROP TABLE IF EXISTS "{table}"')
        self._index.make()
        self._cursor.execute(_SCHEMA)
        self._cursor.execute("INSERT INTO terms VALUES (?)", (self._terms,))
        for table, (key, *columns) in self._columns.items():
            named = ", ".join(f'"{column}"' for column in columns)
            self._cursor.execute(f'CREATE TABLE "{table}" ("{key}" TEXT PRIMARY KEY, {named}) WITHOUT ROWID')
