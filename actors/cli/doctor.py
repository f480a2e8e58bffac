"""`hutong doctor`: what this machine lacks, what is set badly, and what to do about it."""

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from actors.cli import output, running, wiring
from actors.cli.options import PORT_DEFAULT
from actors.cli.standing import standing_in
from actors.clocks import wall_ms
from actors.errors import PlatformError
from actors.settings import read_cluster

Verdict: TypeAlias = Literal["good", "look", "bad"]
PYTHON_MIN = (3, 11)
FILES_MIN = 4_096
DISK_BYTES_BAD = 256 << 20
DISK_BYTES_MIN = 2 << 30
MEMORY_BYTES_MIN = 2 << 30
PARTITIONS_WARN = 64
KEYRING_FRAMES_MAX = 10_000
KEYRING_BACK = f"stop the platform and bring its own keyring back from a copy ({wiring.KEYS_FOLDER}/ or ${wiring.KEYS})"
KEYRING_LOST = {
    "root": "without it sessions end and secrets that followed from it are good no more: persons log in again, "
    "secrets are renewed, and persons are known to programs that are new to them by other names",
    "signing": "without it tokens that it signed are refused: whoever asks with a secret gets another",
}
MEASURED = (
    "one producer with 3,200 commands in flight appends 932 k/s at 16 partitions, 448 k/s at 64, 103 k/s at 256, "
    "13 k/s at 1,024"
)


class Finding(NamedTuple):
    """One thing that was looked at; `then` is the next step when it is not good."""

    what: str
    verdict: Verdict
    found: str
    then: str = ""


def examine(folder: Path, as_json: bool) -> None:
    """Look at everything; ends with status 1 when something is broken."""
    findings = [finding for look in LOOKS for finding in look(folder)]
    bad = [finding for finding in findings if finding.verdict == "bad"]
    if as_json:
        output.result({"good": not bad, "findings": [finding._asdict() for finding in findings]}, as_json=True)
    else:
        rows = [(finding.verdict, finding.what, finding.found, finding.then) for finding in findings]
        output.table(f"This machine, and {folder}", ("", "what", "found", "what to do"), rows)
        print(f"{len(bad)} broken" if bad else "nothing is broken")
    if bad:
        raise SystemExit(1)


def python(_: Path) -> Iterator[Finding]:
    """The interpreter and the libraries that everything stands on."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON_MIN:
        yield Finding("Python", "good", version)
    else:
        yield Finding("Python", "bad", version, f"use Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    for name in ("ray", "grpcio", "apsw", "rocksdict", "kafka-python", "crc32c"):
        try:
            yield Finding(name, "good", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "bad", "not installed", f"pip install {name}; hutong's own installation brings it")


def ray(folder: Path) -> Iterator[Finding]:
    """Whether Ray can be imported, and whether its token is for its owner alone."""
    # In a process of its own: a broken library may end the process that loads it.
    loading = subprocess.run([sys.executable, "-c", "import ray"], capture_output=True, text=True, check=False)
    if loading.returncode:
        why = (loading.stderr.strip().splitlines() or [f"status {loading.returncode}"])[-1]
        yield Finding("Ray", "bad", f"cannot be loaded: {why}", "install ray again; `hutong dev` needs none")
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode != "token":
        yield Finding(
            "Ray's token", "look", f"RAY_AUTH_MODE is {mode!r}", "unset it; `hutong up` asks for tokens itself"
        )
    for name in ("ray-token", wiring.TOKEN_FILE):
        yield from _secret(folder / name)
    found = "Ray listens on all interfaces, whatever it is told; `hutong up` has it ask for a token, sent in clear text"
    yield Finding("Ray's ports", "look", found, "keep others away from this machine's ports by a firewall")


def _secret(path: Path) -> Iterator[Finding]:
    if path.exists():
        others = stat.S_IMODE(path.stat().st_mode) & 0o077
        then = f"chmod 600 {path}, and end the platform and remove the file if somebody may have read it"
        found = f"{path} can be read by {'others' if others else 'its owner alone'}"
        yield Finding("token", "bad" if others else "good", found, then if others else "")


def kafka(_: Path) -> Iterator[Finding]:
    """Java and Maven, which only `--log kafka` needs."""
    from infra.kafka import jars

    for what, find in (("Java", jars.java), ("Maven", jars.maven)):
        try:
            yield Finding(what, "good", find())
        except PlatformError as error:
            yield Finding(what, "look", str(error), "nothing, unless you want `--log kafka`")


def limits(_: Path) -> Iterator[Finding]:
    """What the system allows a process."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = files < FILES_MIN
    then = f"ulimit -n {FILES_MIN} (at most {most} here) before `hutong up`" if few else ""
    yield Finding("open files", "bad" if few else "good", f"{files:,}", then)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    little = memory < MEMORY_BYTES_MIN
    then = "use `hutong dev`, which needs a tenth of what `hutong up` needs" if little else ""
    yield Finding("memory", "look" if little else "good", f"{memory / (1 << 30):.1f} GiB", then)
    yield Finding("cores", "good", str(os.cpu_count()))


