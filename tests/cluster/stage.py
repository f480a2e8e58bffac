"""A whole platform as processes: `hutong up` in a folder, calls through its gateway, and what is killed in it."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.cli import running
from actors.cli.running import Process, Run
from actors.errors import PlatformError
from gateway.client import Client

PROGRAM = Path(__file__).parent / "tally"
READY_S_MAX = 120.0
GONE_S_MAX = 60.0
LOOK_S = 0.02
KEYS = 24
THINK_S = 0.02
"""What a caller waits between calls: the machine's cores are for what is being replaced."""


def command(*arguments: str) -> list[str]:
    """A command line of ours, run by this Python."""
    return [sys.executable, "-m", "actors.cli", *arguments]


def environment(**more: str) -> dict[str, str]:
    """What a process of ours is started with."""
    return {**os.environ, **more}


def until(fact: Callable[[], object], seconds_max: float, what: str) -> float:
    """Wait until the fact is true; how many seconds that took."""
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds_max, f"not within {seconds_max:.0f} s: {what}"
        threading.Event().wait(LOOK_S)
    return time.monotonic() - began


def descendants(pid: int) -> set[Process]:
    """Every process below this one, as far as /proc says."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found: set[Process] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(running.this_process(_title(child), child))
            waiting.append(child)
    return found


def _title(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()[:60]
    return ""


class Platform:
    """One life of `hutong up`."""

    def __init__(self, folder: Path, *options: str, **env: str) -> None:
        """Start it; `started` waits until it is ready."""
        self.folder = folder
        self._errors = folder.parent / f"{folder.name}.err"
        arguments = ("up", "--dir", str(folder), "--port", "0", "--json", "--programs", str(PROGRAM), *options)
        with self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command(*arguments), stdout=subprocess.PIPE, stderr=errors, env=environment(**env), text=True
            )
        self.banner: Mapping[str, Any] = {}

    def started(self) -> Self:
        """Wait until it says that it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with status {self.process.wait()}: {self.errors}"
        self.banner = json.loads(line)
        assert "error" not in self.banner, self.banner
        return self

    def __enter__(self) -> Self:
        return self.started()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def errors(self) -> str:
        """What it wrote to stderr."""
        return self._errors.read_text()

    @property
    def gateway(self) -> str:
        """Where calls go."""
        return str(self.banner["gateway"])

    def operate(self, *arguments: str) -> dict[str, Any]:
        """What a command of ours says of this platform, as JSON."""
        done = subprocess.run(
            command(*arguments, "--dir", str(self.folder), "--json"), capture_output=True, text=True, check=False
        )
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def some_move(self, chance: random.Random) -> tuple[str, str]:
        """Some partition, and a host that it could move to: another one than it has."""
        status = self.operate("status")
        row = chance.choice(status["partitions"])
        others = [host["name"] for host in status["hosts"] if host["name"] != row["host"]]
        return str(row["partition"]), chance.choice(others)

    def run(self) -> Run:
        """What it says of itself now."""
        return running.running(self.folder)

    def processes(self, role: str) -> list[Process]:
        """The processes of a role: an exact one, or all whose role begins so when it ends with a hyphen."""
        return [
            process
            for process in self.run().processes
            if process.role == role or (role.endswith("-") and process.role.startswith(role))
        ]

    def kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> Process:
        """Signal the first process of this role."""
        process = self.processes(role)[0]
        os.kill(process.pid, number)
        return process

    def replaced(self, former: Process, role: str, seconds_max: float = 60.0) -> float:
        """Wait until another process has this role and lives; how many seconds that took."""
        return until(
            lambda: (
                any(p != former and running.alive(p) for p in self.processes(role))
                and former not in self.run().processes
            ),
            seconds_max,
            f"another {role}; {self.errors}",
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Signal it and see that no process is left; how many seconds that took."""
        before = descendants(self.process.pid)
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.close()
        until(lambda: not any(map(running.alive, before)), GONE_S_MAX, f"all processes gone: {before}")
        return time.monotonic() - began

    def close(self) -> None:
        """Wait until its main process has ended."""
        self.process.wait(GONE_S_MAX)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Load:
    """Keeps calling `add` on some tallies, one call after the other for each; counts what was answered."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.answered = dict.fromkeys((f"t{number}" for number in range(KEYS)), 0)
        self.slowest_s = 0.0
        self.errors: list[PlatformError] = []
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._client = Client(self._platform.gateway, "load")
        self._callers = [asyncio.ensure_future(self._call(key)) for key in self.answered]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._callers)
        await self._client.close()

    async def _call(self, key: str) -> None:
        while not self._stopping:
            began = time.monotonic()
            try:
                answer = await self._client.invoke(
                    f"programs/tally/tallys/{key}", "tally.add", b'{"n":1}', retry_for_ms=60_000
                )
            except PlatformError as error:
                self.errors.append(error)
                return
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.answered[key] += 1
            await asyncio.sleep(THINK_S)
            assert answer.value == {"total": self.answered[key]}

    async def all_answered(self, times: int = 2) -> float:
        """Wait until every tally was answered so many times more; how many seconds that took."""
        began, before = time.monotonic(), dict(self.answered)
        while any(self.answered[key] < count + times for key, count in before.items()):
            assert not self.errors, self.errors
            assert time.monotonic() - began < 90, f"no answers; {self._platform.errors}"
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - began

    async def totals(self) -> dict[str, int]:
        """What the tallies themselves say."""
        return {key: (await self._client.query(f"programs/tally/tallys/{key}", "total")).value for key in self.answered}


def under_load(platform: Platform, trouble: Callable[[Load], Awaitable[None]]) -> Load:
    """Let the trouble come while calls go on: every call is answered, once, and nothing is lost or done twice."""

    async def play() -> Load:
        async with Client(platform.gateway, "load") as client:
            began = {key: await _total(client, key) for key in (f"t{number}" for number in range(KEYS))}
        load = Load(platform)
        load.answered = began
        async with load:
            await load.all_answered()
            await trouble(load)
            await load.all_answered()
        async with Client(platform.gateway, "load") as client:
            totals = {key: await _total(client, key) for key in load.answered}
        assert totals == load.answered
        return load

    return asyncio.run(play())


async def _total(client: Client, key: str) -> int:
    total: int = (await client.query(f"programs/tally/tallys/{key}", "total")).value
    return total
