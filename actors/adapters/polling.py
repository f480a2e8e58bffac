"""Reads the log in a thread of its own and hands frames to the event loop, never more than it can take."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from actors.errors import Corrupt, Unavailable
from actors.ports import Fetched, Reader, Slice

POLL_MS = 5_000
RETRY_S = 0.2
BATCHES_MAX = 2
# A poll may bring 4 MiB, which is a second of work: in such bites, two at most in line, the loop still answers
# everything else meanwhile. What is asked of a busy host waits for that many.
BATCH_BYTES = 128 << 10


class Poller:
    """One reader, one thread. `deliver` and `fail` are called in the loop; `taken` frees room for another batch."""

    def __init__(
        self,
        reader: Reader,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Sequence[Fetched]], None],
        fail: Callable[[Corrupt], None],
    ) -> None:
        self._reader = reader
        self._loop = loop
        self._deliver = deliver
        self._fail = fail
        self._room = threading.Semaphore(BATCHES_MAX)
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

    def taken(self) -> None:
        """A batch was taken in: there is room for another."""
        self._room.release()

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
            for n, batch in enumerate(_batches(frames)):
                if n:
                    self._room.acquire()
                self._call(self._deliver, batch)

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


def _batches(frames: Sequence[Fetched]) -> Iterator[Sequence[Fetched]]:
    """The frames in their order, about `BATCH_BYTES` at once."""
    start = size_bytes = 0
    for end, frame in enumerate(frames, 1):
        size_bytes += len(frame.frame)
        if size_bytes >= BATCH_BYTES:
            yield frames[start:end]
            start, size_bytes = end, 0
    if start < len(frames) or not frames:
        yield frames[start:]
