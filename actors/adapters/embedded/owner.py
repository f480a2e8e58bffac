"""Who owns a data folder's log: one process at a time, known by its pid."""

import fcntl
import os
from pathlib import Path

from actors.errors import SetupError

LOCK_NAME = "log.lock"


class FolderLock:
    """Held from construction until `close`, or until the process ends in whatever way."""

    def __init__(self, folder: Path) -> None:
        """Raises SetupError if another process holds the folder, or it cannot be written."""
        path = folder / LOCK_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError(
                f"the data folder {folder} cannot be written ({error.strerror}); make it writable, or choose another",
                reason="FOLDER_NOT_WRITABLE",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise SetupError(
                f"the log in {folder} is in use by the process {holder}; stop that one first, or choose another folder",
                reason="FOLDER_IN_USE",
            ) from None
        os.truncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._file)
