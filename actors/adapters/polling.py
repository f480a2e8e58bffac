"""Reads the log in a thread of its own and hands frames to the event loop, never more than it can take."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from actors.errors import Corrupt, Unavailable
from actors.ports import Fetched, Reader, Slice

POLL_MS = 5_000
RETRY_S = 0.2
BITE_S = 0.01
BITE_BYTES_MIN, BITE_BYTES_MAX = 4 << 10, 128 << 10
"""A poll may bring 4 MiB, which is a second of work: it is taken in bites of about `BITE_S` of work."""
TURNS = 4
"""After a bite that took long the loop turns so often before the next: a question that came meanwhile is read from its
connection, answered and written, each in a turn of its own, and would otherwise stand behind as many bites."""


class Poller:
    """One reader, one thread, which reads on while the last of what it read is taken in.

    `deliver` and `fail` are called in the loop.
    """

    def __init__(
        self,
        reader: Reader,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Sequence[Fetched]], None],
        fail: Callable[[Corrupt], None],
        clock_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock_s` tells how long the loop has worked: what it waits for a processor makes no bite smaller."""
        self._reader = reader
        self._loop = loop
        self._deliver = deliver
        self._fail = fail
        self._clock_s = clock_s
        self._room = threading.Semaphore(1)
        self._line: deque[Fetched] = deque()
        self._bite_bytes = BITE_BYTES_MAX
        self._turns = 0
        self._wanted: deque[Mapping[Slice, int]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def assign(self, positions: Mapping[Slice, int]) -> None:
        """Read these slices from these offsets from the next poll on.

        Each call counts, also when several come between two polls: a slice that was left out once begins anew.
        """
        self._wanted.append(positions)
        self._reader.wake()

    def stop(self) -> None:
        """Stop reading; returns when the thread has ended."""
        self._stopping = True
        self._room.release()
        self._reader.wake()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        while not self._stopping:
            self._room.acquire()
            frames: Sequence[Fetched] = ()
            try:
                while not frames and not self._stopping:
                    frames = self._poll()
            except Corrupt as error:
                self._room.release()
                self._call(self._fail, error)
                threading.Event().wait(RETRY_S)  # what is not answered by another assignment comes again
                continue
            self._call(self._arrived, frames)

    def _poll(self) -> Sequence[Fetched]:
        try:
            while self._wanted:
                self._assign(self._wanted[0])
            return self._reader.poll(POLL_MS)
        except Unavailable:
            threading.Event().wait(RETRY_S)
            return ()

    def _assign(self, positions: Mapping[Slice, int]) -> None:
        """What cannot be read for want of the log is asked for again; what is not there any more is not."""
        try:
            self._reader.assign(positions)
        except Corrupt:
            self._wanted.popleft()
            raise
        self._wanted.popleft()

    def _call(self, function: Callable[..., None], *args: object) -> None:
        if not self._stopping:
            self._loop.call_soon_threadsafe(function, *args)

    # -- in the loop ----------------------------------------------------------------------------------------------

    def _arrived(self, frames: Sequence[Fetched]) -> None:
        self._line.extend(frames)
        if not self._turns:
            self._bite()

    def _bite(self) -> None:
        bite = self._next_bite()
        if not self._line:
            self._room.release()
        began_s = self._clock_s()
        self._deliver(bite)
        took_s = self._clock_s() - began_s
        if took_s > BITE_S:
            self._bite_bytes = max(self._bite_bytes // 2, BITE_BYTES_MIN)
        elif took_s < BITE_S / 2:
            self._bite_bytes = min(self._bite_bytes * 2, BITE_BYTES_MAX)
        if self._line or took_s > BITE_S / 2:
            self._turns = TURNS
            self._loop.call_soon(self._turn)

    def _next_bite(self) -> list[Fetched]:
        """The next frames of the line, one at least."""
        bite: list[Fetched] = []
        size_bytes = 0
        while self._line and size_bytes < self._bite_bytes:
            bite.append(self._line.popleft())
            size_bytes += len(bite[-1].frame)
        return bite

    def _turn(self) -> None:
        self._turns -= 1
        if self._turns:
            self._loop.call_soon(self._turn)
        elif self._line and not self._stopping:
            self._bite()
