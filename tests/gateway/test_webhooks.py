"""Endpoints and deliveries through a gateway: set, changed, seen and replayed; by whom; and all that is refused."""

from functools import partial
from typing import Any

import grpc
import pytest

from actors.settings import ProcessSettings
from gateway.v1 import webhooks_pb2 as pb
from gateway.v1 import webhooks_pb2_grpc
from tests.gateway.scene import new_id, reason_of, refused
from tests.gateway.street import Street, walk

URL = "https://hooks.shop.com/in"
SET = pb.SetEndpointRequest(program="bike", endpoint="main", url=URL, events=["bike.ride-ended", "owed"])
MAIN = pb.EndpointRequest(program="bike", endpoint="main")
DELIVERY = pb.DeliveryRequest(program="bike", delivery="d1")


class Town(Street):
    """Endpoints are set here."""

    service = webhooks_pb2_grpc.WebhookServiceStub


in_town = partial(walk, Town)


def test_an_endpoint_is_set_paused_resumed_rotated_and_removed() -> None:
    async def act(town: Town) -> None:
        await town.stub.SetEndpoint(SET)
        found = await town.stub.GetEndpoint(MAIN)
        assert (found.state, found.url, list(found.events), found.version) == ("active", URL, list(SET.events), 1)
        for method, state, version in (
            ("PauseEndpoint", "paused", 1),
            ("ResumeEndpoint", "active", 1),
            ("RotateSecret", "active", 2),
            ("RemoveEndpoint", "removed", 2),
        ):
            await getattr(town.stub, method)(MAIN)
            found = await town.stub.GetEndpoint(MAIN)
            assert (found.state, found.version) == (state, version)
        code, status = await refused(town.stub.SetEndpoint(SET))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_state")

    in_town(act)


def test_a_program_has_no_more_endpoints_than_it_may_and_its_neighbour_as_many() -> None:
    async def act(town: Town) -> None:
        for name in ("a", "b"):
            await town.stub.SetEndpoint(pb.SetEndpointRequest(program="bike", endpoint=name, url=URL, events=["owed"]))
        code, status = await refused(town.stub.SetEndpoint(SET))
        assert (code, reason_of(status)) == (WRONG, "too_many_endpoints")
        code, status = await refused(town.stub.GetEndpoint(MAIN))
        assert (code, reason_of(status)) == (ABSENT, "NO_SUCH_ENDPOINT"), "a refusal changes nothing"
        await town.stub.SetEndpoint(pb.SetEndpointRequest(program="shop", endpoint="a", url=URL, events=["owed"]))
        await town.stub.RemoveEndpoint(pb.EndpointRequest(program="bike", endpoint="a"))
        await town.stub.SetEndpoint(SET)

    in_town(act, ProcessSettings(webhook_endpoints_max=2))


def test_a_repeated_change_is_one() -> None:
    async def act(town: Town) -> None:
        await town.stub.SetEndpoint(SET)
        again = pb.EndpointRequest(program="bike", endpoint="main", request_id=new_id())
        answers = [await town.stub.RotateSecret(again, metadata=town.by("ann")) for _ in range(2)]
        assert [answer.duplicate for answer in answers] == [False, True]
        assert (await town.stub.GetEndpoint(MAIN)).version == 2

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
    async def act(town: Town) -> None:
        for method, request, code, reason in REFUSED:
            found, status = await refused(getattr(town.stub, method)(request))
            assert (found, reason_of(status)) == (code, reason), request
        assert town.on_log() == 0

    in_town(act)


@pytest.mark.parametrize("method", ["RotateSecret", "PauseEndpoint", "ResumeEndpoint", "RemoveEndpoint"])
def test_an_endpoint_that_nobody_has_set_cannot_be_changed(method: str) -> None:
    async def act(town: Town) -> None:
        code, status = await refused(getattr(town.stub, method)(MAIN))
        assert (code, reason_of(status)) == (WRONG, "wrong_state")

    in_town(act)


def test_a_delivery_that_is_not_there_is_not_replayed() -> None:
    async def act(town: Town) -> None:
        code, status = await refused(town.stub.ReplayDelivery(DELIVERY))
        assert (code, reason_of(status)) == (WRONG, "wrong_state")

    in_town(act)


def test_a_programs_endpoints_are_its_servers() -> None:
    async def act(town: Town) -> None:
        asked = {"SetEndpoint": SET, "GetEndpoint": MAIN, "GetDelivery": DELIVERY, "ReplayDelivery": DELIVERY}
        for caller in ("server/shop", "person/bike/bob", "account/bob", "merchant/m1"):
            for method, request in asked.items():
                code, _ = await refused(getattr(town.stub, method)(request, metadata=town.by(caller)))
                assert code == grpc.StatusCode.PERMISSION_DENIED, (caller, method)
        for caller in ("server/bike", "operator/op"):
            await town.stub.SetEndpoint(SET, metadata=town.by(caller))
            assert (await town.stub.GetEndpoint(MAIN, metadata=town.by(caller))).state == "active"

    in_town(act, ProcessSettings(identity_required=True))
