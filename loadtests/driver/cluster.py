"""Generators on the machines of a Ray cluster: what `playing.py` does with a process here, done with an actor there.

The machines need the project at the same place, clocks that agree to some milliseconds, and the gateway within reach.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from actors.errors import PlatformError, SetupError
from gateway.client import TOKEN
from loadtests.driver import generator
from loadtests.driver.messages import Done, Failed, Report, Task
from loadtests.driver.playing import Playing, decode_report
from loadtests.driver.target import check_listens

LOOK_S = 0.5
ANY = "auto"
"""Whichever cluster Ray finds on this machine."""
_encode = msgspec.json.encode


@contextmanager
def joined(address: str, generators: int) -> Generator[None]:
    """Belong to the cluster meanwhile. Raises SetupError when there is none, or it has no core for each generator."""
    if address != ANY:
        check_listens("--ray-address", address, "NO_CLUSTER")  # Ray itself would look for minutes
    import ray

    untyped: Any = ray
    try:
        untyped.init(address=address, log_to_driver=True, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SetupError(f"no Ray cluster answers at {address}: {error}", reason="NO_CLUSTER") from error
    try:
        cores = int(untyped.cluster_resources().get("CPU", 0))
        if cores < generators:
            message = f"the Ray cluster at {address} has {cores} cores, and each of {generators} --generators takes one"
            raise SetupError(message, reason="NO_GENERATORS")
        yield
    finally:
        untyped.shutdown()


class Remote:
    """What runs over there. Everything crosses as bytes."""

    def __init__(self, task: bytes, token: str) -> None:
        if token:
            os.environ[TOKEN] = token
        self._said: list[bytes] = []
        self._folder = tempfile.TemporaryDirectory(prefix="hutong-load-")
        self._generator: generator.Generator | None = None
        self._task = replace(msgspec.json.decode(task, type=Task), folder=self._folder.name)

    async def prepare(self) -> None:
        """Look up who does what, and fill shelves."""
        with self._failing():
            self._generator = generator.Generator(self._task, self._say)
            await self._generator.prepare()

    async def play(self, at_ns: int) -> None:
        """Play from this time on."""
        assert self._generator is not None
        with self._failing():
            await self._generator.play(at_ns)

    async def cut(self) -> None:
        """End early."""
        if self._generator is not None:
            self._generator.cut()

    async def said(self) -> list[bytes]:
        """What was reported since the last time."""
        said, self._said = self._said, []
        return said

    async def ledger(self, name: str) -> bytes:
        """One of the ledger's files."""
        return (Path(self._folder.name) / name).read_bytes()

    async def leave(self) -> None:
        """Nothing of the run stays over there."""
        self._folder.cleanup()

    @contextmanager
    def _failing(self) -> Generator[None]:
        """What it fails by is a report like any other."""
        try:
            yield
        except (PlatformError, OSError) as error:
            self._say(Failed(f"{type(error).__name__}: {error}"))

    def _say(self, report: Report) -> None:
        self._said.append(_encode(report))


class FarChild(Playing):
    """One generator on a machine of the cluster. Whoever hears that it is done has its ledger here."""

    def __init__(self, part: int, actor: Any, folder: Path) -> None:
        super().__init__(part)
        self._actor = actor
        self._folder = folder
        self._waiting: list[bytes] = []
        self._playing: Any = None

    @classmethod
    async def start(cls, part: int, task: Task, token: str) -> Self:
        """Start it, and say what it is to do."""
        import ray

        remote: Any = ray.remote(Remote)
        actor = remote.options(num_cpus=1, scheduling_strategy="SPREAD").remote(_encode(task), token)
        actor.prepare.remote()
        return cls(part, actor, Path(task.folder))

    @property
    def pid(self) -> int:
        """It is no process of this machine."""
        return 0

    def go(self, at_ns: int) -> None:
        """Let it begin then."""
        self._playing = self._actor.play.remote(at_ns)

    def cut(self) -> None:
        """Have it end early."""
        self._actor.cut.remote()

    def kill(self) -> None:
        """End it at once."""
        import ray

        untyped: Any = ray
        untyped.kill(self._actor)

    async def end(self) -> None:
        """See that it is gone."""
        with contextlib.suppress(Exception):  # whatever Ray says of an actor that is gone already
            self.kill()

    async def _report(self) -> Report | None:
        import ray.exceptions

        while not self._waiting:
            try:
                self._waiting = await self._actor.said.remote()
            except ray.exceptions.RayError:
                return None
            if not self._waiting:
                await asyncio.sleep(LOOK_S)
        report: Report = decode_report(self._waiting.pop(0))
        if isinstance(report, Done):
            for name in report.ledger:
                (self._folder / name).write_bytes(await self._actor.ledger.remote(name))
                self.heard()
            await self._actor.leave.remote()
        return report

    async def _ended(self) -> str:
        return "ended: its machine is gone"
