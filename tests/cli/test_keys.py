"""`hutong keys`: a folder's signing keys through their lives, and tokens for its gateways."""

from pathlib import Path

import pytest

from actors.adapters.keyring import FileKeys
from actors.cli import doctor
from actors.cli.wiring import keys_of
from actors.clocks import wall_ms
from actors.errors import InvalidCommand
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


def test_root_keys_are_listed_and_rotated_and_the_current_one_is_not_retired(tmp_path: Path) -> None:
    def roots() -> list[tuple[str, str]]:
        listed = hutong("keys", "list", "--dir", tmp_path, "--json").value["roots"]
        return [(key["kid"], key["state"]) for key in listed]

    ((first, state),) = roots()
    assert state == "current"
    assert hutong("keys", "retire", first, "--dir", tmp_path, "--json").error["reason"] == "ROOT_KEY_IN_USE"
    second = hutong("keys", "rotate", "--root", "--dir", tmp_path, "--json").value["current"]
    assert roots() == [(first, "former"), (second, "current")]
    refused = hutong("keys", "retire", first, "--dir", tmp_path, "--json").error
    assert refused["reason"] == "NOT_RUNNING", "what lives under it, a running platform's log says"
    assert roots() == [(first, "former"), (second, "current")]
    assert second in hutong("keys", "list", "--dir", tmp_path).out


def test_a_second_rotation_at_once_is_refused(tmp_path: Path) -> None:
    now_ms = wall_ms()
    keys_of(tmp_path).rotate(now_ms + 3_600_000, 0)
    assert hutong("keys", "rotate", "--dir", tmp_path, "--json").status == 0, "by a clock that was set back"
    keys_of(tmp_path).rotate(wall_ms() + 60_000, 0)
    before = hutong("keys", "list", "--dir", tmp_path, "--json").value
    with pytest.raises(InvalidCommand, match="rotated less than"):
        keys_of(tmp_path).rotate(wall_ms() + 60_000, 50_000)
    assert hutong("keys", "list", "--dir", tmp_path, "--json").value == before


def test_the_doctor_names_the_keys_that_a_keyring_lacks_and_one_that_is_another_logs() -> None:
    named = {"root": {"r1", "r2"}, "signing": {"s1"}}
    (good,) = doctor.compared(named, {"r1", "r2", "s1", "s2"})
    assert (good.verdict, good.found) == ("good", "it has every key that the log names: 3")
    (lacks,) = doctor.compared(named, {"r1", "s1"})
    assert (lacks.what, lacks.verdict) == ("keyring, root keys", "bad")
    assert lacks.found == "it lacks keys: the log names the root key r2"
    assert "bring its own keyring back" in lacks.then
    others = list(doctor.compared(named, {"x"}))
    assert [one.verdict for one in others] == ["bad", "bad"]
    assert all("another log's" in one.found for one in others)
    assert ["r1, r2" in others[0].found, "s1" in others[1].found] == [True, True]
    (nothing,) = doctor.compared({"root": set(), "signing": set()}, set())
    assert nothing.verdict == "good"


@pytest.mark.parametrize("principal", ["ann", "person/bike", "root/x", "person/bike/a b"])
def test_who_is_no_principal_gets_no_token(tmp_path: Path, principal: str) -> None:
    error = hutong("keys", "issue", principal, "--dir", tmp_path, "--json").error
    assert error["reason"] == "INVALID_PRINCIPAL"
    assert "person/PROGRAM/OPENID" in error["message"]
