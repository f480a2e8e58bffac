"""A run's result: when it passes, and that it is read as it was written."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtests.driver.result import Run, Threshold, read_run, write_run
from tests.load.runs import run_of

GOOD = run_of()


def test_a_valid_whole_run_that_keeps_its_thresholds_passes() -> None:
    assert GOOD.passed


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, valid=False, invalid_because=("a generator was late",)),
        replace(GOOD, ended="cut"),
        replace(GOOD, ended="failed"),
        replace(GOOD, lost=1),
        replace(GOOD, doubled=1),
        replace(GOOD, thresholds=(Threshold(name="p99_ms", bound=100.0, measured=101.0, met=False),)),
    ],
)
def test_anything_that_is_wrong_with_a_run_keeps_it_from_passing(bad: Run) -> None:
    assert not bad.passed


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_run(write_run(GOOD, tmp_path)) == GOOD
