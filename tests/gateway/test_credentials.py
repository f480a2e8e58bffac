"""Credentials through gateways: one token from two of them, what ends it, and who may have to do with it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import jwt
import msgspec
import pytest

from actors.adapters.memory_keys import MemoryKeys
from actors.clocks import wall_ms
from actors.ports import KeyState, Slice
from actors.settings import ProcessSettings
from gateway.auth import proof_of_secret
from gateway.deriving import Derived
from gateway.v1 import catalog_pb2, credentials_pb2_grpc, program_pb2, program_pb2_grpc
from gateway.v1 import credentials_pb2 as pb
from tests.gateway.scene import CLUSTER, Said, Scene, new_id, reason_of, refused, status_in
from tests.gateway.street import Street, walk

REQUIRED = ProcessSettings(identity_required=True)
ASKS_MAX = 2
SHORT = ProcessSettings(identity_required=True, token_overlap_ms=0, token_forced_gap_ms=0)
"""A forced refresh ends the token before it at once."""


class Counter(Street):
    """Two gateways, at which secrets and tokens are asked for, and used."""

    service = credentials_pb2_grpc.CredentialServiceStub

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.keys = scene.keys = MemoryKeys()

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        await super().opens(process)
        self.stubs = (self.stub, await self.another(process))
        self.calls: list[Any] = [program_pb2_grpc.ProgramServiceStub(channel) for channel in self.scene.channels]

    async def secret(self, credential: str = "server/bike", caller: str = "operator/op") -> str:
        """A new secret."""
        request = pb.CredentialRequest(credential=credential, request_id=new_id())
        return str((await self.stubs[0].RenewSecret(request, metadata=self.by(caller))).secret)

    def issue(self, secret: str, *, forced: bool = False, at: int = 0) -> Any:
        """Ask a gateway for the token."""
        request = pb.IssueTokenRequest(forced=forced, request_id=new_id())
        return self.stubs[at].IssueToken(request, metadata=(("authorization", proof_of_secret(secret)),))

    def opens_station(self, said: Said, at: int = 0) -> Any:
        """Something that a program's server may do."""
        call = program_pb2.InvokeRequest(
            entity="programs/bike/stations/north",
            command="bike.station.open",
            payload=msgspec.json.encode({"name": "N", "docks": 2, "bikes": 1}),
            request_id=new_id(),
        )
        return self.calls[at].Invoke(call, metadata=said)

    async def follows(self, token: str) -> Any:
        """A stream by this token; its end tells that its gateway knows that the token was ended."""
        stream = self.calls[0].InvokeStream(metadata=bearer(token))
        await stream.write(program_pb2.InvokeBatch())
        await self.opens_station(bearer(token))
        return stream

    def ends(self) -> list[int]:
        """How far each partition's log goes."""
        return [len(self.scene.log.frames(partition)) for partition in range(CLUSTER.partitions)]


def on_street(act: Callable[[Counter], Awaitable[None]], process: ProcessSettings = REQUIRED) -> None:
    walk(Counter, act, process)


def bearer(token: str) -> Said:
    return (("authorization", f"Bearer {token}"),)


