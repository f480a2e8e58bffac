"""Sign-in by an issuer that the platform trusts (OpenID Connect): its ID token says who has signed in there.

The issuer's keys are fetched from the address that it names itself, and again when a token is signed by another one,
but not more often than every half minute: whoever makes tokens up cannot make us ask. Who is signed in by a key that is
known never waits for that.
"""

import asyncio
import hashlib
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from actors.errors import SetupError, Unauthenticated, Unavailable
from gateway.tls import is_loopback
from gateway.tokens import AHEAD_S_MAX, SAYS, TOKEN_BYTES_MAX, Why, refusal

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""None by which the issuer's public key could be taken for a secret."""
FRESH_S = 300.0
AGAIN_S = 30.0
AWAY_S = 1.0
FETCH_S_MAX = 5.0
KEPT_S = 86_400.0
"""So long keys are good that the issuer cannot be asked for anew."""
BYTES_MAX = 256 * 1024
LIFE_S_MAX = 3_600
"""An ID token is good for so long at most, whatever it says itself: for so long it is known who has used it."""


class _Discovery(Struct):
    issuer: str
    jwks_uri: str


class Shown(NamedTuple):
    """What a good ID token says: who has signed in; and the token's own name, to be known by until then."""

    subject: str
    name: str
    until_ms: int


class Issuer:
    """One issuer, and what it calls us: only tokens that are for us are believed."""

    def __init__(self, url: str, audience: str) -> None:
        """Raises SetupError."""
        if not audience:
            raise SetupError(
                f"$HUTONG_OIDC_AUDIENCE is missing: {url} signs in for others, too, and names us by that.",
                reason="OIDC_AUDIENCE",
            )
        if not _may_be_asked(url):
            raise SetupError(
                f"$HUTONG_OIDC_ISSUER is an https address, or one of this machine, not {url}", reason="OIDC_ISSUER"
            )
        self.url = url
        self._audience = audience
        self._keys: dict[str, Any] = {}
        self._asked_s = -FRESH_S
        self._fetched_s = 0.0
        self._is_away = False
        self._fetching: asyncio.Task[None] | None = None

    async def read(self, token: str) -> Shown:
        """Who has signed in, as the issuer names them. Raises Unauthenticated with one of `Why`, Unavailable."""
        import jwt

        if not token:
            raise refusal(Why.MISSING)
        if len(token) > TOKEN_BYTES_MAX:
            raise refusal(Why.TOO_LONG)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise refusal(Why.FORGED) from error
        if header.get("alg") not in ALGORITHMS:
            raise refusal(Why.FORGED)
        key = await self._key(str(header.get("kid", "")))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self.url,
                leeway=AHEAD_S_MAX,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise _refusal(error) from error
        audience: Any = claims["aud"]
        if not isinstance(audience, str) and len(audience) > 1 and claims.get("azp") != self._audience:
            raise refusal(Why.AUDIENCE)
        until_s = min(int(claims["exp"]), int(claims["iat"]) + LIFE_S_MAX) + AHEAD_S_MAX
        if until_s <= time.time():
            raise refusal(Why.EXPIRED)
        signed = hashlib.sha256(f"{self.url} {token.rpartition('.')[0]}".encode()).hexdigest()
        return Shown(str(claims["sub"]), signed, until_s * 1_000)

    async def _key(self, kid: str) -> Any:
        """The issuer's key of this id; only for one that is not known it is waited until they are fetched."""
        now_s = time.monotonic()
        if now_s - self._fetched_s >= KEPT_S:
            self._keys = {}
        wait_s = FRESH_S if kid in self._keys else AWAY_S if self._is_away else AGAIN_S
        if self._fetching is None and now_s - self._asked_s >= wait_s:
            self._fetching = asyncio.ensure_future(self._fetch())
        if kid not in self._keys and self._fetching is not None:
            await asyncio.wait((self._fetching,), timeout=FETCH_S_MAX)
        if kid in self._keys:
            return self._keys[kid]
        if self._is_away or self._fetching is not None:
            message = "the issuer of this token cannot be asked for its keys; try again"
            raise Unavailable(message, outcome="NOT_APPENDED")
        raise refusal(Why.KEY_UNKNOWN)

    async def _fetch(self) -> None:
        try:
            self._keys = await asyncio.to_thread(_fetched, self.url, time.monotonic() + FETCH_S_MAX)
            self._fetched_s, self._is_away = time.monotonic(), False
        except (OSError, HTTPException, ValueError, msgspec.MsgspecError):
            self._is_away = True
        finally:
            self._asked_s = time.monotonic()
            self._fetching = None


def _refusal(error: Exception) -> Unauthenticated:
    """Why a token is none, in our words; those of a library may quote it."""
    import jwt

    for kind, why in (
        (jwt.ExpiredSignatureError, Why.EXPIRED),
        (jwt.ImmatureSignatureError, Why.NOT_YET),
        (jwt.InvalidAudienceError, Why.AUDIENCE),
        (jwt.InvalidIssuerError, Why.AUDIENCE),
    ):
        if isinstance(error, kind):
            return Unauthenticated(SAYS[why], reason=why.value)
    return refusal(Why.FORGED)


def _fetched(url: str, until_s: float) -> dict[str, Any]:
    """The issuer's keys by their ids, by then. Raises OSError, HTTPException, ValueError, MsgspecError."""
    from jwt import PyJWKSet
    from jwt.exceptions import PyJWKSetError

    found = msgspec.json.decode(_body(f"{url.rstrip('/')}/.well-known/openid-configuration", until_s), type=_Discovery)
    if found.issuer != url or not _may_be_asked(found.jwks_uri):
        raise ValueError("not the issuer's own words")
    try:
        keys = PyJWKSet.from_dict(msgspec.json.decode(_body(found.jwks_uri, until_s), type=dict[str, Any])).keys
    except PyJWKSetError as error:
        raise ValueError("no keys") from error
    return {key.key_id or "": key for key in keys if key.algorithm_name in ALGORITHMS}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """An answer that leads elsewhere is an error."""
        raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _body(url: str, until_s: float) -> bytes:
    """Raises ValueError for one that is too long, TimeoutError for one that comes byte by byte."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    body = b""
    with opener.open(url, timeout=max(until_s - time.monotonic(), 0.001)) as answer:
        while part := answer.read1(BYTES_MAX):
            body += part
            if len(body) > BYTES_MAX:
                raise ValueError("too long")
            if time.monotonic() > until_s:
                raise TimeoutError
    return body


def _may_be_asked(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )
