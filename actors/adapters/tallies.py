"""What is counted and used once by all gateways of a machine, in a SQLite file beside their keyring.

Not synced: it outlives every process, and a power cut may take the last seconds. What is over goes with the next word.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from actors.adapters.keyfile import opened, put
from actors.errors import Overloaded, Unavailable
from actors.ports import TALLIES_MAX

FILE = "tallies.sqlite"
RETRY_MS = 60_000
_TABLE = """CREATE TABLE tallies (
    nth INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    ends_ms INTEGER NOT NULL, times INTEGER NOT NULL, by BLOB NOT NULL
) STRICT"""
_INDEX = "CREATE INDEX tallies_end ON tallies (ends_ms)"
_INSERT = "INSERT INTO tallies (name, ends_ms, times, by) VALUES (?, ?, 1, ?)"
T = TypeVar("T")


class FileTallies:
    """The tallies of a folder. The file is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._database: Any = None

    def count(self, name: str, period_ms: int, most: int, now_ms: int) -> bool:
        def work(database: Any) -> bool:
            for (times,) in database.execute("SELECT times FROM tallies WHERE name = ?", (name,)):
                if times < most:
                    database.execute("UPDATE tallies SET times = times + 1 WHERE name = ?", (name,))
                return bool(times < most)
            _check_room(database)
            database.execute(_INSERT, (name, (now_ms // period_ms + 1) * period_ms, b""))
            return True

        return self._with(work, now_ms)

    def use(self, name: str, by: bytes, until_ms: int, now_ms: int) -> bool:
        def work(database: Any) -> bool:
            for (user,) in database.execute("SELECT by FROM tallies WHERE name = ?", (name,)):
                return bool(user == by)
            _check_room(database)
            database.execute(_INSERT, (name, until_ms, by))
            return True

        return self._with(work, now_ms)

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _with(self, work: Callable[[Any], T], now_ms: int) -> T:
        """What is done in one transaction, after what is over was forgotten."""
        try:
            with self._lock:
                database = self._database = self._database or self._opened()
                with database:
                    database.execute("DELETE FROM tallies WHERE ends_ms <= ?", (now_ms,))
                    return work(database)
        except (apsw.Error, OSError) as error:
            message = f"the tallies in {self._folder / FILE} cannot be used: {error}"
            raise Unavailable(message, outcome="NOT_APPENDED") from error

    def _opened(self) -> Any:
        path = self._folder / FILE
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            put(path, _make_tables)
        return opened(path, "OFF")


def _make_tables(path: Path) -> None:
    database = opened(path, "OFF")
    with database:
        database.execute(_TABLE)
        database.execute(_INDEX)
    database.close()


def _check_room(database: Any) -> None:
    """Raises Overloaded. The span of the numbers is no less than how many there are."""
    ((span,),) = database.execute("SELECT coalesce(max(nth) - min(nth) + 1, 0) FROM tallies")
    if span >= TALLIES_MAX:
        raise Overloaded("too much is counted at a time", retry_after_ms=RETRY_MS, reason="TALLIES_FULL")
