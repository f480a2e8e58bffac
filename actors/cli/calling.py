"""`call`, `query` and `describe`: one question to the running platform, through its gateway."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from actors.cli import output, running
from actors.cli.hints import hinted
from actors.cli.running import Run
from actors.clocks import wall_ms
from actors.errors import (
    DeadlineExceeded,
    InvalidCommand,
    Overloaded,
    PlatformError,
    Poisoned,
    Reject,
    RequestTooOld,
    SetupError,
    Unavailable,
)
from actors.principal import Principal, Role, parse
from gateway.client import DEADLINE_MS, TOKEN, Answer, Client, uuid7
from gateway.tls import pinned
from gateway.v1 import program_pb2 as pb
from gateway.v1.program_pb2_grpc import ProgramServiceStub

CALLER = "hutong-cli"
TLS_CERT = "HUTONG_TLS_CLIENT_CERT"
TLS_KEY = "HUTONG_TLS_CLIENT_KEY"
"""What these commands show of themselves where gateways ask for a certificate."""
T = TypeVar("T")


def ask(
    folder: Path,
    question: Callable[[Client], Awaitable[T]],
    caller: str = CALLER,
    *,
    person_of: str = "",
    token: str = "",
    secret: str = "",
) -> T:
    """Put a question to the platform that runs in this folder; see `connect`."""

    async def talk() -> T:
        async with connect(running.running(folder), caller, person_of=person_of, token=token, secret=secret) as client:
            return await question(client)

    return asyncio.run(talk())


def connect(run: Run, caller: str = CALLER, *, person_of: str = "", token: str = "", secret: str = "") -> Client:
    """A connection to a platform that runs.

    What proves who asks is the token or the secret that is given, else `$HUTONG_TOKEN`; and where those are needed and
    there is none, the key of the folder itself, which whoever may read it may sign by: for the caller, if that is a
    principal, else for the person of this name in the program `person_of`, else for an operator of this name.
    Over TLS the certificate is trusted that the gateways were started with. Raises SetupError, InvalidCommand.
    """
    token = token or os.environ.get(TOKEN, "")
    if run.identity and not token and not secret:
        token = _signed(Path(run.folder), caller, person_of)
    own = [Path(os.environ[name]) if os.environ.get(name) else None for name in (TLS_CERT, TLS_KEY)]
    tls = pinned(Path(run.tls_cert), *own) if run.tls_cert else None
    return Client(run.gateway, caller, token=token, secret=secret, tls=tls)


def _signed(folder: Path, caller: str, person_of: str) -> str:
    """A token by the folder's own key."""
    from actors.cli.wiring import keys_of
    from gateway.tokens import sign

    named = Principal(Role.PERSON, person_of, caller) if person_of else Principal(Role.OPERATOR, "", caller)
    principal = parse(caller) or parse(named.caller)
    if principal is None:
        message = f"{caller[:100]!r} is no name and no principal, such as ann or person/bike/ann"
        raise InvalidCommand(message, field="caller", reason="INVALID_PRINCIPAL")
    keys = keys_of(folder)
    try:
        return sign(keys, principal, wall_ms())
    finally:
        keys.close()


def call_entity(
    folder: Path,
    entity: str,
    command: str,
    payload: str,
    caller: str,
    request_id: str,
    as_json: bool,
    deadline_ms: int = DEADLINE_MS,
) -> None:
    """One call, tried again until the deadline; prints the answer, its place in the log and its request id.

    A call that fails tells its request id: by it the call can be explained, or safely made again.
    """
    # Named here and not by the client: a call that fails must be told by its name, too.
    name = request_id or uuid7(wall_ms())
    sent = payload.encode(errors="surrogateescape")

    def invoke(client: Client) -> Awaitable[Answer]:
        return client.invoke(entity, command, sent, request_id=name, deadline_ms=deadline_ms, retry_for_ms=deadline_ms)

    try:
        answer = ask(folder, invoke, caller)
    except SetupError:
        raise  # nothing was asked
    except PlatformError as error:
        refuse_call(folder, error, name, as_json)
    facts: dict[str, Any] = {
        "value": answer.value,
        "position": str(answer.position),
        "duplicate": answer.duplicate,
        "request_id": answer.request_id,
    }
    shown = "accepted" if answer.value is None else msgspec.json.encode(answer.value).decode()
    again = ", decided before" if answer.duplicate else ""
    output.result(facts, as_json, shown)
    output.say(f"at {answer.position}{again}; hutong why {answer.request_id} --dir {folder}")


