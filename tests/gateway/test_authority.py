"""Where identity is required: a call goes as far as its token and no farther."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from actors import Role
from actors.adapters.memory_keys import MemoryKeys
from actors.clocks import wall_ms
from actors.errors import PermissionDenied, SetupError, Unauthenticated
from actors.principal import Principal, parse
from actors.registry import load_programs
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.authority import WITHOUT_IDENTITY
from gateway.client import Client
from gateway.server import Gateway, GatewayConfig, GatewayParts
from gateway.tokens import SAYS, Why, sign
from gateway.v1 import notify_pb2, notify_pb2_grpc, session_pb2, session_pb2_grpc
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import CLUSTER, Scene, new_id, play, reason_of, refused, request
from tests.gateway.tokens import bad_tokens

T = TypeVar("T")
REQUIRED = ProcessSettings(identity_required=True)


class Town:
    """Two of the programs that ship, behind a gateway that requires identity."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.keys = scene.keys = MemoryKeys()
        scene.runs("bike", "shop")
        self.stub: Any = None

    async def opens(self) -> None:
        self.stub = await self.scene.served(REQUIRED)
        await self.invoke(
            "server/bike", "programs/bike/stations/north", "bike.station.open", name="N", docks=2, bikes=1
        )

    def token(self, caller: str, life_s: int | None = None) -> str:
        principal = parse(caller)
        assert principal is not None
        return sign(self.keys, principal, wall_ms(), life_s)

    def metadata(self, caller: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token(caller)}"),)

    def invoke(self, caller: str, entity: str, command: str, **fields: Any) -> Any:
        return self.stub.Invoke(request(entity, command, **fields), metadata=self.metadata(caller))

    def query(self, caller: str, entity: str, view: str, *, linearizable: bool = False) -> Any:
        asked = pb.QueryRequest(entity=entity, view=view, linearizable=linearizable)
        return self.stub.Query(asked, metadata=self.metadata(caller))

    def ends(self) -> list[int]:
        """How far each partition's log goes: what is refused leaves it as it is."""
        return [len(self.scene.log.frames(partition)) for partition in range(CLUSTER.partitions)]


def in_town(act: Callable[[Town], Awaitable[T]]) -> T:
    async def run(scene: Scene) -> T:
        town = Town(scene)
        await town.opens()
        return await act(town)

    return play(run)


def test_a_persons_token_reaches_its_own_rider_with_a_hire_and_nothing_else() -> None:
    async def act(town: Town) -> None:
        answer = await town.invoke("person/bike/ann", "programs/bike/riders/ann", "bike.hire", station="north")
        assert msgspec.json.decode(answer.payload)["state"] == "asking"
        answer = await town.query("person/bike/ann", "programs/bike/riders/ann", "rider", linearizable=True)
        assert msgspec.json.decode(answer.payload)["state"] in ("asking", "riding")
        (call,) = [call for frames in map(town.scene.log.calls, (0, 1)) for call in frames if "rider" in call.entity]
        assert call.caller == "person/bike/ann", "the record names who was proven"
        before = town.ends()
        absent = "this caller may not do this here: it is another's, or for other roles"
        closed = (
            ("programs/bike/riders/bob", "bike.hire", "is for the role person, of its own alone; this is another's"),
            ("programs/bike/riders/ann", "bike.started", "is for the role operator; this caller's is person"),
            ("programs/bike/riders/ann", "bike.no-such", "is for the role operator; this caller's is person"),
            ("programs/bike/stations/north", "bike.station.open", "is for the role server or operator; this caller's"),
            ("programs/bike/stations/north", "bike.station.lend", "is for the role operator; this caller's is person"),
            ("programs/shop/shops/m1", "shop.buy", absent),
            ("programs/none/things/m1", "none.buy", absent),
        )
        for entity, command, says in closed:
            code, status = await refused(town.invoke("person/bike/ann", entity, command, station="north"))
            assert (code, reason_of(status)) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"), entity
            assert status.message.startswith(says if says == absent else f"{command!r} {says}"), status.message
            assert not {"ann", "bob", "north"} & set(status.message.replace("'", " ").split()), status.message
        for entity in ("sessions/ann", "merchants/m1", "no-such/x", "", "programs", "programs//x/y"):
            code, status = await refused(town.invoke("person/bike/ann", entity, "bike.hire"))
            assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_KIND"), entity
        assert town.ends() == before

    in_town(act)


