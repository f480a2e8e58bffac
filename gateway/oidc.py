"""Sign-in by an issuer that the platform trusts (OpenID Connect): its ID token says who has signed in there.

The issuer's keys are fetched from the address that it names itself, and again when a token is signed by another one,
but not more often than every half minute: whoever makes tokens up cannot make us ask.
"""

import asyncio
import time
import urllib.error
import urllib.request
from typing import Any
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
BYTES_MAX = 256 * 1024


class _Discovery(Struct):
    issuer: str
    jwks_uri: str


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
        self._is_away = False
        self._fetching = asyncio.Lock()

    async def subject(self, token: str) -> str:
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
        return str(claims["sub"])

    async def _key(self, kid: str) -> Any:
        """The issuer's key of this id, fetched if need be."""
        async with self._fetching:
            wait_s = FRESH_S if kid in self._keys else AWAY_S if self._is_away else AGAIN_S
            if time.monotonic() - self._asked_s >= wait_s:
                self._asked_s = time.monotonic()
                try:
                    self._keys, self._is_away = await asyncio.to_thread(_fetched, self.url), False
                except (OSError, ValueError, msgspec.MsgspecError):
                    self._is_away = True
        if kid in self._keys:
            return self._keys[kid]
        if self._is_away:
            message = "the issuer of this token cannot be asked for its keys; try again"
            raise Unavailable(message, outcome="NOT_APPENDED")
        raise refusal(Why.KEY_UNKNOWN)


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


def _fetched(url: str) -> dict[str, Any]:
    """The issuer's keys by their ids. Raises OSError, ValueError, MsgspecError."""
    from jwt import PyJWKSet
    from jwt.exceptions import PyJWKSetError

    found = msgspec.json.decode(_body(f"{url.rstrip('/')}/.well-known/openid-configuration"), type=_Discovery)
    if found.issuer != url or not _may_be_asked(found.jwks_uri):
        raise ValueError("not the issuer's own words")
    try:
        keys = PyJWKSet.from_dict(msgspec.json.decode(_body(found.jwks_uri), type=dict[str, Any])).keys
    except PyJWKSetError as error:
        raise ValueError("no keys") from error
    return {key.key_id or "": key for key in keys if key.algorithm_name in ALGORITHMS}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """An answer that leads elsewhere is an error."""
        raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _body(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    with opener.open(url, timeout=FETCH_S_MAX) as answer:
        body: bytes = answer.read(BYTES_MAX + 1)
    if len(body) > BYTES_MAX:
        raise ValueError("too long")
    return body


def _may_be_asked(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )
