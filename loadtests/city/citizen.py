"""A person of the city: signs in once, and is somebody else in every program."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from actors.errors import PlatformError
from gateway.client import Client
from gateway.v1 import identity_pb2 as pb
from gateway.v1.identity_pb2_grpc import IdentityServiceStub

ISSUER = "platform/development"
ASK_MS_MAX = 60_000
"""How long whoever asks goes on asking, by one request id: hosts and gateways may end meanwhile."""
WAIT_S_MAX = 60.0
LOOK_S = 0.02

Proof = Callable[[str], str]
"""A token for a principal, such as `server/bike`: whoever holds the signing keys of the platform can give it."""


class Unexpected(Exception):
    """Something was answered, and it is not what the city's rules come to."""


class Visitor(NamedTuple):
    """A person in one program: as the program knows them."""

    openid: str
    client: Client

    async def invoke(self, entity: str, command: str, payload: Any = b"", request_id: str = "") -> Any:
        """What the entity of this program answers to the command."""
        return await called(self.client, entity, command, payload, request_id)


async def called(client: Client, entity: str, command: str, payload: Any = b"", request_id: str = "") -> Any:
    """What an entity answers to a command. `entity` is `<program>/<collection>/<id>`."""
    answer = await client.invoke(f"programs/{entity}", command, payload, request_id=request_id, retry_for_ms=ASK_MS_MAX)
    return answer.value


async def asked(client: Client, stub: Any, method: str, request: Any, request_id: str = "") -> Any:
    """What a typed service answers. A request that changes something is named."""
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = request_id or client.new_request_id()
    return await client.ask(stub, method, request, deadline_ms=ASK_MS_MAX)


async def until(client: Client, entity: str, view: str, is_so: Callable[[Any], bool], args: Any = b"") -> Any:
    """Ask the view until it shows what comes of commands that are on their way. Raises Unexpected if it never does."""
    give_up_at = time.monotonic() + WAIT_S_MAX
    while True:
        shown = (await client.query(f"programs/{entity}", view, args, deadline_ms=ASK_MS_MAX)).value
        if is_so(shown):
            return shown
        if time.monotonic() > give_up_at:
            raise Unexpected(f"{entity} still shows {shown}")
        await asyncio.sleep(LOOK_S)


async def refusal(call: Awaitable[object]) -> str:
    """The reason why this is refused, as it must be. Raises Unexpected when it is not."""
    try:
        answered = await call
    except PlatformError as error:
        return error.reason
    raise Unexpected(f"this should have been refused, and was answered: {answered}")


def expect(fact: bool, otherwise: str) -> None:
    """Raises Unexpected, saying what there is instead."""
    if not fact:
        raise Unexpected(otherwise)


class Citizen:
    """One person, by the name that the development issuer vouches for."""

    def __init__(self, connection: Client, proof: Proof, name: str) -> None:
        self.name = name
        self.person = ""
        self._connection = connection
        self._issuer = connection.by(proof(ISSUER))
        self._account = self._issuer
        self._visits: dict[str, Visitor] = {}

    async def sign_in(self, request_id: str = "") -> None:
        """Become who the issuer says."""
        request = pb.SignInRequest(issuer=ISSUER, subject=self.name)
        answer = await asked(self._issuer, IdentityServiceStub, "SignIn", request, request_id)
        self.person, self._account = answer.person, self._connection.by(answer.token)

    @property
    def account(self) -> Client:
        """This person on the platform itself. Before they signed in, it is the issuer's."""
        return self._account

    async def at(self, program: str) -> Visitor:
        """This person in a program."""
        if program not in self._visits:
            request = pb.GetPersonTokenRequest(program=program)
            answer = await asked(self._account, IdentityServiceStub, "GetPersonToken", request)
            self._visits[program] = Visitor(answer.openid, self._connection.by(answer.token))
        return self._visits[program]
