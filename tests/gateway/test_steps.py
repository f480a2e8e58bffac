"""Typed services: the steps of a call by ids that follow from it, repeated at another gateway without harm."""

import uuid
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel.layout import made_ms
from actors.steps import CALL_STEPS_MAX, step_id
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc
from tests.gateway.scene import CLUSTER, Scene, detail, new_id, play, reason_of, refused

ANN = (("hutong-caller", "ann"),)


async def catalog(scene: Scene) -> Any:
    """A stub of the catalogue at a new gateway."""
    await scene.served()
    return catalog_pb2_grpc.CatalogServiceStub(scene.channels[-1])


def steps_on(scene: Scene) -> list[tuple[str, bytes]]:
    """Every call on the log: of which entity, by which id."""
    calls = [call for partition in range(CLUSTER.partitions) for call in scene.log.calls(partition)]
    return [(call.entity, call.request_id) for call in calls]


def _gray(**rule: Any) -> pb.SetGrayRequest:
    return pb.SetGrayRequest(program="cafe", code=1, gray=pb.Gray(**rule))


@given(st.binary(min_size=16, max_size=16))
def test_the_steps_of_a_call_have_ids_of_their_own_that_keep_its_time_and_version(request_id: bytes) -> None:
    made = [step_id(request_id, n) for n in range(CALL_STEPS_MAX)]
    assert made[0] == request_id
    assert len(set(made)) == CALL_STEPS_MAX
    assert made == [step_id(request_id, n) for n in range(CALL_STEPS_MAX)]
    assert {made_ms(one) for one in made} == {made_ms(request_id)}
    assert {(one[6] >> 4, one[8] >> 6) for one in made} == {(request_id[6] >> 4, request_id[8] >> 6)}


def test_a_repeat_at_a_second_gateway_repeats_every_step_by_the_same_id() -> None:
    async def act(scene: Scene) -> None:
        stubs = [await catalog(scene) for _ in range(2)]
        await stubs[0].OpenAccount(pb.OpenAccountRequest(account="acme", name="Acme", admin="ann", request_id=new_id()))
        before = len(steps_on(scene))
        name = new_id()
        call = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food", request_id=name)
        answers = [await stub.RegisterProgram(call, metadata=ANN) for stub in stubs]
        assert [answer.duplicate for answer in answers] == [False, True]
        assert answers[0].position == answers[1].position
        taken = steps_on(scene)[before:]
        expected = zip(
            ("catalog.name/cafe", "catalog.program/acme/cafe", "catalog.name/cafe"),
            (step_id(uuid.UUID(name).bytes, n) for n in range(3)),
            strict=True,
        )
        assert sorted(taken) == sorted([*expected] * 2)

    play(act)


def test_a_call_that_ended_between_its_steps_goes_on_when_it_is_repeated() -> None:
    async def act(scene: Scene) -> None:
        stub = await catalog(scene)
        call = pb.RegisterProgramRequest(
            account="acme", program="cafe", title="Café", category="food", request_id=new_id()
        )
        code, status = await refused(stub.RegisterProgram(call, metadata=ANN))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_state")
        other = pb.RegisterProgramRequest(account="else", program="cafe", title="x", category="x")
        code, status = await refused(stub.RegisterProgram(other, metadata=ANN))
        assert reason_of(status) == "name_taken"
        await stub.OpenAccount(pb.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        again = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food")
        await stub.RegisterProgram(again, metadata=ANN)
        assert (await stub.GetProgram(pb.GetProgramRequest(program="cafe"))).account == "acme"

    play(act)


REFUSED: list[tuple[str, Any, str, str]] = [
    ("SetPackageKey", pb.SetPackageKeyRequest(account="acme", key=b"short"), "INVALID_COMMAND", "$.key"),
    ("JudgeVersion", pb.JudgeVersionRequest(program="cafe", code=1, verdict="so"), "INVALID_COMMAND", "$.verdict"),
    ("SetGray", _gray(share=10_001), "INVALID_COMMAND", "$.rule.share"),
    ("SetGray", _gray(share=-1), "INVALID_COMMAND", "$.rule.share"),
    ("SetGray", _gray(cities=["Oslo", ""]), "INVALID_COMMAND", "$.rule.cities[1]"),
    ("SubmitVersion", pb.VersionRequest(program="cafe", code=1, request_id="x"), "INVALID_REQUEST_ID", "request_id"),
    ("SubmitVersion", pb.VersionRequest(program="", code=1), "INVALID_ID", "entity"),
    ("TakeReview", pb.TakeReviewRequest(lane=16), "INVALID_LANE", "lane"),
    ("OpenAccount", pb.OpenAccountRequest(account="", name="x", admin="y"), "INVALID_ID", "entity"),
]


def test_what_a_command_would_not_take_is_refused_before_the_log() -> None:
    async def act(scene: Scene) -> None:
        stub = await catalog(scene)
        await stub.OpenAccount(pb.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        cafe = pb.RegisterProgramRequest(account="acme", program="cafe", title="Café", category="food")
        await stub.RegisterProgram(cafe)
        before = steps_on(scene)
        for method, call, reason, field in REFUSED:
            code, status = await refused(getattr(stub, method)(call))
            bad = detail(status, details.BadRequest)
            assert bad is not None
            assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, reason), call
            assert bad.field_violations[0].field == field
        assert steps_on(scene) == before

    play(act)
