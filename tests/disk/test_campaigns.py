"""A share of each campaign; with the marker `disk`, the quick size of each."""

from pathlib import Path

import pytest

from tests.disk.campaigns import CAMPAIGNS
from tests.disk.counts import Counts
from tests.disk.cutting import cut_power
from tests.disk.damage import FAULTS, damage
from tests.disk.failing import fail_syncs, fill_the_disk
from tests.disk.killing import kill_at_random

SEED = 1


def check(counts: Counts, faults_min: int) -> None:
    """Nothing is wrong, and enough happened."""
    assert counts.is_clean, "\n".join(counts.findings)
    assert sum(counts.faults.values()) >= faults_min, counts


def test_what_was_acknowledged_survives_the_kills_of_its_owner(tmp_path: Path) -> None:
    counts = kill_at_random(tmp_path, SEED, 3)
    check(counts, 3)
    assert counts.acked > 100


def test_what_was_acknowledged_survives_power_cuts(tmp_path: Path) -> None:
    counts = cut_power(tmp_path, SEED, 30)
    check(counts, 30)
    assert counts.acked > 300


def test_damage_is_named_and_never_handed_out(tmp_path: Path) -> None:
    counts = damage(tmp_path, SEED, dict.fromkeys(FAULTS, 12))
    check(counts, 20)
    assert set(counts.faults) == set(FAULTS)


def test_a_failed_sync_ends_the_log_and_is_not_tried_again(tmp_path: Path) -> None:
    check(fail_syncs(tmp_path, SEED, range(1, 21)), 20)


def test_a_full_disk_refuses_for_certain_and_the_log_goes_on(tmp_path: Path) -> None:
    check(fill_the_disk(tmp_path, SEED, 200), 20)


@pytest.mark.disk
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_the_campaign_finds_nothing(name: str, tmp_path: Path) -> None:
    counts = CAMPAIGNS[name](tmp_path / name, SEED, False)
    if counts.skipped:
        pytest.skip("; ".join(counts.skipped))
    check(counts, 4)
