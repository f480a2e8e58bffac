"""`CatalogService`: programs and their versions. Each method names the entities it asks, and the order of its steps."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from actors.clocks import wall_ms
from actors.domain.catalog import program as programs
from actors.domain.catalog.key import KEY, Key, SetKey
from actors.domain.catalog.listing import LISTING, Describe, Listing
from actors.domain.catalog.name import NAME, Claim, Confirm
from actors.domain.catalog.program import PROGRAM, Judge, Register, Release, Rollback, SetGray, Submit, Upload, Withdraw
from actors.domain.catalog.review import LANES, REVIEW, Take
from actors.domain.catalog.versions import Rule, Version
from actors.domain.counting import DAY_MS, MONTH_MS, left
from actors.domain.developer import (
    ACCOUNT,
    Accept,
    Account,
    Close,
    Grant,
    Invite,
    Moderating,
    Open,
    Remove,
    Resume,
    Suspend,
    Team,
)
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound, Reject
from actors.packages import Limits, Package
from actors.payload import checked
from actors.ports import Objects
from actors.principal import Principal, Role
from gateway.answering import Context
from gateway.packages import Packages
from gateway.services.belonging import check_person, check_team, is_of_team, program_named, program_of_team
from gateway.steps import Answer, Given, Steps, TypedService, stamped
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc, search_pb2

_ADMINS = ("admin",)
_DEVELOPERS = ("admin", "developer")
_OPERATORS = ("admin", "operator")
_TEAM = ("admin", "developer", "operator", "tester")
"""Which roles of a team change the team, change versions, say who is shown them, and see all that."""

_ITSELF = ("itself",)
"""No role: whom a change of the team is about."""


class _Place(Struct):
    position: int


class _Shown(Struct):
    code: int
    name: str
    hash: str


class _Taken(Struct):
    program: str
    code: int


class CatalogService(TypedService, catalog_pb2_grpc.CatalogServiceServicer):
    """See `protos/gateway/v1/catalog.proto`."""

    def __init__(self, given: Given, objects: Objects) -> None:
        super().__init__(given)
        process = given.process
        self._packages = Packages(objects, Limits(process.package_bytes_max, process.sub_package_bytes_max))

    async def OpenAccount(self, request: pb.OpenAccountRequest, context: Context) -> pb.CatalogChange:
        """A new account."""
        return await self._account(context, "OpenAccount", request, Open(request.name, request.admin))

    async def SuspendAccount(self, request: pb.AccountRequest, context: Context) -> pb.CatalogChange:
        """Its team does nothing any more."""
        return await self._account(context, "SuspendAccount", request, Suspend(request.reason))

    async def ResumeAccount(self, request: pb.AccountRequest, context: Context) -> pb.CatalogChange:
        """Its team goes on."""
        return await self._account(context, "ResumeAccount", request, Resume())

    async def CloseAccount(self, request: pb.AccountRequest, context: Context) -> pb.CatalogChange:
        """The end of an account."""
        return await self._account(context, "CloseAccount", request, Close())

    async def InviteMember(self, request: pb.MemberRequest, context: Context) -> pb.CatalogChange:
        """Into the team."""
        role: Any = request.role  # one of four; whatever else is refused when the command is checked
        command = Invite(request.member, role, self.process.team_members_max)
        return await self._team(context, "InviteMember", request, command)

    async def JoinTeam(self, request: pb.MemberRequest, context: Context) -> pb.CatalogChange:
        """Who was asked joins, and nobody else for them."""
        return await self._team(context, "JoinTeam", request, Accept(request.member), _ITSELF)

    async def GrantRole(self, request: pb.MemberRequest, context: Context) -> pb.CatalogChange:
        """Another role."""
        role: Any = request.role
        return await self._team(context, "GrantRole", request, Grant(request.member, role))

    async def RemoveMember(self, request: pb.MemberRequest, context: Context) -> pb.CatalogChange:
        """Out of the team; whoever leaves does so without an admin."""
        return await self._team(context, "RemoveMember", request, Remove(request.member), (*_ADMINS, *_ITSELF))

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        """An account, for its own team."""
        account = ACCOUNT.at(request.account)

        async def work(steps: Steps) -> pb.GetAccountResponse:
            await check_team(steps, request.account, _TEAM)
            found = await steps.look(account, "account", Account)
            members = [
                pb.TeamMember(member=name, state=member.state, role=member.role)
                for name, member in sorted(found.members.items())
            ]
            return pb.GetAccountResponse(state=found.state, name=found.name, members=members, programs=found.programs)

        return await self.answer(context, "GetAccount", account, "", work)

    async def RegisterProgram(self, request: pb.RegisterProgramRequest, context: Context) -> pb.CatalogChange:
        """The name first: who has it may register. Where the call ends before the last step, it is free again.

        What will not be registered claims no name: a name that is held is held from everybody.
        """
        name, programs_max = NAME.at(request.program), self.process.account_programs_max

        async def work(steps: Steps) -> pb.CatalogChange:
            await check_team(steps, request.account, _DEVELOPERS)
            register = Register(request.title, request.category, programs_max)
            checked(register)
            kept = (await steps.look(ACCOUNT.at(request.account), "account", Account)).programs
            if request.program not in kept and len(kept) >= programs_max:
                raise Reject("too_many_programs", programs_max=str(programs_max))
            await steps.ask(name, Claim(request.account, self.process.name_hold_ms), 0)
            to = PROGRAM.at(f"{request.account}/{request.program}")
            change = _change(await steps.ask(to, register, 1))
            await steps.ask(name, Confirm(request.account), 2)
            return change

        return await self.answer(context, "RegisterProgram", name, request.request_id, work)

    async def DescribeProgram(self, request: pb.DescribeProgramRequest, context: Context) -> pb.CatalogChange:
        """What else a program is found by."""
        at = (request.location.latitude, request.location.longitude) if request.HasField("location") else None

        async def work(steps: Steps) -> pb.CatalogChange:
            to = await program_of_team(steps, request.program, _DEVELOPERS)
            return _change(await steps.ask(LISTING.at(to.id), Describe(tuple(request.aliases), request.city, at)))

        return await self.answer(context, "DescribeProgram", NAME.at(request.program), request.request_id, work)

    async def SetPackageKey(self, request: pb.SetPackageKeyRequest, context: Context) -> pb.CatalogChange:
        """The key of an account."""
        key = KEY.at(request.account)

        async def work(steps: Steps) -> pb.CatalogChange:
            await check_team(steps, request.account, _ADMINS)
            return _change(await steps.ask(key, SetKey(request.key)))

        return await self.answer(context, "SetPackageKey", key, request.request_id, work)

    async def UploadPackage(
        self, request_iterator: AsyncIterator[pb.UploadPackageRequest], context: Context
    ) -> pb.UploadPackageResponse:
        """A new version. Who may not upload is told so before the second part is read."""
        head = await anext(request_iterator, None) or pb.UploadPackageRequest()

        async def work(steps: Steps) -> pb.UploadPackageResponse:
            to = await program_of_team(steps, head.program, _DEVELOPERS)
            account = to.id.partition("/")[0]
            key = await steps.look(KEY.at(account), "key", Key)
            if not key.key:
                raise Reject("no_package_key", account=account)

            async def accept(package: Package, size: int) -> pb.UploadPackageResponse:
                version = package.manifest.version
                quotas = (self.process.upload_bytes_day_max, self.process.program_versions_max)
                answer = await steps.ask(to, Upload(version.code, version.name, package.hash, size, *quotas))
                return stamped(pb.UploadPackageResponse(hash=package.hash, code=version.code), answer)

            return await self._packages.take(head, request_iterator, key.key, steps.left_s, accept)

        return await self.answer(context, "UploadPackage", NAME.at(head.program), head.request_id, work)

    async def SubmitVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Into the queue, if its program reads what the last versions wrote."""
        command = Submit(request.code, self.process.submits_month_max)

        async def work(steps: Steps) -> pb.CatalogChange:
            to = await program_of_team(steps, request.program, _DEVELOPERS)
            await self._check_reads(steps, to, request.code)
            return _change(await steps.ask(to, command))

        return await self.answer(context, "SubmitVersion", NAME.at(request.program), request.request_id, work)

    async def WithdrawVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Out of the queue."""
        process = self.process
        command = Withdraw(request.code, process.withdrawals_day_max, process.withdrawals_month_max)
        return await self._change(context, "WithdrawVersion", request, command)

    async def TakeReview(self, request: pb.TakeReviewRequest, context: Context) -> pb.TakeReviewResponse:
        """The first of a lane."""
        lane = REVIEW.at(str(request.lane))

        async def work(steps: Steps) -> pb.TakeReviewResponse:
            if not 0 <= request.lane < LANES:
                raise InvalidCommand(f"there are lanes 0 to {LANES - 1}", field="lane", reason="INVALID_LANE")
            taken = (await steps.ask(lane, Take())).reply(_Taken)
            return pb.TakeReviewResponse(program=taken.program.partition("/")[2], code=taken.code)

        return await self.answer(context, "TakeReview", lane, request.request_id, work)

    async def JudgeVersion(self, request: pb.JudgeVersionRequest, context: Context) -> pb.CatalogChange:
        """What the review came to."""
        verdict: Any = request.verdict  # one of three; whatever else is refused when the command is checked
        return await self._change(context, "JudgeVersion", request, Judge(request.code, verdict, request.reason))

    async def SetGray(self, request: pb.SetGrayRequest, context: Context) -> pb.CatalogChange:
        """Show a version to a part."""
        gray = request.gray
        rule = Rule(gray.share, tuple(gray.persons), tuple(gray.cities), tuple(gray.cohorts))
        return await self._publish(context, "SetGray", request, SetGray(request.code, rule))

    async def ReleaseVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Show a version to all."""
        return await self._publish(context, "ReleaseVersion", request, Release(request.code))

    async def RollBack(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Show all a former version."""
        command = Rollback(request.code, self.process.rollback_versions_max)
        return await self._change(context, "RollBack", request, command, _OPERATORS)

    async def GetProgram(self, request: pb.GetProgramRequest, context: Context) -> pb.GetProgramResponse:
        """A program and its versions."""

        async def work(steps: Steps) -> pb.GetProgramResponse:
            to = await program_named(steps, request.program)
            account = to.id.partition("/")[0]
            found = await steps.look(to, "program", programs.Program)
            listing = await steps.look(LISTING.at(to.id), "listing", Listing)
            lane = programs.lane_of(to.id)
            place = await steps.look(lane, "position", _Place, program=to.id)
            is_inside = await is_of_team(steps, account, _TEAM)
            word = self._routes.followed.get(request.program)
            response = pb.GetProgramResponse(
                account=account,
                title=found.title,
                category=found.category,
                live=found.live,
                gray=found.gray,
                versions=[_version(version) for version in found.versions if is_inside],
                lane=int(lane.id),
                position=place.position if is_inside else 0,
                decides=max((share.code for share in word.shares), default=0) if word else 0,
                trouble=word.why if word and is_inside else "",
                aliases=listing.aliases,
                city=listing.city,
                location=location(listing.position),
            )
            if is_inside:
                self._tell_quotas(response, found)
            return response

        return await self.answer(context, "GetProgram", NAME.at(request.program), "", work)

    def _tell_quotas(self, response: pb.GetProgramResponse, program: programs.Program) -> None:
        process, now_ms = self.process, wall_ms()
        in_month = left(program.withdrawals_month, MONTH_MS, now_ms, process.withdrawals_month_max)
        on_day = left(program.withdrawals_day, DAY_MS, now_ms, process.withdrawals_day_max)
        response.submits_left = left(program.submits_month, MONTH_MS, now_ms, process.submits_month_max)
        response.withdrawals_left = min(on_day, in_month)
        response.day_ends_ms = (now_ms // DAY_MS + 1) * DAY_MS
        response.month_ends_ms = (now_ms // MONTH_MS + 1) * MONTH_MS

    async def GetShown(self, request: pb.GetShownRequest, context: Context) -> pb.GetShownResponse:
        """The version for a person."""

        async def work(steps: Steps) -> pb.GetShownResponse:
            check_person(steps.principal, request.program, request.openid)
            person = {"openid": request.openid, "city": request.city, "cohorts": list(request.cohorts)}
            shown = await steps.look(await program_named(steps, request.program), "shown", _Shown, **person)
            return pb.GetShownResponse(code=shown.code, name=shown.name, hash=shown.hash)

        return await self.answer(context, "GetShown", NAME.at(request.program), "", work)

    async def _account(
        self, context: Context, method: str, request: pb.OpenAccountRequest | pb.AccountRequest, command: Moderating
    ) -> pb.CatalogChange:
        """Ask an account for what only an operator asks of it."""
        account = ACCOUNT.at(request.account)

        async def work(steps: Steps) -> pb.CatalogChange:
            return _change(await steps.ask(account, command))

        return await self.answer(context, method, account, request.request_id, work)

    async def _team(
        self,
        context: Context,
        method: str,
        request: pb.MemberRequest,
        command: Team,
        roles: tuple[str, ...] = _ADMINS,
    ) -> pb.CatalogChange:
        """Ask the account for a change of its team, by one of these roles."""
        account = ACCOUNT.at(request.account)

        async def work(steps: Steps) -> pb.CatalogChange:
            itself = Principal(Role.MEMBER, request.account, request.member)
            if steps.principal != itself or _ITSELF[0] not in roles:
                await check_team(steps, request.account, roles)
            return _change(await steps.ask(account, command))

        return await self.answer(context, method, account, request.request_id, work)

    async def _publish(
        self, context: Context, method: str, request: Any, command: programs.Command
    ) -> pb.CatalogChange:
        """Show a version, if it reads what the last ones wrote: others may have been shown since it was submitted."""

        async def work(steps: Steps) -> pb.CatalogChange:
            to = await program_of_team(steps, request.program, _OPERATORS)
            checked(command)
            with contextlib.suppress(NotFound):  # what is not kept any more comes to no partition
                await self._check_reads(steps, to, request.code)
            return _change(await steps.ask(to, command))

        return await self.answer(context, method, NAME.at(request.program), request.request_id, work)

    async def _check_reads(self, steps: Steps, to: Ref[programs.Command], code: int) -> None:
        """Raises InvalidCommand unless this version reads what the last versions that were shown have written."""
        program = await steps.look(to, "program", programs.Program)
        newer, *former = programs.to_read(program, code, self.process.rollback_versions_max)
        await self._packages.check_reads(newer, former)

    async def _change(
        self,
        context: Context,
        method: str,
        request: Any,
        command: programs.Command,
        roles: tuple[str, ...] = _DEVELOPERS,
    ) -> pb.CatalogChange:
        """Ask the program for one command; of a team, only these roles may."""

        async def work(steps: Steps) -> pb.CatalogChange:
            to = await program_of_team(steps, request.program, roles)
            return _change(await steps.ask(to, command))

        return await self.answer(context, method, NAME.at(request.program), request.request_id, work)


def _change(answer: Answer) -> pb.CatalogChange:
    return stamped(pb.CatalogChange(), answer)


def location(position: tuple[float, float] | None) -> search_pb2.Location | None:
    """A position as messages have it."""
    return None if position is None else search_pb2.Location(latitude=position[0], longitude=position[1])


def _version(version: Version) -> pb.Version:
    rule = version.rule
    gray = pb.Gray(share=rule.share, persons=rule.persons, cities=rule.cities, cohorts=rule.cohorts)
    return pb.Version(
        code=version.code,
        name=version.name,
        hash=version.hash,
        state=version.state,
        reason=version.reason,
        gray=gray,
    )
