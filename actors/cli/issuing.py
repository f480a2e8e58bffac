"""`hutong credentials`: secrets and tokens of programs' servers and merchants, through the running gateway."""

import os
import shlex
from pathlib import Path
from typing import Any

from actors.cli import output
from actors.cli.calling import ask, change, found_by, refuse_call
from actors.cli.showing import Facts, time_of
from actors.clocks import wall_ms
from actors.errors import PlatformError, SetupError
from gateway.client import uuid7
from gateway.v1 import credentials_pb2 as pb
from gateway.v1.credentials_pb2_grpc import CredentialServiceStub

SECRET = "HUTONG_SECRET"


def renew_secret(folder: Path, credential: str, as_json: bool) -> None:
    """Print a new secret, which nobody can be told again."""
    answer, place = _change(folder, "RenewSecret", pb.CredentialRequest(credential=credential), as_json)
    output.result({"credential": credential, "secret": answer.secret} | place, as_json, answer.secret)
    output.say(f"HUTONG_SECRET=… hutong credentials token --dir {shlex.quote(str(folder))}")


def issue_token(folder: Path, forced: bool, as_json: bool) -> None:
    """Print the token that stands."""
    secret = os.environ.get(SECRET, "")
    if not secret:
        raise SetupError(f"put the secret into ${SECRET}: a command line can be seen by others", reason="NO_SECRET")
    request = pb.IssueTokenRequest(forced=forced, request_id=uuid7(wall_ms()))
    try:
        answer = ask(folder, lambda client: client.ask(CredentialServiceStub, "IssueToken", request), secret=secret)
    except PlatformError as error:
        refuse_call(folder, error, request.request_id, as_json)
    facts = {"token": answer.token, "until": time_of(answer.until_ms), "version": answer.version}
    output.result(facts, as_json, answer.token)
    output.say(f"good until {facts['until']}")


def show_quota(folder: Path, credential: str, as_json: bool) -> None:
    """Print what is left."""
    request = pb.GetQuotaRequest(credential=credential)
    found = ask(folder, lambda client: client.ask(CredentialServiceStub, "GetQuota", request))
    facts: Facts = {"credential": credential, "state": found.state, "used": found.used, "remain": found.remain}
    facts["reset"] = time_of(found.reset_ms) if found.reset_ms else ""
    output.result(facts, as_json, "\n".join(f"{name:<11} {value}" for name, value in facts.items()))


def disable_credential(folder: Path, credential: str, as_json: bool) -> None:
    """End what it has."""
    _, place = _change(folder, "DisableCredential", pb.CredentialRequest(credential=credential), as_json)
    output.result({"credential": credential} | place, as_json, "its secrets and tokens are good no more")


def _change(folder: Path, method: str, request: Any, as_json: bool) -> tuple[Any, Facts]:
    """Ask for a change; the answer, and by what it is found again."""
    answer = change(folder, CredentialServiceStub, method, request, as_json)
    return answer, found_by(request, answer)
