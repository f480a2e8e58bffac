"""The embedded log in this process: the same engine without a server. For `dev`, and for one reader's tests."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from actors.adapters.appends import APPEND_BYTES_MAX, Overdue, new_future, outcome_unknown, settle
from actors.adapters.embedded.engine import Append, Engine, Settled
from actors.adapters.reading import SourceReader
from actors.clocks import wall_ms
from actors.ports import Appended, Fetched, Reader, Slice, Span, Topic

_log = logging.getLogger("hutong.log")


class LocalLog:
    """A Log in a folder that this process owns. After a failed disk every append fails; start the process again."""

    def __init__(
        self,
        folder: Path,
        append_deadline_ms: int = 10_000,
        clock_ms: Callable[[], int] = wall_ms,
        vfs: str | None = None,
    ) -> None:
        """`vfs` is the name of SQLite's way to the disk, if not its own.

        Raises SetupError if another process owns the folder, or it cannot be written; Corrupt if it is damaged.
        """
        self.changed = threading.Condition()
        self._version = 0
        self._append_deadline_ms = append_deadline_ms
        self._guest: Callable[[Sequence[Settled[Any]], Sequence[Fetched]], None] | None = None
        self._engine: Engine[Any] = Engine(folder, clock_ms, self._on_settled, self._on_failed, vfs)
        self._overdue: Overdue[Future[Appended]] = Overdue(append_deadline_ms, Future[Appended].done, self._expire)

    def create(self, topics: Sequence[Topic]) -> None:
        self._engine.call(lambda database: self._engine.create(database, topics)).result()

    def topic_id(self, topic: str) -> str:
        return self._engine.topic_id(topic)

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        assert len(frame) <= APPEND_BYTES_MAX
        future = new_future()
        self._overdue.add(future)
        self._engine.append([Append(slice, frame, key, future)])
        return future

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        return {slice: self._engine.span(slice) for slice in slices}

    def trim(self, slice: Slice, below: int) -> None:
        self._engine.call(lambda database: self._engine.trim(database, slice, below)).result()

    def reader(self) -> Reader:
        return SourceReader(self)

    def share(self, settled: Callable[[Sequence[Settled[Any]], Sequence[Fetched]], None]) -> Engine[Any]:
        """Let a server append and read beside us; `settled` hears how its own appends ended, and of every new frame."""
        self._guest = settled
        return self._engine

    def close(self) -> None:
        self._engine.close()
        self._overdue.close()

    def _on_settled(self, settled: Sequence[Settled[Any]], appended: Sequence[Fetched]) -> None:
        with self.changed:
            self._version += 1
            self.changed.notify_all()
        for ticket, outcome in settled:
            if isinstance(ticket, Future):
                settle(cast("Future[Appended]", ticket), outcome)
        if self._guest is not None:
            self._guest([done for done in settled if not isinstance(done.ticket, Future)], appended)

    def _on_failed(self, error: BaseException) -> None:
        _log.critical("the embedded log stopped and takes no more appends; start this process again: %s", error)
        with self.changed:
            self._version += 1
            self.changed.notify_all()

    def _expire(self, futures: "list[Future[Appended]]") -> None:
        error = outcome_unknown(f"the disk took longer than {self._append_deadline_ms} ms")
        for future in futures:
            settle(future, error)

    # What a SourceReader asks.

    def version(self) -> int:
        return self._version

    def span(self, slice: Slice) -> Span:
        return self._engine.span(slice)

    def fetch(self, slice: Slice, offset: int, bytes_max: int) -> Sequence[Fetched]:
        frames = self._engine.hot(slice, offset, bytes_max)
        if frames is None:
            frames = self._engine.call(lambda database: self._engine.fetch(database, slice, offset, bytes_max)).result()
        return frames
