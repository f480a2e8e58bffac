"""Cluster settings are chosen once for a folder, and kept."""

from pathlib import Path

import pytest

from actors.cli import main, running
from actors.cli.wiring import SETTINGS_FILE, keep, settled_cluster
from actors.errors import SetupError


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


@pytest.mark.parametrize("stored", [b"{", b'{"groups": {"\xff\xfe": 1}}', b'{"partitions": "many"}'])
def test_settings_that_do_not_decode_are_refused_with_what_to_do(tmp_path: Path, stored: bytes) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(stored)
    with pytest.raises(SetupError, match="from a copy"):
        settled_cluster(tmp_path)


def test_a_file_of_what_runs_that_does_not_decode_says_that_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / running.RUN_FILE).write_bytes(b'{"mode": "\xff\xfe"}')
    assert running.read_run(tmp_path) is None
