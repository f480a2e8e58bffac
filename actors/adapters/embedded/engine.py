"""The embedded log's engine: one writer thread, group commit, and the newest frames kept in memory.

All appends that came in while the last transaction was written go into the next one; each is answered after its
commit. A full disk rolls the transaction back and the appends fail, certainly not appended. Any other error of the disk
ends the engine for good: after a failed fsync nobody knows what is on the disk, and a second try could lie.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import apsw

from actors.adapters.appends import not_appended, outcome_unknown
from actors.adapters.embedded.database import OFFSETS_MAX, Database, Row, checksum
from actors.adapters.embedded.owner import FolderLock
from actors.adapters.reading import where
from actors.adapters.topics import needs_key, no_such_topic, no_trim
from actors.errors import Corrupt, PlatformError, SetupError, Unavailable
from actors.ports import Appended, Fetched, Slice, Span, Topic

INBOX_BYTES_MAX = 256 << 20
TRANSACTION_BYTES_MAX = 16 << 20
HOT_BYTES_MAX = 32 << 20
HOT_FRAMES_MAX = 65_536
WAL_PAGES_MAX = 2_000
CLEAR_ROWS_MAX = 256

T = TypeVar("T")
R = TypeVar("R")


class Append(NamedTuple, Generic[T]):
    """A frame to be appended; `ticket` is what its asker knows it by."""

    slice: Slice
    frame: bytes
    key: bytes | None
    ticket: T


class Settled(NamedTuple, Generic[T]):
    """How an append ended."""

    ticket: T
    outcome: Appended | Unavailable


class _Job(Protocol):
    def run(self, database: Database) -> None: ...

    def refuse(self, error: PlatformError) -> None: ...


class _Call(Generic[R]):
    """Work for the writer thread, with the future of its result."""

    def __init__(self, work: Callable[[Database], R]) -> None:
        self.work = work
        self.future: Future[R] = Future()
        self.future.set_running_or_notify_cancel()

    def run(self, database: Database) -> None:
        """Raises whatever is the engine's end: an error that is neither the asker's nor a full disk."""
        try:
            self.future.set_result(self.work(database))
        except PlatformError as error:
            self.future.set_exception(error)
        except (apsw.FullError, apsw.ReadOnlyError) as error:
            self.future.set_exception(not_appended(f"nothing can be written to {database.path} ({error})"))
        except BaseException as error:
            self.future.set_exception(outcome_unknown(f"the log stopped: {error}"))
            raise

    def refuse(self, error: PlatformError) -> None:
        """The work is not done any more."""
        self.future.set_exception(error)


class _Held:
    """One slice: its bounds, and the newest frames, oldest first, without gaps in what was appended."""

    __slots__ = ("compacted", "damage", "end", "hot", "number", "stamp_ms", "start")

    def __init__(self, number: int, compacted: bool, start: int, end: int, stamp_ms: int, damage: str) -> None:
        self.number = number
        self.compacted = compacted
        self.start = start
        self.end = end
        self.stamp_ms = stamp_ms
        self.damage = damage
        self.hot: deque[Fetched] = deque()


class Engine(Generic[T]):
    """Owns a folder. `on_settled` and `on_failed` are called on the writer thread and must be quick."""

    def __init__(
        self,
        folder: Path,
        clock_ms: Callable[[], int],
        on_settled: Callable[[Sequence[Settled[T]], Sequence[Fetched]], None],
        on_failed: Callable[[BaseException], None],
        vfs: str | None = None,
    ) -> None:
        """`on_settled` is told how appends ended, and the frames that are new; of neither when something else changed.

        `vfs` is the name of SQLite's way to the disk, if not its own.

        Raises SetupError if the folder is in use, not writable, or of another format, and Corrupt if its list of topics
        is damaged.
        """
        self._lock = FolderLock(folder)
        self._folder = folder
        self._vfs = vfs
        self._clock_ms = clock_ms
        self._on_settled = on_settled
        self._on_failed = on_failed
        self._topics: dict[str, tuple[Topic, str, int]] = {}
        self._slices: dict[Slice, _Held] = {}
        self._hot: deque[_Held] = deque()
        self._hot_bytes = 0
        self._state = threading.Lock()
        self._inbox: deque[Append[T]] = deque()
        self._inbox_bytes = 0
        self._jobs: deque[_Job] = deque()
        self._clearing: deque[_Held] = deque()
        self._work = threading.Condition()
        self._closing = False
        self._failed: BaseException | None = None
        opened: list[BaseException | None] = []
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(opened, ready), name="log-writer", daemon=True)
        self._thread.start()
        ready.wait()
        if opened[0] is not None:
            self._lock.close()
            raise opened[0]

    # Called from any thread.

    def append(self, appends: Sequence[Append[T]]) -> None:
        """Append these frames in this order; every ticket comes back by `on_settled`, once."""
        size = sum(len(append.frame) for append in appends)
        with self._work:
            refusal = self._refusal()
            if refusal is None:
                self._inbox.extend(appends)
                self._inbox_bytes += size
                self._work.notify()
        if refusal is not None:
            self._on_settled([Settled(append.ticket, refusal) for append in appends], ())

    def _refusal(self) -> Unavailable | None:
        if self._failed is not None:
            return not_appended(f"the log stopped: {self._failed}")
        if self._closing:
            return not_appended("the log is closed")
        if self._inbox_bytes > INBOX_BYTES_MAX:
            return not_appended("the log cannot keep up with what is appended; try again later")
        return None

    @property
    def stopped(self) -> bool:
        """Whether the disk failed, and with it everything."""
        return self._failed is not None

    def call(self, work: Callable[[Database], R]) -> "Future[R]":
        """Do work on the writer thread, after the appends that came before it. The future may fail as the work does."""
        call = _Call(work)
        with self._work:
            refusal = self._refusal()
            if refusal is None:
                self._jobs.append(call)
                self._work.notify()
        if refusal is not None:
            call.refuse(refusal)
        return call.future

    def topic_id(self, topic: str) -> str:
        """Raises SetupError if there is no such topic."""
        with self._state:
            if topic not in self._topics:
                raise no_such_topic(topic)
            return self._topics[topic][1]

    def span(self, slice: Slice) -> Span:
        """Raises SetupError if there is no such slice, Unavailable if the log stopped."""
        if self._failed is not None:
            raise not_appended(f"the log stopped: {self._failed}")
        with self._state:
            held = self._held(slice)
            return Span(held.start, held.end)

    def ahead(self, positions: Mapping[Slice, int]) -> list[Slice]:
        """The slices that do not end at their offset, in their order.

        Raises SetupError if there is no such slice, Unavailable if the log stopped.
        """
        if self._failed is not None:
            raise not_appended(f"the log stopped: {self._failed}")
        with self._state:
            return [slice for slice, offset in positions.items() if self._held(slice).end != offset]

    def hot(self, slice: Slice, offset: int, bytes_max: int) -> list[Fetched] | None:
        """Frames from the offset on that are still in memory; None if that one has to be read from the disk."""
        with self._state:
            held = self._held(slice)
            frames = held.hot
            if offset >= held.end:
                return []
            if not frames or frames[0].offset > offset:
                return None
            taken: list[Fetched] = []
            size = 0
            # The offsets of a slice that is not compacted are dense; of a compacted one they are at least ascending.
            index = 0 if held.compacted else offset - frames[0].offset
            while index < len(frames) and size < bytes_max:
                fetched = frames[index]
                index += 1
                if fetched.offset >= offset:
                    taken.append(fetched)
                    size += len(fetched.frame)
            return taken

    def close(self) -> None:
        """Write what was appended, then free the folder."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()

    # Jobs: called on the writer thread.

    def create(self, database: Database, topics: Sequence[Topic]) -> None:
        """Raises SetupError if a topic exists otherwise."""
        database.create(topics)
        # A list of topics that only the WAL held would be lost with it, and the frames of a lost topic are not missed.
        self._checkpoint(database)
        self._load(database)

    def fetch(self, database: Database, slice: Slice, offset: int, bytes_max: int) -> list[Fetched]:
        """Frames from the disk. Raises Corrupt."""
        held = self._held(slice)
        if offset < held.start:
            return []  # Trimmed in the meantime; the reader finds out when it compares with the span.
        frames = database.read(slice, held.number, offset, bytes_max, contiguous=not held.compacted)
        # What is missing within a compacted slice, nobody sees there; at the end, nobody does.
        if (held.damage and held.compacted) or (not frames and offset < held.end):
            place = where(slice, offset)
            raise Corrupt(held.damage or f"the frames from {place} on are gone", position=place)
        return frames

    def trim(self, database: Database, slice: Slice, below: int) -> None:
        """Set the slice's start at once; the rows go little by little, between appends."""
        held = self._held(slice)
        if held.compacted:
            raise no_trim(slice.topic)
        start = max(held.start, min(below, held.end))
        database.set_start(held.number, start, held.stamp_ms)
        with self._state:
            held.start = start
            while held.hot and held.hot[0].offset < start:
                self._forget_hot(held)
        self._clearing.append(held)
        self._on_settled((), ())

    def _held(self, slice: Slice) -> _Held:
        held = self._slices.get(slice)
        if held is None:
            raise no_such_topic(slice.topic)
        return held

    # The writer thread.

    def _run(self, opened: list[BaseException | None], ready: threading.Event) -> None:
        try:
            database = Database(self._folder, self._vfs)
            try:
                self._load(database)
            except BaseException:
                database.abandon()
                raise
            opened.append(None)
        except (apsw.Error, OSError) as error:
            opened.append(SetupError(f"the log in {self._folder} cannot be opened: {error}", reason="LOG_NOT_OPENED"))
            return
        except BaseException as error:  # noqa: BLE001 - raised again by the constructor, on its thread
            opened.append(error)
            return
        finally:
            ready.set()
        try:
            while self._step(database):
                pass
            database.close()
        except BaseException as error:  # noqa: BLE001 - whatever it was, it ends the engine and is told to everyone
            self._stop(error)
            database.abandon()
        finally:
            self._lock.close()

    def _step(self, database: Database) -> bool:
        with self._work:
            while not (self._inbox or self._jobs or self._clearing or self._closing):
                self._work.wait()
            if self._closing and not self._inbox and not self._jobs:
                return False
            batch = self._take_batch()
            jobs, self._jobs = self._jobs, deque()
        if batch:
            self._write(database, batch)
        for job in jobs:
            job.run(database)
        self._clear_some(database)
        if database.wal_pages >= WAL_PAGES_MAX:
            self._checkpoint(database)
        return True

    def _clear_some(self, database: Database) -> None:
        if self._clearing and not self._closing:
            held = self._clearing[0]
            if not database.clear(held.number, held.start, CLEAR_ROWS_MAX):
                self._clearing.popleft()

    def _take_batch(self) -> list[Append[T]]:
        batch: list[Append[T]] = []
        size = 0
        while self._inbox and size < TRANSACTION_BYTES_MAX:
            append = self._inbox.popleft()
            batch.append(append)
            size += len(append.frame)
        self._inbox_bytes -= size
        return batch

    def _write(self, database: Database, batch: list[Append[T]]) -> None:
        settled: list[Settled[T]] = []
        placed: list[tuple[_Held, Fetched, T]] = []
        now_ms = self._clock_ms()
        ends: dict[Slice, int] = {}
        for append in batch:
            held = self._slices.get(append.slice)
            reason = self._reason_against(held, append)
            if held is None or reason:
                settled.append(Settled(append.ticket, not_appended(reason)))
                continue
            offset = ends.get(append.slice, held.end)
            ends[append.slice] = offset + 1
            stamp_ms = max(held.stamp_ms, now_ms)
            placed.append((held, Fetched(append.slice, offset, stamp_ms, append.frame, append.key), append.ticket))
        appended: list[Fetched] = []
        if placed:
            settled += self._commit(database, placed, appended)
        self._on_settled(settled, appended)

    def _reason_against(self, held: _Held | None, append: Append[T]) -> str:
        if held is None:
            return str(no_such_topic(append.slice.topic))
        if held.compacted and append.key is None:
            return needs_key(append.slice)
        return held.damage

    def _commit(
        self, database: Database, placed: list[tuple[_Held, Fetched, T]], appended: list[Fetched]
    ) -> list[Settled[T]]:
        """Write them in one transaction; what is `appended` then is for readers."""
        rows = [
            Row(
                held.number * OFFSETS_MAX + row.offset,
                row.stamp_ms,
                checksum(row.slice, row.offset, row.stamp_ms, row.key, row.frame),
                row.key,
                row.frame,
            )
            for held, row, _ in placed
        ]
        keyed = [
            (held.number, row.key, held.number * OFFSETS_MAX + row.offset)
            for held, row, _ in placed
            if held.compacted and row.key is not None
        ]
        try:
            database.append(rows, keyed)
        except (apsw.FullError, apsw.ReadOnlyError) as error:
            reason = f"nothing can be written to {self._folder} ({error}); free some space, then go on"
            return [Settled(ticket, not_appended(reason)) for _, _, ticket in placed]
        except (apsw.CorruptError, apsw.ConstraintError) as error:
            return self._commit_apart(database, placed, appended, error)
        except BaseException:
            unknown = outcome_unknown(f"the disk of {self._folder} failed while this was written")
            self._on_settled([Settled(ticket, unknown) for _, _, ticket in placed], ())
            raise
        self._publish(placed)
        appended += [row for _, row, _ in placed]
        return [Settled(ticket, Appended(row.offset, row.stamp_ms)) for _, row, ticket in placed]

    def _commit_apart(
        self,
        database: Database,
        placed: list[tuple[_Held, Fetched, T]],
        appended: list[Fetched],
        error: apsw.Error,
    ) -> list[Settled[T]]:
        """The database is damaged where one of the slices goes on: that one takes no more, the others are written."""
        helds = {held.number: held for held, _, _ in placed}
        if len(helds) > 1:
            apart = [[one for one in placed if one[0] is held] for held in helds.values()]
            return [settled for one in apart for settled in self._commit(database, one, appended)]
        held, row, _ = placed[0]
        held.damage = f"the file {database.path} is damaged where {row.slice} goes on: {error}"
        return [Settled(ticket, not_appended(held.damage)) for _, _, ticket in placed]

    def _publish(self, placed: list[tuple[_Held, Fetched, T]]) -> None:
        with self._state:
            for held, row, _ in placed:
                if held.compacted:
                    self._forget_key(held, row.key)
                held.hot.append(row)
                held.end = row.offset + 1
                held.stamp_ms = row.stamp_ms
                self._hot.append(held)
                self._hot_bytes += len(row.frame)
            while self._hot_bytes > HOT_BYTES_MAX or len(self._hot) > HOT_FRAMES_MAX:
                # Every hot frame has an entry here; the entries of frames that were forgotten early find none.
                oldest = self._hot.popleft()
                if oldest.hot:
                    self._forget_hot(oldest)

    def _forget_hot(self, held: _Held) -> None:
        self._hot_bytes -= len(held.hot.popleft().frame)

    def _forget_key(self, held: _Held, key: bytes | None) -> None:
        for index, row in enumerate(held.hot):
            if row.key == key:
                self._hot_bytes -= len(row.frame)
                del held.hot[index]
                return

    def _load(self, database: Database) -> None:
        topics = database.topics()
        added = {
            Slice(topic.name, partition): (topic, first + partition)
            for topic, _, first in topics.values()
            for partition in range(topic.partitions)
            if Slice(topic.name, partition) not in self._slices
        }
        helds: dict[Slice, _Held] = {}
        for slice, (topic, number) in added.items():
            found = database.find(slice, number, compacted=topic.compacted)
            helds[slice] = _Held(number, topic.compacted, found.start, found.end, found.stamp_ms, found.damage)
        with self._state:
            self._topics = topics
            self._slices.update(helds)
        for held in helds.values():
            if held.start > 0:
                self._clearing.append(held)

    def _checkpoint(self, database: Database) -> None:
        try:
            database.checkpoint()
        except apsw.FullError:
            pass  # The WAL still holds everything; appends fail by themselves if it cannot grow.

    def _stop(self, error: BaseException) -> None:
        with self._work:
            self._failed = error
            left = [append.ticket for append in self._inbox]
            jobs = list(self._jobs)
            self._inbox.clear()
            self._jobs.clear()
        refusal = not_appended(f"the log stopped: {error}")
        for job in jobs:
            job.refuse(refusal)
        self._on_settled([Settled(ticket, refusal) for ticket in left], ())
        self._on_failed(error)
