"""A platform that runs the program `bike`, for tests of the ways into it."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from actors.adapters.memory_keys import MemoryKeys
from actors.principal import parse
from actors.registry import Registry, load_programs, shipped_programs
from actors.settings import ProcessSettings
from gateway.finding import Programs
from gateway.tokens import sign
from gateway.v1 import catalog_pb2_grpc, ways_pb2_grpc
from tests.gateway.scene import CLUSTER, Scene, play


class Street:
    """A gateway of a platform that runs the program `bike`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        folders = [folder for folder in shipped_programs() if folder.name in ("bike", "shop")]
        self.scene.registry = load_programs(folders)
        self.scene.log.create(CLUSTER.topics(tuple(self.scene.registry.entities)))
        await self.scene.served(process)
        self.stub: Any = ways_pb2_grpc.WaysServiceStub(self.scene.channels[-1])
        self.catalog: Any = catalog_pb2_grpc.CatalogServiceStub(self.scene.channels[-1])

    def on_log(self) -> int:
        """How many calls the log has."""
        return sum(len(self.scene.log.calls(partition)) for partition in range(CLUSTER.partitions))

    def by(self, caller: str) -> tuple[tuple[str, str], ...]:
        """The proof of being this principal, where identity is required."""
        principal = parse(caller)
        assert principal is not None
        assert self.scene.keys is not None
        token = sign(self.scene.keys, principal, time.time_ns() // 1_000_000, None)
        return (("authorization", f"Bearer {token}"),)


def in_street(
    act: Callable[[Street], Awaitable[None]],
    process: ProcessSettings | None = None,
    opened: Callable[[Path, Registry], Callable[[], Programs]] | None = None,
) -> None:
    """Run this where `bike` runs; `opened` opens what programs are looked for in."""

    async def run(scene: Scene) -> None:
        street = Street(scene)
        if process is not None:
            scene.keys = MemoryKeys()
        scene.opened = opened
        await street.opens(process or ProcessSettings())
        await act(street)

    play(run)
