"""Runs `hutong` in this process, against one platform that runs for all these tests."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from actors.cli import main

PROGRAMS = Path(__file__).parent / "programs"
READY_S_MAX = 20.0


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON object, on the last line of stdout."""
        assert self.out.count("\n") == 1, f"not one line: {self.out!r}, {self.err!r}"
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """What a command that failed says in JSON; no traceback is to be seen."""
        assert self.status, self.out
        assert "Traceback" not in self.err
        return self.value["error"]


def hutong(*arguments: object) -> Said:
    """Run one command to its end."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code or 0
    return Said(status, out.getvalue(), err.getvalue())


class Platform(NamedTuple):
    """A running `hutong dev`: its folder, what it said when it was ready, its process."""

    folder: Path
    run: dict[str, Any]
    process: "subprocess.Popen[bytes]"

    def __call__(self, command: str, *arguments: object) -> Said:
        """Run a command on this platform, with --json."""
        return hutong(*command.split(), *arguments, "--dir", self.folder, "--json")

    def text(self, command: str, *arguments: object) -> str:
        """What a command that succeeds prints for a person."""
        said = hutong(*command.split(), *arguments, "--dir", self.folder)
        assert said.status == 0, said.err
        return said.out

    def call(self, entity: str, command: str, *options: object, **fields: object) -> Any:
        """A call that is accepted."""
        said = self("call", f"programs/{entity}", command, json.dumps(fields), *options)
        assert said.status == 0, said.err
        return said.value

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return errors_of(self.folder).read_text()


def errors_of(folder: Path) -> Path:
    """Where the stderr of the platform in this folder goes."""
    return folder.with_name(f"{folder.name}.err")


@contextmanager
def dev(folder: Path, *options: str, **env: str) -> Generator[Platform]:
    """A platform of its own in one process, ended in good order."""
    command = [sys.executable, "-m", "actors.cli", "dev", "--dir", str(folder), "--port", "0", "--json", *options]
    with errors_of(folder).open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **env})
    assert process.stdout is not None
    try:
        yield Platform(folder, json.loads(process.stdout.readline()), process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(READY_S_MAX)
        process.stdout.close()
