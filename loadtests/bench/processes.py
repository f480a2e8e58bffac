"""Processes of the benchmark: what they cost, as the kernel counts it, and how they end. Touches own processes only."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
POLL_S = 0.02


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name; empty if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """The CPU time that the process has used so far, 0 if it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0


def rss_bytes(pid: int) -> int:
    """The memory that the process holds resident, 0 if it is gone."""
    fields = _stat(pid)
    return int(fields[21]) * PAGE_BYTES if fields else 0


def rss_peak_bytes(pid: int) -> int:
    """The most memory that the process ever held resident, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def environment(tree: Path | None) -> Mapping[str, str]:
    """For a process that is to import this tree and no other; without one, as this process would."""
    return dict(os.environ) if tree is None else {**os.environ, "PYTHONPATH": str(tree)}


def name(pid: int) -> str:
    """What the process calls itself, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    assert root > 0, "from 0 every process of the machine descends, whosever it is"
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _stat(int(path.name))):
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_of_s(pids: Iterable[int]) -> dict[int, float]:
    """The CPU time of each of these."""
    return {pid: cpu_s(pid) for pid in pids}


def wait_gone(pids: Iterable[int], seconds_max: float) -> list[int]:
    """Wait for these to end; returns those that have not within the bound."""
    until = time.monotonic() + seconds_max
    left = [pid for pid in pids if is_running(pid)]
    while left and time.monotonic() < until:
        time.sleep(POLL_S)
        left = [pid for pid in left if is_running(pid)]
    return left


def end(process: "subprocess.Popen[bytes]", seconds_max: float) -> None:
    """Ask the process to end, and see that it and all it started are gone, by force if need be."""
    pids = tree(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in wait_gone(pids, seconds_max):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
