"""The catalogue where identity is required: a team's roles change its own programs; a person asks for itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from actors.adapters.memory_keys import MemoryKeys
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc
from tests.gateway.packing import archive_of, key_of, messages_of
from tests.gateway.scene import Scene, new_id, play, reason_of, refused

TEAM = {"ann": "admin", "dee": "developer", "oli": "operator", "tess": "tester"}
VERSION = pb.VersionRequest(program="cafe", code=1)
FORGOTTEN = "Internal error from Core"
"""What gRPC's asyncio client says where a stream was refused before all of it was written, and its write came last: the
status that it was refused with is gone (grpc/grpc#36066)."""
TRIES_MAX = 10
MAY: Mapping[str, tuple[Any, str]] = {
    "RegisterProgram": (pb.RegisterProgramRequest(account="acme", program="bar", title="b", category="b"), "ann dee"),
    "SetPackageKey": (key_of(), "ann"),
    "UploadPackage": (messages_of(archive_of(1)), "ann dee"),
    "SubmitVersion": (VERSION, "ann dee"),
    "WithdrawVersion": (VERSION, "ann dee"),
    "SetGray": (pb.SetGrayRequest(program="cafe", code=1), "ann oli"),
    "ReleaseVersion": (VERSION, "ann oli"),
    "RollBack": (VERSION, "ann oli"),
    "TakeReview": (pb.TakeReviewRequest(), ""),
    "JudgeVersion": (pb.JudgeVersionRequest(program="cafe", code=1, verdict="approve"), ""),
    "OpenAccount": (pb.OpenAccountRequest(account="mine", name="Mine", admin="ann"), ""),
    **{name: (pb.AccountRequest(account="mine"), "") for name in ("SuspendAccount", "ResumeAccount", "CloseAccount")},
}


class Office:
    """A gateway that requires identity, with an account, its team and its program."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.keys = scene.keys = MemoryKeys()

    async def opens(self) -> None:
        """The operator opens the account, and the team comes together."""
        await self.scene.served(ProcessSettings(identity_required=True))
        self.stub: Any = catalog_pb2_grpc.CatalogServiceStub(self.scene.channels[-1])
        account = pb.OpenAccountRequest(account="acme", name="Acme", admin="ann")
        await self.asks("operator/op", "OpenAccount", account)
        cafe = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food")
        await self.asks("member/acme/ann", "RegisterProgram", cafe)
        for name, role in list(TEAM.items())[1:]:
            member = pb.MemberRequest(account="acme", member=name, role=role)
            await self.asks("member/acme/ann", "InviteMember", member)
            await self.asks(f"member/acme/{name}", "JoinTeam", member)

    async def asks(self, caller: str, method: str, request: Any) -> Any:
        """A call with a token of this caller's, made again where gRPC's client forgot how it was answered."""
        for _ in range(TRIES_MAX):
            try:
                return await getattr(self.stub, method)(request, metadata=self.scene.by(caller))
            except grpc.aio.AioRpcError as error:
                if error.details() != FORGOTTEN:
                    raise
        raise AssertionError(f"{method} by {caller}: gRPC forgot {TRIES_MAX} answers")


def in_office(act: Callable[[Office], Awaitable[None]]) -> None:
    """Run this where the team is complete."""

    async def run(scene: Scene) -> None:
        office = Office(scene)
        await office.opens()
        await act(office)

    play(run)


async def is_denied(call: Any) -> bool:
    """Whether the call is refused to this caller; whatever else it comes to, it was let in."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        print(error.code(), error.details())  # pytest shows it where a test fails
        return error.code() is grpc.StatusCode.PERMISSION_DENIED
    return False


def test_each_role_of_a_team_may_do_what_the_table_says_and_other_teams_nothing() -> None:
    async def act(office: Office) -> None:
        for method, (request, may) in MAY.items():
            for name in TEAM:
                denied = await is_denied(office.asks(f"member/acme/{name}", method, request))
                assert denied == (name not in may.split()), (method, name)
            strangers = ("member/else/ann", "member/acme/eve", "person/cafe/ann", "server/cafe", "merchant/acme")
            for caller in strangers:
                assert await is_denied(office.asks(caller, method, request)), (method, caller)
            assert not await is_denied(office.asks("operator/op", method, request)), method

    in_office(act)


def test_who_leaves_may_do_nothing_more_and_nobody_raises_itself() -> None:
    async def act(office: Office) -> None:
        raised = pb.MemberRequest(account="acme", member="tess", role="admin")
        for method in ("GrantRole", "InviteMember"):
            assert await is_denied(office.asks("member/acme/tess", method, raised))
        assert await is_denied(office.asks("member/acme/dee", "RemoveMember", raised))
        await office.asks("member/acme/tess", "RemoveMember", raised)
        assert await is_denied(office.asks("member/acme/tess", "GetAccount", pb.GetAccountRequest(account="acme")))
        account = await office.asks("member/acme/dee", "GetAccount", pb.GetAccountRequest(account="acme"))
        assert {one.member: one.role for one in account.members} == {
            "ann": "admin",
            "dee": "developer",
            "oli": "operator",
        }
        code, status = await refused(
            office.asks("member/acme/ann", "RemoveMember", pb.MemberRequest(account="acme", member="ann"))
        )
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "last_admin")

    in_office(act)


