"""What a running platform says of itself in its data folder, so that other commands find it: `run.json`."""

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.errors import SetupError
from actors.settings import ClusterSettings

RUN_FILE = "run.json"
STARTING_FILE = "starting.json"
FOLDER_DEFAULT = ".hutong"
SPARE = "spare-"
"""Stands before the name of a host that owns nothing yet, in its process's role."""


class Process(Struct, frozen=True):
    """One process: its role, its pid, and when it began (clock ticks since boot), since pids are used again."""

    role: str
    pid: int
    began: int


class Run(Struct, frozen=True, kw_only=True):
    """One running platform. Addresses are host:port.

    `identity` is whether callers must prove who they are; `tls_cert` is the certificate that its gateways show.
    """

    mode: str
    folder: str
    gateway: str
    log_url: str
    cluster: ClusterSettings
    programs: tuple[str, ...] = ()
    metrics: dict[str, str] = {}
    processes: tuple[Process, ...] = ()
    trouble: tuple[str, ...] = ()
    identity: bool = False
    tls_cert: str = ""


def folder_of(given: Path | None) -> Path:
    """The data folder: as given, or $HUTONG_DIR, or `.hutong` here."""
    return given or Path(os.environ.get("HUTONG_DIR", FOLDER_DEFAULT))


def dialled(host: str, port: int) -> str:
    """How this machine dials gateways that serve this address."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - what is served, not what is bound here
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def write_run(run: Run, *, ready: bool = True) -> None:
    """Say that this platform runs, or is about to; replaces what was said before as a whole."""
    folder = Path(run.folder)
    path = folder / (RUN_FILE if ready else STARTING_FILE)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(run))
    draft.replace(path)
    if ready:
        (folder / STARTING_FILE).unlink(missing_ok=True)


def clear_run(folder: Path) -> None:
    """Say that nothing runs here any more."""
    for name in (RUN_FILE, STARTING_FILE):
        (folder / name).unlink(missing_ok=True)


def read_run(folder: Path) -> Run | None:
    """What was said last, if its main process still lives."""
    run = _said(folder / RUN_FILE)
    return run if run is not None and run.processes and alive(run.processes[0]) else None


def holder(folder: Path) -> Process | None:
    """The main process of a platform that runs here, or is about to."""
    for name in (RUN_FILE, STARTING_FILE):
        run = _said(folder / name)
        if run is not None and run.processes and alive(run.processes[0]):
            return run.processes[0]
    return None


def left_over(folder: Path) -> tuple[Process, ...]:
    """Processes of a former run in this folder that still live, though its main process is gone."""
    said = (_said(folder / name) for name in (RUN_FILE, STARTING_FILE))
    processes = {process: None for run in said if run is not None for process in run.processes}
    return tuple(process for process in processes if alive(process))


def _said(path: Path) -> Run | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Run)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def running(folder: Path) -> Run:
    """The running platform of this folder. Raises SetupError when there is none."""
    run = read_run(folder)
    if run is None:
        raise SetupError(
            f"no platform runs in {folder}. Start one with `hutong up --dir {folder}` (or `dev`), or name its folder "
            "with --dir or $HUTONG_DIR.",
            reason="NOT_RUNNING",
        )
    return run


def this_process(role: str, pid: int | None = None) -> Process:
    """A process as it is now."""
    number = pid or os.getpid()
    return Process(role, number, began(number))


def began(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 when it is gone."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if fields[0] == "Z" else int(fields[19])
    return 0


def alive(process: Process) -> bool:
    """Whether this very process, and no later one of the same pid, still runs."""
    return process.began > 0 and began(process.pid) == process.began
