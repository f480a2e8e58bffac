"""One child process: started, awaited, started again when it ends by itself, ended when told."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from actors.errors import SetupError

BACKOFF_S = 0.1
BACKOFF_S_MAX = 5.0
STEADY_S = 10.0
STOP_S_MAX = 12.0
FAILED = 3


class Ended(NamedTuple):
    """A child ended by itself: `why`; once it is back, `facts` are what the new one said."""

    why: str
    facts: Mapping[str, Any] | None = None


class Child:
    """A role that is always filled. `settings()` is asked for each life anew."""

    def __init__(
        self,
        role: str,
        settings: Callable[[], Struct],
        on_ended: Callable[["Child", Ended], None],
        learn: Callable[[Mapping[str, Any]], None] | None = None,
        name: str = "",
    ) -> None:
        self.role = role
        self.name = name or role
        self.failure: SetupError | None = None
        self._settings = settings
        self._on_ended = on_ended
        self._learn = learn
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def start(self) -> Mapping[str, Any]:
        """Start it and wait until it says that it is ready. Raises SetupError when it cannot be."""
        await self.spawn()
        return await self._ready()

    async def spawn(self) -> None:
        """Start it, and see that it is started again whenever it ends."""
        await self._spawn()
        self._watching = asyncio.ensure_future(self._watch())

    async def _spawn(self) -> None:
        command = (sys.executable, "-m", "actors.cli.children", self.role, str(os.getpid()))
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
        self._facts: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.ensure_future(self._read(self._process, self._facts))
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(msgspec.json.encode(self._settings()))
            self._process.stdin.write_eof()

    async def _read(self, process: asyncio.subprocess.Process, facts: "asyncio.Future[Mapping[str, Any]]") -> None:
        """Take the line that says ready or why not; let what else is printed pass by."""
        assert process.stdout is not None
        async for line in process.stdout:
            with contextlib.suppress(msgspec.DecodeError):
                said = msgspec.json.decode(line)
                if isinstance(said, dict) and "ready" in said and not facts.done():
                    if said["ready"]:
                        if self._learn is not None:
                            self._learn(said)
                        facts.set_result(said)
                    else:
                        self.failure = SetupError(said["message"], reason=said["reason"])
                        facts.set_exception(self.failure)

    async def _ready(self) -> Mapping[str, Any]:
        process = self._process
        assert process is not None
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait((self._facts, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not self._facts.done():
            await self._reading
        if not self._facts.done():
            self._facts.cancel()
            message = f"the {self.name} process ended with status {process.returncode} before it was ready"
            raise SetupError(message, reason="CHILD_ENDED")
        return self._facts.result()

    async def _watch(self) -> None:
        wait_s = BACKOFF_S
        while not self._stopping:
            began = time.monotonic()
            process = self._process
            assert process is not None
            status = await process.wait()
            await self._reading
            if self._ends_here(status):
                return
            self._on_ended(self, Ended(f"status {status}"))
            wait_s = BACKOFF_S if time.monotonic() - began > STEADY_S else min(2 * wait_s, BACKOFF_S_MAX)
            await asyncio.sleep(wait_s)
            await self._spawn()
            if self.role != "log":
                with contextlib.suppress(SetupError):
                    self._on_ended(self, Ended("", await self._ready()))

    def _ends_here(self, status: int) -> bool:
        return self._stopping or (status == FAILED and self.failure is not None)

    def kill(self) -> None:
        """End this life of it by force; another begins."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End it for good: in good order, by force if that takes too long."""
        self._stopping = True
        if self.pid:
            assert self._process is not None
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S_MAX)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
