"""Faults planted in the product, one at a time: the campaigns must find each, or they prove nothing."""

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import apsw

from actors.adapters.embedded import database, engine
from actors.adapters.embedded.database import Database, Row
from actors.adapters.embedded.marks import Marks
from actors.ports import Fetched, Slice
from tests.disk.cutting import cut_power
from tests.disk.damage import damage
from tests.disk.failing import fail_syncs
from tests.disk.power import Content
from tests.disk.truth import SLICES, Truth, compare, frame_of
from tests.proof.counts import Counts

SEED = 5


def _nothing(*_: object) -> None:
    """Stands in for what is left out."""


def _zero(*_: object) -> int:
    return 0


def _compared(frames: list[bytes], acked: dict[int, int], refused: dict[int, str] | None = None) -> Counts:
    counts, truth, slice = Counts("planted"), Truth(), SLICES[0]
    truth.acked[slice] = acked
    truth.refused = refused or {}
    compare(counts, truth, {slice: [Fetched(slice, n, 0, frame, None) for n, frame in enumerate(frames)]})
    return counts


def test_a_log_that_holds_what_was_acknowledged_is_right() -> None:
    assert _compared([frame_of(1), frame_of(3), frame_of(2)], {0: 1, 2: 2}).is_clean


def test_a_lost_frame_is_found() -> None:
    assert _compared([frame_of(1)], {0: 1, 1: 2}).lost == 1


def test_a_frame_that_is_there_twice_is_found() -> None:
    assert _compared([frame_of(1), frame_of(1)], {0: 1}).twice == 1


def test_another_body_another_place_and_a_refused_frame_are_found() -> None:
    assert _compared([frame_of(1)[:-1]], {}).wrong == 1
    assert _compared([frame_of(2)], {0: 1}).wrong == 1
    assert _compared([frame_of(1)], {}, {1: "no"}).wrong == 1


def test_a_sync_that_was_dropped_is_found_by_power_cuts(tmp_path: Path) -> None:
    with patch.object(Content, "sync", _nothing):
        parts = [cut_power(tmp_path / f"{seed}", seed, 10) for seed in range(SEED, SEED + 5)]
    findings = [finding for part in parts for finding in part.findings]
    assert any("acknowledged" in finding for finding in findings), findings


def test_an_answer_without_a_commit_is_found_by_power_cuts(tmp_path: Path) -> None:
    append, turns = Database.append, itertools.count()

    def forget(self: Database, rows: Sequence[Row], keyed: Iterable[tuple[int, bytes, int]]) -> None:
        if next(turns) % 10:
            append(self, rows, keyed)

    with patch.object(Database, "append", forget):
        findings = cut_power(tmp_path, SEED, 20).findings
    assert any("the log has a hole" in finding for finding in findings), findings


def test_an_error_of_a_sync_that_was_swallowed_is_found(tmp_path: Path) -> None:
    append = Database.append

    def swallow(self: Database, rows: Sequence[Row], keyed: Iterable[tuple[int, bytes, int]]) -> None:
        with suppress(apsw.IOError):
            append(self, rows, keyed)

    with patch.object(Database, "append", swallow):
        assert not fail_syncs(tmp_path, SEED, range(12, 14)).is_clean


def test_rows_without_checksums_are_found_by_damage(tmp_path: Path) -> None:
    with patch.object(engine, "checksum", _zero), patch.object(database, "checksum", _zero):
        assert not damage(tmp_path, SEED, {"flipped bit": 40, "lost sector": 40}).is_clean


def test_a_log_without_marks_is_found_by_damage(tmp_path: Path) -> None:
    with patch.object(Marks, "end", _zero):
        assert not damage(tmp_path, SEED, {"truncated file": 40}).is_clean


def test_a_slice_that_is_not_compared_is_not_right() -> None:
    counts = Counts("planted")
    truth = Truth()
    truth.acked[Slice("t", 1)][0] = 1
    compare(counts, truth, {slice: [] for slice in SLICES})
    assert counts.lost == 1
