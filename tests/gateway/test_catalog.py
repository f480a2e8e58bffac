"""The catalogue through a gateway: a program from its registration to what each person is shown."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc
from tests.gateway.packing import archive_of, key_of, messages_of
from tests.gateway.scene import Scene, play, reason_of, refused


class Publishing:
    """A developer, a reviewer and persons, all at one gateway."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub

    async def register(self) -> None:
        """An account with a program."""
        await self.stub.OpenAccount(pb.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        cafe = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food")
        await self.stub.RegisterProgram(cafe)
        await self.stub.SetPackageKey(key_of())

    async def approve(self, code: int) -> None:
        """A version goes through its review."""
        await self.stub.UploadPackage(messages_of(archive_of(code)))
        await self.stub.SubmitVersion(version(code))
        found = await self.until(lambda found: found.position == 1)
        taken = await self.stub.TakeReview(pb.TakeReviewRequest(lane=found.lane))
        assert (taken.program, taken.code) == ("cafe", code)
        await self.until(lambda found: states(found)[code] == "in_review")
        await self.stub.JudgeVersion(pb.JudgeVersionRequest(program="cafe", code=code, verdict="approve"))

    async def until(self, fact: Callable[[Any], bool]) -> Any:
        """The program once this is so: what goes over the log arrives a little later."""
        found = await self.program()
        for _ in range(1_000):
            if fact(found):
                return found
            found = await self.program()
        raise AssertionError(f"it stays so: {found}")

    def program(self) -> Awaitable[Any]:
        """The program now."""
        answer: Awaitable[Any] = self.stub.GetProgram(pb.GetProgramRequest(program="cafe"))
        return answer

    async def shown(self, openid: str, city: str = "") -> int:
        """The version that a person is shown."""
        answer = await self.stub.GetShown(pb.GetShownRequest(program="cafe", openid=openid, city=city))
        code: int = answer.code
        return code


def version(code: int) -> pb.VersionRequest:
    return pb.VersionRequest(program="cafe", code=code)


def states(found: Any) -> dict[int, str]:
    return {one.code: one.state for one in found.versions}


def publish(act: Callable[[Publishing], Awaitable[None]]) -> None:
    """Run this at a gateway with a registered program."""

    async def run(scene: Scene) -> None:
        await scene.served()
        publishing = Publishing(catalog_pb2_grpc.CatalogServiceStub(scene.channels[-1]))
        await publishing.register()
        await act(publishing)

    play(run)


def test_a_program_is_published_shown_to_a_part_then_to_all_and_taken_back() -> None:
    async def act(publishing: Publishing) -> None:
        stub = publishing.stub
        await publishing.approve(1)
        assert await publishing.shown("ann") == 0
        await stub.ReleaseVersion(version(1))
        assert await publishing.shown("ann") == 1
        await publishing.approve(2)
        await stub.SetGray(pb.SetGrayRequest(program="cafe", code=2, gray=pb.Gray(share=1_000, cities=["Oslo"])))
        assert await publishing.shown("ann", "Oslo") == 2
        shown = [await publishing.shown(f"p{n}") for n in range(100)]
        assert set(shown) == {1, 2}
        assert shown == [await publishing.shown(f"p{n}") for n in range(100)]
        less = pb.SetGrayRequest(program="cafe", code=2, gray=pb.Gray(share=999, cities=["Oslo"]))
        code, status = await refused(stub.SetGray(less))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "gray_only_up")
        await stub.ReleaseVersion(version(2))
        assert await publishing.shown("p1") == 2
        await stub.RollBack(version(1))
        assert await publishing.shown("p1") == 1
        found = await publishing.program()
        assert (states(found), found.live, found.gray) == ({1: "released", 2: "retired"}, 1, 0)

    publish(act)


def test_a_refused_version_says_why_and_a_withdrawn_one_leaves_the_queue() -> None:
    async def act(publishing: Publishing) -> None:
        stub = publishing.stub
        await publishing.approve(1)
        await stub.UploadPackage(messages_of(archive_of(2)))
        await stub.SubmitVersion(version(2))
        found = await publishing.until(lambda found: found.position == 1)
        await stub.WithdrawVersion(version(2))
        await publishing.until(lambda found: found.position == 0)
        assert (await stub.TakeReview(pb.TakeReviewRequest(lane=found.lane))).program == ""
        await stub.SubmitVersion(version(2))
        await publishing.until(lambda found: found.position == 1)
        await stub.TakeReview(pb.TakeReviewRequest(lane=found.lane))
        await publishing.until(lambda found: states(found)[2] == "in_review")
        verdict = pb.JudgeVersionRequest(program="cafe", code=2, verdict="reject", reason="it does not start")
        await stub.JudgeVersion(verdict)
        found = await publishing.program()
        assert (found.submits_left, found.withdrawals_left) == (17, 0), "three were submitted, one was withdrawn today"
        refused_one = found.versions[1]
        assert (refused_one.state, refused_one.reason) == ("rejected", "it does not start")

    publish(act)


def test_what_cannot_be_registered_holds_no_name() -> None:
    async def run(scene: Scene) -> None:
        await scene.served(ProcessSettings(account_programs_max=1))
        publishing = Publishing(catalog_pb2_grpc.CatalogServiceStub(scene.channels[-1]))
        await publishing.register()
        stub, wanted = publishing.stub, {"program": "bar", "category": "food"}
        await stub.OpenAccount(pb.OpenAccountRequest(account="other", name="Other", admin="bob"))
        too_many = pb.RegisterProgramRequest(account="acme", title="Bar", **wanted)
        code, status = await refused(stub.RegisterProgram(too_many))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "too_many_programs")
        code, _ = await refused(stub.RegisterProgram(pb.RegisterProgramRequest(account="acme", title="", **wanted)))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        await stub.RegisterProgram(pb.RegisterProgramRequest(account="other", title="Bar", **wanted))

    play(run)


def test_the_settings_of_a_gateway_are_what_its_commands_are_judged_by() -> None:
    async def run(scene: Scene) -> None:
        await scene.served(ProcessSettings(account_programs_max=1, team_members_max=1, rollback_versions_max=1))
        publishing = Publishing(catalog_pb2_grpc.CatalogServiceStub(scene.channels[-1]))
        await publishing.register()
        bar = pb.RegisterProgramRequest(account="acme", program="bar", title="Bar", category="food")
        code, status = await refused(publishing.stub.RegisterProgram(bar))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "too_many_programs")
        code, status = await refused(
            publishing.stub.InviteMember(pb.MemberRequest(account="acme", member="bob", role="tester"))
        )
        assert reason_of(status) == "too_many_members"
        for number in (1, 2, 3):
            await publishing.approve(number)
            await publishing.stub.ReleaseVersion(version(number))
        code, status = await refused(publishing.stub.RollBack(version(1)))
        assert reason_of(status) == "not_among_the_last"
        await publishing.stub.RollBack(version(2))

    play(run)


def test_a_program_that_is_not_there_is_not_found() -> None:
    async def act(publishing: Publishing) -> None:
        for call in (
            publishing.stub.GetProgram(pb.GetProgramRequest(program="bar")),
            publishing.stub.GetShown(pb.GetShownRequest(program="bar", openid="ann")),
            publishing.stub.SubmitVersion(pb.VersionRequest(program="bar", code=1)),
        ):
            code, status = await refused(call)
            assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_PROGRAM")

    publish(act)
