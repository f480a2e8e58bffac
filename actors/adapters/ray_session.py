"""Ray's session on this machine: started by us, with token authentication set and checked, and quiet.

Ray's own servers listen on every interface whatever they are told, so the token is what protects them: a caller without
it is refused. Whoever has it can run code here; keep the file to its owner.
"""

import hashlib
import logging
import os
import secrets
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from actors.errors import SetupError

TOKEN_FILE = "ray-token"
NAMESPACE = "hutong"
HOST_RESOURCE = "hutong_host"
HOSTS_MAX = 1_024
STORE_BYTES = 80 << 20
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
    }


def _token_file(folder: Path) -> Path:
    path = folder / TOKEN_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path


def _temp_dir(folder: Path) -> Path:
    if len(str(folder / "ray")) <= _SOCKET_ROOM_CHARS:
        return folder / "ray"
    short = hashlib.blake2b(str(folder).encode(), digest_size=5).hexdigest()
    return Path(tempfile.gettempdir()) / f"hutong-{short}"


class RaySession:
    """One Ray session, which ends with this process."""

    def __init__(self, folder: Path) -> None:
        """Start it. Raises SetupError when Ray does not start or would serve without a token."""
        os.environ.update(environment(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
        self._ray = cast("Any", ray)
        try:
            self._ray.init(
                num_cpus=1,
                num_gpus=0,
                resources={HOST_RESOURCE: HOSTS_MAX},
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
                namespace=NAMESPACE,
                object_store_memory=STORE_BYTES,
                _temp_dir=str(_temp_dir(folder)),
            )
        except Exception as error:
            raise SetupError(
                f"Ray did not start: {error}. See {_temp_dir(folder)}/session_latest/logs, and run `hutong doctor`.",
                reason="RAY",
            ) from error
        if os.environ.get("RAY_AUTH_MODE") != "token" or not _token_file(folder).read_text():
            self.stop()
            raise SetupError("Ray runs without token authentication; refusing to serve like that", reason="RAY_TOKEN")

    def pids(self) -> dict[str, int]:
        """The processes of Ray itself, by role; the head's are what a session cannot live without."""
        node = self._ray._private.worker._global_node  # noqa: SLF001 - Ray has no public way to ask
        return {
            role: info.process.pid
            for role, infos in node.all_processes.items()
            for info in infos
            if info.process.poll() is None
        }

    def stop(self) -> None:
        """End the session and all its actors."""
        self._ray.shutdown()
