"""What may wait: events for the log, and, longer, writes to the stores. No answer waits for either.

Few large appends and batches cost less than many small ones, and a host's cores are better spent on commands. Of what
is changed again meanwhile, the last alone is written. What is lost with the process is replayed and said again: the
core takes nothing for done before it is told so.
"""

import asyncio
from collections.abc import Callable

from actors.work import Append, Write

APPEND_S = 0.05
WRITE_S = 0.25
"""So much more is replayed where a host was killed."""
PUTS_MAX = 5_000
"""More is written at once: the loop stands still meanwhile."""


class Behind:
    """Gathers work and hands it on together: `append` and `write` are called in the loop, a while later at most."""

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
        self._appending: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def append(self, work: Append) -> None:
        """Append this soon."""
        self._appends.append(work)
        if self._appending is None:
            self._appending = self._loop.call_later(APPEND_S, self._append_all)

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
        if len(self._writes[work.partition].batch.puts) > PUTS_MAX:
            self.flush(work.partition)
        if self._writing is None:
            self._writing = self._loop.call_later(WRITE_S, self._write_all)

    def flush(self, partition: int) -> None:
        """Write what this partition has to write now."""
        work = self._writes.pop(partition, None)
        if work is not None:
            self._write(work)

    def stop(self) -> None:
        """Hand everything on, and wait for nothing more."""
        for due in (self._appending, self._writing):
            if due is not None:
                due.cancel()
        self.hand_on()

    def hand_on(self) -> None:
        """Hand everything on now."""
        self._append_all()
        self._write_all()

    def _append_all(self) -> None:
        self._appending = None
        appends, self._appends = self._appends, []
        for append in appends:
            self._append(append)
        self._after()

    def _write_all(self) -> None:
        self._writing = None
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
