"""What one platform has for itself alone while it runs: its data folder and its gateways' port."""

import contextlib
import fcntl
import socket
from collections.abc import Generator
from pathlib import Path
from typing import IO

from actors.cli import running
from actors.errors import SetupError


@contextlib.contextmanager
def reserved(host: str, port: int) -> Generator[int]:
    """Hold a port for our gateways, which share it: nobody else's can come in while one of them starts again.

    Raises SetupError when it is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe, socket.socket(family) as holder:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(
                f"{host}:{port} cannot be taken ({error.strerror}). Choose another port with --port, or stop what "
                "uses it.",
                reason="PORT_IN_USE",
            ) from error
        bound = int(probe.getsockname()[1])
        probe.close()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, bound))
        yield bound


def lock(folder: Path) -> IO[bytes]:
    """Take the data folder for this process alone, until the file is closed. Raises SetupError naming who has it."""
    file = (folder / "up.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        process = running.holder(folder)
        who = f"process {process.pid}" if process else "another process"
        raise SetupError(
            f"{folder} is in use by {who}. End it with `hutong stop --dir {folder}`, or use another folder.",
            reason="FOLDER_IN_USE",
        ) from None
    return file
