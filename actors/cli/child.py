"""One child process: started, awaited, started again when it ends by itself, ended when told."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from actors.cli.running import Process, this_process
from actors.errors import SetupError

BACKOFF_S = 0.1
BACKOFF_S_MAX = 5.0
STEADY_S = 10.0
STOP_S_MAX = 20.0
READY_S_MAX = 180.0
LINE_BYTES_MAX = 1 << 20


class Ended(NamedTuple):
    """A child ended by itself: `why`; once it is back, `facts` are what the new one said."""

    why: str
    facts: Mapping[str, Any] | None = None


class Child:
    """A role that is always filled: what ends by itself is started again, later each time until it lasts."""

    def __init__(
        self,
        role: str,
        settings: Callable[[], Awaitable[Struct]],
        on_ended: Callable[["Child", Ended], None],
        learn: Callable[[Mapping[str, Any]], None] | None = None,
        *,
        name: str = "",
        arguments: tuple[str, ...] = (),
    ) -> None:
        """`settings()` is asked for each life anew; `learn` is told whatever a life says of itself, also later."""
        self.role = role
        self.name = name or role
        self.process: Process | None = None
        """The life that runs now."""
        self._settings = settings
        self._on_ended = on_ended
        self._learn = learn
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._living: asyncio.Task[None] | None = None
        self._first: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    async def start(self) -> Mapping[str, Any]:
        """Start it and wait until it says that it is ready. Raises SetupError if the first life cannot be."""
        self._living = asyncio.ensure_future(self._live())
        return await self._first

    async def _live(self) -> None:
        """One life after the other."""
        wait_s = BACKOFF_S
        while not self._over.is_set():
            began = time.monotonic()
            why = await self._one_life()
            if self._over.is_set():
                return
            if not self._first.done():
                self._first.set_exception(why)
                return
            self._on_ended(self, Ended(str(why)))
            wait_s = BACKOFF_S if time.monotonic() - began > STEADY_S else min(2 * wait_s, BACKOFF_S_MAX)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), wait_s)

    async def _one_life(self) -> SetupError:
        """Start it and read what it says until it ends; returns why it did."""
        command = (sys.executable, "-m", "actors.cli.children", self.role, str(os.getpid()), *self._arguments)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, limit=LINE_BYTES_MAX, start_new_session=True
        )
        self._process = process
        self.process = this_process(self.name, process.pid)
        if self._over.is_set():
            self.kill()
        telling = asyncio.ensure_future(self._tell(process))
        late = asyncio.get_running_loop().call_later(READY_S_MAX, self.kill)
        try:
            refused = await self._listen(process, late)
            status = await process.wait()
        finally:
            late.cancel()
            telling.cancel()
            self.process = None
        return refused or SetupError(f"the {self.name} process ended, {_status(status)}", reason="CHILD_ENDED")

    async def _tell(self, process: asyncio.subprocess.Process) -> None:
        """Write the settings to its stdin: they hold a token, which must not stand in its command line."""
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(msgspec.json.encode(await self._settings()))
            process.stdin.write_eof()

    async def _listen(self, process: asyncio.subprocess.Process, late: asyncio.TimerHandle) -> SetupError | None:
        """Take the lines that say what it is, or why it cannot be; let what else is printed pass by."""
        assert process.stdout is not None
        refused: SetupError | None = None
        ready = False
        async for line in process.stdout:
            said = _facts(line)
            if said is None:
                continue
            if not said["ready"]:
                refused = SetupError(said["message"], reason=said["reason"])
                continue
            late.cancel()
            if self._learn is not None:
                self._learn(said)
            if not self._first.done():
                self._first.set_result(said)
            elif not ready:
                self._on_ended(self, Ended("", said))
            ready = True
        return refused

    def _signal(self, send: Callable[[int, int], None], number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                send(self._process.pid, number)

    def kill(self) -> None:
        """End this life of it by force, with all of its group; another begins, unless it was retired."""
        self._signal(os.killpg, signal.SIGKILL)

    def retire(self) -> None:
        """Let this life be its last."""
        self._over.set()

    async def stop(self) -> None:
        """End it for good: in good order, by force if that takes too long."""
        self._over.set()
        if self._living is None:
            return
        self._signal(os.kill, signal.SIGTERM)
        done, _ = await asyncio.wait((self._living,), timeout=STOP_S_MAX)
        if not done:
            self.kill()
            await asyncio.wait((self._living,))


def _facts(line: bytes) -> Mapping[str, Any] | None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        said = msgspec.json.decode(line, type=dict[str, Any])
        return said if "ready" in said else None
    return None


def _status(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
