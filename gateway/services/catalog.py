"""`CatalogService`: programs and their versions. Each method names the entities it asks, and the order of its steps."""

from typing import Any

import msgspec
from msgspec import Struct

from actors.domain.catalog import name as names
from actors.domain.catalog import program as programs
from actors.domain.catalog.name import NAME, Claim, Confirm
from actors.domain.catalog.program import PROGRAM, Judge, Register, Release, Rollback, SetGray, Submit, Upload, Withdraw
from actors.domain.catalog.review import LANES, REVIEW, Take
from actors.domain.catalog.versions import Rule, Version
from actors.domain.developer import ACCOUNT, Open
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound
from gateway.answering import Context
from gateway.steps import Answer, Steps, TypedService
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc, program_pb2


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

    async def OpenAccount(self, request: pb.OpenAccountRequest, context: Context) -> pb.CatalogChange:
        """A new account."""
        account = ACCOUNT.at(request.account)

        async def work(steps: Steps) -> pb.CatalogChange:
            return _change(await steps.ask(account, Open(request.name, request.admin)))

        return await self.answer(context, "OpenAccount", account, request.request_id, work)

    async def RegisterProgram(self, request: pb.RegisterProgramRequest, context: Context) -> pb.CatalogChange:
        """The name first: who has it may register. Where the call ends before the last step, it is free again."""
        name = NAME.at(request.program)

        async def work(steps: Steps) -> pb.CatalogChange:
            await steps.ask(name, Claim(request.account), 0)
            to = PROGRAM.at(f"{request.account}/{request.program}")
            change = _change(await steps.ask(to, Register(request.title, request.category), 1))
            await steps.ask(name, Confirm(request.account), 2)
            return change

        return await self.answer(context, "RegisterProgram", name, request.request_id, work)

    async def UploadVersion(self, request: pb.UploadVersionRequest, context: Context) -> pb.CatalogChange:
        """A new version."""
        return await self._change(context, "UploadVersion", request, Upload(request.code, request.name, request.hash))

    async def SubmitVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Into the queue."""
        return await self._change(context, "SubmitVersion", request, Submit(request.code))

    async def WithdrawVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Out of the queue."""
        return await self._change(context, "WithdrawVersion", request, Withdraw(request.code))

    async def TakeReview(self, request: pb.TakeReviewRequest, context: Context) -> pb.TakeReviewResponse:
        """The first of a lane."""
        lane = REVIEW.at(str(request.lane))

        async def work(steps: Steps) -> pb.TakeReviewResponse:
            if not 0 <= request.lane < LANES:
                raise InvalidCommand(f"there are lanes 0 to {LANES - 1}", field="lane", reason="INVALID_LANE")
            taken = msgspec.json.decode((await steps.ask(lane, Take())).payload, type=_Taken)
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
        return await self._change(context, "SetGray", request, SetGray(request.code, rule))

    async def ReleaseVersion(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Show a version to all."""
        return await self._change(context, "ReleaseVersion", request, Release(request.code))

    async def RollBack(self, request: pb.VersionRequest, context: Context) -> pb.CatalogChange:
        """Show all a former version."""
        return await self._change(context, "RollBack", request, Rollback(request.code))

    async def GetProgram(self, request: pb.GetProgramRequest, context: Context) -> pb.GetProgramResponse:
        """A program and its versions."""

        async def work(steps: Steps) -> pb.GetProgramResponse:
            to = await _program(steps, request.program)
            found = await steps.look(to, "program", programs.Program)
            lane = programs.lane_of(to.id)
            place = await steps.look(lane, "position", _Place, program=to.id)
            return pb.GetProgramResponse(
                account=to.id.partition("/")[0],
                title=found.title,
                category=found.category,
                live=found.live,
                gray=found.gray,
                versions=[_version(version) for version in found.versions],
                lane=int(lane.id),
                position=place.position,
            )

        return await self.answer(context, "GetProgram", NAME.at(request.program), "", work)

    async def GetShown(self, request: pb.GetShownRequest, context: Context) -> pb.GetShownResponse:
        """The version for a person."""

        async def work(steps: Steps) -> pb.GetShownResponse:
            person = {"openid": request.openid, "city": request.city, "cohorts": list(request.cohorts)}
            shown = await steps.look(await _program(steps, request.program), "shown", _Shown, **person)
            return pb.GetShownResponse(code=shown.code, name=shown.name, hash=shown.hash)

        return await self.answer(context, "GetShown", NAME.at(request.program), "", work)

    async def _change(self, context: Context, method: str, request: Any, command: programs.Command) -> pb.CatalogChange:
        """Ask the program for one command."""

        async def work(steps: Steps) -> pb.CatalogChange:
            return _change(await steps.ask(await _program(steps, request.program), command))

        return await self.answer(context, method, NAME.at(request.program), request.request_id, work)


async def _program(steps: Steps, name: str) -> Ref[programs.Command]:
    """The program that has this name. Raises NotFound."""
    found = await steps.look(NAME.at(name), "name", names.Name)
    if found.state != "kept":
        raise NotFound(f"there is no program {name[:100]!r} in the catalogue", reason="NO_SUCH_PROGRAM")
    return PROGRAM.at(f"{found.account}/{name}")


def _change(answer: Answer) -> pb.CatalogChange:
    position = program_pb2.Position(**msgspec.structs.asdict(answer.position))
    return pb.CatalogChange(position=position, duplicate=answer.duplicate)


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
