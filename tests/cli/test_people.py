"""`hutong sign-in`: from a name to an account, a code and a session, through a platform that runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.tokens import SAYS, Why
from gateway.v1 import identity_pb2 as pb
from gateway.v1 import identity_pb2_grpc, program_pb2, program_pb2_grpc
from tests.cli.running import Platform, dev, hutong

pytestmark = pytest.mark.cluster


def _said(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def _refused_in_the_end(call: Callable[[], object]) -> bool:
    """Whether the caller is told that it was erased, by a gateway that looks once a second."""
    for _ in range(100_000):
        try:
            call()
        except grpc.RpcError as error:
            told: Any = error
            if told.code() is grpc.StatusCode.UNAUTHENTICATED:
                return str(told.details()) == SAYS[Why.ERASED]
    return False


def test_whoever_signs_in_gets_a_code_which_a_program_exchanges_for_a_session(tmp_path: Path) -> None:
    with (
        dev(tmp_path / "data", HUTONG_IDENTITY_REQUIRED="true") as platform,
        grpc.insecure_channel(platform.run["gateway"]) as channel,
    ):
        stub: Any = identity_pb2_grpc.IdentityServiceStub(channel)
        ann = platform("sign-in", "ann").value
        assert platform("sign-in", "ann").value["person"] == ann["person"] != platform("sign-in", "bob").value["person"]
        issued = stub.IssueCode(pb.IssueCodeRequest(program="bike"), metadata=_said(ann["token"]))
        server = _said(platform.text("keys issue", "server/bike").strip())
        opened = stub.ExchangeCode(pb.ExchangeCodeRequest(program="bike", code=issued.code), metadata=server)
        check = pb.CheckSessionRequest(program="bike", openid=opened.openid, session=opened.session)
        assert stub.CheckSession(check, metadata=server).state == "active"
        told = json.dumps(platform("why", ann["request_id"]).value)
        assert ann["person"] in told
        assert ann["token"] not in told


def test_whoever_is_erased_is_forgotten_and_signs_in_as_somebody_else(tmp_path: Path) -> None:
    place = "under the third lamp of Nowhere Street"
    with (
        dev(tmp_path / "data", HUTONG_IDENTITY_REQUIRED="true") as platform,
        grpc.insecure_channel(platform.run["gateway"]) as channel,
    ):
        stub: Any = identity_pb2_grpc.IdentityServiceStub(channel)
        programs: Any = program_pb2_grpc.ProgramServiceStub(channel)
        ann = platform("sign-in", "ann").value
        known = stub.GetPersonToken(pb.GetPersonTokenRequest(program="taxi"), metadata=_said(ann["token"]))
        ride = f"programs/taxi/rides/{known.openid}/1"
        asked = json.dumps({"cell": "ws0e9", "place": place}).encode()
        call = program_pb2.InvokeRequest(entity=ride, command="taxi.ask", payload=asked)
        name = programs.Invoke(call, metadata=_said(known.token)).request_id
        refused = platform("erase", ann["person"])
        assert (refused.status, refused.error["reason"]) == (1, "NOT_CONFIRMED")
        assert "for ever" in refused.error["message"]
        assert platform("erase", ann["person"], "--yes").value["state"] == "erased"
        assert _refused_in_the_end(lambda: stub.GetPerson(pb.GetPersonRequest(), metadata=_said(ann["token"])))
        assert _refused_in_the_end(lambda: programs.Invoke(call, metadata=_said(known.token)))
        told = platform.text("why", name)
        assert "<sealed>" in told
        assert place not in told
        assert platform("replay", "--verify").status == 0
        again = platform("sign-in", "ann").value
        assert again["person"] != ann["person"]
        assert platform("erase", ann["person"], "--yes").value["state"] == "erased"
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or place.encode() not in file.read_bytes(), file


def test_where_identity_is_not_required_nobody_signs_in(platform: Platform) -> None:
    assert platform("sign-in", "ann").error["reason"] == "no_keyring"


def test_nothing_is_made_where_nothing_runs(tmp_path: Path) -> None:
    assert hutong("sign-in", "ann", "--dir", tmp_path, "--json").status
    assert not list(tmp_path.iterdir())
