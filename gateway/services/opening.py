"""Openings of programs: whose each is, what it is made into, and how it is answered; one by one and in a stream."""

import asyncio
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from actors.domain import visit
from actors.domain.visit import VISIT
from actors.entity import Ref
from actors.errors import InvalidCommand, PlatformError
from actors.kernel.action import Reply
from actors.kernel.record import Invoke, encode_record
from actors.payload import checked
from actors.principal import PART, Principal, Role
from actors.settings import ProcessSettings
from gateway.auth import CALLER, Caller
from gateway.authority import denied
from gateway.routes import Routes
from gateway.services.belonging import check_runs, has_page
from gateway.services.shown import Catalogue
from gateway.v1 import session_pb2 as pb
from gateway.written import VARINTS, Shape, varint

RELAYS = (Role.OPERATOR, Role.PLATFORM)
"""Who opens for persons, in a stream: the platform's own edge, which knows them."""

PACKED_MAX = 4_096
"""So many openings are known by their words: most differ in nothing but who opens."""


class Opened(Struct):
    """What a visit answers to an opening."""

    session: str
    path: str
    version: str
    visit: int
    began: bool


_opened = msgspec.json.Decoder(Opened).decode


def opener(principal: Principal | None, caller: str, program: str, asked: str = "") -> str:
    """Who opens; `asked` is whom the request names, if anybody. Raises PermissionDenied, InvalidCommand."""
    if principal is None:
        openid = asked or caller
    elif principal.role in RELAYS and asked:
        openid = asked
    elif principal.role is Role.PERSON and principal.tenant == program and asked in ("", principal.subject):
        return principal.subject
    else:
        raise denied()
    if not PART.fullmatch(openid):
        field = "openid" if asked else CALLER
        message = f"{field} says who opens: 1 to 64 letters, digits and . _ ~ -"
        raise InvalidCommand(message, field=field, reason="INVALID_OPENID")
    return openid


@lru_cache(PACKED_MAX)
def _packed(*words: Any) -> bytes:
    """The msgpack of the command of these fields. Raises InvalidCommand for words that it does not take."""
    return checked(visit.Open(*words))


def written(payload: bytes) -> bytes:
    """The answer of a visit as an `OpenResponse`, as recorded: a retry is told what the first try was."""
    opened = _opened(payload)
    session, path, version = f"sessions/{opened.session}".encode(), opened.path.encode(), opened.version.encode()
    parts = (
        b"\x0a",
        VARINTS[len(session)],  # names and pages are never longer than what is known here
        session,
        b"\x12",
        VARINTS[len(path)],
        path,
        b"\x1a",
        VARINTS[len(version)],
        version,
        b"\x20",
        varint(opened.visit),
        b"\x28\x01" if opened.began else b"",
    )
    return b"".join(parts)


def _answer(reply: Reply) -> bytes:
    return written(reply.payload)


class Openings:
    """What an `OpenStream` speaks of: a `Speech`."""

    method = "OpenStream"
    shape = Shape(_answer, b"", b"\x32", b"\x38")

    def __init__(self, routes: Routes, process: ProcessSettings, catalogue: Catalogue) -> None:
        self._routes = routes
        self._quotas = (
            process.visit_merge_ms,
            process.visit_devices_max,
            process.session_hidden_ms,
            process.session_idle_ms,
        )
        self._catalogue = catalogue
        self._unknown: dict[str, PlatformError] = {}

    def calls(self, batch: pb.OpenBatch) -> Sequence[pb.OpenRequest]:
        """The openings of a message."""
        return batch.opens

    async def learn(self, calls: Sequence[pb.OpenRequest], until_ms: int) -> None:
        """What the catalogue says of these programs; one that it does not tell of now is refused by its reason."""
        self._unknown.clear()
        now_s = time.monotonic()
        programs = [one for one in {call.program for call in calls} if not self._catalogue.is_fresh(one, now_s)]
        if not programs:
            return
        told = await asyncio.gather(
            *(self._catalogue.learn(program, until_ms) for program in programs), return_exceptions=True
        )
        for program, error in zip(programs, told, strict=True):
            if isinstance(error, PlatformError):
                self._unknown[program] = error
            elif error is not None:
                raise error

    def key(self, call: pb.OpenRequest, caller: Caller) -> str:
        """The visits that are asked, by their resource name."""
        return f"visits/{call.program}/{call.openid or caller.name}"

    def check(self, call: pb.OpenRequest, caller: Caller) -> None:
        """Raises PermissionDenied for an opening that is not the caller's to make."""
        opener(caller.principal, caller.name, call.program, call.openid)

    def record(self, call: pb.OpenRequest, request_id: bytes, caller: Caller) -> tuple[int, bytes]:
        """An opening's partition and record."""
        program = call.program
        if program in self._unknown:
            raise self._unknown[program]
        openid = opener(caller.principal, caller.name, program, call.openid)
        command = _packed(*self._words(call, program, openid, request_id))
        entity, partition = self._routes.place(VISIT, f"{program}/{openid}")
        return partition, encode_record(Invoke(entity, command, request_id, caller.name))

    def opening(self, call: pb.OpenRequest, openid: str, request_id: bytes) -> tuple[Ref[visit.Command], visit.Open]:
        """What is asked of which visits. Raises NotFound, and InvalidCommand for a page that there is not."""
        return VISIT.at(f"{call.program}/{openid}"), visit.Open(*self._words(call, call.program, openid, request_id))

    def _words(self, call: pb.OpenRequest, program: str, openid: str, request_id: bytes) -> tuple[Any, ...]:
        """The fields of the command, which say nothing of who opens: very many persons open in the same words.

        The page may have been there when the call was made for the first time: then the log tells.
        """
        asked = call.path
        path = asked or check_runs(self._routes, program).manifest.pages[0]
        if asked and not has_page(self._routes, program, asked.partition("?")[0], request_id, "path"):
            path = ""
        version = self._catalogue.version(call, program, openid)
        source = call.source or "other"  # whatever is no source is refused when the command is checked
        return path, source, call.device, call.via, version, call.city, *self._quotas, asked

    def results(self) -> pb.OpenResultBatch:
        """A message for results."""
        return pb.OpenResultBatch()
