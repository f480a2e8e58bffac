"""Cluster settings are chosen once for a folder, and kept; a setting that cannot be does not start anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from actors.cli import main, running
from actors.cli.wiring import SETTINGS_FILE, keep, process_settings, settled_cluster
from actors.domain.catalog import uploads
from actors.domain.ways import link
from actors.domain.webhook import delivery
from actors.entity import FILLED
from actors.errors import SetupError
from actors.quotas import STAYS, TRAVELS, bounds_of, waits_ms_of
from actors.settings import ProcessSettings
from gateway import services


def test_a_new_folder_takes_what_is_given_and_an_old_one_keeps_it(tmp_path: Path) -> None:
    made = settled_cluster(tmp_path, 8, {"gold": 2})
    keep(tmp_path, made)
    assert (made.partitions, made.groups) == (8, {"gold": 2})
    assert settled_cluster(tmp_path) == made
    assert settled_cluster(tmp_path, 8) == made


def test_what_was_asked_for_is_not_fixed_before_it_is_kept(tmp_path: Path) -> None:
    settled_cluster(tmp_path, 8)
    assert settled_cluster(tmp_path, 4).partitions == 4


@pytest.mark.parametrize(("partitions", "groups"), [(16, {}), (None, {"gold": 3}), (None, {"silver": 2})])
def test_what_differs_from_what_a_folder_was_made_with_is_refused(
    tmp_path: Path, partitions: int | None, groups: dict[str, int]
) -> None:
    keep(tmp_path, settled_cluster(tmp_path, 8, {"gold": 2}))
    with pytest.raises(SetupError, match="stored"):
        settled_cluster(tmp_path, partitions, groups)


@pytest.mark.parametrize("given", ["gold", "gold=", "=2", "gold=two"])
def test_a_group_that_is_not_name_and_partitions_is_a_usage_error(
    tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", "--dir", str(tmp_path / "data"), "--group", given])
    assert ended.value.code == 2
    assert "NAME=PARTITIONS" in capsys.readouterr().err


def test_every_setting_that_a_service_puts_into_a_command_is_among_those_that_travel() -> None:
    trees = [ast.parse(path.read_text()) for path in Path(services.__path__[0]).glob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = {name for call in calls if ast.unparse(call.func).rpartition(".")[2][:1].isupper() for name in _read(call)}
    assert given - {"oidc_issuer", "oidc_audience", "deadline_ms_default"} <= {*TRAVELS, *STAYS}
    assert len(given) > 10
    assert set(TRAVELS) <= set(ProcessSettings.__struct_fields__)


def test_no_setting_in_a_clients_command_tells_a_retry_from_the_first_try() -> None:
    sent = {uploads.Take}  # by another entity, and by no client
    dated = {(link.Mint, "ttl_ms")}  # the client's own where it says one: the service tells
    for field in {field for fields in TRAVELS.values() for field in fields if field.command not in sent} - dated:
        (filled,) = [one.default for one in msgspec.structs.fields(field.command) if one.encode_name == FILLED]
        assert field.name in filled, field


def _read(call: ast.Call) -> Iterator[str]:
    """The settings that are read in the arguments of a call."""
    for given in (*call.args, *(option.value for option in call.keywords)):
        if isinstance(given, ast.Attribute) and given.attr in ProcessSettings.__struct_fields__:
            yield given.attr


@pytest.mark.parametrize("setting", sorted({*TRAVELS, *STAYS}))
def test_a_setting_that_no_command_would_take_fails_the_start_and_says_what_it_can_be(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    least, most = bounds_of(setting)
    for value in (least, *([] if most is None else [most])):
        monkeypatch.setenv(f"HUTONG_{setting.upper()}", str(value))
        assert getattr(process_settings(), setting) == value
    for value in (least - 1, *([] if most is None else [most + 1])):
        monkeypatch.setenv(f"HUTONG_{setting.upper()}", str(value))
        with pytest.raises(SetupError, match=rf"HUTONG_{setting.upper()} is {value}; it can be {least} ") as refused:
            process_settings()
        assert most is None or str(refused.value).endswith(f" to {most}")


def test_the_schedule_of_webhooks_is_a_setting_and_by_default_that_of_deliveries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert waits_ms_of(process_settings()) == delivery.WAITS_MS
    monkeypatch.setenv("HUTONG_WEBHOOK_WAITS_S", "5 60")
    assert waits_ms_of(process_settings()) == (5_000, 60_000)
    for said in ("1 2.5", "-1", "90000", "1 " * 20):
        monkeypatch.setenv("HUTONG_WEBHOOK_WAITS_S", said)
        with pytest.raises(SetupError, match=f"_WAITS_S is {said!r}; it can be up to 19 numbers of seconds"):
            process_settings()


def test_dev_and_up_do_not_start_by_a_setting_that_no_command_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUTONG_TEAM_MEMBERS_MAX", "1001")
    for command in ("dev", "up"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--dir", str(tmp_path / "data")])
        assert ended.value.code == 1
        assert "HUTONG_TEAM_MEMBERS_MAX is 1001; it can be 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize("stored", [b"{", b'{"groups": {"\xff\xfe": 1}}', b'{"partitions": "many"}'])
def test_settings_that_do_not_decode_are_refused_with_what_to_do(tmp_path: Path, stored: bytes) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(stored)
    with pytest.raises(SetupError, match="from a copy"):
        settled_cluster(tmp_path)


def test_a_file_of_what_runs_that_does_not_decode_says_that_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / running.RUN_FILE).write_bytes(b'{"mode": "\xff\xfe"}')
    assert running.read_run(tmp_path) is None
