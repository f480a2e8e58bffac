"""The commands before a gateway in this very process: a platform without processes, for what needs no other part."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from actors.cli import running
from actors.cli.following import programs_of
from actors.cli.wiring import keys_of
from actors.settings import ProcessSettings
from tests.cli.running import Said, hutong
from tests.gateway.scene import CLUSTER, Scene, play
from tests.gateway.test_search import followed

OPEN = ProcessSettings()
CLOSED = ProcessSettings(identity_required=True)
"""Where nobody proves who they are, and where everybody must."""


class Desk(NamedTuple):
    """Where commands are given: the folder of what runs."""

    folder: Path

    def __call__(self, command: str, *arguments: object) -> Said:
        """Run a command, with --json."""
        return hutong(*command.split(), *arguments, "--dir", self.folder, "--json")

    def plain(self, command: str, *arguments: object) -> Said:
        """Run a command, as a person does."""
        return hutong(*command.split(), *arguments, "--dir", self.folder)


def at_desk(folder: Path, act: Callable[[Desk], None], *programs: str, process: ProcessSettings = OPEN) -> None:
    """Run this, in a thread of its own, where these of the programs that ship are served."""

    async def run(scene: Scene) -> None:
        scene.runs(*programs)
        scene.opened = programs_of
        if process.identity_required:
            scene.keys = keys_of(folder)
        await scene.host()
        port = await scene.gateway(process)
        await scene.gateways[-1].ready(CLUSTER.partitions)
        running.write_run(
            running.Run(
                mode="dev",
                folder=str(folder),
                gateway=f"127.0.0.1:{port}",
                log_url="",
                cluster=CLUSTER,
                processes=(running.this_process("dev"),),
                identity=process.identity_required,
            )
        )
        with followed(scene):
            await asyncio.to_thread(act, Desk(folder))

    folder.mkdir(exist_ok=True)
    play(run)
