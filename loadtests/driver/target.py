"""The platform that a run is played against: one of its own, one whose folder is known, or an address and no more.

Only of a folder's owner can the log be read, and only then can anybody say that nothing was lost or doubled.
"""

import contextlib
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.adapters.hosting.asking import ask_host
from actors.adapters.logs import open_log
from actors.errors import PlatformError, SetupError
from actors.history import placement_now
from actors.ports import Log, Slice
from actors.settings import ClusterSettings, ProcessSettings
from loadtests.bench import processes
from loadtests.bench.platform import Named, Platform, hosts_of

TOKEN_FILE = "token"
DIAL_S_MAX = 5.0
KEEPS_CORE = "HUTONG_HOST_KEEPS_CORE"


class Target(Struct, frozen=True, kw_only=True):
    """What a running platform says of itself in its `run.json`; of a mere address only that is known."""

    gateway: str
    mode: str = ""
    folder: str = ""
    log_url: str = ""
    cluster: ClusterSettings | None = None
    processes: tuple[Named, ...] = ()
    identity: bool = False
    tls_cert: str = ""
    token: str = ""
    """What proves who plays, where callers must prove it."""

    @property
    def root(self) -> int:
        """The process that all the others descend from; 0 when nothing is known of it."""
        return self.processes[0].pid if self.processes else 0

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended."""
        return bool(self.root) and not processes.is_running(self.root)

    def hosts(self) -> list[int]:
        """The host processes as of now, without spare ones; none of a platform of which nothing is known."""
        if not self.folder:
            return []
        with contextlib.suppress(SetupError):
            return hosts_of(known(Path(self.folder)).processes)
        return []

    def open_log(self) -> Log:
        """Its log, to be read."""
        token = (Path(self.folder) / TOKEN_FILE).read_text()
        return open_log(self.log_url, ProcessSettings(), token)


def known(folder: Path) -> Target:
    """The platform that runs in this folder. Raises SetupError when there is none."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        target = msgspec.json.decode((folder / "run.json").read_bytes(), type=Target)
        if processes.is_running(target.root):
            return target
    message = f"no platform runs in {folder}: start one there, or leave --dir out and one is started"
    raise SetupError(message, reason="NOT_RUNNING")


def check_listens(option: str, address: str, reason: str) -> None:
    """Raises SetupError, for this reason, unless somebody listens at what the option names as HOST:PORT."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SetupError(f"{option} is HOST:PORT, such as 127.0.0.1:7400, not {address!r}", reason=reason)
    try:
        socket.create_connection((host.strip("[]"), int(port)), DIAL_S_MAX).close()
    except OSError as error:
        message = f"nobody answers at {address} ({error.strerror or error}): is it up, and the address right?"
        raise SetupError(message, reason=reason) from error


@contextmanager
def own(folder: Path, *arguments: str) -> Generator[Target]:
    """A platform of the run's own, which ends with it. Its arguments begin with `up` or `dev`."""
    with Platform(folder, *arguments, env=own_settings()) as platform:
        platform.run()
        yield known(folder)


def own_settings() -> dict[str, str]:
    """The machine is there for nothing but the run meanwhile, unless somebody says otherwise."""
    return {KEEPS_CORE: os.environ.get(KEEPS_CORE, "true")}


def shown_command(arguments: Sequence[str]) -> str:
    """What an operator would type to have such a platform."""
    settings = [f"{name}={value}" for name, value in own_settings().items()] if arguments[0] == "up" else []
    return " ".join([*settings, "hutong", *arguments])


class Lag:
    """How far the partitions are behind their log, in frames. Where nobody answers, what was said last still holds."""

    def __init__(self, target: Target, log: Log) -> None:
        assert target.cluster is not None
        self._cluster = target.cluster
        self._log = log
        self._token = (Path(target.folder) / TOKEN_FILE).read_text()
        self._commands = [Slice(self._cluster.commands_topic, n) for n in range(self._cluster.partitions)]
        self._ends: dict[int, int] = {}
        self._marks: dict[int, int] = {}

    def behind(self) -> int:
        """As of now: a partition whose owner is gone falls behind; one that nobody ever spoke for does not count."""
        with contextlib.suppress(PlatformError):
            self._ends = {slice_.partition: span.end for slice_, span in self._log.spans(self._commands).items()}
            for partition, watermark in (one for address in self._addresses() for one in self._asked(address)):
                self._marks[partition] = max(watermark, self._marks.get(partition, -1))
        return sum(max(self._ends[partition] - 1 - mark, 0) for partition, mark in self._marks.items())

    def _asked(self, address: str) -> list[tuple[int, int]]:
        answer = ask_host(address, self._token)
        return [(one.partition, one.watermark) for one in answer] if isinstance(answer, list) else []

    def _addresses(self) -> set[str]:
        return {one.address for one in placement_now(self._log, self._cluster.placement_topic).placed.values()}
