"""`search`: programs by name or around a position, through the running gateway."""

from pathlib import Path
from typing import Any

from actors.cli import output
from actors.cli.calling import ask
from actors.errors import InvalidCommand
from actors.projections.search import looked_metres
from gateway.v1 import search_pb2 as pb
from gateway.v1.search_pb2_grpc import SearchServiceStub

HITS_MAX = 20


def show_found(folder: Path, text: str, category: str, city: str, near: str, as_json: bool) -> None:
    """List the released programs that match, the most used first; around a position the nearest first."""
    programs = [
        {
            "program": one.program,
            "title": one.title,
            "account": one.account,
            "category": one.category,
            "city": one.city,
            **({"metres": one.metres} if near else {}),
        }
        for one in (_around(folder, near) if near else found(folder, text, category, city))
    ]
    if as_json or not programs:
        output.result({"programs": programs}, as_json, _nothing(near) if near else "no program is found")
    else:
        output.table("Programs", tuple(programs[0]), [list(one.values()) for one in programs])


def _nothing(near: str) -> str:
    at = location_of(near)
    looked = looked_metres((at.latitude, at.longitude))
    return (
        f"no program is within {looked} metres of {near}; what is farther away than the cells around is not looked at"
    )


def found(folder: Path, text: str, category: str = "", city: str = "") -> list[pb.FoundProgram]:
    """What the gateway finds, the most used first."""
    request = pb.SearchRequest(text=text, category=category, city=city, hits_max=HITS_MAX)
    answer: Any = ask(folder, lambda client: client.ask(SearchServiceStub, "Search", request))
    return list(answer.programs)


def location_of(text: str) -> pb.Location:
    """The position that somebody wrote down. Raises InvalidCommand."""
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError as error:
        message = f"a position is LATITUDE,LONGITUDE in degrees, such as 23.13,113.26, not {text[:50]!r}"
        raise InvalidCommand(message, field="position", reason="NO_SUCH_POSITION") from error
    return pb.Location(latitude=latitude, longitude=longitude)


def _around(folder: Path, near: str) -> list[pb.FoundProgram]:
    request = pb.NearbyRequest(location=location_of(near), hits_max=HITS_MAX)
    answer: Any = ask(folder, lambda client: client.ask(SearchServiceStub, "Nearby", request))
    return list(answer.programs)
