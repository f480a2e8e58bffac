"""A share of each campaign against a real platform: what was answered is not lost, what was refused is not done."""

from pathlib import Path

import pytest

from tests.overload.campaigns import CAMPAIGNS, Size

SHARE = Size(warm_s=1, measure_s=1, load_s=3, attack_s=0.5, connections=20)


@pytest.mark.cluster
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_what_is_answered_is_on_the_log_and_what_is_refused_is_not(name: str, tmp_path: Path) -> None:
    counts = CAMPAIGNS[name](tmp_path / name, 1, SHARE)
    assert counts.is_clean, counts.findings
    assert counts.acked > 20