async def reason(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    code, status = await refused(call)
    return code, reason_of(status)


def test_every_gateway_gives_the_same_token_to_the_byte_and_the_log_is_asked_once() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        answers = [await street.issue(secret, at=at) for at in (0, 1, 0, 1)]
        assert len({(answer.token, answer.until_ms, answer.version) for answer in answers}) == 1
        issued = [
            call
            for partition in range(CLUSTER.partitions)
            for call in street.scene.log.calls(partition)
            if b"identity.credential.issue" in call.command
        ]
        assert len(issued) == 1
        for at in (0, 1):
            await street.opens_station(bearer(answers[0].token), at)
        assert answers[0].until_ms - wall_ms() > REQUIRED.token_overlap_ms

    on_street(act)


def test_fifty_who_ask_at_once_get_one_token() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        answers = await asyncio.gather(*(street.issue(secret, at=n % 2) for n in range(50)))
        assert len({answer.token for answer in answers}) == 1

    on_street(act)


def test_a_token_stays_the_same_over_a_rotation_of_keys_and_a_destroyed_key_ends_it() -> None:
    async def act(street: Counter) -> None:
        secret, former = await street.secret(), street.keys.signer()[0]
        first = await street.issue(secret)
        street.keys.rotate(wall_ms(), 0)
        stream = await street.follows(first.token)
        assert (await street.issue(secret, at=1)).token == first.token, "what the former key signed is signed again"
        street.keys.retire(former, wall_ms(), 0)
        second = await street.issue(secret, at=1)
        assert second.version == first.version + 1
        assert (await street.issue(secret)).token == second.token
        await street.opens_station(bearer(second.token))
        assert (await reason(stream.read()))[1] == "TOKEN_EXPIRED"
        assert (await reason(street.opens_station(bearer(first.token))))[1] in ("TOKEN_KEY_UNKNOWN", "TOKEN_EXPIRED")

    on_street(act)


def test_keys_are_rotated_and_destroyed_under_calls_and_each_goes_on_by_the_token_that_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is refused because the key of its token was destroyed asks for the token once more."""
    monkeypatch.setattr("gateway.tokens.FRESH_MS", 0)  # rotations come faster than once a second here

    async def act(counter: Counter) -> None:
        secret, done, again, kids = await counter.secret(), [0, 0], list[str](), set[str]()
        over = asyncio.Event()

        async def call(at: int) -> None:
            token = (await counter.issue(secret, at=at)).token
            kids.add(jwt.get_unverified_header(token)["kid"])
            await counter.opens_station(bearer(token), at)

        async def calls(at: int) -> None:
            while not over.is_set():
                try:
                    await call(at)
                except grpc.aio.AioRpcError as error:
                    again.append(reason_of(status_in(error)))
                    await call(at)
                done[at] += 1

        async def keys() -> None:
            for _ in range(6):
                counter.keys.rotate(wall_ms(), 0)
                for key in counter.keys.signing_keys():
                    if key.state is KeyState.VERIFYING:
                        counter.keys.retire(key.kid, wall_ms(), 0)
                before = list(done)
                while min(now - then for now, then in zip(done, before, strict=True)) < 3:
                    await counter.opens_station(counter.by("operator/op"))
            over.set()

        await asyncio.gather(keys(), *(calls(at) for at in (0, 1, 0, 1)))
        assert len(kids) >= 6, "each key signed"
        assert set(again) <= {"TOKEN_KEY_UNKNOWN", "TOKEN_EXPIRED"}

    on_street(act)


@pytest.mark.parametrize("period", ["minute", "day"])
def test_a_token_is_asked_for_so_often_at_all_gateways_together_and_another_credentials_as_often(period: str) -> None:
    async def act(street: Counter) -> None:
        secret, other, told = await street.secret(), await street.secret("merchant/m1"), list[str]()
        for n in range(2 * ASKS_MAX + 1):  # of so many in a row a period's end lets no more through
            try:
                await street.issue(secret, at=n % 2)
            except grpc.aio.AioRpcError as error:
                told.append(reason_of(status_in(error)))
        assert told[-1:] == ["TOO_MANY_TOKENS"]
        assert len(told) <= ASKS_MAX + 1
        await street.issue(other)

    quotas: Any = {f"token_asks_{period}_max": ASKS_MAX}
    on_street(act, ProcessSettings(identity_required=True, **quotas))


def test_a_forced_token_is_new_and_the_former_is_good_for_its_overlap_at_every_gateway() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        first = await street.issue(secret)
        second = await street.issue(secret, forced=True, at=1)
        assert (second.version, second.token == first.token) == (2, False)
        for token in (first.token, second.token):
            for at in (0, 1):
                await street.opens_station(bearer(token), at)
        before = street.ends()
        code, why = await reason(street.issue(secret, forced=True))
        assert (code, why) == (grpc.StatusCode.FAILED_PRECONDITION, "refresh_too_soon")
        quota = await street.stubs[1].GetQuota(
            pb.GetQuotaRequest(credential="server/bike"), metadata=bearer(second.token)
        )
        assert (quota.state, quota.used, quota.remain) == ("active", 1, 19)
        assert quota.reset_ms > wall_ms()
        assert sum(street.ends()) == sum(before) + 1, "the refusal alone was decided"

    on_street(act)


def test_a_token_that_was_ended_is_refused_and_its_stream_ends() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        first = await street.issue(secret)
        stream = await street.follows(first.token)
        second = await street.issue(secret, forced=True)
        code, why = await reason(stream.read())
        assert (code, why) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
        assert (await reason(street.opens_station(bearer(first.token))))[1] == "TOKEN_EXPIRED"
        await street.opens_station(bearer(second.token), 1)

    on_street(act, SHORT)


def test_disabling_ends_secret_and_token_until_the_secret_is_renewed() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        token = (await street.issue(secret)).token
        stream = await street.follows(token)
        disable = pb.CredentialRequest(credential="server/bike", request_id=new_id())
        assert not (await street.stubs[0].DisableCredential(disable, metadata=street.by("operator/op"))).duplicate
        assert (await reason(stream.read()))[1] == "TOKEN_EXPIRED"
        assert (await reason(street.opens_station(bearer(token))))[1] == "TOKEN_EXPIRED"
        assert (await reason(street.issue(secret)))[1] == "credential_disabled"
        renewed = await street.secret()
        assert (await reason(street.issue(secret)))[1] == "secret_replaced"
        assert (await street.issue(renewed)).version == 2

    on_street(act)


def test_a_merchant_calls_with_a_token_of_its_credential() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret("merchant/m1")
        token = (await street.issue(secret)).token
        asked = program_pb2.QueryRequest(entity="programs/shop/skus/m1/s", view="stock")
        assert (await street.calls[0].Query(asked, metadata=bearer(token))).payload
        asked.entity = "programs/shop/skus/m2/s"
        assert (await reason(street.calls[0].Query(asked, metadata=bearer(token))))[1] == "PERMISSION_DENIED"

    on_street(act)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("server/bike:", "TOKEN_FORGED"),
        ("server/bike:1", "TOKEN_FORGED"),
        ("server/bike:1.AAAA", "TOKEN_FORGED"),
        ("server/bike:{2}", "secret_replaced"),
        ("server/bike:{0}", "secret_replaced"),
        ("server/bike:0{1}", "TOKEN_FORGED"),
        ("server/bike:{1}=", "TOKEN_FORGED"),
        ("server/bike:{1}\n", "TOKEN_FORGED"),
        ("server/bike::{1}", "TOKEN_FORGED"),
        ("server/shop:{1}", "TOKEN_FORGED"),
        ("merchant/bike:{1}", "TOKEN_FORGED"),
        ("{1}", "TOKEN_FORGED"),
        ("", "TOKEN_FORGED"),
        ("server/bike:1." + "A" * 4_000, "TOKEN_TOO_LONG"),
        *(
            (credential, "TOKEN_FORGED")
            for credential in ("operator/bike", "person/bike", "server/bike/x", "server", "x")
        ),
    ],
)
def test_a_secret_that_is_not_the_credentials_gets_nothing(secret: str, why: str) -> None:
    async def act(street: Counter) -> None:
        await street.secret()
        derived = Derived(street.keys)
        numbered = [derived.secret("server/bike", n).partition(":")[2] for n in range(3)]
        written = secret.format(*numbered) if ":" in secret or "{" in secret else derived.secret(secret, 1)
        before = street.ends()
        assert (await reason(street.issue(written or ":")))[1] == why
        assert street.ends() == before or why == "secret_replaced"

    on_street(act)


def test_a_secret_is_good_for_a_token_and_for_nothing_else() -> None:
    async def act(street: Counter) -> None:
        said = (("authorization", proof_of_secret(await street.secret())),)
        before = street.ends()
        assert (await reason(street.opens_station(said)))[1] == "PERMISSION_DENIED"
        renew = pb.CredentialRequest(credential="server/bike", request_id=new_id())
        for method in ("RenewSecret", "DisableCredential"):
            assert (await reason(getattr(street.stubs[0], method)(renew, metadata=said)))[1] == "PERMISSION_DENIED"
        assert (await street.stubs[0].GetQuota(pb.GetQuotaRequest(credential="server/bike"), metadata=said)).remain
        other = pb.GetQuotaRequest(credential="server/shop")
        assert (await reason(street.stubs[0].GetQuota(other, metadata=said)))[1] == "PERMISSION_DENIED"
        assert street.ends() == before

    on_street(act)


def test_a_programs_credential_is_in_the_hands_of_its_teams_admins_alone() -> None:
    async def act(street: Counter) -> None:
        catalog = street.catalog
        operator = street.by("operator/op")
        for account, program in (("riders", "bike"), ("sellers", "shop")):
            opened = catalog_pb2.OpenAccountRequest(account=account, name="A", admin="ann")
            await catalog.OpenAccount(opened, metadata=operator)
            wanted = catalog_pb2.RegisterProgramRequest(account=account, program=program, title="T", category="c")
            await catalog.RegisterProgram(wanted, metadata=operator)
        for name, role in (("dee", "developer"), ("oli", "operator"), ("tess", "tester")):
            member = catalog_pb2.MemberRequest(account="riders", member=name, role=role)
            await catalog.InviteMember(member, metadata=operator)
            await catalog.JoinTeam(member, metadata=street.by(f"member/riders/{name}"))
        assert await street.issue(await street.secret(caller="member/riders/ann"))
        before, quota = street.ends(), pb.GetQuotaRequest(credential="server/bike")
        for caller, sees in (
            ("member/riders/dee", True),
            ("member/riders/oli", False),
            ("member/riders/tess", False),
            ("member/sellers/ann", False),
            ("server/bike", True),
            ("server/shop", False),
            ("merchant/bike", False),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="PERMISSION_DENIED"):
                await street.secret(caller=caller)
            asked = street.stubs[0].GetQuota(quota, metadata=street.by(caller))
            assert (await asked).state == "active" if sees else (await reason(asked))[1] == "PERMISSION_DENIED", caller
        assert street.ends() == before
        for credential in ("", "bike", "server/", "person/bike", "server/bike/x"):
            wrong = pb.CredentialRequest(credential=credential, request_id=new_id())
            assert (await reason(street.stubs[0].RenewSecret(wrong, metadata=operator)))[1] == "INVALID_CREDENTIAL"

    on_street(act)


def test_where_nobody_proves_who_they_are_no_secret_is_renewed_and_no_token_issued() -> None:
    async def act(street: Counter) -> None:
        renew = pb.CredentialRequest(credential="server/bike", request_id=new_id())
        assert await reason(street.stub.RenewSecret(renew)) == (grpc.StatusCode.FAILED_PRECONDITION, "no_keyring")
        assert (await reason(street.stub.IssueToken(pb.IssueTokenRequest())))[1] == "no_keyring"
        assert street.on_log() == 0

    on_street(act, ProcessSettings())


def test_no_secret_and_no_token_is_on_the_log() -> None:
    async def act(street: Counter) -> None:
        secret = await street.secret()
        token = (await street.issue(secret)).token
        topics = CLUSTER.topics(tuple(street.scene.registry.entities))
        kept = b"".join(
            frame.frame
            for topic in topics
            for partition in range(topic.partitions)
            for frame in street.scene.log.fetch(Slice(topic.name, partition), 0, 1 << 30)
        )
        assert b"identity.credential" in kept
        for canary in (secret.partition(".")[2], secret, token, token.rpartition(".")[2]):
            assert canary.encode() not in kept

    on_street(act)
