"""Tokens as nobody would write them: each by its name, with the reason that it must be refused by."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.adapters.memory_keys import MemoryKeys
from actors.ports import KeyState
from gateway.tokens import AUDIENCE, ISSUER, LIFE_S_MAX, TYPE, Why

NOW_S = 1_900_000_000
NOW_MS = NOW_S * 1_000
KEYS = MemoryKeys()
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
REMOVE = object()


def b64(content: bytes) -> str:
    """As a segment is written."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def written(header: object, claims: object, key: Ed25519PrivateKey | None = None) -> str:
    """Whatever these are, well signed."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(map(b64, parts))
    key = key or Ed25519PrivateKey.from_private_bytes(KEYS.signer()[1])
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def header(**changes: object) -> dict[str, object]:
    """A good header but for these."""
    return _but({"alg": "EdDSA", "kid": KEYS.signer()[0], "typ": TYPE}, changes)


def claims(**changes: object) -> dict[str, object]:
    """Good claims but for these."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "person/bike/ann", "nbf": NOW_S, "exp": NOW_S + 600, "priority": 64}
    good["version"] = 0
    return _but(good, changes)


def _but(good: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**good, **changes}.items() if value is not REMOVE}


def good(**changes: object) -> str:
    """A token that is good but for these claims."""
    return written(header(), claims(**changes))


def headed(**changes: object) -> str:
    """A token that is good but for these parts of its header."""
    return written(header(**changes), claims())


def _segments(act: Callable[[list[str]], list[str]]) -> str:
    return ".".join(act(good().split(".")))


def _hmac_by_public_key() -> str:
    """The old trick: the public key as the secret of another algorithm."""
    import hmac

    (public,) = [key.public for key in KEYS.signing_keys() if key.state is KeyState.SIGNING]
    signed = f"{b64(json.dumps(header(alg='HS256')).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{signed}.{b64(hmac.digest(public, signed.encode(), 'sha256'))}"


def _other_spelling() -> str:
    """The last character of a signature has bits that mean nothing."""
    token = good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def _unsigned() -> str:
    return f"{b64(json.dumps(header(alg='none')).encode())}.{b64(json.dumps(claims()).encode())}."


def _high_s() -> str:
    """The signature's second half, with the order of the curve added: an equation that still holds."""
    first, second, third = good().split(".")
    signature = base64.urlsafe_b64decode(third + "==")
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    return f"{first}.{second}.{b64(signature[:32] + s.to_bytes(32, 'little'))}"


def bad_tokens() -> dict[str, tuple[str, Why]]:
    """Every bad token by its name, with the reason it is refused by."""
    forged = {**_bad_texts(), **_bad_headers(), **_bad_claims()}
    return {**{name: (token, Why.FORGED) for name, token in forged.items()}, **_bad_otherwise()}


def _bad_texts() -> dict[str, str]:
    return {
        "a word": "token",
        "two segments": _segments(lambda parts: parts[:2]),
        "four segments": _segments(lambda parts: [*parts, parts[2]]),
        "five empty segments": "....",
        "no signature": _segments(lambda parts: [*parts[:2], ""]),
        "half a signature": _segments(lambda parts: [*parts[:2], parts[2][:43]]),
        "a signature of nothing": _segments(lambda parts: [*parts[:2], b64(bytes(64))]),
        "a signature that is longer": _segments(lambda parts: [*parts[:2], parts[2] + "AAAA"]),
        "header and claims exchanged": _segments(lambda parts: [parts[1], parts[0], parts[2]]),
        "another signature of ours": _segments(lambda parts: [*parts[:2], good(sub="person/bike/bob").split(".")[2]]),
        "claims of another token": _segments(lambda parts: [parts[0], good(priority=127).split(".")[1], parts[2]]),
        "a stranger's signature": written(header(), claims(), STRANGER),
        "a signature above the curve's order": _high_s(),
        "another spelling of the signature": _other_spelling(),
        "padding": good() + "=",
        "a line's end": good() + "\n",
        "a space before": " " + good(),
        "the scheme twice": "Bearer " + good(),
        "no ASCII": good() + "é",
        "a zero byte": good() + "\x00",
    }


