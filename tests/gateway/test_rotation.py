"""Root keys are rotated while all goes on: what was given before stays good, what is new takes the new key."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.cli.standing import standing_on
from actors.clocks import wall_ms
from actors.errors import InvalidCommand
from actors.projections.standing import CLOCKS_MS, Standing
from gateway.auth import proof_of_secret
from gateway.deriving import Derived, Login
from gateway.v1 import catalog_pb2, credentials_pb2, credentials_pb2_grpc, identity_pb2_grpc
from gateway.v1 import identity_pb2 as pb
from tests.gateway.scene import CLUSTER, new_id
from tests.gateway.test_identity import REQUIRED, City, in_city, reason, shows

YEAR_MS = 400 * 86_400_000


async def second(city: City) -> Any:
    """Another gateway, which read the keys before they are rotated."""
    await city.scene.served(REQUIRED)
    return identity_pb2_grpc.IdentityServiceStub(city.scene.channels[-1])


async def standing_when(city: City, fits: Callable[[Standing], bool]) -> Standing:
    """What stands once that fits: events come to their topic behind the answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        standing = await asyncio.to_thread(standing_on, city.scene.log, CLUSTER)
        if fits(standing):
            return standing
    pytest.fail(f"it never fitted: {standing_on(city.scene.log, CLUSTER)}")


async def of_an_account(city: City) -> None:
    """`bike` and `shop` are programs of one account."""
    operator = city.by("operator/op")
    opened = catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann")
    await city.catalog.OpenAccount(opened, metadata=operator)
    for program in ("bike", "shop"):
        wanted = catalog_pb2.RegisterProgramRequest(account="acme", program=program, title="T", category="ride")
        await city.catalog.RegisterProgram(wanted, metadata=operator)


def test_names_sessions_codes_and_secrets_of_before_a_rotation_stay_good_at_every_gateway() -> None:
    async def act(city: City) -> None:
        await of_an_account(city)
        other, server = await second(city), city.by("server/bike")
        sign_in = pb.SignInRequest(issuer="development", subject="ann", request_id=new_id())
        signed_in = await city.stub.SignIn(sign_in, metadata=city.by("platform/issuer"))
        ann = (("authorization", f"Bearer {signed_in.token}"),)
        first, code = await city.exchange(await city.code(ann)), await city.code(ann)
        city.keys.rotate_root(wall_ms())
        for stub in (city.stub, other):
            check = pb.CheckSessionRequest(program="bike", openid=first.openid, session=first.session)
            assert (await stub.CheckSession(check, metadata=server)).state == "active"
        again = await other.ExchangeCode(pb.ExchangeCodeRequest(program="bike", code=code), metadata=server)
        assert (again.openid, again.unionid) == (first.openid, first.unionid)
        assert await city.state(first.openid, first.session) == "superseded"
        person = (await other.SignIn(sign_in, metadata=city.by("platform/issuer"))).person
        sign_in.request_id = new_id()
        assert (await other.SignIn(sign_in, metadata=city.by("platform/issuer"))).person == person == signed_in.person
        refreshed = await other.Refresh(pb.RefreshRequest(), metadata=shows(signed_in.refresh))
        assert (await city.stub.Refresh(pb.RefreshRequest(), metadata=shows(refreshed.refresh))).token
        assert (await city.exchange(await city.code(ann, "shop"), "shop")).unionid == first.unionid

    in_city(act)


def test_what_is_new_follows_from_the_new_root_key_alone() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        former = city.keys.root()[0]
        in_bike = await city.exchange(await city.code(ann))
        city.keys.rotate_root(wall_ms())
        code = await city.code(ann, "shop")
        in_cafe = await city.exchange(code, "shop")
        renew = credentials_pb2.CredentialRequest(credential="server/bike", request_id=new_id())
        credentials: Any = credentials_pb2_grpc.CredentialServiceStub(city.scene.channels[-1])
        secret = (await credentials.RenewSecret(renew, metadata=city.by("operator/op"))).secret
        standing = await standing_when(
            city, lambda standing: [found.kid != "" for found in standing.links.values()] == [True, True]
        )
        kids = {link.partition("/")[0]: found.kid for link, found in standing.links.items()}
        assert kids == {"bike": former, "shop": city.keys.root()[0]}
        city.keys.retire_root(former, wall_ms())
        fresh = Derived(city.keys)
        login = fresh.shown(code)
        assert login is not None
        assert (login.program, fresh.version("shop", in_cafe.openid, in_cafe.session)) == ("shop", 1)
        assert fresh.openid("shop", login.person) == in_cafe.openid
        assert fresh.openid("bike", login.person) != in_bike.openid
        assert fresh.secret_number(secret) == ("server/bike", 1)
        assert fresh.version("bike", in_bike.openid, in_bike.session) is None
        known = await city.exchange(await city.code(ann))
        assert known.openid == in_bike.openid, "the name that was given stays, though the key that it came of is gone"

    in_city(act)


