"""`IdentityService`: who a person is to each program. What is secret is derived here; entities know numbers alone."""

import secrets
from base64 import b32encode

from msgspec import Struct

from actors.clocks import wall_ms
from actors.domain.catalog import name as names
from actors.domain.catalog.name import NAME
from actors.domain.counting import MINUTE_MS
from actors.domain.identity import person as people
from actors.domain.identity.link import IDENTITY, IssueCode, Redeem, Revoke, Shown, Touch
from actors.domain.identity.login import LOGIN, Begin, End, Next, Refresh
from actors.domain.identity.login import Login as SignedIn
from actors.domain.identity.person import PERSON, Block, Register, Unblock
from actors.errors import InvalidCommand, Reject
from actors.ports import Keys
from actors.principal import Principal, Role
from gateway.answering import Context
from gateway.auth import LOGINS, UNPROVEN, id_token_of
from gateway.authority import denied
from gateway.deriving import Derived, Login
from gateway.oidc import Issuer
from gateway.services.belonging import check_of_program, check_runs
from gateway.services.persons import good_person, openid_in, use
from gateway.services.vault import KeyedService
from gateway.steps import Answer, Given, Steps, stamped
from gateway.tokens import Why, refusal
from gateway.v1 import identity_pb2 as pb
from gateway.v1 import identity_pb2_grpc

_WORD_CHARS_MAX = 256
_LOGIN_CHARS = 16
_ABOUT_CHARS = 32
"""What a code begins with is another for every code."""


class _Issued(Struct):
    n: int
    until_ms: int


class _Opened(Struct):
    version: int
    until_ms: int


class _Touched(Struct):
    until_ms: int


class _Erasing(Struct):
    state: str


