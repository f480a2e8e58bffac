"""A gateway before a real host, and an account whose program is run from packages, brought from version to version."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import msgspec

from actors.adapters.following import Follower
from actors.adapters.memory_states import MemoryRows
from actors.adapters.rollout import Rollout
from actors.cli.following import slices_made, slices_of
from actors.projections.owed import DEBTS
from actors.projections.switches import HASHES, SWITCHES
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc
from tests.gateway.packing import archive_of, key_of, messages_of
from tests.gateway.scene import CLUSTER, PROCESS, TOKEN, Scene, play, request, running

LOOKS_MAX = 20_000


class Cafe:
    """A gateway, an account with a key, and its program `cafe`, which has no version yet."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.reports: list[dict[str, object]] = []

    async def opens(self, *, is_keyed: bool = True, process: ProcessSettings = PROCESS) -> None:
        """Everything starts."""
        self.program: Any = await self.scene.served(process)
        self.stub: Any = catalog_pb2_grpc.CatalogServiceStub(self.scene.channels[-1])
        await self.stub.OpenAccount(pb.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        cafe = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food")
        await self.stub.RegisterProgram(cafe)
        if is_keyed:
            await self.stub.SetPackageKey(key_of())

    # -- the catalogue --------------------------------------------------------------------------------------------

    async def upload(self, archive: bytes, **more: Any) -> pb.UploadPackageResponse:
        """Bring this package."""
        answer: pb.UploadPackageResponse = await self.stub.UploadPackage(messages_of(archive, **more))
        return answer

    async def approve(self, code: int, program: str = "", **more: Any) -> None:
        """A version goes through its review."""
        await self.upload(archive_of(code, program, **more))
        await self.stub.SubmitVersion(version(code))
        await self.until(lambda found: found.position == 1)
        taken = await self.stub.TakeReview(pb.TakeReviewRequest(lane=(await self.found()).lane))
        assert (taken.program, taken.code) == ("cafe", code)
        await self.until(lambda found: states(found)[code] == "in_review")
        await self.stub.JudgeVersion(pb.JudgeVersionRequest(program="cafe", code=code, verdict="approve"))

    async def release(self, code: int, program: str = "", **more: Any) -> None:
        """A version is brought to everybody, and decides."""
        await self.approve(code, program, **more)
        await self.stub.ReleaseVersion(version(code))
        await self.decides(code)

    async def decides(self, code: int) -> None:
        """Wait until this version decides."""
        await self.until(lambda found: found.decides == code)

    async def until(self, fact: Callable[[Any], bool]) -> Any:
        """The program once this is so: what goes over the log arrives a little later."""
        found = await self.found()
        for _ in range(LOOKS_MAX):
            if fact(found):
                return found
            found = await self.found()
        raise AssertionError(f"it stays so: {found}; {self.reports}")

    async def found(self) -> Any:
        """The program now; a partition may be away while it is tried whether it loads a package."""
        return await patiently(lambda: self.stub.GetProgram(pb.GetProgramRequest(program="cafe")))

    def known(self) -> tuple[int, list[str]]:
        """How much is on the log, and what is kept."""
        calls = sum(len(self.scene.log.calls(partition)) for partition in range(CLUSTER.partitions))
        return calls, self.scene.objects.list("packages/")

    # -- the program ----------------------------------------------------------------------------------------------

    async def add(self, counter: str, **fields: Any) -> tuple[int, int]:
        """Call a counter: the steps that it takes, by which a version is known, and what it has come to."""
        call = request(f"programs/cafe/counters/{counter}", "cafe.add", **fields)
        answer = await patiently(lambda: self.program.Invoke(call))
        value = msgspec.json.decode(answer.payload)
        return value["step"], value["total"]

    @contextmanager
    def followed(self) -> Generator[MemoryRows]:
        """A follower brings to partitions and gateways what the catalogue shows, and knows what is owed."""
        scene, projections = self.scene, (HASHES, SWITCHES, DEBTS)
        slices, rows = slices_of(projections, (), CLUSTER), MemoryRows(projections)

        def report(event: str, facts: dict[str, object]) -> None:
            self.reports.append({"event": event, **facts})

        rollout = Rollout(scene.log, CLUSTER, scene.objects, TOKEN, ("bike",), report)
        more = partial(slices_made, scene.log, CLUSTER)
        follower = Follower(scene.log, rows, projections, slices, Sensor(), report, (rollout,), slices_of=more)
        with running(follower):
            yield rows


async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer of a call that is made again while what it asks for is away, and for no other reason."""
    for _ in range(LOOKS_MAX):
        try:
            return await ask()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
    raise AssertionError("it stays away")


def version(code: int) -> pb.VersionRequest:
    """A version of the program."""
    return pb.VersionRequest(program="cafe", code=code)


def states(found: Any) -> dict[int, str]:
    """The state of each version."""
    return {one.code: one.state for one in found.versions}


def in_cafe(act: Callable[[Cafe], Awaitable[None]], *, is_keyed: bool = True, is_followed: bool = False) -> None:
    """Run this in a café; with a follower, if it is to be called."""

    async def run(scene: Scene) -> None:
        cafe = Cafe(scene)
        await cafe.opens(is_keyed=is_keyed)
        if not is_followed:
            await act(cafe)
            return
        following = cafe.followed()
        await asyncio.to_thread(following.__enter__)
        try:
            await act(cafe)
        finally:
            await asyncio.to_thread(following.__exit__, None, None, None)

    play(run)
