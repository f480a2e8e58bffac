"""`hutong erase`: forget a person, for ever."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json
from actors.clocks import wall_ms

if TYPE_CHECKING:
    from gateway.client import Client
    from gateway.v1 import identity_pb2 as pb

ERASED_S_MAX = 60.0
LOOK_S = 0.05
WARNING = (
    "{person} would be forgotten for ever: the keys of all that identifies them are destroyed, and with them every "
    "address, plate, message and contact on the log and in every copy of it. Nobody can undo that. What remains is "
    "that something happened, under names that say nothing; and whatever copies there are of the folder's keys. "
    "Say --yes to do it."
)


def erase(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The account, as `hutong sign-in` prints it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: nothing brings the person back.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Erase a person: destroy the keys of all that identifies them. Waits until that is done.

    The platform must run with HUTONG_IDENTITY_REQUIRED=true.
    """
    from actors.cli import output
    from actors.cli.calling import ask
    from actors.errors import InvalidCommand
    from gateway.client import uuid7
    from gateway.v1 import identity_pb2 as pb

    where = running.folder_of(folder)
    ask(where, lambda client: _check_known(client, person))
    if not yes:
        raise InvalidCommand(WARNING.format(person=person), field="--yes", reason="NOT_CONFIRMED")
    request = pb.PersonRequest(person=person, request_id=uuid7(wall_ms()))
    ask(where, lambda client: _erased(client, request))
    output.result(
        {"person": person, "state": "erased", "request_id": request.request_id}, json, f"{person} is forgotten"
    )


async def _check_known(client: "Client", person: str) -> None:
    """Raises NotFound for a person whom nobody knows, and who is therefore nobody to forget."""
    from actors.errors import NotFound
    from gateway.v1 import identity_pb2 as pb
    from gateway.v1.identity_pb2_grpc import IdentityServiceStub

    found = await client.ask(IdentityServiceStub, "GetPerson", pb.GetPersonRequest(person=person))
    if found.state == "none":
        message = (
            f"there is no person {person[:100]!r}: an account is named as `hutong sign-in NAME` tells it, not NAME"
        )
        raise NotFound(message, reason="NO_SUCH_PERSON")


async def _erased(client: "Client", request: "pb.PersonRequest") -> None:
    """Ask for it, and wait until the keys are destroyed; who erased itself learns it by being no more known."""
    from actors.errors import Unauthenticated, Unavailable
    from gateway.v1 import identity_pb2 as pb
    from gateway.v1.identity_pb2_grpc import IdentityServiceStub

    until = time.monotonic() + ERASED_S_MAX
    look = pb.GetPersonRequest(person=request.person)
    try:
        state = (await client.ask(IdentityServiceStub, "Erase", request)).state
        while state != "erased" and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
            state = (await client.ask(IdentityServiceStub, "GetPerson", look)).state
    except Unauthenticated as error:
        if error.reason != "TOKEN_PERSON_ERASED":
            raise
        return
    if state != "erased":
        message = "it has begun, but no follower has destroyed the keys yet: see `hutong status`, and ask again"
        raise Unavailable(message, outcome="OUTCOME_UNKNOWN")
