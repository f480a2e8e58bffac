"""Identity through a gateway: signed in, a code, a session; what is forged, foreign or used; no secret on the log."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors.adapters.keyring import follows
from actors.adapters.memory_keys import MemoryKeys
from actors.clocks import wall_ms
from actors.ports import Slice
from actors.settings import ProcessSettings
from gateway.auth import proof_of_secret
from gateway.deriving import Derived, Login, session_key
from gateway.tokens import Verifier
from gateway.v1 import catalog_pb2, identity_pb2_grpc, program_pb2, program_pb2_grpc
from gateway.v1 import identity_pb2 as pb
from tests.gateway.scene import CLUSTER, Scene, detail, new_id, reason_of, refused
from tests.gateway.street import Street, walk

REQUIRED = ProcessSettings(identity_required=True)
AT_ONCE_USED = ProcessSettings(identity_required=True, refresh_again_ms=0)
INVALID, FAILED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
BATCHES, AT_ONCE = 20, 50
Said = tuple[tuple[str, str], ...]


class City(Street):
    """Persons sign in here, and programs' servers ask who they are."""

    service = identity_pb2_grpc.IdentityServiceStub

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.keys = scene.keys = MemoryKeys()
        self.derived = Derived(self.keys)
        self.verifier = Verifier(self.keys)

    async def signs_in(self, name: str) -> Said:
        """A person signs in; returns what it says of itself from then on."""
        request = pb.SignInRequest(issuer="development", subject=name)
        answer = await self.stub.SignIn(request, metadata=self.by("platform/issuer"))
        return (("authorization", f"Bearer {answer.token}"),)

    def person(self, said: Said) -> str:
        """The person whose account's proof this is."""
        token = said[0][1].removeprefix("Bearer ")
        return self.verifier.verify(token, wall_ms()).principal.subject

    async def code(self, person: Said, program: str = "bike") -> str:
        """A new code of the person."""
        answer = await self.stub.IssueCode(pb.IssueCodeRequest(program=program), metadata=person)
        return str(answer.code)

    def exchange(self, code: str, program: str = "bike", request_id: str = "", by: str = "") -> Any:
        """The program's server exchanges a code."""
        request = pb.ExchangeCodeRequest(program=program, code=code, request_id=request_id)
        return self.stub.ExchangeCode(request, metadata=self.by(by or f"server/{program}"))

    async def state(self, openid: str, session: str) -> str:
        """How a session of `bike` stands."""
        request = pb.CheckSessionRequest(program="bike", openid=openid, session=session)
        return str((await self.stub.CheckSession(request, metadata=self.by("server/bike"))).state)


def in_city(act: Callable[[City], Awaitable[None]], process: ProcessSettings = REQUIRED) -> None:
    """Run this where people are known."""
    walk(City, act, process)


