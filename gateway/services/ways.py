"""`WaysService`: codes that are scanned. A code follows from its target, so a mint asks the entity that it must be."""

import asyncio
from typing import Any

import msgspec

from actors.adapters.qr import MEDIA_TYPES, SCALE_DEFAULT, SCALE_MAX, picture
from actors.domain.ways.code import CODE, Code, Mint, Revoke, code_of, read_text, text_of
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound
from actors.principal import Role
from actors.registry import Registry
from gateway.answering import Context
from gateway.authority import denied
from gateway.services.catalog import check_team, program_named
from gateway.steps import Answer, Steps, TypedService
from gateway.v1 import program_pb2, ways_pb2_grpc
from gateway.v1 import ways_pb2 as pb

_TEAM = ("admin", "developer", "operator")
"""Which roles of a team make, see and revoke its programs' codes."""
_SHOWN_MAX = 100


class WaysService(TypedService, ways_pb2_grpc.WaysServiceServicer):
    """See `protos/gateway/v1/ways.proto`."""

    async def MintCode(self, request: pb.MintCodeRequest, context: Context) -> pb.MintCodeResponse:
        """The code of a target."""
        program, env = request.program, request.env or "release"
        code = code_of(program, request.page, request.scene, env)
        at = CODE.at(f"{program}/{code}")

        async def work(steps: Steps) -> pb.MintCodeResponse:
            await _check_own(steps, program)
            check_page(self._routes.registry, program, request.page)
            wanted: Any = env  # one of three; whatever else is refused when the command is checked
            answer = await steps.ask(at, Mint(request.page, request.scene, wanted))
            text = text_of(self.process.code_host, program, code)
            return pb.MintCodeResponse(code=code, text=text, position=_position(answer), duplicate=answer.duplicate)

        return await self.answer(context, "MintCode", at, request.request_id, work)

    async def GetCode(self, request: pb.GetCodeRequest, context: Context) -> pb.GetCodeResponse:
        """A code and its picture; also of one that was revoked."""
        at = CODE.at(f"{request.program}/{request.code}")

        async def work(steps: Steps) -> pb.GetCodeResponse:
            await _check_own(steps, request.program)
            _check_drawing(request)
            code = await _found(steps, at)
            text = text_of(self.process.code_host, request.program, request.code)
            form, scale = request.format, request.scale or SCALE_DEFAULT
            # Milliseconds of plain Python: not on the loop that serves everybody's calls.
            image = await asyncio.to_thread(picture, text, form, scale) if form else b""
            return pb.GetCodeResponse(
                state=code.state,
                text=text,
                page=code.page,
                scene=code.scene,
                env=code.env,
                minted_ms=code.minted_ms,
                media_type=MEDIA_TYPES.get(form, ""),
                image=image,
            )

        return await self.answer(context, "GetCode", at, "", work)

    async def ResolveCode(self, request: pb.ResolveCodeRequest, context: Context) -> pb.ResolveCodeResponse:
        """Where a scanned text leads."""
        read = read_text(self.process.code_host, request.text)
        at = CODE.at("/".join(read or ()))

        async def work(steps: Steps) -> pb.ResolveCodeResponse:
            if read is None:
                message = f"{request.text[:_SHOWN_MAX]!r} is no code of this platform"
                raise InvalidCommand(message, field="text", reason="INVALID_CODE")
            code = await _found(steps, at)
            if code.state != "minted":
                raise NotFound("this code was revoked", reason="CODE_REVOKED")
            program, name = read
            return pb.ResolveCodeResponse(program=program, code=name, page=code.page, scene=code.scene, env=code.env)

        return await self.answer(context, "ResolveCode", at, "", work)

    async def RevokeCode(self, request: pb.RevokeCodeRequest, context: Context) -> pb.RevokeCodeResponse:
        """The end of a code."""
        at = CODE.at(f"{request.program}/{request.code}")

        async def work(steps: Steps) -> pb.RevokeCodeResponse:
            await _check_own(steps, request.program)
            answer = await steps.ask(at, Revoke())
            return pb.RevokeCodeResponse(position=_position(answer), duplicate=answer.duplicate)

        return await self.answer(context, "RevokeCode", at, request.request_id, work)


def check_page(registry: Registry, program: str, page: str, field: str = "page") -> None:
    """Raises NotFound for a program that does not run here, and InvalidCommand for a page that it has not."""
    programs = registry.programs
    if program not in programs:
        raise NotFound(f"there is no program {program[:_SHOWN_MAX]!r} here", reason="NO_SUCH_PROGRAM")
    pages = programs[program].manifest.pages
    if page not in pages:
        message = f"{program} has no page {page[:_SHOWN_MAX]!r}; it has {', '.join(pages)}"
        raise InvalidCommand(message, field=field, reason="NO_SUCH_PAGE")


async def _check_own(steps: Steps, program: str) -> None:
    """Raises PermissionDenied unless the caller is the program's server, or of its team, or runs the platform."""
    principal = steps.principal
    if principal is not None and principal.role is Role.MEMBER:
        owned = await program_named(steps, program)
        await check_team(steps, owned.id.partition("/")[0], _TEAM)
    elif principal is not None and principal.role is not Role.OPERATOR and principal.tenant != program:
        raise denied()


def _check_drawing(request: pb.GetCodeRequest) -> None:
    """Raises InvalidCommand."""
    if request.format and request.format not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        message = f"there is no format {request.format[:_SHOWN_MAX]!r}; there are {known}"
        raise InvalidCommand(message, field="format", reason="INVALID_FORMAT")
    if not 0 <= request.scale <= SCALE_MAX:
        raise InvalidCommand(f"a module is 1 to {SCALE_MAX} pixels wide", field="scale", reason="INVALID_SCALE")


async def _found(steps: Steps, at: Ref[Any]) -> Code:
    """What the code stands for, or stood. Raises NotFound."""
    code = await steps.look(at, "code", Code)
    if code.state == "none":
        raise NotFound("there is no such code; nobody has minted it", reason="NO_SUCH_CODE")
    return code


def _position(answer: Answer) -> program_pb2.Position:
    return program_pb2.Position(**msgspec.structs.asdict(answer.position))
