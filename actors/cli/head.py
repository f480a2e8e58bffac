"""Ray's session as `up` sees it: one driver, Ray's own processes, the hosts; replaced when Ray's head dies.

Hosts go on serving without the head or the controller, but no host can be started. So a new session is brought up
beside the old one and takes the partitions over by a later term; only then is the old one ended.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.cli import output, running
from actors.cli.child import Child, Ended
from actors.cli.running import Process
from actors.errors import SetupError

HEAD = "gcs_server"
RETRY_S = 1.0
SETTLE_S = 0.1
"""Ray's processes end right after their driver: then it is the driver's end that counts."""


class Session:
    """One driver and what it started."""

    def __init__(self, driver: Child) -> None:
        self.driver = driver
        self.ray: tuple[Process, ...] = ()
        self.hosts: tuple[Process, ...] = ()
        self.slowed = ""
        """Why the controller does not start hosts at once; empty when it does."""

    def learn(self, facts: Mapping[str, Any]) -> tuple[Process, ...]:
        """Take in what the driver says; returns the processes of Ray that are new."""
        known = {process.pid: process for process in (*self.ray, *self.hosts)}

        def process(role: str, pid: int) -> Process:
            found = known.get(pid)
            return running.this_process(role, pid) if found is None else replace(found, role=role)

        self.ray = tuple(process(role, pid) for role, pid in facts["ray"].items())
        state = facts["state"]
        if state is not None:
            hosts = [(host["name"], host["pid"]) for host in state["hosts"]]
            hosts += [(running.SPARE + host["name"], host["pid"]) for host in state["spares"]]
            self.hosts = tuple(process(role, pid) for role, pid in hosts)
            if state["slowed"] != self.slowed:
                self.slowed = state["slowed"]
                output.say(
                    f"{self.slowed}; see `hutong status` and ray-driver.err" if self.slowed else "hosts last again"
                )
        return tuple(process for process in self.ray if process.pid not in known)

    def clear(self) -> None:
        """The driver has ended: see that all it started does. Ray's agents, and a host that is stopped, may not."""
        for process in (*self.ray, *self.hosts):
            if running.alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        self.ray = self.hosts = ()

    def processes(self) -> tuple[Process, ...]:
        """All of it that is known."""
        driver = self.driver.process
        return (*(() if driver is None else (driver,)), *self.ray, *self.hosts)


class Head:
    """Always one session that serves."""

    def __init__(
        self,
        folder: Path,
        settings: Callable[[], Awaitable[Struct]],
        on_ended: Callable[[Child, Ended], None],
        changed: Callable[[], object],
    ) -> None:
        """`changed()` is called whenever `processes()` are others."""
        self._folder = folder
        self._settings = settings
        self._on_ended = on_ended
        self._changed = changed
        self._session = self._new()
        self._former: list[Session] = []
        self._replacing: asyncio.Task[None] | None = None
        self._ending = False

    async def start(self) -> Mapping[str, Any]:
        """Bring the first session up. Raises SetupError."""
        return await self._session.driver.start()

    async def stop(self) -> None:
        """End every session in good order."""
        self._ending = True
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait((self._replacing,))
        sessions = (self._session, *self._former)
        await asyncio.gather(*(session.driver.stop() for session in sessions))
        for session in sessions:
            session.clear()

    def processes(self) -> tuple[Process, ...]:
        """Drivers, Ray's own processes and hosts, as they were last heard of."""
        return tuple(process for session in (self._session, *self._former) for process in session.processes())

    def trouble(self) -> tuple[str, ...]:
        """What an operator should know of hosts that keep ending."""
        return (self._session.slowed,) if self._session.slowed else ()

    def _new(self) -> Session:
        def learn(facts: Mapping[str, Any]) -> None:
            for process in session.learn(facts):
                self._watch(session, process)
            if facts["state"] is None and session is self._session:
                self._replace_soon("the controller")
            self._changed()

        def ended(child: Child, how: Ended) -> None:
            if how.facts is None:
                session.clear()
            self._on_ended(child, how)

        driver = Child("driver", self._settings, ended, learn, arguments=(str(self._folder),))
        session = Session(driver)
        return session

    def _watch(self, session: Session, process: Process) -> None:
        """Notice the end of a process of Ray's that is no child of ours."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            loop.call_soon(self._ray_ended, session, process)
            return

        def gone() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            loop.call_later(SETTLE_S, self._ray_ended, session, process)

        loop.add_reader(descriptor, gone)

    def _ray_ended(self, session: Session, process: Process) -> None:
        driver = session.driver.process
        if session is not self._session or process not in session.ray or driver is None or not running.alive(driver):
            return
        if process.role == HEAD:
            self._replace_soon(f"Ray's {process.role}")
        elif not self._ending:
            output.say(f"Ray's {process.role} ended, and the hosts with it; a new session begins")
            session.driver.kill()

    def _replace_soon(self, what: str) -> None:
        if not self._ending and (self._replacing is None or self._replacing.done()):
            output.say(f"{what} ended; a new session takes over")
            self._replacing = asyncio.ensure_future(self._replace())

    async def _replace(self) -> None:
        """Bring a new session up beside the old one, then end the old one."""
        old = self._session
        old.driver.retire()
        while True:
            new = self._new()
            self._former.append(new)
            try:
                await new.driver.start()
                break
            except SetupError as error:
                self._former.remove(new)
                output.say(f"the new session did not start: {error}")
                await asyncio.sleep(RETRY_S)
        self._former.remove(new)
        self._session = new
        self._former.append(old)
        old.driver.kill()
        await old.driver.stop()
        old.clear()
        self._former.remove(old)
        output.say("the new session serves")
        self._changed()
