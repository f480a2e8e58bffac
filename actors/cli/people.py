"""`hutong sign-in`: the development issuer. It vouches for whoever it is told to, on this machine alone."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json
from actors.clocks import wall_ms

ISSUER = "development"
TOKEN_S = 60


def sign_in(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who signs in, such as ann. It is not kept.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Sign a person in, and print the token of their account.

    This is the development issuer: it asks for no proof, so it is only for platforms on this machine, whose gateways
    serve loopback addresses alone, and for whoever may read the folder. The platform must run with
    HUTONG_IDENTITY_REQUIRED=true.
    """
    from actors.cli import output
    from actors.cli.calling import ask
    from actors.cli.wiring import keys_of
    from actors.principal import Principal, Role
    from gateway.client import uuid7
    from gateway.tokens import sign
    from gateway.v1 import identity_pb2 as pb
    from gateway.v1.identity_pb2_grpc import IdentityServiceStub

    where, now_ms = running.folder_of(folder), wall_ms()
    running.running(where)  # says so if nothing runs, before a keyring is made
    keys = keys_of(where)
    proof = sign(keys, Principal(Role.PLATFORM, "", ISSUER), now_ms, TOKEN_S)
    keys.close()
    request = pb.SignInRequest(issuer=ISSUER, subject=name, request_id=uuid7(now_ms))
    answer = ask(where, lambda client: client.ask(IdentityServiceStub, "SignIn", request), token=proof)
    facts = {
        "person": answer.person,
        "token": answer.token,
        "refresh": answer.refresh,
        "request_id": request.request_id,
    }
    output.result(facts, json, answer.token)
    output.say(f"{answer.person} by the development issuer, which asks for no proof: for this machine alone")
