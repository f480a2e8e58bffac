"""What stands under keys of the keyring, as the log says it: folded from the events that name keys, or say when.

What follows from a root key without naming it was made at some time of the log. What was made before a root key was
followed by another may follow from it, or from a later one when it was asked for again.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.domain.identity import credential, link, login
from actors.domain.identity.credential import CREDENTIAL, Credential
from actors.domain.identity.link import IDENTITY, Link
from actors.domain.identity.login import LOGIN, Login
from actors.domain.webhook.endpoint import ENDPOINT, Changed
from actors.kernel.action import EventRecord

CLOCKS_MS = 5_000
"""So far may the log's clock and that of whoever rotates be apart."""


class Secret(Struct, frozen=True):
    """When a secret that has no end was made, and the one before it, which is good until then."""

    made_ms: int = 0
    version: int = 0
    former_ms: int = 0
    former_until_ms: int = 0

    def renewed(self, version: int, at_ms: int, former_until_ms: int) -> "Secret":
        """Another one; or the same again."""
        return self if version == self.version else Secret(at_ms, version, self.made_ms, former_until_ms)

    def is_of(self, until_ms: int, now_ms: int) -> bool:
        """Whether one that is good was made before then."""
        return self.made_ms < until_ms or (self.former_until_ms > now_ms and self.former_ms < until_ms)


class Standing(Struct):
    """By the entities' ids. What has ended for good is left out."""

    links: dict[str, Link] = {}
    logins: dict[str, Login] = {}
    credentials: dict[str, Credential] = {}
    secrets: dict[str, Secret] = {}
    endpoints: dict[str, Secret] = {}

    def under(self, kid: str, changed_ms: int, now_ms: int) -> Counter[str]:
        """How many of what follow, or may follow, from this root key, after which another came at `changed_ms`."""
        until_ms, found = changed_ms + CLOCKS_MS, Counter[str]()
        for one in self.links.values():
            found["sessions"] += one.state == "active" and one.kid == kid and one.until_ms > now_ms
            found["login codes"] += sum(
                code.state == "issued" and code.at_ms < until_ms and code.until_ms > now_ms for code in one.codes
            )
        found["sign-ins"] = sum(one.at_ms < until_ms and one.until_ms > now_ms for one in self.logins.values())
        found["credentials' secrets"] = sum(
            self.credentials[name].state == "active" and secret.is_of(until_ms, now_ms)
            for name, secret in self.secrets.items()
        )
        found["webhooks' secrets"] = sum(secret.is_of(until_ms, now_ms) for secret in self.endpoints.values())
        return +found

    def root_kids(self, now_ms: int) -> set[str]:
        """The root keys that sessions which are good name."""
        return {one.kid for one in self.links.values() if one.state == "active" and one.until_ms > now_ms}

    def signing_kids(self, now_ms: int) -> set[str]:
        """The keys that sign tokens which are good."""
        tokens = (token for one in self.credentials.values() for token in one.tokens)
        return {token.kid for token in tokens if token.good_until_ms > now_ms}


KINDS = (IDENTITY.kind, LOGIN.kind, CREDENTIAL.kind, ENDPOINT.kind)
_link = msgspec.msgpack.Decoder[Any](IDENTITY.event).decode
_login = msgspec.msgpack.Decoder[Any](LOGIN.event).decode
_credential = msgspec.msgpack.Decoder[Any](CREDENTIAL.event).decode
_changed = msgspec.msgpack.Decoder(Changed).decode


def stand(standing: Standing, events: Iterable[EventRecord]) -> None:
    """Fold these events, each once and in the order of its partition; their beginning may be missing."""
    for event in events:
        kind, _, name = event.entity.partition("/")
        if kind == IDENTITY.kind:
            _stand_link(standing.links, name, _link(event.payload))
        elif kind == LOGIN.kind:
            signed_in = login.evolve(standing.logins.pop(name, Login()), _login(event.payload))
            if signed_in.state == "active":
                standing.logins[name] = signed_in
        elif kind == CREDENTIAL.kind:
            _stand_credential(standing, name, _credential(event.payload))
        elif kind == ENDPOINT.kind:
            new = _changed(event.payload).endpoint
            former = standing.endpoints.pop(name, Secret())
            if new.state != "removed":
                standing.endpoints[name] = former.renewed(new.version, event.stamp_ms, new.both_until_ms)


def _stand_link(links: dict[str, Link], name: str, said: link.Event) -> None:
    if isinstance(said, link.CodeRedeemed | link.CodeIssued | link.SessionOpened) or name in links:
        new = link.evolve(links.pop(name, Link()), said)
        codes = tuple(code for code in new.codes if code.state == "issued")
        if new.state == "active" or codes:
            links[name] = replace(new, codes=codes)


def _stand_credential(standing: Standing, name: str, said: credential.Event) -> None:
    standing.credentials[name] = credential.evolve(standing.credentials.get(name, Credential()), said)
    if isinstance(said, credential.SecretRenewed):
        former = standing.secrets.get(name, Secret())
        standing.secrets[name] = former.renewed(said.n, said.at_ms, said.former_until_ms)