def change(
    folder: Path,
    stub: Any,
    method: str,
    request: Any,
    as_json: bool,
    caller: str = CALLER,
    *,
    person_of: str = "",
) -> Any:
    """Ask a typed service for a change, again and again by one request id, which the request is given; its answer."""
    # Named here and not by the client: a call that fails must be told by its name, too.
    request.request_id = uuid7(wall_ms())
    try:
        with hinted():
            return ask(folder, lambda client: client.ask(stub, method, request), caller, person_of=person_of)
    except SetupError:
        raise  # nothing was asked
    except PlatformError as error:
        refuse_call(folder, error, request.request_id, as_json)


def found_by(request: Any, answer: Any) -> dict[str, Any]:
    """By what a change is found again: its request id and where it was decided."""
    at = answer.position
    return {"request_id": request.request_id, "position": f"{at.partition}/{at.offset}/{at.index}"}


def place(request: Any, answer: Any) -> dict[str, Any]:
    """By what a change is found again, and whether it had been decided before."""
    return {**found_by(request, answer), "duplicate": answer.duplicate}


def refuse_call(folder: Path, error: PlatformError, request_id: str, as_json: bool) -> NoReturn:
    """Tell why a call failed, and what can be done about it."""
    try:
        output.refuse(error, as_json, request_id=request_id)
    finally:
        _tell_next(folder, error, request_id)


def _tell_next(folder: Path, error: PlatformError, request_id: str) -> None:
    if isinstance(error, Reject | Poisoned | RequestTooOld):
        output.say(f"decided, and on the log: hutong why {request_id} --dir {folder}")
    elif isinstance(error, Unavailable | DeadlineExceeded | Overloaded):
        told = "whether it is done is unknown" if error.reason == "OUTCOME_UNKNOWN" else "it was not appended"
        output.say(f"{told}: make the same call again with --request-id {request_id}, which does it once at most")


def query_entity(
    folder: Path,
    entity: str,
    view: str,
    args: str,
    as_json: bool,
    deadline_ms: int = DEADLINE_MS,
    caller: str = CALLER,
) -> None:
    """One question; prints the view's answer."""
    asked = args.encode(errors="surrogateescape")
    answer = ask(folder, lambda client: client.query(entity, view, asked, deadline_ms=deadline_ms), caller)
    shown = msgspec.json.format(answer.payload).decode()
    output.result({"value": answer.value, "position": str(answer.position)}, as_json, shown)


def describe_program(folder: Path, program: str, as_json: bool) -> None:
    """What a program takes and tells; without one a list of all, or with --json what the platform itself takes."""
    if not program and not as_json:
        print(ask(folder, _all_programs))
        return
    described = ask(folder, lambda client: _with_lives(client, program))
    output.result(described, as_json, msgspec.json.format(msgspec.json.encode(described)).decode())


async def _with_lives(client: Client, program: str) -> dict[str, Any]:
    """The description of each kind, with its state machines."""
    described = await client.describe(program)
    return {kind: {**facts, "life": await _lives(client, kind)} for kind, facts in described.items()}


async def _lives(client: Client, kind: str) -> dict[str, dict[str, Any]]:
    """The tables of a kind: by machine and state, where each move leads, and whether the state is never left."""
    answer = await client.ask(ProgramServiceStub, "ListTransitions", pb.ListTransitionsRequest(kind=kind))
    return {
        life.name: {
            state.name: {"moves": {one.move: one.to for one in state.transitions}, "terminal": state.terminal}
            for state in life.states
        }
        for life in answer.lives
    }


def _life_text(name: str, table: Mapping[str, Any]) -> str:
    """One state machine on one line: each state with where it leads; an end stands alone."""
    states: list[str] = []
    for state, facts in table.items():
        onward = list(dict.fromkeys(to for to in facts["moves"].values() if to != state))
        states.append(f"{state} → {', '.join(onward)}" if onward else state)
    return f"      {name}: {'; '.join(states)}"


async def _all_programs(client: Client) -> str:
    """Every entity that can be called, with the names of its commands and views."""
    lines: list[str] = []
    for program in ["", *await client.programs()]:
        lines.append(f"{program}:" if program else "the platform itself:")
        for kind in (await _with_lives(client, program)).values():
            place = f"programs/{program}/" if program else ""
            views = f"; views {', '.join(kind['views'])}" if kind["views"] else ""
            lines.append(f"  {place}{kind['collection']}/<id>: {', '.join(kind['commands'])}{views}")
            lines += [_life_text(name, table) for name, table in kind["life"].items()]
    return "\n".join([*lines, "`hutong describe PROGRAM` shows the fields, as JSON Schemas."])
