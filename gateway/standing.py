"""Whether what a stream's caller proved still stands: a credential's token, as its entity says, asked once a second at
most; and a person, until it is erased.
"""

import asyncio
from typing import Any, NamedTuple

import msgspec

from actors.clocks import steady_ms, wall_ms
from actors.domain.identity.credential import CREDENTIAL, Credential, token_is_good
from actors.errors import PlatformError, Unauthenticated
from actors.principal import Principal
from gateway.auth import Auth, Caller
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.tokens import CREDENTIALED, Why, refusal, subject_of

FRESH_MS = 1_000
"""A token that was ended is believed for so long at most."""
KEPT_MS = 60_000
"""While nobody can be asked, what was seen so long ago at most still holds."""
KEPT_MAX = 10_000
LOOK_S_MAX = 2.0


class _Seen(NamedTuple):
    credential: Credential
    at_ms: int


class Standing:
    """What was seen of credentials whose tokens are used here, and looks at them on their way."""

    def __init__(self, ingress: Ingress, routes: Routes) -> None:
        self._ingress = ingress
        self._routes = routes
        self._seen: dict[str, _Seen] = {}
        self._looking: dict[str, asyncio.Task[Credential]] = {}

    async def check(self, caller: Caller) -> None:
        """Raises Unauthenticated for a token that its credential has ended; Unavailable where it cannot be asked."""
        principal = caller.principal
        if not has_token_of_credential(caller) or principal is None:
            return
        name, version = credential_of(principal), caller.version
        credential = await self._look(name, version)
        if credential.version < version:  # that look had begun before this token was made
            credential = await self._look(name, version)
        if not token_is_good(credential, caller.version, wall_ms()):
            raise refusal(Why.EXPIRED)

    async def ended(self, caller: Caller) -> Unauthenticated:
        """Wait until the caller's token has been ended."""
        while True:
            await asyncio.sleep(FRESH_MS / 1_000)
            try:
                await self.check(caller)
            except Unauthenticated as ended:
                return ended
            except PlatformError:
                pass  # nobody can be asked; a call that comes now is told so

    async def _look(self, name: str, version: int) -> Credential:
        """As it stands, or stood a moment ago, unless this version was not made yet then."""
        seen = self._seen.get(name)
        if seen is not None and steady_ms() - seen.at_ms < FRESH_MS and seen.credential.version >= version:
            return seen.credential
        looking = self._looking.get(name)
        if looking is None:
            looking = self._looking[name] = asyncio.ensure_future(self._ask(name))
            looking.add_done_callback(lambda _: self._looking.pop(name))
        try:
            return await asyncio.shield(looking)
        except PlatformError:
            if seen is None or steady_ms() - seen.at_ms >= KEPT_MS:
                raise
            return seen.credential

    async def _ask(self, name: str) -> Credential:
        route = self._routes.at(CREDENTIAL.at(name))
        answer: Any = await self._ingress.query(route.partition, route.entity, "credential", b"{}", -1, LOOK_S_MAX)
        credential = msgspec.json.decode(answer.payload, type=Credential)
        if len(self._seen) >= KEPT_MAX:
            self._seen.clear()
        self._seen[name] = _Seen(credential, steady_ms())
        return credential


class Erasures:
    """Tells the open streams of a person that it was erased: one look a second for all, while there is any."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._waiting: dict[str, list[asyncio.Future[Unauthenticated]]] = {}
        self._looking: asyncio.TimerHandle | None = None

    async def ended(self, caller: Caller) -> Unauthenticated:
        """Wait until the person who calls is erased."""
        subject = "" if caller.principal is None else subject_of(caller.principal)
        told: asyncio.Future[Unauthenticated] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, []).append(told)
        self._look_soon()
        try:
            return await told
        finally:
            self._waiting[subject].remove(told)
            if not self._waiting[subject]:
                del self._waiting[subject]
            if not self._waiting and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def _look_soon(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(FRESH_MS / 1_000, self._look)

    def _look(self) -> None:
        self._looking = None
        try:
            erased = self._auth.erased(wall_ms())
        except PlatformError:
            erased = frozenset[str]()  # the keyring is away: it is looked at again
        for subject in erased & self._waiting.keys():
            for told in self._waiting[subject]:
                if not told.done():
                    told.set_result(refusal(Why.ERASED))
        self._look_soon()


def is_person(caller: Caller) -> bool:
    """Whether it is a person who calls, who may be erased."""
    return caller.principal is not None and subject_of(caller.principal) != ""


def has_token_of_credential(caller: Caller) -> bool:
    """Whether what the caller proved holds only as long as a credential says so."""
    return caller.version > 0 and caller.principal is not None and caller.principal.role in CREDENTIALED


def credential_of(principal: Principal) -> str:
    """The id of the credential whose tokens prove this principal, or whose secret it has shown."""
    return f"{principal.role}/{principal.tenant}" if principal.role in CREDENTIALED else "/".join(principal[1:])