def test_only_the_team_sees_versions_and_a_person_asks_what_it_is_shown_itself() -> None:
    async def act(office: Office) -> None:
        await office.asks("member/acme/ann", "SetPackageKey", MAY["SetPackageKey"][0])
        await office.asks("member/acme/dee", "UploadPackage", MAY["UploadPackage"][0])
        cafe = pb.GetProgramRequest(program="cafe")
        seen = {
            caller: len((await office.asks(caller, "GetProgram", cafe)).versions)
            for caller in ("member/acme/tess", "operator/op", "member/else/ann", "person/cafe/ann", "server/cafe")
        }
        assert list(seen.values()) == [1, 1, 0, 0, 0]
        for caller, submits, withdrawals in (("member/acme/tess", 20, 1), ("person/cafe/ann", 0, 0)):
            found = await office.asks(caller, "GetProgram", cafe)
            assert (found.submits_left, found.withdrawals_left) == (submits, withdrawals)
            assert (found.month_ends_ms > 0) == (found.day_ends_ms > 0) == (submits > 0)
        shown = pb.GetShownRequest(program="cafe", openid="ann")
        for caller, may in (
            ("person/cafe/ann", True),
            ("server/cafe", True),
            ("operator/op", True),
            ("person/cafe/bob", False),
            ("person/bar/ann", False),
            ("server/bar", False),
            ("merchant/acme", False),
        ):
            assert await is_denied(office.asks(caller, "GetShown", shown)) == (not may), caller

    in_office(act)


def test_nobody_of_a_suspended_accounts_team_may_do_anything_until_it_goes_on() -> None:
    async def act(office: Office) -> None:
        cafe, account = pb.GetProgramRequest(program="cafe"), pb.GetAccountRequest(account="acme")

        async def becomes(state: str, method: str, reason: str) -> None:
            name = new_id()
            for again in (False, True):
                changing = pb.AccountRequest(account="acme", reason=reason, request_id=name)
                assert (await office.asks("operator/op", method, changing)).duplicate == again
            assert (await office.asks("operator/op", "GetAccount", account)).state == state

        await becomes("suspended", "SuspendAccount", "spam")
        before = office.scene.on_log()
        for method, (request, may) in MAY.items():
            for name in may.split():
                assert await is_denied(office.asks(f"member/acme/{name}", method, request)), (method, name)
        assert await is_denied(office.asks("member/acme/ann", "GetAccount", account))
        assert not (await office.asks("member/acme/ann", "GetProgram", cafe)).versions
        assert office.scene.on_log() == before
        await becomes("open", "ResumeAccount", "")
        assert not await is_denied(office.asks("member/acme/ann", "GetAccount", account))
        await becomes("closed", "CloseAccount", "")
        assert await is_denied(office.asks("member/acme/ann", "GetAccount", account))
        before = office.scene.on_log()
        for method, reason, expected in (
            ("ResumeAccount", "", "wrong_state"),
            ("SuspendAccount", "", "wrong_state"),
            ("SuspendAccount", "x" * 501, "INVALID_COMMAND"),
        ):
            changing = pb.AccountRequest(account="acme", reason=reason)
            _, status = await refused(office.asks("operator/op", method, changing))
            assert reason_of(status) == expected, method
        assert office.scene.on_log() == before + 2, "a rule's no is on the log, and what is no command is not"

    in_office(act)
