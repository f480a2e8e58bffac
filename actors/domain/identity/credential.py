"""By what a program's server or a merchant gets its tokens: a secret, and the one token that stands.

Neither is here, but numbers, times and names of keys alone: a gateway derives the secret and signs the token from them,
so that every gateway gives the same one.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.entity import FILLED, Context, Decision, Entity, Reject, Stage, accept, after

LIFE = {
    "none": Stage({"renew": "active"}),
    "active": Stage({"renew": "active", "issue": "active", "disable": "disabled"}),
    "disabled": Stage({"renew": "active", "disable": "disabled"}),
}
TTL_MS_MAX = DAY_MS // 2
FORCED_MAX = 100
KEPT_MAX = 128
"""So many tokens are remembered, which is more than can be good at a time."""


class Renew(Struct, frozen=True, tag="identity.credential.renew", rename={"filled": FILLED}):
    """Another secret; the former is good for `overlap_ms` more, unless the credential was disabled."""

    overlap_ms: Annotated[int, Meta(ge=0, le=DAY_MS)]
    filled: tuple[str, ...] = ("overlap_ms",)


class Issue(Struct, frozen=True, tag="identity.credential.issue", rename={"filled": FILLED}):
    """The token that stands, or a new one when it is about to expire, or when `is_forced`.

    `lost` is a key that was retired: what it signed is no token any more.
    """

    secret: int
    kid: str
    is_forced: bool
    ttl_ms: Annotated[int, Meta(ge=2_000, le=TTL_MS_MAX)]
    overlap_ms: Annotated[int, Meta(ge=0, le=TTL_MS_MAX)]
    forced_day_max: Annotated[int, Meta(ge=0, le=FORCED_MAX)]
    forced_gap_ms: Annotated[int, Meta(ge=0, le=DAY_MS)]
    lost: str = ""
    filled: tuple[str, ...] = ("ttl_ms", "overlap_ms", "forced_day_max", "forced_gap_ms")


class Disable(Struct, frozen=True, tag="identity.credential.disable"):
    pass


class SecretRenewed(Struct, frozen=True, tag="identity.credential.secret-renewed"):
    n: int
    former_until_ms: int
    by: str
    at_ms: int


class TokenIssued(Struct, frozen=True, tag="identity.credential.token-issued"):
    """The former token is good until `former_until_ms` at most."""

    version: int
    kid: str
    at_ms: int
    until_ms: int
    former_until_ms: int
    is_forced: bool


class Disabled(Struct, frozen=True, tag="identity.credential.disabled"):
    by: str
    at_ms: int


Command: TypeAlias = Renew | Issue | Disable
Event: TypeAlias = SecretRenewed | TokenIssued | Disabled


class Token(Struct, frozen=True):
    """One version of the token, which `kid` signs; `good_until_ms` may come before it expires."""

    version: int
    kid: str
    at_ms: int
    until_ms: int
    good_until_ms: int


class Credential(Struct, frozen=True):
    """`tokens` are those that may be good, the newest last; `forced_ms` are the forced refreshes of a day."""

    state: str = "none"
    secret: int = 0
    former_until_ms: int = 0
    version: int = 0
    tokens: tuple[Token, ...] = ()
    forced_ms: tuple[int, ...] = ()


def decide(credential: Credential, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Renew(overlap_ms):
            after(LIFE, credential.state, "renew")
            former_until_ms = ctx.now_ms + overlap_ms if credential.state == "active" else ctx.now_ms
            renewed = SecretRenewed(credential.secret + 1, former_until_ms, ctx.caller, ctx.now_ms)
            return accept(renewed, reply={"n": renewed.n})
        case Issue():
            return _issue(credential, command, ctx.now_ms)
        case Disable():
            after(LIFE, credential.state, "disable")
            return accept() if credential.state == "disabled" else accept(Disabled(ctx.caller, ctx.now_ms))
        case _:
            assert_never(command)


def _issue(credential: Credential, command: Issue, now_ms: int) -> Decision[Event]:
    if credential.state == "disabled":
        raise Reject("credential_disabled")
    after(LIFE, credential.state, "issue")
    if not secret_is_good(credential, command.secret, now_ms):
        raise Reject("secret_replaced")
    is_lost = bool(credential.tokens) and credential.tokens[-1].kid == command.lost
    if command.is_forced:
        _check_quota(forced_lately(credential.forced_ms, now_ms), command, now_ms)
    elif not is_lost and token_stands(credential, now_ms, command.overlap_ms):
        return accept(reply=credential.tokens[-1])
    issued = TokenIssued(
        version=credential.version + 1,
        kid=command.kid,
        at_ms=now_ms,
        # A whole second, as tokens say it: not a moment of the overlap is lost.
        until_ms=(now_ms // 1_000 + command.ttl_ms // 1_000) * 1_000,
        former_until_ms=now_ms if is_lost else now_ms + command.overlap_ms,
        is_forced=command.is_forced,
    )
    return accept(issued, reply=_token(issued))


def _check_quota(forced_ms: tuple[int, ...], command: Issue, now_ms: int) -> None:
    if len(forced_ms) >= command.forced_day_max:
        reset_ms = forced_ms[0] + DAY_MS if forced_ms else now_ms + DAY_MS
        raise Reject("too_many_refreshes", forced_day_max=str(command.forced_day_max), reset_ms=str(reset_ms))
    if forced_ms and now_ms < forced_ms[-1] + command.forced_gap_ms:
        raise Reject("refresh_too_soon", again_ms=str(forced_ms[-1] + command.forced_gap_ms))


def secret_is_good(credential: Credential, n: int, now_ms: int) -> bool:
    """Whether the n-th secret is: the newest, and the one before it for a while."""
    is_former = 0 < n == credential.secret - 1 and now_ms < credential.former_until_ms
    return 0 < n == credential.secret or is_former


def token_stands(credential: Credential, now_ms: int, overlap_ms: int) -> bool:
    """Whether the newest token is given to whoever asks: until `overlap_ms` before it expires."""
    return bool(credential.tokens) and now_ms < credential.tokens[-1].until_ms - overlap_ms


def token_is_good(credential: Credential, version: int, now_ms: int) -> bool:
    """Whether this version of the token is; of a credential that is disabled none is."""
    return credential.state == "active" and any(
        token.version == version and now_ms < token.good_until_ms for token in credential.tokens
    )


def forced_lately(forced_ms: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    """The forced refreshes of the last day."""
    return tuple(at_ms for at_ms in forced_ms if at_ms > now_ms - DAY_MS)


def evolve(credential: Credential, event: Event) -> Credential:
    match event:
        case SecretRenewed(n, former_until_ms):
            return replace(credential, state="active", secret=n, former_until_ms=former_until_ms)
        case TokenIssued(version=version, at_ms=at_ms, is_forced=is_forced):
            forced_ms = forced_lately(credential.forced_ms, at_ms)
            return replace(
                credential,
                version=version,
                tokens=_remembered(credential.tokens, event),
                forced_ms=(*forced_ms, at_ms) if is_forced else forced_ms,
            )
        case Disabled():
            return replace(credential, state="disabled", tokens=())
        case _:
            assert_never(event)


def _remembered(tokens: tuple[Token, ...], event: TokenIssued) -> tuple[Token, ...]:
    """The former is good for a while; what is good no more is forgotten."""
    if tokens:
        former = tokens[-1]
        tokens = (*tokens[:-1], replace(former, good_until_ms=min(former.good_until_ms, event.former_until_ms)))
    good = tuple(token for token in tokens if token.good_until_ms > event.at_ms)
    return (*good[1 - KEPT_MAX :], _token(event))


def _token(event: TokenIssued) -> Token:
    return Token(event.version, event.kid, event.at_ms, event.until_ms, event.until_ms)


def view_credential(credential: Credential, _: object) -> object:
    """All there is to know of it; none of it is secret."""
    return credential


CREDENTIAL = Entity(
    "identity.credential",
    Credential(),
    Command,
    Event,
    decide,
    evolve,
    views={"credential": view_credential},
    life={"credential": LIFE},
    timers_max=0,
)
