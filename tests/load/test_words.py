"""What is written by hand of scenarios, thresholds and journeys names every one of them, and nothing else."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest

from actors.cli.load import play, simulate
from loadtests.driver.verdict import Facts, thresholds
from loadtests.habits import DAYS
from loadtests.journeys.table import JOURNEYS
from loadtests.population import WORLDS
from loadtests.scenarios import BOUNDS, SCENARIOS

LOADTESTS = Path(__file__).parents[2] / "loadtests"
README = (LOADTESTS / "README.md").read_text()
FACTS = Facts(planned=1, arrived=1, offered=1, served=1, errors=0, late=0, is_cut=False)


def helped(command: object, option: str) -> str:
    """What the help says of an option."""
    hint = get_type_hints(command, include_extras=True)[option]
    return str(hint.__metadata__[0].help)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (helped(play, "scenario"), SCENARIOS),
        (helped(play, "threshold"), BOUNDS),
        (helped(simulate, "day"), DAYS),
        (helped(simulate, "world"), WORLDS),
    ],
)
def test_the_help_names_all_there_are(said: str, names: dict[str, object]) -> None:
    assert [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", said)] == []


def test_the_readme_tells_of_every_scenario_and_of_no_other() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", README, re.MULTILINE)
    assert [name for name in rows if name in SCENARIOS] == list(SCENARIOS)
    assert not set(rows) - set(SCENARIOS)


def test_every_bound_that_may_be_asked_for_is_measured() -> None:
    found = thresholds(dict.fromkeys(BOUNDS, 1.0), {}, FACTS, ())
    assert [each.name for each in found] == list(BOUNDS)


def test_every_journey_is_told_of_and_every_scenario_keeps_bounds_that_there_are() -> None:
    said = (LOADTESTS / "journeys" / "README.md").read_text()
    assert [name for name in JOURNEYS if not re.search(rf"\b{name}\b", said)] == []
    for scenario in SCENARIOS.values():
        assert scenario.thresholds.keys() <= BOUNDS.keys()
        assert scenario.day in DAYS
        assert ("recovered_s" in scenario.thresholds) is bool(scenario.kills)
