"""Threads that programs share fairly: what one program's work waits for holds up no other's for long.

It knows nothing of what the work is. A thread is started when there is something to do, and ends when there is not.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Does `work` on what it is given for programs, on so many threads at a time, and so many for each program.

    A thread that is free takes up what waits for the program that has fewest of the threads, and of those the one whose
    turn was longest ago. Of one program it is done in the order in which it came.
    """

    def __init__(self, work: Callable[[T], None], at_once_max: int, of_one_max: int, waiting_max: int) -> None:
        self._work = work
        self._at_once_max = at_once_max
        self._of_one_max = of_one_max
        self._waiting_max = waiting_max
        self._waiting: dict[str, deque[T]] = {}
        """By program; the one whose turn was last stands last."""
        self._running = Counter[str]()
        self._threads = 0
        self._changed = threading.Condition()

    def add(self, program: str, item: T) -> T | None:
        """Take this in; returns what found no place: when all are taken, the newest of the program that has most."""
        with self._changed:
            self._waiting.setdefault(program, deque()).append(item)
            if self._threads < self._at_once_max and self._next() is not None:
                self._threads += 1
                # Of the system's resolver nobody knows when it ends: a process does not wait for these threads.
                threading.Thread(target=self._run, name="turns", daemon=True).start()
            if sum(map(len, self._waiting.values())) <= self._waiting_max:
                return None
            most = max(self._waiting, key=lambda one: (len(self._waiting[one]), one == program))
            lost = self._waiting[most].pop()
            if not self._waiting[most]:
                del self._waiting[most]
            return lost

    def close(self, seconds_max: float) -> None:
        """Forget what waits, and wait for what is being done."""
        with self._changed:
            self._waiting.clear()
            self._changed.wait_for(lambda: not self._threads, seconds_max)

    def _run(self) -> None:
        try:
            while (found := self._begun()) is not None:
                program, item = found
                try:
                    self._work(item)
                finally:
                    with self._changed:
                        self._running[program] -= 1
                        self._running += Counter()  # what has none is forgotten
        except BaseException:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()
            raise

    def _begun(self) -> tuple[str, T] | None:
        """What is done now; None when the thread ends."""
        with self._changed:
            program = self._next()
            if program is None:
                self._threads -= 1
                self._changed.notify_all()
                return None
            waiting = self._waiting.pop(program)
            item = waiting.popleft()
            if waiting:
                self._waiting[program] = waiting
            self._running[program] += 1
            return program, item

    def _next(self) -> str | None:
        """Whose turn it is; None when nothing waits that may be done now."""
        may = [program for program in self._waiting if self._running[program] < self._of_one_max]
        return min(may, key=self._running.__getitem__, default=None)
