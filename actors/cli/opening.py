"""`hutong open`: a program opened as a person would, by a code, a link, a card or its name."""

import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actors.cli import output, running
from actors.cli.calling import ask, refuse_call
from actors.cli.minting import program_in
from actors.cli.searching import found
from actors.errors import NotFound, PlatformError, SetupError
from gateway.client import uuid7
from gateway.v1 import session_pb2, ways_pb2
from gateway.v1.search_pb2 import FoundProgram
from gateway.v1.session_pb2_grpc import SessionServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub


class _Way(NamedTuple):
    """Where something leads: an empty page is the program's first."""

    program: str
    source: str
    via: str
    page: str = ""
    scene: bytes = b""
    env: str = "release"


def open_program(folder: Path, text: str, caller: str, device: str, city: str, as_json: bool) -> None:
    """Open a session where a code or a name leads; prints it with its page and scene, and what shows it."""
    way = _addressed(folder, text, caller) if "/" in text else _searched(folder, text)
    name = uuid7(time.time_ns() // 1_000_000)
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
        refuse_call(folder, error, name, as_json)
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


def _addressed(folder: Path, text: str, caller: str) -> _Way:
    """Where a code, a link or a card leads. What it is its address says; without one it is a code."""
    letter = text.upper().removeprefix("HTTPS://").partition("/")[2].partition("/")[0]
    return _LETTERS.get(letter, _scanned)(folder, text, caller)


def _asked(folder: Path, method: str, request: Any, caller: str) -> Any:
    """What the gateway says of an address to this person of its program."""
    program = program_in(request.text)
    return ask(folder, lambda client: client.ask(WaysServiceStub, method, request), caller, person_of=program)


def _linked(folder: Path, text: str, caller: str) -> _Way:
    """Where a link leads, which is the caller's from then on. Raises what the gateway says of it."""
    request = ways_pb2.ResolveLinkRequest(text=text)
    found = _asked(folder, "ResolveLink", request, caller)
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
    found = _asked(folder, "ResolveCode", request, caller)
    return _Way(found.program, "scan", f"codes/{found.program}/{found.code}", found.page, found.scene, found.env)


_LETTERS: Mapping[str, Callable[[Path, str, str], _Way]] = {"L": _linked, "S": _shared}


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
