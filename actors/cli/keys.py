"""`hutong keys`: the signing keys and root keys of a folder, and tokens for whoever may read it."""

from contextlib import suppress
from pathlib import Path

from actors.cli import output, running
from actors.cli.calling import CALLER, ask
from actors.cli.showing import Facts, time_of
from actors.cli.standing import standing_in
from actors.cli.wiring import keys_of
from actors.clocks import wall_ms
from actors.errors import InvalidCommand, PlatformError
from actors.ports import RootKey, RootState, SigningKey
from actors.principal import Principal, Role, parse
from gateway.client import Client
from gateway.tokens import LIFE_S_MAX, ROTATED_APART_MS, sign
from gateway.v1.catalog_pb2 import GetAccountRequest
from gateway.v1.catalog_pb2_grpc import CatalogServiceStub
from gateway.v1.identity_pb2 import GetPersonRequest
from gateway.v1.identity_pb2_grpc import IdentityServiceStub

ASKING_S = 60


def list_keys(folder: Path, as_json: bool) -> None:
    """Every key, oldest first: those that sign, and the root keys that names and secrets follow from."""
    keys = keys_of(folder)
    signing, roots = ([_facts(key) for key in some] for some in (keys.signing_keys(), keys.roots()))
    keys.close()
    if as_json:
        output.result({"keys": signing, "roots": roots}, as_json)
        return
    for title, shown in (("Signing keys", signing), ("Root keys", roots)):
        output.table(title, ("kid", "state", "made", "since"), [tuple(key.values()) for key in shown])


def _facts(key: SigningKey | RootKey) -> Facts:
    return {"kid": key.kid, "state": key.state.value, "made": time_of(key.made_ms), "changed": time_of(key.changed_ms)}


def rotate_keys(folder: Path, is_root: bool, as_json: bool) -> None:
    """Sign with the next key from now on; or have all that is new follow from another root key."""
    keys = keys_of(folder)
    try:
        kid = keys.rotate_root(wall_ms()) if is_root else keys.rotate(wall_ms(), ROTATED_APART_MS)
    finally:
        keys.close()
    if is_root:
        said = f"what is new follows from {kid} from now on; what followed from the former root keys stays good"
        output.result({"current": kid}, as_json, said)
    else:
        output.result({"signing": kid}, as_json, f"{kid} signs from now on; what the former key signed stays good")


def retire_key(folder: Path, kid: str, at_once: bool, as_json: bool) -> None:
    """Destroy a key whose tokens have all expired, or at once; a root key once nothing lives under it."""
    keys = keys_of(folder)
    try:
        root = next((key for key in keys.roots() if key.kid == kid), None)
        if root is None:
            keys.retire(kid, wall_ms(), 0 if at_once else LIFE_S_MAX * 1_000)
        else:
            if root.state is RootState.FORMER:
                _check_nothing_lives(folder, root)
            keys.retire_root(kid, wall_ms())
    finally:
        keys.close()
    said = "and nothing that it signed is good any more" if root is None else "under which nothing lived any more"
    output.result({"retired": kid}, as_json, f"{kid} is destroyed, {said}")


def _check_nothing_lives(folder: Path, root: RootKey) -> None:
    """Raises InvalidCommand, SetupError when no platform runs, Unavailable."""
    living = standing_in(folder).under(root.kid, root.changed_ms, wall_ms())
    if living:
        found = ", ".join(f"{number:,} {what}" for what, number in living.items())
        message = (
            f"there live under the root key {root.kid}: {found}. Sessions, codes and sign-ins end by themselves; "
            "renew the secrets of credentials (`hutong credentials renew`) and of webhooks (RotateSecret)"
        )
        raise InvalidCommand(message, field="kid", reason="ROOT_KEY_IN_USE")


def issue_token(folder: Path, principal: str, seconds: int | None, as_json: bool) -> None:
    """Print a token for a principal."""
    found = parse(principal)
    if found is None:
        message = (
            f"{principal[:100]!r} is no principal: write person/PROGRAM/OPENID, server/PROGRAM, merchant/ID, "
            "member/ACCOUNT/MEMBER, account/PERSON or operator/NAME"
        )
        raise InvalidCommand(message, field="principal", reason="INVALID_PRINCIPAL")
    keys = keys_of(folder)
    token = sign(keys, found, wall_ms(), seconds)
    asking = sign(keys, Principal(Role.OPERATOR, "", CALLER), wall_ms(), ASKING_S)
    keys.close()
    output.result({"token": token, "principal": found.caller}, as_json, token)
    if running.read_run(folder) is not None:
        with suppress(PlatformError):  # a token is good whether or not anybody can be asked about it
            doubt = ask(folder, lambda client: _doubt(client, found), token=asking)
            if doubt:
                output.say(f"warning: {doubt}, so this token reaches nothing of anybody's yet")


async def _doubt(client: Client, principal: Principal) -> str:
    """Why the platform that runs here knows nothing of this principal; "" when it does."""
    role, tenant, subject = principal
    if role in (Role.PERSON, Role.SERVER) and tenant not in await client.programs():
        return f"no program {tenant!r} runs here (`hutong describe` lists those that do)"
    if role is Role.ACCOUNT:
        person = await client.ask(IdentityServiceStub, "GetPerson", GetPersonRequest(person=subject))
        return f"nobody has signed in as {subject!r}" if person.state == "none" else ""
    if role is Role.MEMBER:
        team = await client.ask(CatalogServiceStub, "GetAccount", GetAccountRequest(account=tenant))
        is_in_it = subject in [one.member for one in team.members if one.state == "member"]
        return "" if is_in_it else f"{subject!r} is not in the team of an account {tenant!r}"
    return ""
