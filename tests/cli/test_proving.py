"""The commands as they are on a platform that requires identity, over TLS; what `dev` refuses to serve."""

import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from actors.cli import doctor
from actors.cli.running import dialled
from tests.cli.running import Platform, dev
from tests.gateway.certificates import Authority

PAGE = "pages/map/index"
cluster = pytest.mark.cluster


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("closed")
    cert, key = Authority("the authority").vouches(folder)
    settings = {"HUTONG_TLS_CERT": str(cert), "HUTONG_TLS_KEY": str(key), "HUTONG_IDENTITY_REQUIRED": "true"}
    with dev(folder / "data", **settings) as running:
        yield running


@cluster
def test_whoever_can_read_the_folder_calls_asks_and_explains_without_a_token_of_its_own(closed: Platform) -> None:
    called = closed.call("bike/stations/north", "bike.station.open", name="North", docks=2, bikes=1)
    assert closed("query", "programs/bike/stations/north", "station").value["value"]["bikes"] == 1
    assert closed("describe", "bike").value
    asked = closed("why", called["request_id"]).value["calls"][0]["asked"]
    assert asked["caller"] == "operator/hutong-cli"
    ann = ("--caller", "person/bike/ann")
    hired = closed.call("bike/riders/ann", "bike.hire", *ann, station="north")
    assert hired["value"]["state"] == "asking"
    bobs = closed("call", "programs/bike/riders/bob", "bike.hire", '{"station": "north"}', *ann)
    assert bobs.error["reason"] == "PERMISSION_DENIED"
    assert closed("call", "programs/bike/riders/bob", "bike.hire", "--caller", "a b").error["reason"] == (
        "INVALID_PRINCIPAL"
    )


@cluster
def test_a_program_is_published_scanned_and_shared_as_where_nobody_proves_anything(closed: Platform) -> None:
    assert closed("catalog publish").status == 0
    code = closed("codes mint", "bike", PAGE, "--scene", "42").value
    opened = closed("open", code["text"]).value
    assert opened["session"] == "sessions/bike/hutong-cli/1"
    shown = closed(*opened["next"][1:4], *opened["next"][-2:]).value["value"]
    assert (shown["state"], shown["pages"][0]["path"]) == ("launched", PAGE)
    assert closed(*opened["next"][1:4], "--caller", "person/bike/bob").error["reason"] == "NO_SUCH_KIND"
    link = closed("links mint", "bike", PAGE).value
    assert closed("links open", link["text"], "--caller", "ann").value["page"] == PAGE
    assert closed("open", link["text"]).error["reason"] == "link_of_another"
    share = closed("shares add", "bike", PAGE, "--caller", "ann").value
    assert closed("shares show", share["text"]).value["path"][0]["by"] == "person/bike/ann"
    assert closed("open", share["text"], "--caller", "bob").value["source"] == "share"
    assert closed("shares withdraw", "bike", share["share"], "--caller", "ann").status == 0


@cluster
def test_a_server_gets_its_token_for_a_secret_until_its_credential_is_disabled(
    closed: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert closed("credentials token").error["reason"] == "NO_SECRET"
    secret = closed.text("credentials renew", "server/bike").strip()
    monkeypatch.setenv("HUTONG_SECRET", secret)
    first, again = (closed("credentials token").value for _ in range(2))
    assert first == again
    assert closed("credentials token", "--force").value["version"] == first["version"] + 1
    assert closed("credentials token", "--force").error["reason"] == "refresh_too_soon"
    quota = closed("credentials quota", "server/bike").value
    assert (quota["state"], quota["used"], quota["remain"]) == ("active", 1, 19)
    monkeypatch.setenv("HUTONG_TOKEN", first["token"])
    closed.call("bike/stations/south", "bike.station.open", name="South", docks=2, bikes=1)
    monkeypatch.delenv("HUTONG_TOKEN")
    disabled = closed("credentials disable", "server/bike").value
    assert closed("why", disabled["request_id"]).value["calls"]
    assert closed("credentials token").error["reason"] == "credential_disabled"
    assert closed("credentials renew", "bike").error["reason"] == "INVALID_CREDENTIAL"


@cluster
def test_a_root_key_is_retired_once_nothing_lives_under_it_and_the_doctor_compares_keyring_and_log(
    closed: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks(named: int) -> dict[str, doctor.Finding]:
        until = time.monotonic() + 60
        while True:  # events come to their topic behind the answers
            found = {finding.what: finding for finding in doctor.keyring(closed.folder)}
            if time.monotonic() > until or ("keyring" in found and found["keyring"].found.endswith(f" {named}")):
                return found

    second = closed("keys rotate", "--root").value["current"]
    third = closed("keys rotate", "--root").value["current"]
    assert closed("keys retire", second).value == {"retired": second}
    monkeypatch.setenv("HUTONG_SECRET", closed.text("credentials renew", "merchant/m1").strip())
    closed("credentials token")
    assert "1" in looks(1)["keyring"].found
    closed("keys rotate", "--root")
    refused = closed("keys retire", third).error
    assert refused["reason"] == "ROOT_KEY_IN_USE"
    assert "credentials' secrets" in refused["message"]
    assert closed("credentials token").status == 0, "a secret of a former root key is good"
    states = [key["state"] for key in closed("keys list").value["roots"]][-3:]
    assert states == ["retired", "former", "current"]
    monkeypatch.setenv("HUTONG_KEYS", str(tmp_path / "another"))
    lacks = {finding.what: finding for finding in doctor.keyring(closed.folder)}["keyring, signing keys"]
    assert lacks.verdict == "bad"
    assert "another log's" in lacks.found
    assert not (tmp_path / "another").exists(), "the doctor makes no keyring"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HUTONG_GATEWAY_HOST": "192.0.2.1"}, "NOT_LOOPBACK"),
        ({"HUTONG_GATEWAY_HOST": "192.0.2.1", "HUTONG_IDENTITY_REQUIRED": "true"}, "NO_TLS"),
    ],
)
def test_dev_and_up_serve_others_only_where_callers_prove_who_they_are_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], reason: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for command in ("dev", "up"):
        arguments = [sys.executable, "-m", "actors.cli", command, "--dir", str(tmp_path), "--port", "0", "--json"]
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1, ended.stderr
        assert f'"reason": "{reason}"' in ended.stdout.replace('":"', '": "'), command


def test_what_is_served_everywhere_is_dialled_on_this_machine() -> None:
    served = {"0.0.0.0": "127.0.0.1:7", "::": "[::1]:7", "127.0.0.1": "127.0.0.1:7", "10.0.0.7": "10.0.0.7:7"}
    assert {host: dialled(host, 7) for host in served} == served