def test_views_pushes_and_descriptions_of_others_are_closed_too() -> None:
    async def act(town: Town) -> None:
        ann = town.metadata("person/bike/ann")
        asks = (
            town.query("person/bike/ann", "programs/bike/riders/bob", "rider"),
            town.query("person/bike/ann", "programs/bike/riders/bob", "rider", linearizable=True),
            town.query("person/bike/ann", "programs/shop/skus/m1/s", "stock"),
            town.stub.Describe(pb.DescribeRequest(program="shop"), metadata=ann),
            town.stub.Describe(pb.DescribeRequest(program="no-such"), metadata=ann),
            town.stub.Describe(pb.DescribeRequest(), metadata=ann),
            town.stub.ListTransitions(pb.ListTransitionsRequest(kind="shop.sku"), metadata=ann),
            town.stub.Listen(pb.ListenRequest(entity="programs/bike/riders/ann"), metadata=ann).read(),
        )
        for ask in asks:
            code, _ = await refused(ask)
            assert code is grpc.StatusCode.PERMISSION_DENIED
        described = await town.stub.Describe(pb.DescribeRequest(program="bike"), metadata=ann)
        assert list(described.programs) == ["bike"]
        life = await town.stub.ListTransitions(pb.ListTransitionsRequest(kind="session"), metadata=ann)
        assert life.lives
        stock = await town.query("merchant/m1", "programs/shop/skus/m1/s", "stock")
        assert msgspec.json.decode(stock.payload) == {"units": 0}
        code, _ = await refused(town.query("merchant/m1", "programs/shop/skus/m2/s", "stock"))
        assert code is grpc.StatusCode.PERMISSION_DENIED

    in_town(act)


def test_each_call_of_a_stream_is_looked_at_by_itself() -> None:
    async def act(town: Town) -> None:
        entities = ["programs/bike/riders/ann", "programs/bike/riders/bob", "merchants/m1", "programs/bike/riders/ann"]
        calls = [request(entity, "bike.hire", station="north") for entity in entities]
        stream = town.stub.InvokeStream(metadata=town.metadata("person/bike/ann"))
        await stream.write(pb.InvokeBatch(calls=calls))
        await stream.done_writing()
        results = {result.request_id: result.error async for batch in stream for result in batch.results}
        reasons = [reason_of(error) if error.code else "" for error in (results[call.request_id] for call in calls)]
        assert reasons == ["", "PERMISSION_DENIED", "NO_SUCH_KIND", "one_bike_a_person"]

    in_town(act)


def test_a_streams_calls_are_refused_once_its_token_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(town: Town) -> None:
        stream = town.stub.InvokeStream(metadata=town.metadata("person/bike/ann"))
        seen: list[str] = []
        for expired in (False, True):
            later_ms = wall_ms() + 8_000_000 * expired
            monkeypatch.setattr("gateway.streams.wall_ms", lambda at=later_ms: at)
            await stream.write(pb.InvokeBatch(calls=[request("programs/bike/riders/ann", "bike.return", station="x")]))
            batch = await stream.read()
            seen.append(reason_of(batch.results[0].error))
        await stream.done_writing()
        assert seen == ["no_ride", "TOKEN_EXPIRED"]

    in_town(act)


def test_a_streams_calls_are_refused_once_its_person_was_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.tokens.FRESH_MS", 0)
    monkeypatch.setattr("gateway.standing.FRESH_MS", 3_600_000)  # the stream itself goes on

    async def act(town: Town) -> None:
        stream = town.stub.InvokeStream(metadata=town.metadata("person/bike/ann"))
        seen: list[str] = []
        for _ in range(2):
            await stream.write(pb.InvokeBatch(calls=[request("programs/bike/riders/ann", "bike.return", station="x")]))
            seen.append(reason_of((await stream.read()).results[0].error))
            town.scene.subjects.destroy(["bike/ann"], wall_ms())
        await stream.done_writing()
        assert seen == ["no_ride", "TOKEN_PERSON_ERASED"]

    in_town(act)


