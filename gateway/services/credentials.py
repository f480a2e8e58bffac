"""`CredentialService`: by what programs' servers and merchants call. Of numbers, secrets and tokens are made here."""

import msgspec

from actors.clocks import wall_ms
from actors.domain.counting import DAY_MS, MINUTE_MS
from actors.domain.identity.credential import (
    CREDENTIAL,
    Credential,
    Disable,
    Issue,
    Renew,
    Token,
    forced_lately,
    secret_is_good,
    token_stands,
)
from actors.errors import InvalidCommand, Unavailable
from actors.ports import Keys
from actors.principal import Principal, Role, parse
from gateway.answering import Context
from gateway.authority import denied
from gateway.services.belonging import program_of_team
from gateway.services.vault import KeyedService
from gateway.standing import credential_of
from gateway.steps import Steps, stamped
from gateway.tokens import CREDENTIALED, sign_again
from gateway.v1 import credentials_pb2 as pb
from gateway.v1 import credentials_pb2_grpc

_ADMINS = ("admin",)
_SEEING = ("admin", "developer")
"""Which roles of a team change the credentials of its programs, and which see them."""


class _Renewed(msgspec.Struct):
    n: int


class CredentialService(KeyedService, credentials_pb2_grpc.CredentialServiceServicer):
    """See `protos/gateway/v1/credentials.proto`."""

    async def RenewSecret(self, request: pb.CredentialRequest, context: Context) -> pb.RenewSecretResponse:
        """Another secret. The same request id has the same one."""
        at = CREDENTIAL.at(request.credential)

        async def work(steps: Steps) -> pb.RenewSecretResponse:
            vault = self.open(steps)
            await _check_may(steps, request.credential, _ADMINS)
            answer = await steps.ask(at, Renew(self.process.token_overlap_ms))
            secret = vault.derived.secret(request.credential, answer.reply(_Renewed).n)
            return stamped(pb.RenewSecretResponse(secret=secret), answer)

        return await self.answer(context, "RenewSecret", at, request.request_id, work)

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Context) -> pb.IssueTokenResponse:
        """The token that stands; the log is asked only for a new one."""
        name = self._shown(context)

        async def work(steps: Steps) -> pb.IssueTokenResponse:
            vault = self.open(steps)
            of = parse(name)
            if of is None:
                raise denied()
            await self._check_not_too_often(name)
            token, text = await self._issued(steps, vault.keys, of, request.forced)
            return pb.IssueTokenResponse(token=text, until_ms=token.until_ms, version=token.version)

        return await self.answer(context, "IssueToken", CREDENTIAL.at(name), request.request_id, work)

    async def _check_not_too_often(self, name: str) -> None:
        """Raises Overloaded. It is counted beside the log, which most askers leave as it is."""
        most = {MINUTE_MS: self.process.token_asks_minute_max, DAY_MS: self.process.token_asks_day_max}
        for period_ms, times in most.items():
            await self.counting.count(f"token {name} {period_ms}", period_ms, times, "TOO_MANY_TOKENS")

    async def _issued(self, steps: Steps, keys: Keys, of: Principal, is_forced: bool) -> tuple[Token, str]:
        """The token, and how it is written."""
        at, process, lost = CREDENTIAL.at(credential_of(of)), self.process, ""
        seen = await steps.look(at, "credential", Credential)
        may = seen.state == "active" and secret_is_good(seen, steps.version, wall_ms())
        if may and not is_forced and token_stands(seen, wall_ms(), process.token_overlap_ms):
            token = seen.tokens[-1]
            text = sign_again(keys, of, token)
            if text is not None:
                return token, text
            lost = token.kid
        # The key that signed may be destroyed between any two looks at it: what is signed in the end is what counts.
        for n in range(2):
            issue = Issue(
                secret=steps.version,
                kid=keys.signer()[0],
                is_forced=is_forced and n == 0,
                ttl_ms=process.token_ms,
                overlap_ms=process.token_overlap_ms,
                forced_day_max=process.token_forced_day_max,
                forced_gap_ms=process.token_forced_gap_ms,
                lost=lost,
            )
            token = (await steps.ask(at, issue, n)).reply(Token)
            text = sign_again(keys, of, token)
            if text is not None:
                return token, text
            lost = token.kid
        raise Unavailable("the key of this token is destroyed; ask once more", outcome="NOT_APPENDED")

    async def GetQuota(self, request: pb.GetQuotaRequest, context: Context) -> pb.GetQuotaResponse:
        """What is left of a day's forced refreshes."""
        at = CREDENTIAL.at(request.credential)

        async def work(steps: Steps) -> pb.GetQuotaResponse:
            await _check_may(steps, request.credential, _SEEING)
            found = await steps.look(at, "credential", Credential)
            forced_ms = forced_lately(found.forced_ms, wall_ms())
            return pb.GetQuotaResponse(
                state=found.state,
                used=len(forced_ms),
                remain=max(self.process.token_forced_day_max - len(forced_ms), 0),
                reset_ms=forced_ms[0] + DAY_MS if forced_ms else 0,
            )

        return await self.answer(context, "GetQuota", at, "", work)

    async def DisableCredential(self, request: pb.CredentialRequest, context: Context) -> pb.CredentialChange:
        """No secret and no token of it is good any more."""
        at = CREDENTIAL.at(request.credential)

        async def work(steps: Steps) -> pb.CredentialChange:
            await _check_may(steps, request.credential, _ADMINS)
            answer = await steps.ask(at, Disable())
            return stamped(pb.CredentialChange(), answer)

        return await self.answer(context, "DisableCredential", at, request.request_id, work)

    def _shown(self, context: Context) -> str:
        """The principal whose secret the caller shows, such as `server/bike`; "" when it shows none."""
        caller = self.seen_caller(context)
        principal = None if caller is None else caller.principal
        return credential_of(principal) if principal is not None and principal.role is Role.CREDENTIAL else ""


async def _check_may(steps: Steps, credential: str, roles: tuple[str, ...]) -> None:
    """An operator may, of a program its team's members in these roles, and all but change it may who has it.

    Raises InvalidCommand for what is no credential, and PermissionDenied.
    """
    holder, principal = parse(credential), steps.principal
    if holder is None or holder.role not in CREDENTIALED:
        message = "a credential is server/PROGRAM or merchant/ID"
        raise InvalidCommand(message, field="credential", reason="INVALID_CREDENTIAL")
    if principal is None or principal.role is Role.OPERATOR:
        return
    if principal.role is Role.MEMBER and holder.role is Role.SERVER:
        await program_of_team(steps, holder.tenant, roles)
    elif roles is not _SEEING or credential_of(principal) != credential:
        raise denied()
