"""Tokens: who calls, signed by a key of our own keyring. Ed25519 and nothing else; only what we would write is read.

A token is a JWT whose header is `alg`, `kid` and `typ`, and whose claims are those of `Claims`. The key is looked up in
our own set by its id: what a token says of keys or algorithms beside that is never looked at, and refused.
"""

import base64
import binascii
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from actors.domain.identity.credential import Token
from actors.errors import Unauthenticated
from actors.ports import Keys, KeyState, Subjects
from actors.principal import Principal, Role, parse

ALGORITHM = "EdDSA"
TYPE = "hutong+jwt"
ISSUER = "hutong"
AUDIENCE = "hutong-gateway"
TOKEN_BYTES_MAX = 4_096
AHEAD_S_MAX = 60
"""How far the clock of the machine that signed may be ahead of ours."""
FRESH_MS = 1_000
"""A key that was retired, and a person who was erased, is believed for so long at most."""
ROTATED_APART_MS = 2 * FRESH_MS
"""So far apart are rotations of signing keys, that every gateway knows a key before it signs."""
KEPT_MAX = 100_000
LIFE_S: Mapping[Role, int] = {
    Role.PERSON: 7_200,
    Role.ACCOUNT: 900,
    Role.SERVER: 7_200,
    Role.MEMBER: 600,
    Role.MERCHANT: 7_200,
    Role.OPERATOR: 43_200,
    Role.PLATFORM: 900,
    Role.CREDENTIAL: 900,
}
LIFE_S_MAX = max(LIFE_S.values())
PERSONS_S_MAX = max(LIFE_S[Role.PERSON], LIFE_S[Role.ACCOUNT])
CREDENTIALED = (Role.SERVER, Role.MERCHANT)
"""Who gets tokens for a secret."""


class Why(StrEnum):
    """Every reason to refuse a token; there are no others."""

    MISSING = "TOKEN_MISSING"
    TOO_LONG = "TOKEN_TOO_LONG"
    FORGED = "TOKEN_FORGED"
    KEY_UNKNOWN = "TOKEN_KEY_UNKNOWN"
    AUDIENCE = "TOKEN_AUDIENCE"
    NOT_YET = "TOKEN_NOT_YET"
    EXPIRED = "TOKEN_EXPIRED"
    ERASED = "TOKEN_PERSON_ERASED"
    USED = "TOKEN_USED"


SAYS: Mapping[Why, str] = {
    Why.MISSING: "say who calls: metadata `authorization: Bearer TOKEN`",
    Why.TOO_LONG: f"a token has at most {TOKEN_BYTES_MAX} bytes",
    Why.FORGED: "this is no token of this platform",
    Why.KEY_UNKNOWN: "the key that signed this token is not known, or was retired: get a new token",
    Why.AUDIENCE: "this token is for somebody else",
    Why.NOT_YET: "this token is not good yet",
    Why.EXPIRED: "this token has expired: get a new one",
    Why.ERASED: "the person of this token was erased",
    Why.USED: "somebody has signed in by this ID token already: get a new one",
}


class Header(Struct, forbid_unknown_fields=True):
    """All that a header may say."""

    alg: str
    kid: str
    typ: str


class Claims(Struct, forbid_unknown_fields=True):
    """All that a token may claim: `sub` is a principal as records write it; times are in seconds.

    `version` is the number of a credential's token, which stands only as long as the credential says so.
    """

    iss: str
    aud: str
    sub: str
    nbf: int
    exp: int
    priority: int = 64
    version: int = 0


class Proven(NamedTuple):
    """What a good token proves, and until when."""

    principal: Principal
    priority: int
    from_ms: int
    until_ms: int
    version: int


_header = msgspec.json.Decoder(Header).decode
_claims = msgspec.json.Decoder(Claims).decode


def refusal(why: Why) -> Unauthenticated:
    """The error of a token that is refused; it says nothing of the token."""
    return Unauthenticated(SAYS[why], reason=why.value)


def sign(keys: Keys, principal: Principal, now_ms: int, life_s: int | None = None, priority: int = 64) -> str:
    """A token for a principal, good from now on for as long as its role's may be at most, or shorter."""
    kid, private = keys.signer()
    now_s = now_ms // 1_000
    exp = now_s + min(LIFE_S[principal.role], LIFE_S_MAX if life_s is None else life_s)
    return _signed(kid, private, Claims(ISSUER, AUDIENCE, principal.caller, now_s, exp, priority))


def sign_again(keys: Keys, principal: Principal, token: Token) -> str | None:
    """A credential's token, the same at every gateway and every time; None when its key was retired."""
    private = keys.private(token.kid)
    if private is None:
        return None
    from_s, until_s = token.at_ms // 1_000, token.until_ms // 1_000
    claims = Claims(ISSUER, AUDIENCE, principal.caller, from_s, until_s, version=token.version)
    return _signed(token.kid, private, claims)


def _signed(kid: str, private: bytes, claims: Claims) -> str:
    from jwt import PyJWS  # a tenth of a start's time, and many gateways neither sign nor read

    key = Ed25519PrivateKey.from_private_bytes(private)
    return PyJWS().encode(msgspec.json.encode(claims), key, ALGORITHM, {"kid": kid, "typ": TYPE})