def test_every_open_stream_of_a_person_ends_once_the_person_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.tokens.FRESH_MS", 0)
    monkeypatch.setattr("gateway.standing.FRESH_MS", 10)

    async def act(town: Town) -> None:
        ann, bob, channel = *map(town.metadata, ("person/bike/ann", "person/bike/bob")), town.scene.channels[-1]
        sessions: Any = session_pb2_grpc.SessionServiceStub(channel)
        notify: Any = notify_pb2_grpc.NotifyServiceStub(channel)
        opened = await sessions.Open(session_pb2.OpenRequest(program="bike"), metadata=ann)
        streams: dict[str, Any] = {
            "InvokeStream": town.stub.InvokeStream(metadata=ann),
            "OpenStream": sessions.OpenStream(metadata=ann),
            "Listen": town.stub.Listen(pb.ListenRequest(entity=opened.session), metadata=ann),
            "ListenBox": notify.ListenBox(notify_pb2.ListenBoxRequest(program="bike", openid="ann"), metadata=ann),
        }
        await streams["InvokeStream"].write(pb.InvokeBatch())
        await streams["OpenStream"].write(session_pb2.OpenBatch())
        others = town.stub.InvokeStream(metadata=bob)
        town.scene.subjects.destroy(["bike/ann"], wall_ms())
        for method, stream in streams.items():
            code, status = await refused(stream.read())
            assert (code, reason_of(status)) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_PERSON_ERASED"), method
        await others.write(pb.InvokeBatch(calls=[request("programs/bike/riders/bob", "bike.return", station="x")]))
        assert reason_of((await others.read()).results[0].error) == "no_ride", "another person's goes on"
        await others.done_writing()

    in_town(act)


@pytest.mark.parametrize("method", ["Invoke", "InvokeStream", "Query", "Describe", "ListTransitions", "Listen"])
def test_no_method_is_reached_without_a_token_and_words_of_ones_own_are_not_looked_at(method: str) -> None:
    async def act(town: Town) -> None:
        before = town.ends()
        messages: dict[str, Any] = {
            "Invoke": pb.InvokeRequest(entity="programs/bike/riders/ann", command="bike.hire", request_id=new_id()),
            "Query": pb.QueryRequest(entity="programs/bike/riders/ann", view="rider"),
            "Describe": pb.DescribeRequest(program="bike"),
            "ListTransitions": pb.ListTransitionsRequest(kind="session"),
            "Listen": pb.ListenRequest(entity="programs/bike/riders/ann"),
        }
        bad = bad_tokens()
        said: list[tuple[tuple[tuple[str, str], ...], Why]] = [
            ((), Why.MISSING),
            ((("hutong-caller", "operator/op"),), Why.MISSING),
            ((("authorization", "Basic b3A6b3A="),), Why.FORGED),
            ((("authorization", f"Bearer {bad['no algorithm'][0]}"),), Why.FORGED),
            (town.metadata("person/bike/ann") * 2, Why.FORGED),
            ((("authorization", f"Bearer {'A' * 4_097}"),), Why.TOO_LONG),
        ]
        for metadata, why in said:
            if method == "InvokeStream":
                call = town.stub.InvokeStream(metadata=metadata).read()
            elif method == "Listen":
                call = town.stub.Listen(messages[method], metadata=metadata).read()
            else:
                call = getattr(town.stub, method)(messages[method], metadata=metadata)
            code, status = await refused(call)
            assert (code, reason_of(status)) == (grpc.StatusCode.UNAUTHENTICATED, why.value)
            assert status.message == SAYS[why]
        assert town.ends() == before

    in_town(act)


def test_what_a_caller_says_of_itself_beside_its_token_is_not_believed() -> None:
    async def act(town: Town) -> None:
        said = (*town.metadata("person/bike/ann"), ("hutong-caller", "person/bike/bob"), ("hutong-priority", "x"))
        call = request("programs/bike/riders/ann", "bike.hire", station="north")
        first = await town.stub.Invoke(call, metadata=said)
        again = await town.stub.Invoke(call, metadata=town.metadata("person/bike/ann"))
        assert again.duplicate, "another token of the same person is the same caller"
        assert again.payload == first.payload

    in_town(act)


