"""A generator as the coordinator sees it, wherever it runs, and one that is a process of this machine."""

import asyncio
import contextlib
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from actors.errors import SetupError
from gateway.client import TOKEN
from loadtests.driver.messages import Cut, Done, Failed, Go, Order, Ready, Report, Task, Told
from loadtests.driver.tally import Part

LINE_BYTES_MAX = 1 << 26
READY_S_MAX = 600.0
"""Very many persons are looked up, and their shelves filled, before anybody arrives."""
END_S_MAX = 10.0
SILENT_S_MAX = 8
"""Whoever plays says something every second; who has said nothing for so long stands still."""
GENERATOR = (sys.executable, "-m", "loadtests.driver.generator")
decode_report: Callable[[bytes], Any] = msgspec.json.Decoder(Report).decode


class Playing(ABC):
    """One generator, wherever it runs."""

    def __init__(self, part: int) -> None:
        self._part = part
        self._silent_s = 0
        self._stood_still = False

    async def ready(self) -> Ready:
        """Wait until it can begin. Raises SetupError when it never will."""
        try:
            said = await asyncio.wait_for(self._report(), READY_S_MAX)
        except TimeoutError:
            raise SetupError(f"generator {self._part} was not ready in {READY_S_MAX:g} s", reason="GENERATOR") from None
        if isinstance(said, Ready):
            return said
        why = said.why if isinstance(said, Failed) else f"it {await self._ended()}"
        raise SetupError(f"generator {self._part} cannot begin: {why}", reason="GENERATOR")

    async def played(self, take: Callable[[Part], None]) -> Done | str:
        """Hand its parts of each second on until it is done; or why it ended before."""
        while True:
            self.heard()
            try:
                report = await self._report()
            except (msgspec.DecodeError, ValueError):  # a line that is too long is a ValueError
                return f"generator {self._part} said what nobody understands"
            match report:
                case Told(part):
                    take(part)
                case Done() as done:
                    return done
                case Failed(why):
                    return f"generator {self._part}: {why}"
                case _ if self._stood_still:
                    await self._ended()
                    return f"generator {self._part} stood still: it said nothing for {SILENT_S_MAX} s, and was ended"
                case _:
                    return f"generator {self._part} {await self._ended()}"

    def heard(self) -> None:
        """It has said something just now."""
        self._silent_s = 0

    def look(self) -> None:
        """Look after it, once a second while it plays: who stands still is ended, and `played` says so.

        It counts looks and asks no clock: where this very process stood still, nobody else is to blame.
        """
        self._silent_s += 1
        if self._silent_s == SILENT_S_MAX:
            self._stood_still = True
            self.kill()

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its process; 0 when it is none of this machine."""

    @abstractmethod
    def go(self, at_ns: int) -> None:
        """Let it begin then."""

    @abstractmethod
    def cut(self) -> None:
        """Have it end early."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once."""

    @abstractmethod
    async def end(self) -> None:
        """See that it is gone."""

    @abstractmethod
    async def _report(self) -> Report | None:
        """What it says next; None when it has ended without a word."""

    @abstractmethod
    async def _ended(self) -> str:
        """How it ended."""


class Child(Playing):
    """One generator's process. It has a session of its own, so that Ctrl-C is ours to pass on."""

    def __init__(self, part: int, process: asyncio.subprocess.Process) -> None:
        super().__init__(part)
        self._process = process

    @classmethod
    async def start(cls, part: int, task: Task, token: str, command: Sequence[str] = GENERATOR) -> Self:
        """Start it, and say what it is to do. A token is nothing for command lines and pipes."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=LINE_BYTES_MAX,
            env={**os.environ, TOKEN: token},
        )
        child = cls(part, process)
        child._say(task)
        return child

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def go(self, at_ns: int) -> None:
        """Let it begin then."""
        self._say(Go(at_ns))

    def cut(self) -> None:
        """Have it end early."""
        self._say(Cut())

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """See that it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_S_MAX)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    async def _ended(self) -> str:
        """How it ended. It has closed its end of the pipe: what of it does not end by itself is ended by force."""
        await self.end()
        status = self._process.returncode or 0
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}; what it printed above says why"

    def _say(self, order: Order) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _report(self) -> Report | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return decode_report(line) if line else None
