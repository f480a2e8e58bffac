"""The keys of persons, in a SQLite file of the keyring's folder: wrapped by its master key, and forgotten for ever.

A row of `destroyed` stands where a key stood: no subject gets a second one. Names are pseudonyms, and stay.

Its log is written ahead (WAL): whoever reads, which is a gateway's event loop, never waits for whoever makes keys. In
that log a key would outlive its end, so what is destroyed is taken in and the log cut before anybody is told.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from actors.adapters.keyfile import Master, not_busy, opened, put
from actors.errors import Unavailable
from actors.sealing import NOBODY

FILE = "subjects.db"
KEY_BYTES = 64
_OF_NOBODY = f"instr(name, '{NOBODY}') > 0"
_TABLES = (
    "CREATE TABLE subjects (name TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE destroyed (nth INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL) STRICT",
    "CREATE INDEX destroyed_at ON destroyed (at_ms)",
    "CREATE TABLE logins (login TEXT PRIMARY KEY, person TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX logins_of ON logins (person)",
    f"CREATE INDEX of_nobody ON subjects (name) WHERE {_OF_NOBODY}",
)
_MAKE = (
    "INSERT INTO subjects SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM destroyed WHERE name = ?1) "
    "ON CONFLICT (name) DO NOTHING"
)
T = TypeVar("T")


class FileSubjects:
    """The subjects of a keyring's folder, shared by this machine's processes. The file is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # SQLite lets whoever waits longest wait on
        self._open: list[Any] = []

    def find(self, subject: str) -> bytes | None:
        def work(database: Any) -> bytes | None:
            for (wrapped,) in database.execute("SELECT key FROM subjects WHERE name = ?", (subject,)):
                return self._master.unwrapped(wrapped, subject)
            gone = list(database.execute("SELECT 1 FROM destroyed WHERE name = ?", (subject,)))
            return b"" if gone else None

        return self._with(work)

    def make(self, subjects: Sequence[str]) -> None:
        missing = [subject for subject in subjects if self.find(subject) is None]

        def work(database: Any) -> None:
            with self._writing, database:
                for subject in missing:
                    key = self._master.wrapped(secrets.token_bytes(KEY_BYTES), subject)
                    database.execute(_MAKE, (subject, key))

        if missing:
            self._with(work)

    def destroy(self, subjects: Sequence[str], now_ms: int) -> None:
        def work(database: Any) -> None:
            with self._writing, database:
                for subject in subjects:
                    database.execute("DELETE FROM subjects WHERE name = ?", (subject,))
                    database.execute("DELETE FROM logins WHERE person = ?", (subject,))
                    insert = "INSERT INTO destroyed (name, at_ms) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
                    database.execute(insert, (subject, now_ms))
            self._thread.word = None  # one's own writes do not count as changes
            _forget(database)

        self._with(work)

    def of_nobody(self) -> Sequence[str]:
        if not (self._folder / FILE).exists():
            return []
        found = f"SELECT name FROM subjects WHERE {_OF_NOBODY}"  # noqa: S608 - a constant
        return self._with(lambda database: [name for (name,) in database.execute(found)])

    def destroyed_count(self) -> int:
        def work(database: Any) -> int:
            ((changes,),) = database.execute("PRAGMA data_version")
            known: tuple[int, int] | None = getattr(self._thread, "word", None)
            if known is not None and known[0] == changes:
                return known[1]  # nobody else has written since
            ((word,),) = database.execute("SELECT coalesce(max(nth), 0) FROM destroyed")
            self._thread.word = (changes, word)
            return int(word)

        return self._with(work)

    def destroyed(self, since_ms: int) -> Sequence[str]:
        found = "SELECT name FROM destroyed WHERE at_ms >= ?"
        return self._with(lambda database: [name for (name,) in database.execute(found, (since_ms,))])

    def enrol(self, login: str, person: str) -> str:
        select, insert = "SELECT person FROM logins WHERE login = ?", "INSERT INTO logins VALUES (?, ?)"

        def work(database: Any) -> str:
            for (known,) in database.execute(select, (login,)):
                return str(known)
            with self._writing, database:
                database.execute(f"{insert} ON CONFLICT (login) DO NOTHING", (login, person))
                ((known,),) = database.execute(select, (login,))
            return str(known)

        return self._with(work)

    def close(self) -> None:
        with self._lock:
            for database in self._open:
                database.close()
            self._open.clear()
            self._thread = threading.local()

    def _with(self, work: Callable[[Any], T]) -> T:
        """What is done with this thread's own connection."""
        try:
            with not_busy():
                return work(self._database())
        except (apsw.Error, OSError) as error:
            message = f"the keys of persons in {self._folder / FILE} cannot be used: {error}"
            raise Unavailable(message, outcome="NOT_APPENDED") from error

    def _database(self) -> Any:
        database: Any = getattr(self._thread, "database", None)
        if database is None:
            with self._lock:
                path = self._folder / FILE
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._master = Master(self._folder)
                if not path.exists():
                    put(path, _make_tables)
                database = self._thread.database = opened(path)
                self._open.append(database)
        return database


def _forget(database: Any) -> None:
    """Leave nothing of a former state in the log. Raises apsw.BusyError when somebody reads one for too long."""
    ((busy, _, _),) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if busy:
        raise apsw.BusyError


def _make_tables(path: Path) -> None:
    database = opened(path)
    database.execute("PRAGMA journal_mode = WAL")
    with database:
        for statement in _TABLES:
            database.execute(statement)
    database.close()