def test_our_client_sends_its_token_with_all_that_it_asks() -> None:
    async def act(town: Town) -> None:
        address, rider = f"127.0.0.1:{town.scene.gateways[-1].port}", "programs/bike/riders/ann"
        async with Client(address, "said by itself", token=town.token("person/bike/ann")) as client:
            hired = await client.invoke(rider, "bike.hire", {"station": "north"})
            seen = await client.query(rider, "rider", at_least=hired.position)
            assert seen.value["ride"] == hired.value["ride"]
            with pytest.raises(PermissionDenied):
                await client.invoke("programs/bike/riders/bob", "bike.hire", {"station": "north"})
        async with Client(address, "person/bike/ann") as client:
            with pytest.raises(Unauthenticated) as refused:
                await client.invoke(rider, "bike.hire", {"station": "north"})
            assert refused.value.reason == "TOKEN_MISSING", "and the call was not tried again"

    in_town(act)


def test_a_client_that_is_told_no_token_takes_that_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(town: Town) -> None:
        address = f"127.0.0.1:{town.scene.gateways[-1].port}"
        monkeypatch.setenv("HUTONG_TOKEN", town.token("operator/op"))
        async with Client(address) as client, Client(address, token="") as nobody:
            await client.invoke("merchants/m1", "merchant.open", {"name": "M"})
            assert (await client.query("merchants/m1", "merchant")).value["state"] == "open"
            with pytest.raises(Unauthenticated):
                await nobody.invoke("merchants/m1", "merchant.open", {"name": "M"})

    in_town(act)


def test_an_operator_opens_merchants_and_reaches_nothing_else_of_the_platform_but_by_its_services() -> None:
    async def act(town: Town) -> None:
        await town.invoke("operator/op", "merchants/m1", "merchant.open", name="M")
        for entity in ("accounts/acme", "people/ann", "credentials/server/bike", "names/bike", "visits/bike/ann"):
            assert (await refused(town.invoke("operator/op", entity, "x")))[0] is grpc.StatusCode.NOT_FOUND, entity
        for caller in ("person/bike/ann", "server/bike", "merchant/m1"):
            code, _ = await refused(town.invoke(caller, "merchants/m1", "merchant.close"))
            assert code is grpc.StatusCode.NOT_FOUND, caller

    in_town(act)


RADIO = """
from msgspec import Struct
from actors import Entity, Role, accept

class Say(Struct, frozen=True, tag="radio.say"):
    pass

class Said(Struct, frozen=True, tag="radio.said"):
    pass

class Radio(Struct, frozen=True):
    pass

RADIO = Entity(
    "radio", Radio(), Say, Said, lambda *_: accept(), lambda radio, _: radio,
    views={"pushes": lambda *_: [{"cursor": 1, "payload": "news"}]}, access={"pushes": (Role.PERSON,)},
)
ENTITIES = (RADIO,)
"""


def test_who_listens_is_told_that_its_token_has_expired(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(RADIO)
    manifest: dict[str, object] = {
        "app_id": "radio",
        "name": "Radio",
        "version": {"name": "1", "code": 1},
        "pages": ["pages/on"],
    }
    manifest["platform_version"] = {"min_code": 1}
    manifest["icons"] = [{"src": "icons/radio.png"}]
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(manifest))

    async def act(scene: Scene) -> None:
        scene.keys = keys = MemoryKeys()
        scene.registry = load_programs((tmp_path,))
        scene.log.create(CLUSTER.topics(tuple(scene.registry.entities)))
        stub = await scene.served(REQUIRED)
        token = sign(keys, Principal(Role.PERSON, "radio", "ann"), wall_ms(), 2)
        metadata = (("authorization", f"Bearer {token}"),)
        call = stub.Listen(pb.ListenRequest(entity="programs/radio/radios/one"), metadata=metadata)
        assert (await call.read()).cursor == 1
        code, status = await refused(call.read())
        assert (code, reason_of(status)) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")

    play(act)


def test_health_and_reflection_need_no_token() -> None:
    async def act(town: Town) -> None:
        port = town.scene.gateways[-1].port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            stub: Any = reflection_pb2_grpc
            told = stub.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
            names = [service.name async for part in told for service in part.list_services_response.service]
        assert {f"/{name}/" for name in names} > set(WITHOUT_IDENTITY)
        assert "gateway.v1.ProgramService" in names

    in_town(act)


def test_a_gateway_that_requires_identity_and_has_no_keyring_does_not_start() -> None:
    async def act(scene: Scene) -> None:
        config = GatewayConfig(name="g", log_url="", token="t", cluster=CLUSTER, process=REQUIRED)
        with pytest.raises(SetupError, match="no keyring"):
            Gateway(config, GatewayParts(scene.log, scene.registry, Sensor(), scene.objects))

    play(act)