class IdentityService(KeyedService, identity_pb2_grpc.IdentityServiceServicer):
    """See `protos/gateway/v1/identity.proto`."""

    def __init__(self, given: Given, keys: Keys | None) -> None:
        super().__init__(given, keys)
        process = given.process
        self._issuer = Issuer(process.oidc_issuer, process.oidc_audience) if process.oidc_issuer else None

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        """The person's account; made when it signs in for the first time."""
        known = "" if self.vault is None else self.vault.derived.login(request.issuer, request.subject)

        async def work(steps: Steps) -> pb.SignInResponse:
            self.open(steps)
            for field, word in (("issuer", request.issuer), ("subject", request.subject)):
                if not 1 <= len(word) <= _WORD_CHARS_MAX:
                    message = f"{field} has 1 to {_WORD_CHARS_MAX} characters"
                    raise InvalidCommand(message, field=field, reason="INVALID_ASSERTION")
            await self._check_not_too_often(known)
            return await self._signed_in(steps, await self._enrolled(known))

        return await self.answer(context, "SignIn", PERSON.at(known), request.request_id, work)

    async def SignInWith(self, request: pb.SignInWithRequest, context: Context) -> pb.SignInResponse:
        """The account of whoever has signed in with the issuer; it is named by that issuer's name of them."""
        about = PERSON.at("")

        async def work(steps: Steps) -> pb.SignInResponse:
            vault = self.open(steps)
            if self._issuer is None:
                raise Reject("no_issuer", next="start the platform with HUTONG_OIDC_ISSUER and HUTONG_OIDC_AUDIENCE")
            if steps.principal != UNPROVEN:
                raise denied()
            shown = await self._issuer.read(id_token_of(context.invocation_metadata()))
            login = vault.derived.login(self._issuer.url, shown.subject)
            await self._check_not_too_often(login)
            if not await self.counting.is_first(f"id-token {shown.name}", steps.request_id, shown.until_ms):
                raise refusal(Why.USED)
            name = await self._enrolled(login)
            steps.caller = UNPROVEN._replace(subject=name).caller  # its request ids are nobody else's
            return await self._signed_in(steps, name)

        return await self.answer(context, "SignInWith", about, request.request_id, work)

    async def _check_not_too_often(self, login: str) -> None:
        """Raises Overloaded. It is counted beside the log, which must not know who signs in as whom."""
        most = self.process.sign_ins_minute_max
        await self.counting.count(f"sign-in {login}", MINUTE_MS, most, "TOO_MANY_SIGN_INS")

    async def _enrolled(self, login: str) -> str:
        """Who signs in by this login; somebody new, named by chance, when nobody did or they were erased."""
        return await self._routes.sealing.enrol(login, b32encode(secrets.token_bytes(16)).decode().lower()[:26])

    async def _signed_in(self, steps: Steps, name: str) -> pb.SignInResponse:
        """A person's account, and a sign-in that goes on by refresh secrets."""
        vault = self.open(steps)
        answer = await steps.ask(PERSON.at(name), Register())
        login = f"{name}.{steps.new_name(_LOGIN_CHARS).lower()}"
        begun = await steps.ask(LOGIN.at(login), Begin(self.process.login_ms), 1)
        if answer.duplicate:
            await good_person(steps, name)
        if begun.duplicate:
            await _check_goes_on(steps, login)
        response = pb.SignInResponse(
            person=name,
            token=vault.token(Principal(Role.ACCOUNT, "", name)),
            refresh=vault.derived.secret(f"{LOGINS}/{login}", 1),
        )
        return stamped(response, answer)

    async def Refresh(self, request: pb.RefreshRequest, context: Context) -> pb.RefreshResponse:
        """The sign-in goes on. What its entity ended has no token; that is told once it is on the log."""
        login = self._login(context)

        async def work(steps: Steps) -> pb.RefreshResponse:
            vault, name = self.open(steps), login.partition(".")[0]
            _check_login(login)
            await good_person(steps, name)
            refresh = Refresh(steps.version, self.process.login_ms, self.process.refresh_again_ms)
            answer = await steps.ask(LOGIN.at(login), refresh)
            following = answer.reply(Next)
            if following.why:
                raise Reject(following.why)
            if answer.duplicate:
                await _check_goes_on(steps, login, following.n)
            response = pb.RefreshResponse(
                token=vault.token(Principal(Role.ACCOUNT, "", name)),
                refresh=vault.derived.secret(f"{LOGINS}/{login}", following.n),
                until_ms=following.until_ms,
            )
            return stamped(response, answer)

        return await self.answer(context, "Refresh", LOGIN.at(login), request.request_id, work)

    async def SignOut(self, request: pb.SignOutRequest, context: Context) -> pb.IdentityChange:
        """The end of a sign-in."""
        login = self._login(context)

        async def work(steps: Steps) -> pb.IdentityChange:
            self.open(steps)
            _check_login(login)
            return _change(await steps.ask(LOGIN.at(login), End()))

        return await self.answer(context, "SignOut", LOGIN.at(login), request.request_id, work)

    async def IssueCode(self, request: pb.IssueCodeRequest, context: Context) -> pb.IssueCodeResponse:
        """A code for the person who calls. The same request id has the same code."""
        about = PERSON.at(self._subject(context))

        async def work(steps: Steps) -> pb.IssueCodeResponse:
            vault, person = self.open(steps), steps.person
            check_runs(self._routes, request.program)
            openid = await use(steps, vault.derived, request.program, person, 1)
            at, quotas = IDENTITY.at(f"{request.program}/{openid}"), self.process
            issue = IssueCode(quotas.login_code_ms, quotas.login_codes_minute_max, quotas.login_codes_open_max)
            answer = await steps.ask(at, issue)
            issued = answer.reply(_Issued)
            response = pb.IssueCodeResponse(
                code=vault.derived.code(Login(person, request.program, issued.n)), until_ms=issued.until_ms
            )
            return stamped(response, answer)

        return await self.answer(context, "IssueCode", about, request.request_id, work)

    async def ExchangeCode(self, request: pb.ExchangeCodeRequest, context: Context) -> pb.ExchangeCodeResponse:
        """A code that is not ours, or of another program, is refused before the log."""
        program, about = request.program, IDENTITY.at(request.code[:_ABOUT_CHARS])

        async def work(steps: Steps) -> pb.ExchangeCodeResponse:
            vault = self.open(steps)
            await check_of_program(steps, program)
            login = vault.derived.shown(request.code)
            if login is None:
                raise InvalidCommand("this is no login code of this platform", field="code", reason="INVALID_CODE")
            if login.program != program:
                raise Reject("code_of_other_program")
            person = await good_person(steps, login.person)
            unionid = await _unionid(steps, vault.derived, program, login.person)
            openid = openid_in(person, vault.derived, program, login.person)
            kid, answer = await self._redeemed(steps, vault.derived, f"{program}/{openid}", login.n)
            opened = answer.reply(_Opened)
            response = pb.ExchangeCodeResponse(
                openid=openid,
                unionid=unionid,
                session=vault.derived.session(kid, program, openid, opened.version),
                until_ms=opened.until_ms,
            )
            return stamped(response, answer)

        return await self.answer(context, "ExchangeCode", about, request.request_id, work)

    async def _redeemed(self, steps: Steps, derived: Derived, link: str, n: int) -> tuple[str, Answer]:
        """The code is used: by which root key. A retry is the call that it was, though the keys were rotated since."""
        former: InvalidCommand | None = None
        for kid in derived.kids():
            try:
                return kid, await steps.ask(IDENTITY.at(link), Redeem(n, kid, self.process.session_key_ms))
            except InvalidCommand as error:
                if error.reason != "REQUEST_ID_REUSED":
                    raise
                former = former or error
        assert former is not None, "a keyring has a root key"
        raise former

    async def CheckSession(self, request: pb.CheckSessionRequest, context: Context) -> pb.CheckSessionResponse:
        """One that is past half of its time lives on from now; only that is written."""
        at = IDENTITY.at(f"{request.program}/{request.openid}")

        async def work(steps: Steps) -> pb.CheckSessionResponse:
            vault = self.open(steps)
            await check_of_program(steps, request.program)
            version = vault.derived.version(request.program, request.openid, request.session)
            if version is None:
                message = "this is no session of this person in this program"
                raise InvalidCommand(message, field="session", reason="INVALID_SESSION")
            shown = await steps.look(at, "session", Shown)
            state, until_ms, ttl_ms = _state(shown, version), shown.until_ms, self.process.session_key_ms
            if state == "active" and until_ms - wall_ms() < ttl_ms // 2:
                answer = await steps.ask(at, Touch(version, ttl_ms))
                until_ms = answer.reply(_Touched).until_ms
            return pb.CheckSessionResponse(state=state, until_ms=until_ms if state == "active" else 0)

        return await self.answer(context, "CheckSession", at, "", work)

    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Context) -> pb.IdentityChange:
        """The end of the newest session."""
        at = IDENTITY.at(f"{request.program}/{request.openid}")

        async def work(steps: Steps) -> pb.IdentityChange:
            self.open(steps)
            await check_of_program(steps, request.program)
            return _change(await steps.ask(at, Revoke()))

        return await self.answer(context, "RevokeSession", at, request.request_id, work)

    async def GetPersonToken(self, request: pb.GetPersonTokenRequest, context: Context) -> pb.GetPersonTokenResponse:
        """A token of the person who calls, for one program."""
        about = PERSON.at(self._subject(context))

        async def work(steps: Steps) -> pb.GetPersonTokenResponse:
            vault, person = self.open(steps), steps.person
            check_runs(self._routes, request.program)
            openid = await use(steps, vault.derived, request.program, person, 1)
            token = vault.token(Principal(Role.PERSON, request.program, openid))
            return pb.GetPersonTokenResponse(openid=openid, token=token)

        return await self.answer(context, "GetPersonToken", about, "", work)

    async def BlockPerson(self, request: pb.PersonRequest, context: Context) -> pb.IdentityChange:
        """No more sign-ins."""
        return await self._moderate(context, "BlockPerson", request, Block())

    async def UnblockPerson(self, request: pb.PersonRequest, context: Context) -> pb.IdentityChange:
        """Sign-ins again."""
        return await self._moderate(context, "UnblockPerson", request, Unblock())

    async def Erase(self, request: pb.PersonRequest, context: Context) -> pb.EraseResponse:
        """The tombstone; the follower destroys the keys."""
        about = PERSON.at(request.person or self._subject(context))

        async def work(steps: Steps) -> pb.EraseResponse:
            self.open(steps)
            answer = await steps.ask(PERSON.at(_whom(steps, request.person)), people.Erase())
            state = answer.reply(_Erasing).state
            return stamped(pb.EraseResponse(state=state), answer)

        return await self.answer(context, "Erase", about, request.request_id, work)

    async def GetPerson(self, request: pb.GetPersonRequest, context: Context) -> pb.GetPersonResponse:
        """The account's state."""
        about = PERSON.at(request.person or self._subject(context))

        async def work(steps: Steps) -> pb.GetPersonResponse:
            self.open(steps)
            found = await steps.look(PERSON.at(_whom(steps, request.person)), "person", people.Person)
            return pb.GetPersonResponse(state=found.state)

        return await self.answer(context, "GetPerson", about, "", work)

    async def _moderate(
        self, context: Context, method: str, request: pb.PersonRequest, command: people.Command
    ) -> pb.IdentityChange:
        person = PERSON.at(request.person)

        async def work(steps: Steps) -> pb.IdentityChange:
            self.open(steps)
            return _change(await steps.ask(person, command))

        return await self.answer(context, method, person, request.request_id, work)

    def _login(self, context: Context) -> str:
        """The sign-in whose refresh secret the caller shows; "" when it shows none."""
        caller = self.seen_caller(context)
        role, tenant, subject = (None, None, "") if caller is None or caller.principal is None else caller.principal
        return subject if (role, tenant) == (Role.CREDENTIAL, LOGINS) else ""

    def _subject(self, context: Context) -> str:
        """Who calls, for the fair share of each; whether it may is asked later."""
        caller = self.seen_caller(context)
        return "" if caller is None or caller.principal is None else caller.principal.subject


