"""What may wait twenty milliseconds: events for the log and writes to the stores. No answer waits for either.

Few large appends and batches cost less than many small ones, and a host's cores are better spent on commands. What is
lost with the process is replayed and said again: the core takes nothing for done before it is told so.
"""

import asyncio
from collections.abc import Callable

from actors.work import Append, Write

GATHER_S = 0.02
PUTS_MAX = 5_000


class Behind:
    """Gathers work and hands it on together: `append` and `write` are called in the loop, at most `GATHER_S` later."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        append: Callable[[Append], None],
        write: Callable[[Write], None],
        after: Callable[[], None],
    ) -> None:
        """`after` is called when a gathering was handed on, since more may follow from it."""
        self._loop = loop
        self._append = append
        self._write = write
        self._after = after
        self._appends: list[Append] = []
        self._writes: dict[int, Write] = {}
        self._due: asyncio.TimerHandle | None = None

    def append(self, work: Append) -> None:
        """Append this soon."""
        self._appends.append(work)
        self._wait()

    def write(self, work: Write) -> None:
        """Write this soon, with what else its partition has to write."""
        earlier = self._writes.get(work.partition)
        if earlier is None:
            self._writes[work.partition] = work
        elif work.batch.delete_ranges:  # ranges go first in a batch, so this one cannot be added to what came before
            self.flush(work.partition)
            self._writes[work.partition] = work
        else:
            self._writes[work.partition] = _merged(earlier, work)
        if len(work.batch.puts) > PUTS_MAX:
            self.flush(work.partition)
        self._wait()

    def flush(self, partition: int) -> None:
        """Write what this partition has to write now."""
        work = self._writes.pop(partition, None)
        if work is not None:
            self._write(work)

    def stop(self) -> None:
        """Hand everything on now, and wait for nothing more."""
        if self._due is not None:
            self._due.cancel()
        self._flush_all()

    def _wait(self) -> None:
        if self._due is None:
            self._due = self._loop.call_later(GATHER_S, self._flush_all)

    def _flush_all(self) -> None:
        self._due = None
        appends, self._appends = self._appends, []
        for append in appends:
            self._append(append)
        for partition in list(self._writes):
            self.flush(partition)
        self._after()


def _merged(earlier: Write, later: Write) -> Write:
    """Both writes as one; the earlier one's batch is used up."""
    batch = earlier.batch
    batch.puts.update(later.batch.puts)
    for key in later.batch.deletes:
        batch.puts.pop(key, None)
    batch.deletes = [key for key in batch.deletes if key not in later.batch.puts] + later.batch.deletes
    return Write(later.partition, later.offset, batch, earlier.swept_seconds + later.swept_seconds)