def _bad_headers() -> dict[str, str]:
    jwk: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": b64(STRANGER.public_key().public_bytes_raw())}
    return {
        "no algorithm": _unsigned(),
        "algorithm none, signed": headed(alg="none"),
        "algorithm None": headed(alg=None),
        "the public key as a secret": _hmac_by_public_key(),
        "algorithm RS256": headed(alg="RS256"),
        "algorithm eddsa": headed(alg="eddsa"),
        "algorithm Ed448": headed(alg="Ed448"),
        "algorithm left out": headed(alg=REMOVE),
        "algorithms as a list": headed(alg=["EdDSA"]),
        "type left out": headed(typ=REMOVE),
        "type JWT": headed(typ="JWT"),
        "key id left out": headed(kid=REMOVE),
        "key id a number": headed(kid=7),
        "a key of its own": written(header(jwk=jwk), claims(), STRANGER),
        "a key to fetch": headed(jku="https://keys.example/set.json"),
        "a certificate to fetch": headed(x5u="https://keys.example/c.pem"),
        "a critical extension": headed(crit=["exp"]),
        "a payload that is not encoded": headed(b64=False, crit=["b64"]),
        "a compressed payload": headed(zip="DEF"),
        "a header that is a list": written(["EdDSA"], claims()),
        "a header that is no JSON": written(b"{", claims()),
        "a header of 500 brackets": written(b"[" * 500, claims()),
    }


def _bad_claims() -> dict[str, str]:
    return {
        "claims that are a list": written(header(), [claims()]),
        "claims that are no JSON": written(header(), b"{" + json.dumps(claims()).encode()),
        "claims that are no UTF-8": written(header(), b'{"iss":"\xff"}'),
        "no claims": written(header(), {}),
        "a claim that nobody makes": good(admin=True),
        "no expiry": good(exp=REMOVE),
        "no beginning": good(nbf=REMOVE),
        "no audience": good(aud=REMOVE),
        "no issuer": good(iss=REMOVE),
        "nobody": good(sub=REMOVE),
        "an expiry in words": good(exp=str(NOW_S + 600)),
        "an expiry with a fraction": good(exp=NOW_S + 600.5),
        "an expiry that is true": good(exp=True),
        "an expiry beyond all numbers": good(exp=10**40),
        "a life longer than any": good(exp=NOW_S + LIFE_S_MAX + 1),
        "a life that ends before it begins": good(nbf=NOW_S, exp=NOW_S - 1),
        "several audiences": good(aud=[AUDIENCE, "other"]),
        "a role that there is not": good(sub="root/bike/ann"),
        "a person without a program": good(sub="person/ann"),
        "a person of a path": good(sub="person/bike/../ann"),
        "a person of no name": good(sub="person/bike/"),
        "a person with a line's end": good(sub="person/bike/ann\n"),
        "a server that is somebody": good(sub="server/bike/ann"),
        "a subject of full-width letters": good(sub="person/bike/ａｎｎ"),
        "a subject that is an object": good(sub={"person": "ann"}),
        "a priority above all": good(priority=128),
        "a priority below all": good(priority=-1),
        "a priority in words": good(priority="64"),
        "a version of what has none": good(version=1),
        "a version below all": good(sub="server/bike", version=-1),
        "a version in words": good(sub="server/bike", version="1"),
    }


def _bad_otherwise() -> dict[str, tuple[str, Why]]:
    return {
        "nothing": ("", Why.MISSING),
        "4,097 bytes": (good() + "A" * (4_097 - len(good())), Why.TOO_LONG),
        "a megabyte": ("A" * (1 << 20), Why.TOO_LONG),
        "a key that is not known": (headed(kid="0" * 16), Why.KEY_UNKNOWN),
        "a stranger's key under its own id": (written(header(kid="stranger"), claims(), STRANGER), Why.KEY_UNKNOWN),
        "a key id that is a path": (headed(kid="../../dev/null"), Why.KEY_UNKNOWN),
        "a key id with a quote": (headed(kid="' OR 1=1 --"), Why.KEY_UNKNOWN),
        "an empty key id": (headed(kid=""), Why.KEY_UNKNOWN),
        "another audience": (good(aud="someone"), Why.AUDIENCE),
        "another issuer": (good(iss="someone"), Why.AUDIENCE),
        "an audience of capitals": (good(aud=AUDIENCE.upper()), Why.AUDIENCE),
        "a minute and a second early": (good(nbf=NOW_S + 61), Why.NOT_YET),
        "a year early": (good(nbf=NOW_S + 31_536_000, exp=NOW_S + 31_536_600), Why.NOT_YET),
        "just expired": (good(nbf=NOW_S - 600, exp=NOW_S), Why.EXPIRED),
        "expired a year ago": (good(nbf=NOW_S - 31_536_600, exp=NOW_S - 31_536_000), Why.EXPIRED),
        "of the first day": (good(nbf=0, exp=1), Why.EXPIRED),
    }