def _check_login(login: str) -> None:
    """Raises PermissionDenied where no sign-in's secret is shown."""
    if not login:
        raise denied()


async def _check_goes_on(steps: Steps, login: str, n: int = 0) -> None:
    """An answer that is given again has a new token, so it must be good still: who was let in then may not be now.

    Raises Reject when the sign-in has ended since, or, where `n` says one, when a later secret than the n-th is good.
    """
    found = await steps.look(LOGIN.at(login), "login", SignedIn)
    if found.state != "active":
        raise Reject(found.why)
    if 0 < n < found.n:
        raise Reject("refresh_reused")


def _whom(steps: Steps, person: str) -> str:
    """The person that an operator names, or who calls. Raises PermissionDenied."""
    if steps.principal is not None and steps.principal.role is Role.OPERATOR:
        return person
    if person not in ("", steps.person):
        raise denied()
    return steps.person


async def _unionid(steps: Steps, derived: Derived, program: str, person: str) -> str:
    owner = await steps.look(NAME.at(program), "name", names.Name)
    return derived.unionid(owner.account, person) if owner.state == "kept" else ""


def _state(shown: Shown, version: int) -> str:
    """How this version of a session key stands."""
    if version != shown.version:
        return "superseded"
    return "expired" if shown.state == "active" and wall_ms() >= shown.until_ms else shown.state


def _change(answer: Answer) -> pb.IdentityChange:
    return stamped(pb.IdentityChange(), answer)
