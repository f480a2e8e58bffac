"""`friends` and `mine`: a person's ties and programs, through the running gateway."""

import os
from pathlib import Path
from typing import Any

import msgspec

from actors.cli import output, running
from actors.cli.calling import ask, change, place
from actors.cli.showing import time_of
from actors.errors import SetupError
from actors.principal import Role, parse
from gateway.client import TOKEN
from gateway.v1 import friends_pb2, search_pb2
from gateway.v1.friends_pb2_grpc import FriendsServiceStub
from gateway.v1.search_pb2_grpc import SearchServiceStub


def _as_person(folder: Path, caller: str) -> str:
    """The caller. Raises SetupError where a person must be proven, and neither a token nor the caller names one."""
    principal = parse(caller)
    is_account = principal is not None and principal.role is Role.ACCOUNT
    if running.running(folder).identity and not is_account and not os.environ.get(TOKEN):
        message = (
            f"`friends` and `mine` are a person's own, and {caller!r} proves nobody here: put into ${TOKEN} what "
            f"`hutong sign-in NAME --dir {folder}` prints, as export {TOKEN}=$(hutong sign-in NAME --dir {folder})"
        )
        raise SetupError(message, reason="NO_TOKEN")
    return caller


def change_tie(folder: Path, method: str, person: str, caller: str, as_json: bool) -> None:
    """Change what there is to another person; prints how it stands then."""
    request = friends_pb2.FriendRequest(person=person)
    answer, found = _change(folder, FriendsServiceStub, method, request, caller, as_json)
    facts = {**found, "person": person, "state": answer.state}
    output.result(facts, as_json, f"{person}: {answer.state}")


def show_ties(folder: Path, caller: str, as_json: bool) -> None:
    """Everybody whom there is anything to."""
    request = friends_pb2.ListFriendsRequest()
    found: Any = ask(
        folder, lambda client: client.ask(FriendsServiceStub, "ListFriends", request), _as_person(folder, caller)
    )
    ties = {state: list(getattr(found, state)) for state in ("friends", "asks", "asked", "blocked")}
    told = "\n".join(f"{state:<8} {', '.join(persons) or 'nobody'}" for state, persons in ties.items())
    output.result(ties, as_json, told)


def show_board(folder: Path, board: str, caller: str, as_json: bool) -> None:
    """The best scores of friends in Jump."""
    request = friends_pb2.ListBoardRequest(program="jump", collection="players", under=board, view="player", by="best")
    found: Any = ask(
        folder, lambda client: client.ask(FriendsServiceStub, "ListBoard", request), _as_person(folder, caller)
    )
    rows = [{"rank": row.rank, "person": row.person, **msgspec.json.decode(row.payload)} for row in found.rows]
    output.result({"rows": rows, "more": found.more}, as_json)
    if not as_json:
        ranked = [(row["rank"], row["person"], row["best"], row["games"]) for row in rows if row["rank"]]
        output.table(board, ("rank", "person", "best", "games"), ranked)
        others = ", ".join(row["person"] for row in rows if not row["rank"])
        if others:
            output.say(f"without a score: {others}")


def show_programs(folder: Path, method: str, caller: str, as_json: bool) -> None:
    """A person's programs, the latest first."""
    request = getattr(search_pb2, f"{method}Request")()
    found: Any = ask(folder, lambda client: client.ask(SearchServiceStub, method, request), _as_person(folder, caller))
    programs = [{"program": one.program, "time": time_of(one.at_ms)} for one in found.programs]
    told = "\n".join(f"{one['time']}  {one['program']}" for one in programs) or "none"
    output.result({"programs": programs}, as_json, told)


def change_favourite(folder: Path, method: str, program: str, caller: str, as_json: bool) -> None:
    """Keep a program at hand, or no more."""
    request = search_pb2.FavourRequest(program=program)
    _, found = _change(folder, SearchServiceStub, method, request, caller, as_json)
    output.result({**found, "program": program}, as_json, "done")


def _change(
    folder: Path, stub: Any, method: str, request: Any, caller: str, as_json: bool
) -> tuple[Any, dict[str, Any]]:
    """Ask for a change; the answer, and by what it is found again."""
    answer = change(folder, stub, method, request, as_json, _as_person(folder, caller))
    output.say(f"hutong why {request.request_id} --dir {folder}")
    return answer, place(request, answer)