def subject_of(principal: Principal) -> str:
    """The name by which what is sealed for a person goes: in its program, or as an account; "" for others."""
    if principal.role is Role.PERSON:
        return f"{principal.tenant}/{principal.subject}"
    return principal.subject if principal.role is Role.ACCOUNT else ""


class Verifier:
    """Reads tokens, and remembers the good ones: Ed25519 costs as much as half a call does."""

    def __init__(self, keys: Keys, kept_max: int = KEPT_MAX, subjects: Subjects | None = None) -> None:
        """`subjects` says who was erased."""
        from jwt import PyJWS

        self._keys = keys
        self._subjects = subjects
        self._erased: frozenset[str] = frozenset()
        self._kept_max = kept_max
        self._kept: dict[str, Proven] = {}
        self._known: dict[str, Ed25519PublicKey] = {}
        self._read_ms = -FRESH_MS
        self._jws = PyJWS(algorithms=[ALGORITHM])

    def verify(self, token: str, now_ms: int) -> Proven:
        """What the token proves. Raises Unauthenticated with one of `Why`, Unavailable while the keyring is away."""
        self._refresh(now_ms)
        proven = self._kept.get(token)
        if proven is None:
            proven = self._read(token)
            if len(self._kept) >= self._kept_max:
                self._make_room(now_ms)
            self._kept[token] = proven
        if now_ms < proven.from_ms - AHEAD_S_MAX * 1_000:
            raise refusal(Why.NOT_YET)
        if now_ms >= proven.until_ms:
            self._kept.pop(token, None)
            raise refusal(Why.EXPIRED)
        self._check_not_erased(proven.principal)
        return proven

    def check(self, principal: Principal, now_ms: int) -> None:
        """Raises Unauthenticated for a person who was erased since their token was looked at, Unavailable."""
        self._refresh(now_ms)
        self._check_not_erased(principal)

    def erased(self, now_ms: int) -> frozenset[str]:
        """Who was erased, by `subject_of`, while a token of theirs may still be good. Raises Unavailable."""
        self._refresh(now_ms)
        return self._erased

    def _check_not_erased(self, principal: Principal) -> None:
        if self._erased and subject_of(principal) in self._erased:
            raise refusal(Why.ERASED)

    def _refresh(self, now_ms: int) -> None:
        if not 0 <= now_ms - self._read_ms < FRESH_MS:
            self._read_keys(now_ms)

    def _read_keys(self, now_ms: int) -> None:
        known = {key.kid: key.public for key in self._keys.signing_keys() if key.state is not KeyState.RETIRED}
        if self._subjects is not None:  # who was erased before any token that is still good was signed has none
            self._erased = frozenset(self._subjects.destroyed(now_ms - (PERSONS_S_MAX + AHEAD_S_MAX) * 1_000))
        self._read_ms = now_ms
        if known.keys() != self._known.keys():
            self._known = {kid: Ed25519PublicKey.from_public_bytes(public) for kid, public in known.items()}
            self._kept.clear()

    def _make_room(self, now_ms: int) -> None:
        self._kept = {token: proven for token, proven in self._kept.items() if proven.until_ms > now_ms}
        while len(self._kept) >= self._kept_max:
            del self._kept[next(iter(self._kept))]

    def _read(self, token: str) -> Proven:
        """What a token proves that has not been seen, whatever the time is."""
        from jwt import InvalidTokenError

        if not token:
            raise refusal(Why.MISSING)
        if len(token) > TOKEN_BYTES_MAX:
            raise refusal(Why.TOO_LONG)
        try:
            segments = [_decoded(segment) for segment in token.split(".")]
            header = _header(segments[0])
            if len(segments) != 3 or (header.alg, header.typ) != (ALGORITHM, TYPE):
                raise refusal(Why.FORGED)
            key = self._known.get(header.kid)
            if key is None:
                raise refusal(Why.KEY_UNKNOWN)
            return _proven(_claims(self._jws.decode(token, key, algorithms=[ALGORITHM])))
        except (ValueError, RecursionError, msgspec.MsgspecError, InvalidTokenError) as error:
            raise refusal(Why.FORGED) from error


def _decoded(segment: str) -> bytes:
    """A segment's bytes. Raises ValueError unless it is how we would write them: one token has one text."""
    written = segment.encode("ascii")
    decoded = base64.urlsafe_b64decode(written + b"=" * (-len(written) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != written:
        raise binascii.Error("not canonical")
    return decoded


def _proven(claims: Claims) -> Proven:
    """What claims prove whose signature is good."""
    if (claims.iss, claims.aud) != (ISSUER, AUDIENCE):
        raise refusal(Why.AUDIENCE)
    principal = parse(claims.sub)
    is_odd = claims.version < 0 or (claims.version > 0 and (principal is None or principal.role not in CREDENTIALED))
    if principal is None or is_odd or not 0 <= claims.priority <= 127:
        raise refusal(Why.FORGED)
    if not 0 < claims.exp - claims.nbf <= LIFE_S_MAX:
        raise refusal(Why.FORGED)
    return Proven(principal, claims.priority, claims.nbf * 1_000, claims.exp * 1_000, claims.version)
