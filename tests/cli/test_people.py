"""`hutong sign-in`: from a name to an account, a code and a session, through a platform that runs."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.v1 import identity_pb2 as pb
from gateway.v1 import identity_pb2_grpc
from tests.cli.running import Platform, dev, hutong

pytestmark = pytest.mark.cluster


def _said(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


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


def test_where_identity_is_not_required_nobody_signs_in(platform: Platform) -> None:
    assert platform("sign-in", "ann").error["reason"] == "NO_KEYS"


def test_nothing_is_made_where_nothing_runs(tmp_path: Path) -> None:
    assert hutong("sign-in", "ann", "--dir", tmp_path, "--json").status
    assert not list(tmp_path.iterdir())
