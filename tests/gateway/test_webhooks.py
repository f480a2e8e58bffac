"""Endpoints and deliveries through a gateway: set, changed, seen and replayed; by whom; and all that is refused."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from actors.adapters.memory_keys import MemoryKeys
from actors.principal import parse
from actors.registry import load_programs, shipped_programs
from actors.settings import ProcessSettings
from gateway.tokens import sign
from gateway.v1 import webhooks_pb2 as pb
from gateway.v1 import webhooks_pb2_grpc
from tests.gateway.scene import CLUSTER, Scene, new_id, play, reason_of, refused

URL = "https://hooks.shop.com/in"
SET = pb.SetEndpointRequest(program="bike", endpoint="main", url=URL, events=["bike.ride-ended", "owed"])
MAIN = pb.EndpointRequest(program="bike", endpoint="main")
DELIVERY = pb.DeliveryRequest(program="bike", delivery="d1")


def in_town(act: Callable[[Any, Scene], Awaitable[None]], process: ProcessSettings | None = None) -> None:
    """Run this where `bike` runs."""

    async def run(scene: Scene) -> None:
        scene.registry = load_programs(folder for folder in shipped_programs() if folder.name == "bike")
        scene.log.create(CLUSTER.topics(tuple(scene.registry.entities)))
        if process is not None:
            scene.keys = MemoryKeys()
        await scene.served(process or ProcessSettings())
        await act(webhooks_pb2_grpc.WebhookServiceStub(scene.channels[-1]), scene)

    play(run)


def test_an_endpoint_is_set_paused_resumed_rotated_and_removed() -> None:
    async def act(stub: Any, _: Scene) -> None:
        await stub.SetEndpoint(SET)
        found = await stub.GetEndpoint(MAIN)
        assert (found.state, found.url, list(found.events), found.version) == ("active", URL, list(SET.events), 1)
        for method, state, version in (
            ("PauseEndpoint", "paused", 1),
            ("ResumeEndpoint", "active", 1),
            ("RotateSecret", "active", 2),
            ("RemoveEndpoint", "removed", 2),
        ):
            await getattr(stub, method)(MAIN)
            found = await stub.GetEndpoint(MAIN)
            assert (found.state, found.version) == (state, version)
        code, status = await refused(stub.SetEndpoint(SET))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_state")

    in_town(act)


def test_a_repeated_change_is_one() -> None:
    async def act(stub: Any, _: Scene) -> None:
        await stub.SetEndpoint(SET)
        again = pb.EndpointRequest(program="bike", endpoint="main", request_id=new_id())
        answers = [await stub.RotateSecret(again, metadata=(("hutong-caller", "ann"),)) for _ in range(2)]
        assert [answer.duplicate for answer in answers] == [False, True]
        assert (await stub.GetEndpoint(MAIN)).version == 2

    in_town(act)


INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
WRONG = grpc.StatusCode.FAILED_PRECONDITION


def set_to(url: str = URL, program: str = "bike", events: tuple[str, ...] = ("owed",)) -> pb.SetEndpointRequest:
    return pb.SetEndpointRequest(program=program, endpoint="other", url=url, events=events)


REFUSED: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("SetEndpoint", set_to("https://10.0.0.1/"), INVALID, "WEBHOOK_ADDRESS"),
    ("SetEndpoint", set_to("https://metadata.google.internal/"), INVALID, "WEBHOOK_ADDRESS"),
    ("SetEndpoint", set_to("http://127.0.0.1:8000/"), INVALID, "WEBHOOK_ADDRESS"),
    ("SetEndpoint", set_to(""), INVALID, "WEBHOOK_ADDRESS"),
    ("SetEndpoint", set_to(events=()), INVALID, "INVALID_COMMAND"),
    ("SetEndpoint", set_to(events=("Odd Name",)), INVALID, "INVALID_COMMAND"),
    ("SetEndpoint", set_to(events=("owed",) * 33), INVALID, "INVALID_COMMAND"),
    ("SetEndpoint", set_to(program="bar"), ABSENT, "NO_SUCH_PROGRAM"),
    ("GetEndpoint", pb.EndpointRequest(program="bike", endpoint="other"), ABSENT, "NO_SUCH_ENDPOINT"),
    ("GetEndpoint", pb.EndpointRequest(), INVALID, "INVALID_ID"),
    ("GetDelivery", DELIVERY, ABSENT, "NO_SUCH_DELIVERY"),
]


def test_what_cannot_be_is_refused_by_its_reason_before_the_log() -> None:
    async def act(stub: Any, scene: Scene) -> None:
        for method, request, code, reason in REFUSED:
            found, status = await refused(getattr(stub, method)(request))
            assert (found, reason_of(status)) == (code, reason), request
        assert not any(scene.log.calls(partition) for partition in range(CLUSTER.partitions))

    in_town(act)


@pytest.mark.parametrize("method", ["RotateSecret", "PauseEndpoint", "ResumeEndpoint", "RemoveEndpoint"])
def test_an_endpoint_that_nobody_has_set_cannot_be_changed(method: str) -> None:
    async def act(stub: Any, _: Scene) -> None:
        code, status = await refused(getattr(stub, method)(MAIN))
        assert (code, reason_of(status)) == (WRONG, "wrong_state")

    in_town(act)


def test_a_delivery_that_is_not_there_is_not_replayed() -> None:
    async def act(stub: Any, _: Scene) -> None:
        code, status = await refused(stub.ReplayDelivery(DELIVERY))
        assert (code, reason_of(status)) == (WRONG, "wrong_state")

    in_town(act)


def test_a_programs_endpoints_are_its_servers() -> None:
    async def act(stub: Any, scene: Scene) -> None:
        keys = scene.keys
        assert keys is not None

        def by(caller: str) -> tuple[tuple[str, str], ...]:
            principal = parse(caller)
            assert principal is not None
            return (("authorization", f"Bearer {sign(keys, principal, time.time_ns() // 1_000_000, None)}"),)

        asked = {"SetEndpoint": SET, "GetEndpoint": MAIN, "GetDelivery": DELIVERY, "ReplayDelivery": DELIVERY}
        for caller in ("server/shop", "person/bike/bob", "account/bob", "merchant/m1"):
            for method, request in asked.items():
                code, _ = await refused(getattr(stub, method)(request, metadata=by(caller)))
                assert code == grpc.StatusCode.PERMISSION_DENIED, (caller, method)
        for caller in ("server/bike", "operator/op"):
            await stub.SetEndpoint(SET, metadata=by(caller))
            assert (await stub.GetEndpoint(MAIN, metadata=by(caller))).state == "active"

    in_town(act, ProcessSettings(identity_required=True))
