"""`hutong keys`: the signing keys of a folder, and tokens for whoever may read it."""

from pathlib import Path

from actors.cli import output
from actors.cli.showing import time_of
from actors.cli.wiring import keys_of
from actors.clocks import wall_ms
from actors.errors import InvalidCommand
from actors.principal import parse
from gateway.tokens import LIFE_S_MAX, sign


def list_keys(folder: Path, as_json: bool) -> None:
    """Every key, oldest first."""
    keys = keys_of(folder)
    shown = [
        {"kid": key.kid, "state": key.state.value, "made": time_of(key.made_ms), "changed": time_of(key.changed_ms)}
        for key in keys.signing_keys()
    ]
    keys.close()
    if as_json:
        output.result({"keys": shown}, as_json)
        return
    output.table("Signing keys", ("kid", "state", "made", "since"), [tuple(key.values()) for key in shown])


def rotate_keys(folder: Path, as_json: bool) -> None:
    """Sign with the next key from now on."""
    keys = keys_of(folder)
    kid = keys.rotate(wall_ms())
    keys.close()
    output.result({"signing": kid}, as_json, f"{kid} signs from now on; what the former key signed stays good")


def retire_key(folder: Path, kid: str, at_once: bool, as_json: bool) -> None:
    """Destroy a key whose tokens have all expired, or at once."""
    keys = keys_of(folder)
    try:
        keys.retire(kid, wall_ms(), 0 if at_once else LIFE_S_MAX * 1_000)
    finally:
        keys.close()
    output.result({"retired": kid}, as_json, f"{kid} is destroyed, and nothing that it signed is good any more")


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
    keys.close()
    output.result({"token": token, "principal": found.caller}, as_json, token)
