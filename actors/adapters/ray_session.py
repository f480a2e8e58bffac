"""Ray's session on this machine: started by us, with token authentication set and checked, and quiet.

Ray's own servers listen on every interface whatever they are told, so the token is what protects them: a caller without
it is refused. Whoever has it can run code here; keep the file to its owner.
"""

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

from actors.errors import SetupError

TOKEN_FILE = "ray-token"
NAMESPACE = "hutong"
HOST_RESOURCE = "hutong_host"
HOSTS_MAX = 1_024
STORE_BYTES = 80 << 20
_AGENTS = {
    "dashboard_agent": ("dashboard/agent.py", "ray::DashboardAgent"),
    "runtime_env_agent": ("runtime_env/agent/main.py", "ray::RuntimeEnvAgent"),
}
"""What stands in the command lines of the two processes that a raylet starts: at first, and once they have begun."""
_SOCKET_ROOM_CHARS = 30
"""Ray puts Unix sockets about 75 characters below its folder, and a socket's path has 107 at most."""


def environment(folder: Path) -> Mapping[str, str]:
    """What must stand in the environment before Ray is imported."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(folder)),
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_enable_metrics_collection": "0",
        "RAY_task_events_report_interval_ms": "0",
        "RAY_event_stats": "0",
        # Each of these looks around several times a second, for objects and idle workers that we have none of.
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_kill_idle_workers_interval_ms": "5000",
        "RAY_raylet_check_gc_period_milliseconds": "5000",
        "RAY_object_manager_timer_freq_ms": "5000",
        # Ray lowers the priority of its workers by 15; ours are hosts, which everybody waits for.
        "RAY_worker_niceness": "0",
        # Ray would take the gateway's event loop for its actors, too; hosts were measured and tried with Python's own.
        "RAY_USE_UVLOOP": "0",
        "PYTHONHASHSEED": str(_hash_seed(folder)),
    }


def _hash_seed(folder: Path) -> int:
    """One seed for all hosts of a folder, so that a set has one order on whichever of them replays; from a secret, so
    that nobody can make keys that collide.
    """
    digest = hashlib.blake2b(_token_file(folder).read_bytes(), digest_size=4, person=b"hutong-hash").digest()
    return int.from_bytes(digest)


def _token_file(folder: Path) -> Path:
    path = folder / TOKEN_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path


def _fits(folder: Path) -> bool:
    return len(str(folder / "ray")) <= _SOCKET_ROOM_CHARS


def outside(folder: Path) -> Path:
    """Where Ray's sockets and logs go when this data folder's path is too long for them."""
    short = hashlib.blake2b(str(folder).encode(), digest_size=5).hexdigest()
    return Path(tempfile.gettempdir()) / f"hutong-{short}"


def clear_outside(folder: Path) -> None:
    """Remove what sessions of this data folder keep outside of it; to be called when none runs."""
    if not _fits(folder):
        shutil.rmtree(outside(folder), ignore_errors=True)


def _temp_dir(folder: Path) -> Path:
    """Where Ray keeps sockets and logs. It opens its folder to everybody, so the one above is closed."""
    if _fits(folder):
        return folder / "ray"
    above = outside(folder)
    above.mkdir(mode=0o700, exist_ok=True)
    facts = above.stat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise SetupError(
            f"{above} belongs to somebody else or is open to others; remove it, or choose another folder with --dir",
            reason="RAY_FOLDER",
        )
    return above / "r"


def _clear(folder: Path) -> None:
    """Remove what sessions of ended processes left, but for the newest: its logs may tell why it ended."""
    sessions = sorted(path for path in folder.glob("session_*_*") if path.is_dir() and not path.is_symlink())
    ended = [path for path in sessions if not Path(f"/proc/{path.name.rpartition('_')[2]}").exists()]
    for path in ended[:-1]:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _only_what_is_needed(node: Any) -> Generator[None]:
    """Have Ray start its head without dashboard, autoscaler and log monitor: seconds, memory and CPU for nothing.

    `ray start` has options for two of them, `ray.init` has none; a Ray without these methods starts as it likes.
    """
    whole = node.Node

    class Bare(whole):  # type: ignore[misc, valid-type]
        def start_api_server(self, **_: object) -> None:
            pass

        def start_monitor(self) -> None:
            pass

        def start_log_monitor(self) -> None:
            pass

    node.Node = Bare
    try:
        yield
    finally:
        node.Node = whole


class RaySession:
    """One Ray session, which ends with this process."""

    def __init__(self, folder: Path) -> None:
        """Start it. Raises SetupError when Ray does not start or would serve without a token."""
        os.environ.update(environment(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            from ray._private import node
        self._ray = cast("Any", ray)
        self._agents: dict[str, int] = {}
        self._temp_dir = _temp_dir(folder)
        _clear(self._temp_dir)
        try:
            with _only_what_is_needed(cast("Any", node)):
                self._ray.init(
                    address="local",
                    num_cpus=1,
                    num_gpus=0,
                    resources={HOST_RESOURCE: HOSTS_MAX},
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                    logging_level=logging.ERROR,
                    namespace=NAMESPACE,
                    object_store_memory=STORE_BYTES,
                    _temp_dir=str(self._temp_dir),
                )
        except Exception as error:
            raise SetupError(
                f"Ray did not start: {error}. See {self._temp_dir}/session_latest/logs, and run `hutong doctor`.",
                reason="RAY",
            ) from error
        if os.environ.get("RAY_AUTH_MODE") != "token" or not _token_file(folder).read_text():
            self.stop()
            raise SetupError("Ray runs without token authentication; refusing to serve like that", reason="RAY_TOKEN")
        self._agents = self._find_agents()

    def pids(self) -> dict[str, int]:
        """The processes of Ray itself, by role; the head's are what a session cannot live without."""
        node = self._ray._private.worker._global_node  # noqa: SLF001 - Ray has no public way to ask
        pids: dict[str, int] = {
            role: info.process.pid
            for role, infos in node.all_processes.items()
            for info in infos
            if info.process.poll() is None
        }
        return pids | self._agents

    def _find_agents(self) -> dict[str, int]:
        """The two agents that the raylet starts, as far as they run yet."""
        raylet = self.pids().get("raylet")
        tasks = Path(f"/proc/{raylet}/task")
        if raylet is None or not tasks.exists():
            return {}
        children = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        found: dict[str, int] = {}
        for pid in children:
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                roles = [role for role, marks in _AGENTS.items() if any(mark in line for mark in marks)]
                if len(roles) == 1:  # between fork and exec a child has the raylet's own line, which names both
                    found[roles[0]] = pid
        return found

    def stop(self) -> None:
        """End the session and all its actors. Ray leaves its agents: they end with this process's group."""
        self._ray.shutdown()
