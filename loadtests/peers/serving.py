"""Processes that serve: started, awaited, killed, started again at the same place, and ended. Own processes only."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from actors.errors import SetupError
from loadtests.bench import processes

REPOSITORY = Path(__file__).parents[2]
READY_S_MAX = 60.0
END_S_MAX = 10.0
POLL_S = 0.02


class Process:
    """A server's process and what it starts. What it says is in `said`."""

    def __init__(self, command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]) -> None:
        """Start it in this folder."""
        self._command, self._folder = list(command), folder
        self._environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **environment}
        self.said = folder / f"{name}.out"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.said.open("ab") as said:
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return self._process.pid

    def kill_and_start(self) -> None:
        """SIGKILL to it and all it started, then at once the same command again, as a supervisor would."""
        pids = processes.tree(self.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        processes.wait_gone(pids, END_S_MAX)
        self._process = self._start()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready. Raises SetupError, with what it said, if it ends or takes too long."""
        until = time.monotonic() + READY_S_MAX
        while not ready():
            if self._process.poll() is not None or time.monotonic() > until:
                said = self.said.read_text(errors="replace")[-1_000:]
                raise SetupError(f"{self._command[0]} is not ready; it said: {said}", reason="PEER_FAILED")
            time.sleep(POLL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        processes.end(self._process, END_S_MAX)


@contextmanager
def stopped(pid: int) -> Generator[None]:
    """The process and all it started do nothing meanwhile."""
    pids = processes.tree(pid)
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """A step that must succeed before a server starts. Raises SetupError."""
    done = subprocess.run(
        list(command),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=READY_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"{command[0]} failed: {(done.stdout + done.stderr)[-600:]}", reason="PEER_FAILED")


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
