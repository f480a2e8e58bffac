"""A platform that runs the programs `bike` and `shop`, for tests of the services by which they are used."""

import json
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar

import grpc

from actors.adapters.memory_keys import MemoryKeys
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2_grpc, program_pb2, program_pb2_grpc, ways_pb2_grpc
from tests.gateway.scene import Opened, Said, Scene, field_of, play, reason_of, refused

S = TypeVar("S", bound="Street")
Wrong = tuple[str, Any, grpc.StatusCode, str, str]
"""A method, what it is asked, and the code, the reason and the field that it must be refused by."""


class Street:
    """A gateway of this platform, and a stub of the service that a test is of."""

    service: ClassVar[Any] = ways_pb2_grpc.WaysServiceStub

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        self.scene.runs("bike", "shop")
        self.stub = await self.another(process)
        self.catalog: Any = catalog_pb2_grpc.CatalogServiceStub(self.scene.channels[-1])

    async def another(self, process: ProcessSettings | None = None) -> Any:
        """A stub at a gateway more."""
        await self.scene.served(process or ProcessSettings())
        return type(self).service(self.scene.channels[-1])

    async def ask(self, method: str, request: Any, caller: str = "ann") -> Any:
        """A call of this caller."""
        return await getattr(self.stub, method)(request, metadata=self.by(caller))

    async def view(self, name: str, view: str) -> Any:
        """What an entity's view shows."""
        programs: Any = program_pb2_grpc.ProgramServiceStub(self.scene.channels[-1])
        return json.loads((await programs.Query(program_pb2.QueryRequest(entity=name, view=view))).payload)

    def by(self, caller: str) -> Said:
        """What the caller says of itself."""
        return self.scene.by(caller)

    def on_log(self) -> int:
        """How many calls the log has."""
        return self.scene.on_log()

    async def check_refusals(self, calls: Iterable[Wrong]) -> None:
        """Each of these is refused as it must be, and nothing of them is on the log."""
        before = self.on_log()
        for method, call, expected, reason, field in calls:
            code, status = await refused(self.ask(method, call))
            assert (code, reason_of(status)) == (expected, reason), call
            assert field_of(status) == field, call
        assert self.on_log() == before


def walk(
    kind: type[S],
    act: Callable[[S], Awaitable[None]],
    process: ProcessSettings | None = None,
    opened: Opened | None = None,
) -> None:
    """Run this in a street of this kind; `opened` opens what programs are looked for in."""

    async def run(scene: Scene) -> None:
        if process is not None and process.identity_required:
            scene.keys = MemoryKeys()
        scene.opened = opened
        street = kind(scene)
        await street.opens(process or ProcessSettings())
        await act(street)

    play(run)


in_street = partial(walk, Street)
