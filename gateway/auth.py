"""Who calls: as it says itself in metadata, or, where identity is required, as its token proves.

Where nothing is proven, nothing but loopback is served.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, NamedTuple

from actors.clocks import wall_ms
from actors.errors import InvalidCommand
from actors.principal import Principal, Role, parse
from gateway.deriving import Derived
from gateway.tokens import CREDENTIALED, TOKEN_BYTES_MAX, Verifier, Why, refusal

AUTHORIZATION = "authorization"
SCHEME = "Bearer "
SECRET_SCHEME = "Basic "
ID_SCHEME = "OIDC "
UNPROVEN = Principal(Role.CREDENTIAL, "oidc", "unproven")
"""Who shows an issuer's ID token; whose it is the one method finds out that it is good for."""
LOGINS = "login"
"""Whose secret is a refresh secret: `login/<person>.<name>`, one for each sign-in."""
CALLER = "hutong-caller"
TENANT = "hutong-tenant"
PRIORITY = "hutong-priority"
NAME_CHARS_MAX = 128
PRIORITY_DEFAULT = 64
PRIORITY_MAX = 127
NEVER_MS = 1 << 62


class Caller(NamedTuple):
    """Who calls: `name` is the namespace of its request ids, empty when it did not say.

    `principal` is what was proven, until `until_ms`; None where no identity is required: such a caller may do all.
    `version` is the number of the credential's token, or of its secret, that proved it; 0 of every other.
    """

    name: str
    tenant: str
    priority: int
    principal: Principal | None = None
    until_ms: int = NEVER_MS
    version: int = 0


class Auth:
    """Finds out who calls; with a verifier nobody is taken at its word, and with the root's secrets they prove, too."""

    def __init__(self, verifier: Verifier | None = None, derived: Derived | None = None) -> None:
        self._verifier = verifier
        self._derived = derived

    @property
    def is_required(self) -> bool:
        """Whether callers must prove who they are."""
        return self._verifier is not None

    def caller(self, metadata: Iterable[tuple[str, Any]] | None) -> Caller:
        """The caller that the metadata names, or proves.

        Raises InvalidCommand for metadata that is none, Unauthenticated for a token that is not good, Unavailable.
        """
        if self._verifier is None:
            return caller_of(metadata)
        return self._proven(self._verifier, metadata or ())

    def check(self, caller: Caller, now_ms: int) -> None:
        """Whether what a stream's caller proved when it began is proven still. Raises Unauthenticated, Unavailable."""
        if self._verifier is None or caller.principal is None:
            return
        if now_ms >= caller.until_ms:
            raise refusal(Why.EXPIRED)
        self._verifier.check(caller.principal, now_ms)

    def erased(self, now_ms: int) -> frozenset[str]:
        """See `Verifier.erased`; nobody where nobody proves who they are."""
        return frozenset() if self._verifier is None else self._verifier.erased(now_ms)

    def _proven(self, verifier: Verifier, metadata: Iterable[tuple[str, Any]]) -> Caller:
        """Name, tenant and priority are the token's: what the caller says of them itself is not looked at."""
        said = [value for key, value in metadata if key == AUTHORIZATION]
        if not said:
            raise refusal(Why.MISSING)
        if len(said) > 1 or not isinstance(said[0], str):
            raise refusal(Why.FORGED)
        if said[0].startswith(SECRET_SCHEME) and self._derived is not None:
            return _shown(self._derived, said[0].removeprefix(SECRET_SCHEME))
        if said[0].startswith(ID_SCHEME):
            return Caller(UNPROVEN.caller, _share_of(UNPROVEN), PRIORITY_DEFAULT, UNPROVEN)
        if not said[0].startswith(SCHEME):
            raise refusal(Why.FORGED)
        proven = verifier.verify(said[0].removeprefix(SCHEME), wall_ms())
        principal = proven.principal
        return Caller(
            principal.caller, _share_of(principal), proven.priority, principal, proven.until_ms, proven.version
        )


def id_token_of(metadata: Iterable[tuple[str, Any]] | None) -> str:
    """The ID token that a caller shows, whose principal is `UNPROVEN`."""
    return next(str(value) for key, value in metadata or () if key == AUTHORIZATION).removeprefix(ID_SCHEME)


def proof_of_secret(secret: str) -> str:
    """What `authorization` says of who has a secret, which begins with the name of its credential."""
    return SECRET_SCHEME + base64.b64encode(secret.encode()).decode()


def _shown(derived: Derived, written: str) -> Caller:
    """Who shows a secret that is, or was, a credential's; which of both, the credential knows."""
    if len(written) > TOKEN_BYTES_MAX:
        raise refusal(Why.TOO_LONG)
    try:
        known = derived.secret_number(base64.b64decode(written, validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        raise refusal(Why.FORGED) from None
    principal = None if known is None else parse(f"{Role.CREDENTIAL}/{known[0]}")
    if known is None or principal is None or principal.tenant not in (*CREDENTIALED, LOGINS):
        raise refusal(Why.FORGED)
    return Caller(principal.caller, _share_of(principal), PRIORITY_DEFAULT, principal, NEVER_MS, known[1])


def _share_of(principal: Principal) -> str:
    """With whom it shares what is let in when there is too much to do: a program's persons with its server."""
    if principal.role in (Role.PERSON, Role.SERVER):
        return principal.tenant
    whose = principal.subject if principal.role is Role.CREDENTIAL else principal.tenant
    return f"{principal.role}/{whose}"


def caller_of(metadata: Iterable[tuple[str, Any]] | None) -> Caller:
    """The caller that the metadata names.

    Raises InvalidCommand for a name that is too long or a priority that is no number from 0 to 127.
    """
    name, tenant, priority = "", "", PRIORITY_DEFAULT
    for key, value in metadata or ():
        if key == CALLER:
            name = _name(key, value)
        elif key == TENANT:
            tenant = _name(key, value)
        elif key == PRIORITY:
            priority = _priority(value)
    return Caller(name, tenant, priority)


def _name(key: str, value: Any) -> str:
    text = str(value)
    if len(text) > NAME_CHARS_MAX or text.startswith("~"):
        message = f"{key} has at most {NAME_CHARS_MAX} characters and does not begin with ~"
        raise InvalidCommand(message, field=key, reason="INVALID_METADATA")
    return text


def _priority(value: Any) -> int:
    text = str(value)
    if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > PRIORITY_MAX:
        message = f"{PRIORITY} is a number from 0 to {PRIORITY_MAX}, not {text[:20]!r}"
        raise InvalidCommand(message, field=PRIORITY, reason="INVALID_METADATA")
    return int(text)
