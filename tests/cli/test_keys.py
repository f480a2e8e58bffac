"""`hutong keys`: a folder's signing keys through their lives, and tokens for its gateways."""

from pathlib import Path

import pytest

from actors.adapters.keyring import FileKeys
from actors.cli.wiring import keys_of
from actors.clocks import wall_ms
from gateway.tokens import Verifier
from tests.cli.running import Said, dev, hutong


def states(folder: Path) -> list[str]:
    return [key["state"] for key in hutong("keys", "list", "--dir", folder, "--json").value["keys"]]


def test_keys_go_from_next_to_retired_and_never_out_of_turn(tmp_path: Path) -> None:
    first = hutong("keys", "list", "--dir", tmp_path, "--json").value["keys"][0]["kid"]
    assert states(tmp_path) == ["signing", "next"]
    assert hutong("keys", "retire", first, "--dir", tmp_path, "--json").error["reason"] == "KEY_IN_USE"
    assert hutong("keys", "rotate", "--dir", tmp_path, "--json").value["signing"] != first
    assert states(tmp_path) == ["verifying", "signing", "next"]
    assert hutong("keys", "retire", first, "--dir", tmp_path, "--json").error["reason"] == "KEY_IN_USE"
    assert hutong("keys", "retire", first, "--now", "--dir", tmp_path, "--json").value == {"retired": first}
    assert states(tmp_path) == ["retired", "signing", "next"]
    assert hutong("keys", "retire", "none", "--dir", tmp_path, "--json").error["reason"] == "NO_SUCH_KEY"
    assert first in hutong("keys", "list", "--dir", tmp_path).out


def test_a_token_that_is_printed_is_good_at_a_gateway_of_the_folder(tmp_path: Path) -> None:
    token = hutong("keys", "issue", "person/bike/ann", "--seconds", 60, "--dir", tmp_path).out.strip()
    now_ms = wall_ms()
    proven = Verifier(keys_of(tmp_path)).verify(token, now_ms)
    assert proven.principal.caller == "person/bike/ann"
    assert proven.until_ms <= now_ms + 60_000


def test_a_keyring_may_lie_beside_its_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTONG_KEYS", str(tmp_path / "elsewhere"))
    token = hutong("keys", "issue", "operator/op", "--dir", tmp_path / "data").out.strip()
    assert not (tmp_path / "data").exists()
    monkeypatch.delenv("HUTONG_KEYS")
    now_ms = wall_ms()
    assert Verifier(FileKeys(tmp_path / "elsewhere")).verify(token, now_ms).principal.caller == "operator/op"


@pytest.mark.cluster
def test_a_platform_that_requires_identity_does_what_a_token_proves_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dev(tmp_path / "data", HUTONG_IDENTITY_REQUIRED="true") as platform:

        def asks(principal: str, *arguments: object) -> Said:
            monkeypatch.setenv("HUTONG_TOKEN", platform.text("keys issue", principal).strip())
            return platform("call", *arguments)

        station, ann = "programs/bike/stations/north", "programs/bike/riders/ann"
        monkeypatch.setenv("HUTONG_TOKEN", "no token")
        assert platform("call", ann, "bike.hire", '{"station": "north"}').error["reason"] == "TOKEN_FORGED"
        opened = asks("server/bike", station, "bike.station.open", '{"name": "North", "docks": 2, "bikes": 1}')
        assert opened.status == 0, opened.err
        hired = asks("person/bike/ann", ann, "bike.hire", '{"station": "north"}').value
        assert hired["value"]["state"] == "asking"
        assert (
            asks("person/bike/bob", ann, "bike.return", '{"station": "north"}').error["reason"] == "PERMISSION_DENIED"
        )
        assert '"caller":"person/bike/ann"' in platform("why", hired["request_id"]).out.replace(" ", "")


@pytest.mark.parametrize("principal", ["ann", "person/bike", "root/x", "person/bike/a b"])
def test_who_is_no_principal_gets_no_token(tmp_path: Path, principal: str) -> None:
    error = hutong("keys", "issue", principal, "--dir", tmp_path, "--json").error
    assert error["reason"] == "INVALID_PRINCIPAL"
    assert "person/PROGRAM/OPENID" in error["message"]
