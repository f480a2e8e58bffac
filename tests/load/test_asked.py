"""What a load run is asked for: what a platform of its own is made of, and what contradicts itself."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.driver.command import Asked, brought_up, order_of
from loadtests.scenarios import SCENARIOS

SMOKE, DAY = Asked(scenario="smoke"), Asked(scenario="day")


def platform(asked: Asked) -> str:
    return " ".join(brought_up(asked, SCENARIOS[asked.scenario]))


def test_smoke_is_played_on_one_process_unless_somebody_says_what_the_platform_is_made_of() -> None:
    assert platform(SMOKE) == "dev"
    assert platform(replace(SMOKE, log="kafka")) == "up --log kafka --hosts 2 --partitions 8"
    assert platform(replace(SMOKE, hosts=3)) == "up --log embedded --hosts 3 --partitions 8"
    assert platform(replace(DAY, partitions=64)) == "up --log embedded --hosts 2 --partitions 64"


def test_the_report_says_what_was_really_used() -> None:
    used = order_of(SMOKE, Path()).settings
    assert used["platform"] == "of its own: hutong dev"
    assert used["generators"] == "1"
    assert order_of(SMOKE, Path()).play.users == SCENARIOS["smoke"].users


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (replace(SMOKE, log="kafka", folder=Path("x")), "--log would be of a platform that is brought up, and --dir"),
        (replace(SMOKE, hosts=2, partitions=8, target="x:1"), "--hosts, --partitions would be .* --target"),
        (replace(DAY, log="paper"), "--log is embedded or kafka, not 'paper'"),
        (replace(DAY, hosts=0), "--hosts is 1 to 64, not 0"),
        (replace(DAY, partitions=5_000), "--partitions is 1 to 1,024, not 5,000"),
        (replace(DAY, users=0), "--users is 1 to"),
        (replace(DAY, generators=0), "--generators is 1 to 64, not 0"),
    ],
)
def test_sizes_that_cannot_be_or_that_nobody_would_heed_are_refused_by_name(asked: Asked, says: str) -> None:
    with pytest.raises(SetupError, match=says):
        order_of(asked, Path())
