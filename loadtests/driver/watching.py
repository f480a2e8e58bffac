"""What the run's processes use of the machine, second by second, and whether there is room on the disk for more."""

import os
import platform
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from loadtests.bench import processes
from loadtests.bench.yardstick import Pace, Yardstick
from loadtests.driver.result import ProcessCpu
from loadtests.driver.target import Target

LOOK_EVERY = 5
"""Which processes there are is looked at so often, in seconds."""
ROOM_BYTES_MIN = 256 << 20
MAKE_ROOM = "make room on it, or keep the run elsewhere with --out"
_NAMES = {"ray::HostActor": "host", "ray::": "controller"}
_RAY = ("raylet", "gcs_server", "ray/", "ray_", "log_monitor", "dashboard", "runtime_env")


class Watch:
    """Adds up the CPU time of processes by role, and looks how quick the machine is."""

    def __init__(self, target: Target, others: Mapping[int, str]) -> None:
        """`others` are processes that are not the platform's, with their roles."""
        self._target = target
        self._others = dict(others)
        self._roles: dict[int, str] = {}
        self._before: dict[int, float] = {}
        self._used: defaultdict[str, list[float]] = defaultdict(list)
        self._rss: defaultdict[str, int] = defaultdict(int)
        self._seconds = 0
        self._yardstick = Yardstick()
        self.pace: list[Pace] = []
        """How quick the machine was in each second."""

    def look(self) -> None:
        """One more second has gone by."""
        self.pace.append(self._yardstick.look())
        if self._seconds % LOOK_EVERY == 0:
            self._find()
        used: defaultdict[str, float] = defaultdict(float)
        rss: defaultdict[str, int] = defaultdict(int)
        for pid, role in self._roles.items():
            now = processes.cpu_s(pid)
            used[role] += max(now - self._before.get(pid, now), 0.0)
            self._before[pid] = max(now, self._before.get(pid, 0.0))
            rss[role] += processes.rss_bytes(pid) if self._seconds % LOOK_EVERY == 0 else 0
        for role in {*used, *self._used}:
            series = self._used[role]
            series += [0.0] * (self._seconds - len(series))
            series.append(round(used[role], 3))
            self._rss[role] = max(self._rss[role], rss[role])
        self._seconds += 1

    def told(self) -> tuple[ProcessCpu, ...]:
        """By role, the busiest first."""
        by_use = sorted(self._used, key=lambda role: -sum(self._used[role]))
        return tuple(
            ProcessCpu(role=role, cpu_s=tuple(self._used[role]), rss_bytes_max=self._rss[role]) for role in by_use
        )

    def _find(self) -> None:
        known = {process.pid: process.role for process in self._target.processes}
        found = dict(self._others)
        for pid in processes.tree(self._target.root) if self._target.root else ():
            if pid not in found:
                found[pid] = self._roles.get(pid) or role_of(known.get(pid, ""), processes.name(pid))
        self._roles = found


def role_of(said: str, name: str) -> str:
    """A process's role by what the platform says of it, or by its command line."""
    if said:
        return said.partition("-")[0]  # a gateway is named `gateway-0`, a host `host-1-18c2f`
    for begins, role in _NAMES.items():
        if name.startswith(begins):
            return role
    if "kafka.Kafka" in name:
        return "kafka"
    return "ray" if any(part in name for part in _RAY) else "other"


def machine() -> dict[str, str]:
    """What this machine is, as far as figures hang on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    return {
        "cpu": cpu or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before (1, 5, 15 min)": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def no_room(*folders: Path) -> str:
    """Which of these folders' disks is about to be full; nothing while there is room."""
    for folder in folders:
        left = shutil.disk_usage(folder).free
        if left < ROOM_BYTES_MIN:
            return f"the disk of {folder} has {left >> 20} MiB left, and a run is to leave {ROOM_BYTES_MIN >> 20}"
    return ""
