"""Where processes that have no terminal write what they have to say: `logs/` in the data folder, bounded."""

import os
import sys
from pathlib import Path

LOGS = "logs"
LOG_BYTES_MAX = 8 << 20


def write_errors_to(folder: Path, name: str) -> None:
    """Let stderr go to the file of this name, which begins anew when it has grown large, keeping one former file."""
    path = folder / LOGS / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".old.log"))
    with path.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