def disk(folder: Path) -> Iterator[Finding]:
    """Whether the data folder can be written, and how much room there is."""
    for what, path in (("data folder", _existing(folder)), ("temporary folder", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(path).free
        left = f"{path} has {free / (1 << 30):.1f} GiB left"
        if not path.is_dir():
            yield Finding(what, "bad", f"{path} is no folder", "choose another with --dir")
        elif not os.access(path, os.W_OK | os.X_OK):
            yield Finding(what, "bad", f"{path} cannot be written", "make it writable, or choose another with --dir")
        elif free < DISK_BYTES_MIN:
            verdict: Verdict = "bad" if free < DISK_BYTES_BAD else "look"
            yield Finding(what, verdict, left, "make room: on a full disk every call is refused")
        else:
            yield Finding(what, "good", left)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())


def platform(folder: Path) -> Iterator[Finding]:
    """What runs in the folder, or what a killed platform left; else whether the default port is free."""
    run = running.read_run(folder) if folder.is_dir() else None
    if run is not None:
        yield Finding(
            "platform", "good", f"{run.mode} runs here: gateway {run.gateway}, process {run.processes[0].pid}"
        )
        return
    left = running.left_over(folder) if folder.is_dir() else ()
    if left:
        pids = ", ".join(f"{process.role} {process.pid}" for process in left)
        then = f"hutong stop --dir {folder} ends them, as the next `hutong up` here does"
        yield Finding("left-overs", "look", f"of a killed platform: {pids}", then)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT_DEFAULT))
        except OSError as error:
            found = f"{PORT_DEFAULT}: {error.strerror}"
            yield Finding("port", "look", found, "choose another with --port; --port 0 takes any free one")
        else:
            yield Finding("port", "good", f"{PORT_DEFAULT} is free")


def settings(folder: Path) -> Iterator[Finding]:
    """The cluster settings that this folder's log was made with."""
    path = folder / wiring.SETTINGS_FILE
    if not path.is_file():
        return
    try:
        cluster = read_cluster(path.read_bytes())
    except PlatformError as error:
        then = "bring the file back from a copy: without it nobody knows how this log is laid out"
        yield Finding("cluster settings", "bad", f"{path}: {error}", then)
        return
    if cluster.partitions > PARTITIONS_WARN:
        rule = "Have 50 commands in flight for each partition and gateway, or begin in a new folder with fewer"
        yield Finding("partitions", "look", f"{cluster.partitions}, for ever; {MEASURED}", rule)
    else:
        yield Finding("partitions", "good", str(cluster.partitions))


def keyring(folder: Path) -> Iterator[Finding]:
    """Whether the keyring has the keys that the log names, in the latest frames of it."""
    if not folder.is_dir() or running.read_run(folder) is None:
        if wiring.has_keys(folder):
            yield Finding("keyring", "look", "it was not compared with the log", "ask again while the platform runs")
        return
    now_ms = wall_ms()
    try:
        standing = standing_in(folder, KEYRING_FRAMES_MAX)
        named = {"root": standing.root_kids(now_ms), "signing": standing.signing_kids(now_ms)}
        yield from compared(named, _known_keys(folder))
    except PlatformError as error:
        yield Finding("keyring", "bad", f"it cannot be compared with the log: {error}", "`hutong status` says more")


def compared(named: Mapping[str, Collection[str]], known: Collection[str]) -> Iterator[Finding]:
    """The keys that the log names, by what they are for, beside all that the keyring ever had."""
    missing = {what: gone for what, kids in named.items() if (gone := sorted(kid for kid in kids if kid not in known))}
    total, lost = sum(map(len, named.values())), sum(map(len, missing.values()))
    if not lost:
        yield Finding("keyring", "good", f"it has every key that the log names: {total}")
    whose = "it is another log's, for it has no key that this log names" if lost == total else "it lacks keys"
    for what, kids in missing.items():
        found = f"{whose}: the log names the {what} {'key' if len(kids) == 1 else 'keys'} {', '.join(kids)}"
        yield Finding(f"keyring, {what} keys", "bad", found, f"{KEYRING_BACK}; {KEYRING_LOST[what]}")


def _known_keys(folder: Path) -> set[str]:
    """Every key that the folder's keyring ever had; none where there is no keyring, which is not made here."""
    if not wiring.has_keys(folder):
        return set()
    keys = wiring.keys_of(folder)
    try:
        return {*(key.kid for key in keys.signing_keys()), *(key.kid for key in keys.roots())}
    finally:
        keys.close()


LOOKS: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    python,
    ray,
    kafka,
    limits,
    disk,
    platform,
    settings,
    keyring,
)
