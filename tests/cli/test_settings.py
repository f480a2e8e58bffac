"""Cluster settings are chosen once for a folder, and kept."""

from pathlib import Path

import pytest

from actors.cli import main
from actors.cli.wiring import keep, settled_cluster
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
