"""`SessionService`: a person opens a program, turns its pages and leaves. Whose session it is, the call proves."""

import re
from typing import Any, NamedTuple

from actors.domain import session as s
from actors.domain import visit as v
from actors.domain.catalog.recent import RECENT, Used
from actors.domain.session import SESSION
from actors.domain.visit import VISIT
from actors.entity import Ref
from actors.errors import InvalidCommand, PlatformError
from actors.ports import Keys
from actors.principal import PART, Role
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.answering import Context
from gateway.auth import CALLER
from gateway.authority import denied
from gateway.deriving import Derived
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.services.belonging import check_page, check_runs
from gateway.steps import Answer, Steps, TypedService, position_of
from gateway.v1 import session_pb2 as pb
from gateway.v1 import session_pb2_grpc

_NAME = re.compile(r"sessions/([a-z][a-z0-9-]{0,62})/([^/]{1,64})/([1-9][0-9]{0,15})", re.ASCII)
_SHOWN_MAX = 100


class _Named(NamedTuple):
    """A session's name, read."""

    program: str
    openid: str
    n: int

    @property
    def visit(self) -> str:
        """The id of the visits that it is one of."""
        return f"{self.program}/{self.openid}"

    @property
    def id(self) -> str:
        """Its own."""
        return f"{self.visit}/{self.n}"


class SessionService(TypedService, session_pb2_grpc.SessionServiceServicer):
    """See `protos/gateway/v1/session.proto`."""

    def __init__(
        self, ingress: Ingress, routes: Routes, process: ProcessSettings, sensor: Sensor, keys: Keys | None
    ) -> None:
        super().__init__(ingress, routes, process, sensor)
        self._derived = None if keys is None else Derived(keys)

    async def Open(self, request: pb.OpenRequest, context: Context) -> pb.OpenResponse:
        """An opening: a visit and its session in one record."""
        program = request.program

        async def work(steps: Steps) -> pb.OpenResponse:
            openid, person = self._opener(steps, program)
            path, version = self._target(program, request.path)
            wanted: Any = request.source or "other"  # whatever is no source is refused when the command is checked
            quotas = (self.process.visit_merge_ms, self.process.visit_devices_max)
            command = v.Open(path, wanted, request.device, request.via, version, request.city, *quotas)
            answer = await steps.ask(VISIT.at(f"{program}/{openid}"), command)
            opened = answer.value
            if opened["began"] and person and await steps.look(RECENT.at(person), "first", str) != program:
                await steps.ask(RECENT.at(person), Used(program), 1)
            return pb.OpenResponse(
                session=f"sessions/{opened['session']}",
                path=path,
                version=version,
                visit=opened["visit"],
                began=opened["began"],
                position=position_of(answer),
                duplicate=answer.duplicate,
            )

        return await self.answer(context, "Open", self._about(context, program), request.request_id, work)

    async def Show(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The session is seen."""
        return await self._use(context, "Show", request, s.Show())

    async def Hide(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The session is in the background."""
        return await self._use(context, "Hide", request, s.Hide())

    async def EnterPage(self, request: pb.PageRequest, context: Context) -> pb.SessionResponse:
        """A page more."""
        return await self._use(context, "EnterPage", request, s.EnterPage(request.path))

    async def LeavePage(self, request: pb.PageRequest, context: Context) -> pb.SessionResponse:
        """The top page less."""
        return await self._use(context, "LeavePage", request, s.LeavePage(request.path))

    async def Close(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The end of a session: the visit and its session in one record."""

        async def work(steps: Steps) -> pb.SessionResponse:
            named = _own(steps, request.session)
            return _done(await steps.ask(VISIT.at(named.visit), v.Close(named.n)))

        return await self.answer(context, "Close", _addressed(request.session), request.request_id, work)

    async def _use(
        self, context: Context, method: str, request: pb.SessionRequest | pb.PageRequest, command: s.Command
    ) -> pb.SessionResponse:
        async def work(steps: Steps) -> pb.SessionResponse:
            named = _own(steps, request.session)
            if isinstance(command, s.EnterPage):
                self._target(named.program, command.path)
            return _done(await steps.ask(SESSION.at(named.id), command))

        return await self.answer(context, method, _addressed(request.session), request.request_id, work)

    def _opener(self, steps: Steps, program: str) -> tuple[str, str]:
        """Who opens: as the program knows it, and as the platform does, "" where only the program does.

        Raises PermissionDenied, InvalidCommand.
        """
        principal = steps.principal
        if principal is not None and principal.role is Role.ACCOUNT and self._derived is not None:
            return self._derived.openid(program, principal.subject), principal.subject
        openid = _openid(steps, program)
        return openid, openid if principal is None else ""

    def _target(self, program: str, path: str) -> tuple[str, str]:
        """The path that is opened, and the version that has it. Raises NotFound, InvalidCommand."""
        registry = self._routes.registry
        check_runs(registry, program)
        manifest = registry.programs[program].manifest
        path = path or manifest.pages[0]
        check_page(registry, program, path.partition("?")[0], "path")
        return path, manifest.version.name

    def _about(self, context: Context, program: str) -> Ref[Any]:
        """The visits that an opening is asked of, for the door; a caller that is none is refused there."""
        try:
            caller = self.caller(context)
        except PlatformError:
            return VISIT.at(program)
        return VISIT.at(f"{program}/{caller.name if caller.principal is None else caller.principal.subject}")


def _openid(steps: Steps, program: str) -> str:
    """Who opens, as the program knows it. Raises PermissionDenied, InvalidCommand."""
    principal = steps.principal
    if principal is not None:
        if principal.tenant != program:
            raise denied()
        return principal.subject
    if not PART.fullmatch(steps.caller):
        message = f"{CALLER} says who opens: 1 to 64 letters, digits and . _ ~ -"
        raise InvalidCommand(message, field=CALLER, reason="INVALID_OPENID")
    return steps.caller


def _own(steps: Steps, session: str) -> _Named:
    """The caller's session of this name. Raises InvalidCommand for a text that is none, PermissionDenied."""
    found = _NAME.fullmatch(session)
    if found is None:
        message = f"a session is sessions/<program>/<openid>/<n>, not {session[:_SHOWN_MAX]!r}"
        raise InvalidCommand(message, field="session", reason="INVALID_SESSION")
    named = _Named(found[1], found[2], int(found[3]))
    if _openid(steps, named.program) != named.openid:
        raise denied()
    return named


def _addressed(session: str) -> Ref[Any]:
    return SESSION.at(session.partition("/")[2])


def _done(answer: Answer) -> pb.SessionResponse:
    return pb.SessionResponse(position=position_of(answer), duplicate=answer.duplicate)
