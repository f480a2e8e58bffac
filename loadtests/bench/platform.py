"""The platform under measurement, started as an operator starts it, in a folder of its own.

It ends with the `with`, and with the process that measures.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from actors.errors import SetupError
from infra.tied import tied
from loadtests.bench import processes
from loadtests.bench.worker import Worker
from loadtests.endings import undisturbed

PROGRAMS = Path(__file__).parent / "programs"
READY_S_MAX = 90.0
END_S_MAX = 20.0
PUBLISH_S_MAX = 120.0
HOST_NAME, HOST_ROLE = "ray::HostActor", "host-"
"""How Ray names a host's process, and how the platform does."""
POLL_S = 0.01


class Named(Struct, frozen=True):
    """A process of a platform, as it names it."""

    role: str
    pid: int


class _Cluster(Struct, frozen=True):
    partitions: int


class Run(Struct, frozen=True):
    """What a running platform says of itself in `run.json`, as far as the benchmark asks."""

    gateway: str
    cluster: _Cluster
    processes: tuple[Named, ...]

    def gateways(self) -> list[int]:
        """The gateway processes."""
        return [process.pid for process in self.processes if process.role.startswith("gateway")]


def publish(folder: Path) -> None:
    """Bring what ships to everybody on the platform that runs in this folder, so that who looks for it finds it.

    Raises SetupError with what the command said when it is refused.
    """
    command = [sys.executable, "-m", "actors.cli", "catalog", "publish", "--dir", str(folder), "--json"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=PUBLISH_S_MAX)
    except subprocess.SubprocessError as error:
        raise SetupError(f"what ships was not released: {getattr(error, 'stderr', b'') or error!r}") from error


class Platform:
    """`hutong up` or `hutong dev` in a subprocess and a session of its own: Ctrl-C is passed on by who measures."""

    def __init__(
        self, folder: Path, *arguments: str, tree: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """`arguments` begin with `up` or `dev`. Returns at once; `wait_ready` waits.

        `tree` has its code, `env` its settings; without them both are this process's own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._began = time.monotonic()
        self._said = folder / "stderr"
        command = [sys.executable, "-m", "actors.cli", *arguments, "--dir", str(folder), "--port", "0", "--json"]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                tied([*command, "--programs", str(PROGRAMS)], signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=tree,
                env={**processes.environment(tree), **(env or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with undisturbed():  # else a second Ctrl-C leaves it behind
            processes.end(self._process, END_S_MAX)

    @property
    def pid(self) -> int:
        """The process that started all the others."""
        return self._process.pid

    def run(self) -> Run:
        """What it says of itself now. Raises SetupError if it does not run."""
        until = time.monotonic() + READY_S_MAX
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                return msgspec.json.decode((self.folder / "run.json").read_bytes(), type=Run)
            time.sleep(POLL_S)
        said = self._said.read_text(errors="replace")[-2_000:].strip() or "nothing"
        ended = self._process.poll()
        how = f"within {READY_S_MAX:g} s" if ended is None else f"and ended with {ended}"
        raise SetupError(f"the platform in {self.folder} did not come up {how}; it said: {said}")

    def wait_ready(self, caller: Worker) -> float:
        """Wait for the first good answer; returns how long it took from the start, in seconds."""
        caller.ask("first", address=self.run().gateway)
        return time.monotonic() - self._began

    def cpu_s(self) -> float:
        """The CPU time of all processes of the platform, those of Ray and Kafka included."""
        return sum(processes.cpu_of_s(processes.tree(self.pid)).values())

    def pids(self) -> list[int]:
        """All processes of the platform."""
        return processes.tree(self._process.pid)

    def hosts(self) -> list[int]:
        """The host processes that own partitions, or are about to; spare ones are none of them."""
        return hosts_of(self.run().processes)


def hosts_of(said: Iterable[Named]) -> list[int]:
    """Of the processes that a platform names, its hosts: those that run on this machine, and are not spare ones."""
    pids = [process.pid for process in said if process.role.startswith(HOST_ROLE)]
    return [pid for pid in pids if processes.name(pid).startswith(HOST_NAME)]