def test_a_call_that_is_repeated_after_a_rotation_is_the_same_call() -> None:
    async def act(city: City) -> None:
        other, ann = await second(city), await city.signs_in("ann")
        issue = pb.IssueCodeRequest(program="bike", request_id=new_id())
        code = (await city.stub.IssueCode(issue, metadata=ann)).code
        shown = pb.ExchangeCodeRequest(program="bike", code=code, request_id=new_id())
        opened = await city.stub.ExchangeCode(shown, metadata=city.by("server/bike"))
        city.keys.rotate_root(wall_ms())
        repeated = await other.IssueCode(issue, metadata=ann)
        assert repeated.duplicate
        assert Derived(city.keys).shown(repeated.code) == Derived(city.keys).shown(code)
        again = await other.ExchangeCode(shown, metadata=city.by("server/bike"))
        assert (again.session, again.duplicate) == (opened.session, True)
        shown.request_id = new_id()
        assert (await reason(other.ExchangeCode(shown, metadata=city.by("server/bike"))))[1] == "code_used"

    in_city(act)


def test_what_lives_under_a_root_key_is_counted_until_it_has_ended_or_was_renewed() -> None:
    async def act(city: City) -> None:
        ann = await city.signs_in("ann")
        stub: Any = credentials_pb2_grpc.CredentialServiceStub(city.scene.channels[-1])
        await city.exchange(await city.code(ann))
        await city.code(ann)
        renew = credentials_pb2.CredentialRequest(credential="server/bike", request_id=new_id())
        secret = (await stub.RenewSecret(renew, metadata=city.by("operator/op"))).secret
        issued = credentials_pb2.IssueTokenRequest(request_id=new_id())
        await stub.IssueToken(issued, metadata=(("authorization", proof_of_secret(secret)),))
        kid, at_ms = city.keys.root()[0], wall_ms()
        everything = {"sessions": 1, "login codes": 1, "sign-ins": 1, "credentials' secrets": 1}
        standing = await standing_when(city, lambda standing: standing.under(kid, at_ms, at_ms) == everything)
        standing = await standing_when(city, lambda standing: standing.signing_kids(at_ms) != set())
        assert standing.under(kid, at_ms, at_ms + YEAR_MS) == {"credentials' secrets": 1}
        assert standing.under("another", at_ms - YEAR_MS, at_ms) == {}
        assert (standing.root_kids(at_ms), standing.signing_kids(at_ms)) == ({kid}, {city.keys.signer()[0]})
        renew.request_id = new_id()
        await stub.RenewSecret(renew, metadata=city.by("operator/op"))
        renewed = await standing_when(city, lambda standing: standing.secrets["server/bike"].version == 2)
        made_ms = renewed.secrets["server/bike"].made_ms
        assert renewed.under(kid, made_ms - CLOCKS_MS, made_ms + YEAR_MS) == {}
        assert renewed.under(kid, made_ms - CLOCKS_MS, made_ms)["credentials' secrets"] == 1, "the former is good"
        disable = credentials_pb2.CredentialRequest(credential="server/bike", request_id=new_id())
        await stub.DisableCredential(disable, metadata=city.by("operator/op"))
        await standing_when(city, lambda standing: standing.under(kid, at_ms, at_ms + YEAR_MS) == {})

    in_city(act)


def test_a_code_of_a_root_key_that_was_retired_is_none_of_this_platform() -> None:
    async def act(city: City) -> None:
        code = Derived(city.keys).code(Login("p", "bike", 1))
        former = city.keys.root()[0]
        with pytest.raises(InvalidCommand):
            city.keys.retire_root(former, wall_ms())
        city.keys.rotate_root(wall_ms())
        city.keys.retire_root(former, wall_ms())
        assert Derived(city.keys).shown(code) is None

    in_city(act)
