"""`hutong open`: a program opened as a person would, by a code, a link, a card, an ordinary link or its name."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from actors.cli import output, running
from actors.cli.calling import ask, refuse_call
from actors.cli.hints import hinted
from actors.cli.minting import program_in
from actors.cli.searching import found
from actors.clocks import wall_ms
from actors.domain.ways.address import NAME_CHARS
from actors.errors import InvalidCommand, NotFound, PlatformError, SetupError
from gateway.client import uuid7
from gateway.v1 import session_pb2, ways_pb2
from gateway.v1.search_pb2 import FoundProgram
from gateway.v1.session_pb2_grpc import SessionServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub

VIA_CHARS_MAX = 256


class _Way(NamedTuple):
    """Where something leads: an empty page is the program's first."""

    program: str
    source: str
    via: str
    page: str = ""
    scene: bytes = b""
    env: str = "release"


def open_program(folder: Path, text: str, caller: str, device: str, city: str, as_json: bool) -> None:
    """Open a session where a code, a link or a name leads; prints it with its page and scene, and what shows it."""
    way = _addressed(folder, text, caller) if "/" in text else _searched(folder, text)
    name = uuid7(wall_ms())
    request = session_pb2.OpenRequest(
        program=way.program,
        path=way.page,
        source=way.source,
        via=way.via,
        device=device,
        city=city,
        request_id=name,
    )
    try:
        opened = ask(
            folder, lambda client: client.ask(SessionServiceStub, "Open", request), caller, person_of=way.program
        )
    except SetupError:
        raise  # nothing was asked
    except PlatformError as error:
        refuse_call(folder, _explained(error, way, text), name, as_json)
    facts = {
        "program": way.program,
        "version": opened.version,
        "env": way.env,
        "page": opened.path,
        "scene": way.scene.decode(errors="backslashreplace"),
        "source": way.source,
        "via": way.via,
        "session": opened.session,
        "visit": opened.visit,
    }
    words = ["hutong", "query", opened.session, "session", "--dir", str(folder)]
    if running.running(folder).identity:  # a person alone sees its own
        words += ["--caller", caller if "/" in caller else f"person/{way.program}/{caller}"]
    at = opened.position
    place = {"request_id": name, "position": f"{at.partition}/{at.offset}/{at.index}", "duplicate": opened.duplicate}
    told = "\n".join(f"{fact:<8} {value}" for fact, value in facts.items())
    output.result({**facts, "began": opened.began, **place, "next": words}, as_json, told)
    output.say(shlex.join(words))


def _explained(error: PlatformError, way: _Way, text: str) -> PlatformError:
    """What to do where nothing is known by a name that somebody looked for."""
    if error.reason != "NO_SUCH_PROGRAM" or way.source != "search":
        return error
    message = (
        f"nothing is known by the name {text!r}: what ships is found once `hutong catalog publish` has released it, "
        "and `hutong search` looks for parts of names"
    )
    return NotFound(message, reason=error.reason)


def _addressed(folder: Path, text: str, caller: str) -> _Way:
    """Where a code, a link or a card leads. What it is its address says; without one the length of its name does.

    An address that is none of this platform's is an ordinary link.
    """
    is_address = "://" in text
    letter = text.upper().removeprefix("HTTPS://").partition("/")[2].partition("/")[0] if is_address else ""
    if not is_address:
        return (_named if len(text.rpartition("/")[2]) == NAME_CHARS else _scanned)(folder, text, caller)
    try:
        return _LETTERS.get(letter, _followed)(folder, text, caller)
    except InvalidCommand as error:
        if error.reason not in _FOREIGN:
            raise
        return _followed(folder, text, caller)


def _asked(folder: Path, method: str, request: Any, caller: str) -> Any:
    """What the gateway says of an address to this person of its program."""
    program = program_in(request.text)
    return ask(folder, lambda client: client.ask(WaysServiceStub, method, request), caller, person_of=program)


def _named(folder: Path, text: str, caller: str) -> _Way:
    """Where a link leads or, when there is none of this name, a card."""
    try:
        return _linked(folder, text, caller)
    except NotFound as error:
        if error.reason != "NO_SUCH_LINK":
            raise
    try:
        return _shared(folder, text, caller)
    except NotFound as error:
        if error.reason != "NO_SUCH_SHARE":
            raise
        raise NotFound(f"there is neither a link nor a card {text!r}", reason="NO_SUCH_LINK") from error


def _followed(folder: Path, text: str, _: str) -> _Way:
    """Where an ordinary link leads by the rules of its host; the page is given all of it as `q`."""
    request = ways_pb2.MatchRuleRequest(url=text)
    try:
        found: Any = ask(folder, lambda client: client.ask(WaysServiceStub, "MatchRule", request))
    except NotFound:
        output.say("`hutong links rule` has a host's links lead to a page, and `hutong links publish` makes it so")
        raise
    via = f"link-rules/{(urlsplit(text).hostname or '')}{found.prefix}"[:VIA_CHARS_MAX]
    return _Way(found.program, "link", via, f"{found.page}?q={quote(text, safe='')}")


def _linked(folder: Path, text: str, caller: str) -> _Way:
    """Where a link leads, which is the caller's from then on. Raises what the gateway says of it."""
    with hinted():
        found = _asked(folder, "ResolveLink", ways_pb2.ResolveLinkRequest(text=text), caller)
    return _Way(found.program, "link", f"links/{found.program}/{found.link}", found.page, found.scene)


def _shared(folder: Path, text: str, caller: str) -> _Way:
    """Where a card leads. Raises what the gateway says of it, and NotFound for one that was withdrawn."""
    request = ways_pb2.GetShareRequest(text=text)
    found = _asked(folder, "GetShare", request, caller)
    if found.state != "shared":
        raise NotFound("this card was withdrawn", reason="SHARE_WITHDRAWN")
    return _Way(found.program, "share", f"shares/{found.program}/{found.share}", found.page, found.scene)


def _scanned(folder: Path, text: str, caller: str) -> _Way:
    """Where a code leads. Raises what the gateway says of it."""
    request = ways_pb2.ResolveCodeRequest(text=text)
    try:
        found = _asked(folder, "ResolveCode", request, caller)
    except InvalidCommand as error:
        if error.reason in _FOREIGN and "://" not in text:
            output.say("after PROGRAM/ a code has 12 letters and digits, a link or a card 16")
        raise
    return _Way(found.program, "scan", f"codes/{found.program}/{found.code}", found.page, found.scene, found.env)


_LETTERS: Mapping[str, Callable[[Path, str, str], _Way]] = {"C": _scanned, "L": _linked, "S": _shared}
_FOREIGN = ("INVALID_CODE", "INVALID_LINK", "INVALID_SHARE")
"""Why an address is refused that has the form of ours, and another host."""


def _searched(folder: Path, text: str) -> _Way:
    """The program of this name: the one that is found, or, when none is, the one that runs here by just this name.

    Raises NotFound when several are found and none has just this name: a person would choose.
    """
    hits = found(folder, text)
    programs = [hit.program for hit in hits if _is_named(hit, text)] or [hit.program for hit in hits]
    if len(programs) > 1:
        shown = ", ".join(programs)
        raise NotFound(f"{text!r} may be any of {shown}: open one of them by its name", reason="SEVERAL_FOUND")
    return _Way(programs[0] if programs else text, "search", text)


def _is_named(hit: FoundProgram, text: str) -> bool:
    names = (hit.program, hit.title, *hit.aliases)
    return text.casefold() in (name.casefold() for name in names)
