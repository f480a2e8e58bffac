"""A log owner's process for tests: started, killed and started again on the same folder."""

import signal
import subprocess
import sys
from pathlib import Path

from actors.adapters.embedded.client import RemoteLog
from actors.adapters.embedded.server import ADDRESS_NAME
from actors.settings import ProcessSettings
from tests.contracts.log_contract import WAIT_S, eventually

TOKEN = "a token of tests"
_MAIN = """
import sys
from pathlib import Path
from actors.adapters.embedded.server import serve
from actors.errors import SetupError
try:
    serve(Path(sys.argv[1]), sys.argv[2])
except SetupError as error:
    sys.exit(str(error))
"""


def spawn(folder: Path, before: str = "") -> "subprocess.Popen[bytes]":
    """Begin an owner's process on the folder; `before` is Python that it runs first, to meet with trouble."""
    return subprocess.Popen([sys.executable, "-c", before + _MAIN, str(folder), TOKEN], stderr=subprocess.PIPE)


class LogOwner:
    """The owner of one folder. Leaves nothing running after `end`."""

    def __init__(self, folder: Path, before: str = "") -> None:
        self.folder = folder
        self.process = spawn(folder, before)
        eventually((folder / ADDRESS_NAME).exists)

    @property
    def address(self) -> str:
        return (self.folder / ADDRESS_NAME).read_text().strip()

    def client(self, append_deadline_ms: int = 10_000) -> RemoteLog:
        return RemoteLog(self.address, TOKEN, ProcessSettings(append_deadline_ms=append_deadline_ms))

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self._reap()

    def restart(self) -> None:
        """Begin again after `kill`; clients find it by themselves, at the same address."""
        self.process = spawn(self.folder)

    def end(self) -> int:
        """As a supervisor would; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(WAIT_S)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code