async def reason(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    code, status = await refused(call)
    return code, reason_of(status)


def test_whoever_signs_in_is_one_person_in_each_program_and_another_in_every_other() -> None:
    async def act(city: City) -> None:
        ann, again, bob = [await city.signs_in(name) for name in ("ann", "ann", "bob")]
        in_bike = [await city.exchange(await city.code(person)) for person in (ann, again, bob)]
        in_cafe = await city.exchange(await city.code(ann, "shop"), "shop")
        assert in_bike[0].openid == in_bike[1].openid
        assert len({in_bike[0].openid, in_bike[2].openid, in_cafe.openid}) == 3
        token = (await city.stub.GetPersonToken(pb.GetPersonTokenRequest(program="bike"), metadata=ann)).token
        assert city.verifier.verify(token, wall_ms()).principal.caller == f"person/bike/{in_bike[0].openid}"

    in_city(act)


def test_the_token_of_a_person_opens_its_program_and_no_other() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        answer = await city.stub.GetPersonToken(pb.GetPersonTokenRequest(program="bike"), metadata=ann)
        person, rider = (("authorization", f"Bearer {answer.token}"),), f"programs/bike/riders/{answer.openid}"
        stub: Any = program_pb2_grpc.ProgramServiceStub(city.scene.channels[-1])
        hire = program_pb2.InvokeRequest(entity=rider, command="bike.hire", payload=b'{"station": "north"}')
        assert (await stub.Invoke(hire, metadata=person)).position.offset >= 0
        with_account, _ = await refused(stub.Invoke(hire, metadata=ann))
        hire.entity = rider.replace(answer.openid, "somebody")
        of_another, _ = await refused(stub.Invoke(hire, metadata=person))
        assert with_account == of_another == grpc.StatusCode.PERMISSION_DENIED

    in_city(act)


def test_programs_of_one_developer_know_a_person_by_one_more_name() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        assert not (await city.exchange(await city.code(ann))).unionid
        operator = city.by("operator/op")
        account = catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann")
        await city.catalog.OpenAccount(account, metadata=operator)
        for program in ("bike", "shop"):
            wanted = catalog_pb2.RegisterProgramRequest(account="acme", program=program, title="T", category="ride")
            await city.catalog.RegisterProgram(wanted, metadata=operator)
        known = [await city.exchange(await city.code(ann, program), program) for program in ("bike", "shop")]
        assert known[0].unionid == known[1].unionid != ""
        assert known[0].openid != known[1].openid

    in_city(act)


def test_a_new_exchange_ends_the_session_before_and_revoking_ends_the_last() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        first, second = [await city.exchange(await city.code(ann)) for _ in range(2)]
        assert await city.state(first.openid, first.session) == "superseded"
        assert await city.state(second.openid, second.session) == "active"
        gone = pb.RevokeSessionRequest(program="bike", openid=second.openid)
        await city.stub.RevokeSession(gone, metadata=city.by("server/bike"))
        assert await city.state(second.openid, second.session) == "revoked"
        third = await city.exchange(await city.code(ann))
        assert await city.state(third.openid, third.session) == "active"

    in_city(act)


def test_a_session_that_is_used_past_half_of_its_time_lives_on() -> None:
    async def act(city: City) -> None:
        opened = await city.exchange(await city.code(await city.signs_in("ann")))
        second = await city.scene.gateway(ProcessSettings(identity_required=True, session_key_ms=10**9))
        city.scene.stub(second)
        await city.scene.gateways[-1].ready(CLUSTER.partitions)
        patient: Any = identity_pb2_grpc.IdentityServiceStub(city.scene.channels[-1])
        check = pb.CheckSessionRequest(program="bike", openid=opened.openid, session=opened.session)
        before = city.on_log()
        assert (await city.stub.CheckSession(check, metadata=city.by("server/bike"))).until_ms == opened.until_ms
        assert city.on_log() == before
        longer = await patient.CheckSession(check, metadata=city.by("server/bike"))
        assert longer.until_ms > opened.until_ms + 10**8
        assert city.on_log() == before + 1

    in_city(act)


def test_the_same_request_has_the_same_code_and_the_same_session_at_every_gateway() -> None:
    async def act(city: City) -> None:
        ann, first = await city.signs_in("ann"), city.stub
        await city.scene.served(REQUIRED)
        second: Any = identity_pb2_grpc.IdentityServiceStub(city.scene.channels[-1])
        wanted = pb.IssueCodeRequest(program="bike", request_id=new_id())
        codes = [await stub.IssueCode(wanted, metadata=ann) for stub in (first, second)]
        assert (codes[0].code, codes[1].duplicate) == (codes[1].code, True)
        shown = pb.ExchangeCodeRequest(program="bike", code=codes[0].code, request_id=new_id())
        opened = [await stub.ExchangeCode(shown, metadata=city.by("server/bike")) for stub in (first, second)]
        assert (opened[0].session, opened[1].duplicate) == (opened[1].session, True)

    in_city(act)


def test_a_code_that_was_used_is_refused_however_often_it_is_shown() -> None:
    async def act(city: City) -> None:
        code = await city.code(await city.signs_in("ann"))
        opened = await city.exchange(code)
        for _ in range(BATCHES):
            answers = await asyncio.gather(*(reason(city.exchange(code)) for _ in range(AT_ONCE)))
            assert set(answers) == {(FAILED, "code_used")}
        assert await city.state(opened.openid, opened.session) == "active"

    in_city(act)


def test_of_many_who_show_one_code_at_once_at_two_gateways_exactly_one_is_served() -> None:
    async def act(city: City) -> None:
        ann, first = await city.signs_in("ann"), city.stub
        await city.scene.served(REQUIRED)
        second: Any = identity_pb2_grpc.IdentityServiceStub(city.scene.channels[-1])
        server = city.by("server/bike")
        for _ in range(10):
            code = await city.code(ann)
            shown = pb.ExchangeCodeRequest(program="bike", code=code)
            calls = [stub.ExchangeCode(shown, metadata=server) for _ in range(10) for stub in (first, second)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(not isinstance(answer, BaseException) for answer in answers) == 1

    in_city(act)


def test_a_forged_or_foreign_code_is_refused_before_the_log() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        code, stranger = await city.code(ann), Derived(MemoryKeys())
        before = city.on_log()
        forged = (
            *("", "x", code[:-1], code + "A", code + "=", code.swapcase(), f" {code}", "é", "A" * 100_000),
            stranger.code(Login("ann", "bike", 1)),
        )
        for text in forged:
            assert await reason(city.exchange(text)) == (INVALID, "INVALID_CODE"), text[:100]
        assert await reason(city.exchange(code, "shop")) == (FAILED, "code_of_other_program")
        assert (await refused(city.exchange(code, by="server/shop")))[0] is grpc.StatusCode.PERMISSION_DENIED
        assert city.on_log() == before
        await city.exchange(code)

    in_city(act)


def test_a_code_that_has_expired_is_refused() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        issued = await city.stub.IssueCode(pb.IssueCodeRequest(program="bike"), metadata=ann)
        while wall_ms() <= issued.until_ms:
            await city.signs_in("bob")
        assert await reason(city.exchange(issued.code)) == (FAILED, "code_expired")

    in_city(act, ProcessSettings(identity_required=True, login_code_ms=1))


def test_codes_beyond_what_may_be_open_are_refused() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        codes = [await city.code(ann) for _ in range(2)]
        before = city.on_log()
        assert await reason(city.code(ann)) == (FAILED, "too_many_codes")
        assert city.on_log() == before + 1
        await city.exchange(codes[0])
        await city.code(ann)

    in_city(act, ProcessSettings(identity_required=True, login_codes_open_max=2))


def test_a_person_who_is_blocked_signs_in_no_more_and_gets_nothing() -> None:
    async def act(city: City) -> None:
        ann, operator = await city.signs_in("ann"), city.by("operator/op")
        code = await city.code(ann)
        person = pb.PersonRequest(person=city.person(ann))
        await city.stub.BlockPerson(person, metadata=operator)
        token = city.stub.GetPersonToken(pb.GetPersonTokenRequest(program="bike"), metadata=ann)
        for call in (city.signs_in("ann"), city.code(ann), city.exchange(code), token):
            assert await reason(call) == (FAILED, "person_blocked")
        await city.stub.UnblockPerson(person, metadata=operator)
        await city.exchange(code)

    in_city(act)


@pytest.mark.parametrize(
    ("method", "call", "by", "reason"),
    [
        ("SignIn", pb.SignInRequest(issuer="development"), "platform/issuer", "INVALID_ASSERTION"),
        ("SignIn", pb.SignInRequest(issuer="x", subject="y" * 257), "platform/issuer", "INVALID_ASSERTION"),
        ("IssueCode", pb.IssueCodeRequest(program="nowhere"), "account/ann", "NO_SUCH_PROGRAM"),
        ("IssueCode", pb.IssueCodeRequest(program="bike"), "account/nobody", "NO_SUCH_PERSON"),
        ("GetPersonToken", pb.GetPersonTokenRequest(), "account/ann", "NO_SUCH_PROGRAM"),
        (
            "CheckSession",
            pb.CheckSessionRequest(program="bike", openid="o", session="1.x"),
            "server/bike",
            "INVALID_SESSION",
        ),
        ("CheckSession", pb.CheckSessionRequest(program="shop", openid="o"), "server/bike", "PERMISSION_DENIED"),
        ("RevokeSession", pb.RevokeSessionRequest(program="bike", openid="o"), "server/bike", "wrong_state"),
        ("RevokeSession", pb.RevokeSessionRequest(program="shop", openid="o"), "server/bike", "PERMISSION_DENIED"),
        ("BlockPerson", pb.PersonRequest(person="nobody"), "operator/op", "wrong_state"),
        ("UnblockPerson", pb.PersonRequest(), "operator/op", "INVALID_ID"),
    ],
)
def test_what_cannot_be_is_refused_by_its_reason(method: str, call: Any, by: str, reason: str) -> None:
    async def act(city: City) -> None:
        _, status = await refused(getattr(city.stub, method)(call, metadata=city.by(by)))
        assert reason_of(status) == reason
        bad = detail(status, details.BadRequest)
        assert bad is None or bad.field_violations[0].field

    in_city(act)


def shows(refresh: str) -> Said:
    """What somebody says who has a refresh secret."""
    return (("authorization", proof_of_secret(refresh)),)


def test_a_sign_in_goes_on_by_its_newest_refresh_secret_at_any_gateway_and_ends_when_an_older_one_is_shown() -> None:
    async def act(city: City) -> None:
        other: Any = city.scene.stub(await city.scene.gateway(AT_ONCE_USED))
        assert isinstance(other, program_pb2_grpc.ProgramServiceStub)
        second: Any = identity_pb2_grpc.IdentityServiceStub(city.scene.channels[-1])
        signed_in = await city.stub.SignIn(
            pb.SignInRequest(issuer="development", subject="ann"), metadata=city.by("platform/issuer")
        )
        request = pb.RefreshRequest(request_id=new_id())
        first = await city.stub.Refresh(request, metadata=shows(signed_in.refresh))
        again = await second.Refresh(request, metadata=shows(signed_in.refresh))
        assert (again.refresh, again.duplicate) == (first.refresh, True), "the same call, at another gateway"
        account = (("authorization", f"Bearer {first.token}"),)
        assert await city.code(account)
        assert first.until_ms > wall_ms()
        following = await second.Refresh(pb.RefreshRequest(), metadata=shows(first.refresh))
        for refresh in (signed_in.refresh, following.refresh, first.refresh):
            assert (await reason(second.Refresh(pb.RefreshRequest(), metadata=shows(refresh))))[1] == "refresh_reused"
        assert await city.signs_in("ann"), "another sign-in is not touched"

    in_city(act, AT_ONCE_USED)


def test_a_call_made_again_gets_no_token_once_its_sign_in_ended_or_went_on_or_its_person_is_blocked() -> None:
    async def act(city: City) -> None:
        sign_in = pb.SignInRequest(issuer="development", subject="ann", request_id=new_id())
        first = await city.stub.SignIn(sign_in, metadata=city.by("platform/issuer"))
        once = pb.RefreshRequest(request_id=new_id())
        second = await city.stub.Refresh(once, metadata=shows(first.refresh))
        assert (await city.stub.Refresh(once, metadata=shows(first.refresh))).refresh == second.refresh
        third = await city.stub.Refresh(pb.RefreshRequest(), metadata=shows(second.refresh))
        used = await reason(city.stub.Refresh(once, metadata=shows(first.refresh)))
        assert used == (FAILED, "refresh_reused")
        assert (await city.stub.SignIn(sign_in, metadata=city.by("platform/issuer"))).duplicate
        await city.stub.SignOut(pb.SignOutRequest(), metadata=shows(third.refresh))
        for again in (
            city.stub.Refresh(once, metadata=shows(first.refresh)),
            city.stub.SignIn(sign_in, metadata=city.by("platform/issuer")),
        ):
            assert await reason(again) == (FAILED, "signed_out")
        other = pb.SignInRequest(issuer="development", subject="ann", request_id=new_id())
        await city.stub.SignIn(other, metadata=city.by("platform/issuer"))
        await city.stub.BlockPerson(pb.PersonRequest(person=first.person), metadata=city.by("operator/op"))
        blocked = await reason(city.stub.SignIn(other, metadata=city.by("platform/issuer")))
        assert blocked == (FAILED, "person_blocked")

    in_city(act)


def test_who_signs_out_or_is_blocked_gets_no_more_tokens_and_a_refresh_secret_opens_nothing_else() -> None:
    async def act(city: City) -> None:
        def signs_in() -> Any:
            request = pb.SignInRequest(issuer="development", subject="ann", request_id=new_id())
            return city.stub.SignIn(request, metadata=city.by("platform/issuer"))

        first, second = await signs_in(), await signs_in()
        for method, call in (
            ("IssueCode", pb.IssueCodeRequest(program="bike")),
            ("GetPersonToken", pb.GetPersonTokenRequest(program="bike")),
            ("SignIn", pb.SignInRequest(issuer="x", subject="y")),
        ):
            assert (await reason(getattr(city.stub, method)(call, metadata=shows(first.refresh))))[1] == (
                "PERMISSION_DENIED"
            )
        await city.stub.SignOut(pb.SignOutRequest(request_id=new_id()), metadata=shows(first.refresh))
        before = city.on_log()
        for refresh, why in ((first.refresh[:-1] + "AA", "TOKEN_FORGED"), (second.refresh[1:], "TOKEN_FORGED")):
            assert (await reason(city.stub.Refresh(pb.RefreshRequest(), metadata=shows(refresh))))[1] == why
        assert city.on_log() == before
        refused_ = await reason(city.stub.Refresh(pb.RefreshRequest(), metadata=shows(first.refresh)))
        assert refused_ == (FAILED, "signed_out")
        assert (await city.stub.Refresh(pb.RefreshRequest(), metadata=shows(second.refresh))).token
        await city.stub.BlockPerson(pb.PersonRequest(person=first.person), metadata=city.by("operator/op"))
        for refresh in (first.refresh, second.refresh):
            assert (await reason(city.stub.Refresh(pb.RefreshRequest(), metadata=shows(refresh))))[1] == (
                "person_blocked"
            )

    in_city(act)


@pytest.mark.parametrize("secret", ["server/bike", "login/nobody.x", "login/x", "person/bike"])
def test_secrets_of_others_are_no_refresh_secrets(secret: str) -> None:
    async def act(city: City) -> None:
        said = shows(city.derived.secret(secret, 1))
        why = (await reason(city.stub.Refresh(pb.RefreshRequest(), metadata=said)))[1]
        assert why == {"server/bike": "PERMISSION_DENIED", "person/bike": "TOKEN_FORGED"}.get(secret, "NO_SUCH_PERSON")

    in_city(act)


def test_where_nobody_proves_who_they_are_nobody_gets_a_token_or_a_code() -> None:
    async def act(city: City) -> None:
        for method, call in (
            ("SignIn", pb.SignInRequest(issuer="development", subject="ann")),
            ("IssueCode", pb.IssueCodeRequest(program="bike")),
            ("ExchangeCode", pb.ExchangeCodeRequest(program="bike", code="x")),
        ):
            assert await reason(getattr(city.stub, method)(call)) == (FAILED, "no_keyring")

    in_city(act, ProcessSettings())


def test_no_secret_and_no_name_of_a_person_comes_to_the_log() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann-of-the-north")
        code = await city.code(ann)
        opened = await city.exchange(code)
        key = session_key(follows(city.keys.root()[1], b"sessions", 32), "bike", opened.openid, 1)
        topics = CLUSTER.topics(tuple(city.scene.registry.entities))
        log = b"".join(
            frame.frame
            for topic in topics
            for partition in range(topic.partitions)
            for frame in city.scene.log.fetch(Slice(topic.name, partition), 0, 1 << 30)
        )
        assert opened.openid.encode() in log, "the search itself finds what is there"
        canaries = (key, key.hex().encode(), city.keys.root()[1], city.keys.signer()[1], b"ann-of-the-north")
        for canary in (*canaries, code.encode(), opened.session.encode(), opened.session[2:].encode()):
            assert canary not in log
        for answer in (opened.SerializeToString(), code.encode()):
            assert key not in answer

    in_city(act)
