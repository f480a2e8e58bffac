"""`SessionService`: a person opens a program, turns its pages and leaves. Whose session it is, the call proves."""

import re
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from actors.domain import session as sessions
from actors.domain import visit as visits
from actors.domain.catalog.recent import RECENT, Used
from actors.domain.session import SESSION
from actors.domain.visit import VISIT
from actors.entity import Ref
from actors.errors import InvalidCommand, PlatformError
from actors.ports import Keys
from actors.principal import Role
from gateway.answering import Context, trailer
from gateway.authority import denied
from gateway.services.belonging import has_page
from gateway.services.opening import Openings, opener, written
from gateway.services.persons import openid_of, use
from gateway.services.shown import Catalogue
from gateway.services.vault import KeyedService
from gateway.steps import Answer, Given, Steps, stamped
from gateway.streams import stream_of
from gateway.v1 import session_pb2 as pb
from gateway.v1 import session_pb2_grpc

_NAME = re.compile(r"sessions/([a-z][a-z0-9-]{0,62})/([^/]{1,64})/([1-9][0-9]{0,15})", re.ASCII)


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


class SessionService(KeyedService, session_pb2_grpc.SessionServiceServicer):
    """See `protos/gateway/v1/session.proto`."""

    def __init__(self, given: Given, keys: Keys | None) -> None:
        super().__init__(given, keys)
        self._catalogue = Catalogue(given.ingress, given.routes, given.process.deadline_ms_default)

    async def Open(self, request: pb.OpenRequest, context: Context) -> pb.OpenResponse:
        """An opening: a visit and its session in one record."""
        program = request.program

        async def work(steps: Steps) -> pb.OpenResponse:
            openid, person = await self._opener(steps, program, request.openid)
            await self._catalogue.learn(program, steps.until_ms)
            at, command = self._openings().opening(request, openid, steps.request_id)
            if command.path and person and steps.principal is not None and self.vault is not None:
                openid = await use(steps, self.vault.derived, program, person, 2)
                at, command = self._openings().opening(request, openid, steps.request_id)
            answer = await steps.ask(at, command)
            response = stamped(pb.OpenResponse.FromString(written(answer.payload)), answer)
            if response.began and person:
                await steps.ask(RECENT.at(person), Used(program), 1)
            return response

        return await self.answer(context, "Open", self._about(context, request), request.request_id, work)

    async def OpenStream(self, request_iterator: AsyncIterator[pb.OpenBatch], context: Context) -> None:
        """Many openings at a time."""
        began = time.perf_counter()
        try:
            caller, speech = self.caller(context), self._openings()
            stream = stream_of(self._ingress, self._routes, speech, caller, self._sensor, self.process, context)
            await self.serve(stream, stream.run(request_iterator, context))
        except PlatformError as error:
            await self.refuse(context, "OpenStream", began, error, "")
        context.set_trailing_metadata(trailer(""))

    def _openings(self) -> Openings:
        return Openings(self._routes, self.process, self._catalogue)

    async def Show(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The session is seen."""
        return await self._use(context, "Show", request, sessions.Show())

    async def Hide(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The session is in the background."""
        return await self._use(context, "Hide", request, sessions.Hide())

    async def EnterPage(self, request: pb.PageRequest, context: Context) -> pb.SessionResponse:
        """A page more."""
        return await self._use(context, "EnterPage", request, sessions.EnterPage(request.path))

    async def RenderPage(self, request: pb.PageRequest, context: Context) -> pb.SessionResponse:
        """The top page is ready."""
        return await self._use(context, "RenderPage", request, sessions.RenderPage(request.path))

    async def LeavePage(self, request: pb.PageRequest, context: Context) -> pb.SessionResponse:
        """The top page less."""
        return await self._use(context, "LeavePage", request, sessions.LeavePage(request.path))

    async def Close(self, request: pb.SessionRequest, context: Context) -> pb.SessionResponse:
        """The end of a session: the visit and its session in one record."""

        async def work(steps: Steps) -> pb.SessionResponse:
            named = _own(steps, request.session)
            return _done(await steps.ask(VISIT.at(named.visit), visits.Close(named.n)))

        return await self.answer(context, "Close", _addressed(request.session), request.request_id, work)

    async def _use(
        self, context: Context, method: str, request: pb.SessionRequest | pb.PageRequest, command: sessions.Command
    ) -> pb.SessionResponse:
        async def work(steps: Steps) -> pb.SessionResponse:
            named = _own(steps, request.session)
            asked = command
            if isinstance(asked, sessions.EnterPage):
                page = asked.path.partition("?")[0]
                if not has_page(self._routes, named.program, page, steps.request_id, "path"):
                    asked = sessions.gone(asked)
            return _done(await steps.ask(SESSION.at(named.id), asked))

        return await self.answer(context, method, _addressed(request.session), request.request_id, work)

    async def _opener(self, steps: Steps, program: str, asked: str) -> tuple[str, str]:
        """Who opens: as the program knows it, and as the platform does, "" where only the program does.

        Raises PermissionDenied, InvalidCommand.
        """
        principal = steps.principal
        if principal is not None and principal.role is Role.ACCOUNT and self.vault is not None:
            openid = await openid_of(steps, self.vault.derived, program, principal.subject)
            if asked not in ("", openid):
                raise denied()
            return openid, principal.subject
        openid = opener(principal, steps.caller, program, asked)
        return openid, openid if principal is None else ""

    def _about(self, context: Context, request: pb.OpenRequest) -> Ref[Any]:
        """The visits that an opening is asked of, for the door; a caller that is none is refused there."""
        caller = self.seen_caller(context)
        if caller is None:
            return VISIT.at(request.program)
        name = caller.name if caller.principal is None else caller.principal.subject
        return VISIT.at(f"{request.program}/{request.openid or name}")


def _own(steps: Steps, session: str) -> _Named:
    """The caller's session of this name. Raises InvalidCommand for a text that is none, PermissionDenied."""
    found = _NAME.fullmatch(session)
    if found is None:
        message = f"a session is sessions/<program>/<openid>/<n>, not {session[:100]!r}"
        raise InvalidCommand(message, field="session", reason="INVALID_SESSION")
    named = _Named(found[1], found[2], int(found[3]))
    if opener(steps.principal, steps.caller, named.program) != named.openid:
        raise denied()
    return named


def _addressed(session: str) -> Ref[Any]:
    return SESSION.at(session.partition("/")[2])


def _done(answer: Answer) -> pb.SessionResponse:
    return stamped(pb.SessionResponse(), answer)
