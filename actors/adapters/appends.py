"""Futures of appends that must be done in time, whatever the log does. Knows no log."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from time import monotonic
from typing import Generic, TypeVar

from actors.errors import Unavailable
from actors.ports import Appended

APPEND_BYTES_MAX = 2_000_000
"""No log takes a larger frame: a topic allows messages of 2 MiB, headers included."""

T = TypeVar("T")


def new_future() -> "Future[Appended]":
    """A future that cannot be cancelled: an append that was asked for is not taken back."""
    future: Future[Appended] = Future()
    future.set_running_or_notify_cancel()
    return future


def settle(future: "Future[Appended]", outcome: Appended | BaseException) -> None:
    """Finish a future; one that is finished already (its time was over first) stays as it is."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass


def not_appended(message: str) -> Unavailable:
    """The frame certainly is not in the log."""
    return Unavailable(message, outcome="NOT_APPENDED")


def outcome_unknown(message: str) -> Unavailable:
    """The frame may be in the log now, or appear later."""
    return Unavailable(message, outcome="OUTCOME_UNKNOWN")


class Overdue(Generic[T]):
    """Calls `expire` with whatever was not finished `deadline_ms` after it was added.

    All items have one deadline, so their order of expiry is the order they came in, and the thread sleeps until the
    oldest is due: it costs a wake-up per deadline, not one per item.
    """

    def __init__(self, deadline_ms: int, finished: Callable[[T], bool], expire: Callable[[list[T]], None]) -> None:
        self._deadline_s = deadline_ms / 1000
        self._finished = finished
        self._expire = expire
        self._items: deque[tuple[float, T]] = deque()
        self._changed = threading.Condition()
        self._idle = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-overdue", daemon=True)
        self._thread.start()

    def add(self, item: T) -> None:
        """Watch over this item from now on."""
        self._items.append((monotonic() + self._deadline_s, item))
        if self._idle:
            with self._changed:
                self._changed.notify()

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            expired = self._take_expired()
            if expired:
                self._expire(expired)
            self._sleep()

    def _take_expired(self) -> list[T]:
        expired: list[T] = []
        now = monotonic()
        while self._items:
            due, item = self._items[0]
            if not self._finished(item):
                if due > now:
                    break
                expired.append(item)
            self._items.popleft()
        return expired

    def _sleep(self) -> None:
        with self._changed:
            # The flag is set before looking, and `add` looks at it after adding: one of the two sees the other. While
            # an item is there, nobody need wake us: it is due before all that come later.
            self._idle = True
            if self._items:
                self._idle = False
            if not self._closed:
                self._changed.wait(max(0.0, self._items[0][0] - monotonic()) if self._items else None)
            self._idle = False
