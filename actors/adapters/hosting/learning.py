"""What a host learns of the control topic: the records that are halted, skipped or to be tried again. Holds no rule."""

import asyncio
from concurrent.futures import Future
from pathlib import Path

from actors.adapters.hosting.watching import has_notes, take_notes
from actors.kernel.record import Position
from actors.ports import Appended, Fetched, Log, Slice
from actors.verdicts import Verdict, decode_verdicts, encode_verdict, noticed


class Learning:
    """The verdicts of the control topic, as far as it was read. For the event loop that it is made in."""

    def __init__(self, log: Log, control: Slice, notes_dir: Path) -> None:
        self._control = control
        self.next_offset = 0
        self.verdicts: dict[Position, Verdict] = {}
        self._log = log
        self._notes_dir = notes_dir
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._noting = asyncio.Lock()

    def take(self, frame: Fetched) -> list[Verdict]:
        """Take a frame of the topic in; returns what it says. Raises Corrupt."""
        self.next_offset = frame.offset + 1
        verdicts = decode_verdicts(self._control.topic, frame.offset, frame.frame)
        self.verdicts.update((verdict.position, verdict) for verdict in verdicts)
        for end, learnt in self._waiting:
            if end <= self.next_offset and not learnt.done():
                learnt.set_result(None)
        self._waiting = [(end, learnt) for end, learnt in self._waiting if not learnt.done()]
        return verdicts

    async def know(self) -> None:
        """Read the control topic up to its end, with what this machine's watchdogs have noted. Raises Unavailable."""
        while has_notes(self._notes_dir):
            async with self._noting:
                await self._to_end()
                for note in take_notes(self._notes_dir):
                    verdict = noticed(self.verdicts, note.position, note.why, died=note.died)
                    # A note goes once what it says is on the log.
                    await asyncio.wrap_future(self.append(verdict))
        await self._to_end()

    async def _to_end(self) -> None:
        end = (await asyncio.to_thread(self._log.spans, [self._control]))[self._control].end
        if self.next_offset < end:
            learnt = self._loop.create_future()
            self._waiting.append((end, learnt))
            await learnt

    def append(self, verdict: Verdict) -> "Future[Appended]":
        """Say a verdict on the log; here it holds from now on."""
        key, frame = encode_verdict(self._control.topic, verdict)
        self.verdicts[verdict.position] = verdict
        return self._log.append(self._control, frame, key)
