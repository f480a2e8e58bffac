"""The real process of a log's owner, as the platform starts it, with or without strace around it."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from actors.adapters.embedded.client import RemoteLog
from actors.cli.children import LogPlan
from actors.settings import ProcessSettings
from tests.disk.truth import WAIT_S

TOKEN = "a token of tests"
NO_STRACE = "strace was not found: the faults of real system calls were NOT tried"


def has_strace() -> bool:
    """Whether system calls can be made to fail."""
    return shutil.which("strace") is not None


def injecting(trace: Path, *faults: str) -> tuple[str, ...]:
    """The command before a command that makes its system calls fail so, and writes them to a file.

    strace runs beside the command, not above it: the owner's parent must be the process that it was told.
    """
    calls = ",".join(sorted({name for fault in faults for name in fault.partition(":")[0].split(",")}))
    options = [option for fault in faults for option in ("-e", f"inject={fault}")]
    return ("strace", "-D", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}", *options)


class Owner:
    """One life of the owner of a folder."""

    def __init__(self, folder: Path, before: Sequence[str] = ()) -> None:
        command = [*before, sys.executable, "-m", "actors.cli.children", "log", str(os.getpid())]
        self.folder = folder
        self.said = b""
        self._reaped: tuple[int, str] | None = None
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(LogPlan(folder=str(folder), token=TOKEN)))
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it ended before it listened

    def ready(self, seconds: float = WAIT_S) -> bool:
        """Wait until it serves, at most so long; False if it does not yet, or never will."""
        out = self.process.stdout
        assert out is not None
        while not self.said.endswith(b"\n"):
            if not select.select([out], [], [], seconds)[0]:
                return False
            some = out.read(4_096)
            if not some:
                return False
            self.said += some
        return bool(msgspec.json.decode(self.said.splitlines()[0])["ready"])

    def client(self, append_deadline_ms: int = 10_000) -> RemoteLog:
        """A client; it finds later lives by itself."""
        address = (self.folder / "log.address").read_text().strip()
        return RemoteLog(address, TOKEN, ProcessSettings(append_deadline_ms=append_deadline_ms))

    def kill(self) -> int:
        """As a crash would; the exit code."""
        self.process.kill()
        return self.reap()[0]

    def end(self) -> int:
        """As a supervisor would; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.reap()[0]

    def reap(self) -> tuple[int, str]:
        """Wait until it has ended: its exit code and what it said of it. A life that does not end is ended."""
        if self._reaped is None:
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(WAIT_S)
            assert self.process.stdout is not None
            assert self.process.stderr is not None
            said = self.process.stderr.read().decode(errors="replace")
            self.process.stdout.close()
            self.process.stderr.close()
            self._reaped = self.process.returncode, said
        return self._reaped
