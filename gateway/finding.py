"""Programs looked for in the read models that the follower keeps, in threads of their own: a search takes its time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from actors.errors import Corrupt, DeadlineExceeded, Overloaded, Unavailable
from actors.projections.search import Listed, Query

READERS = 2
ASKED_MAX = 64
"""Being asked, and waiting to be."""
RETRY_MS = 200
T = TypeVar("T")


class Programs(Protocol):
    """The programs that everybody may open, as one thread reads them. Each method may raise Unavailable or Corrupt."""

    def search(self, query: Query, hits_max: int) -> list[Listed]:
        """Those that match, the most used first. Raises InvalidCommand for a query that is too long."""
        ...

    def nearby(self, position: tuple[float, float], hits_max: int) -> list[Listed]:
        """The nearest first. Raises InvalidCommand for a position that cannot be."""
        ...

    def listed(self, after: str, hits_max: int) -> list[Listed]:
        """In the order of their names, from the first above `after` on."""
        ...

    def is_current(self) -> bool:
        """Whether this is not a former one, which nobody keeps any more."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class Finder:
    """Asks, two questions at a time. `opened` opens what each of its threads reads; None where there is nothing."""

    def __init__(self, opened: Callable[[], Programs] | None) -> None:
        self._opened = opened
        self._pool = ThreadPoolExecutor(READERS, "finder")
        self._own = threading.local()
        self._asked = 0
        self._is_closed = False

    async def ask(self, question: Callable[[Programs], T], left_s: float) -> T:
        """The answer. Raises Overloaded, DeadlineExceeded, Unavailable, Corrupt, and what the question raises."""
        if self._opened is None or self._is_closed:
            raise Unavailable("this gateway has no read models to look in", outcome="NOT_APPENDED")
        if self._asked >= ASKED_MAX:
            message = f"{ASKED_MAX} others look for programs; ask again"
            raise Overloaded(message, retry_after_ms=RETRY_MS)
        self._asked += 1
        answer = asyncio.get_running_loop().run_in_executor(self._pool, self._answer, self._opened, question)
        answer.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(answer, left_s)
        except TimeoutError:
            raise DeadlineExceeded("nobody looked in time", outcome="NOT_APPENDED") from None

    def close(self) -> None:
        """Answer what was asked, and take no more."""
        self._is_closed = True
        self._pool.shutdown(wait=False)

    def _done(self, _answer: object) -> None:
        self._asked -= 1

    def _answer(self, opened: Callable[[], Programs], question: Callable[[Programs], T]) -> T:
        """Runs in a thread, which opens anew what has failed or is a former one."""
        programs: Programs | None = getattr(self._own, "programs", None)
        if programs is not None and not programs.is_current():
            programs.close()
            programs = None
        self._own.programs = programs = programs or opened()
        try:
            return question(programs)
        except (Unavailable, Corrupt):
            self._own.programs = None
            programs.close()
            raise
