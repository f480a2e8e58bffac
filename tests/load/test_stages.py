"""Journeys in step make the calls they make alone, each stage of one kind."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from loadtests.driver.watching import role_of
from loadtests.journeys import table
from loadtests.journeys.steps import Invoke, Open, Step, Town, Visit
from loadtests.plan import tls
from loadtests.plan.stages import Lockstep
from loadtests.wholeday.footprint import kind_of

PERSONS = 50


def _answer(step: Step) -> Any:
    match step:
        case Open():
            return "sessions/s"
        case Invoke():
            return b'{"seed":"00"}'
        case _:
            return None


def _stages(journey: str, pages: int) -> list[tuple[str, int]]:
    """The stages of so many persons on this journey, whose calls all come to the same."""
    made: list[list[str]] = []

    async def make(steps: Sequence[Step]) -> tuple[Sequence[Any], int]:
        made.append([kind_of(step) for step in steps])
        return [_answer(step) for step in steps], 10 * len(steps)

    async def play() -> list[tuple[str, int]]:
        visits = (Visit(Town("t"), f"p{n}", "jump", "Beijing", "recent", 1, pages, n) for n in range(PERSONS))
        found: list[tuple[str, int]] = []
        async for kind, calls, making in Lockstep((table.JOURNEYS[journey](visit) for visit in visits), make).stages():
            assert await making == 10 * calls
            found.append((kind, calls))
        return found

    found = asyncio.run(play())
    assert [(kinds[0], len(kinds)) for kinds in made] == found
    assert all(len(set(kinds)) == 1 for kinds in made)
    return found


def test_all_open_then_all_turn_a_page_and_some_close() -> None:
    found = _stages("browse", 3)
    assert found[:3] == [("open", PERSONS), ("page", PERSONS), ("page", PERSONS)]
    assert found[3][0] == "close"
    assert 0 < found[3][1] < PERSONS


def test_everybody_who_begins_a_ride_ends_it() -> None:
    calls: Counter[str] = Counter()
    for kind, count in _stages("hire", 1):
        calls[kind] += count
    assert calls["open"] == calls["hire"] == calls["bring back"] == PERSONS


def test_tls_costs_something_for_each_byte() -> None:
    assert 0 < tls.us_a_kb() < 100


@pytest.mark.parametrize(
    ("said", "name", "role"),
    [
        ("gateway-0", "python -m actors.cli.children gateway", "gateway"),
        ("host-1-18c2fa03", "ray::HostActor", "host"),
        ("", "ray::HostActor.run", "host"),
        ("kafka", "java", "kafka"),
        ("", "java kafka.Kafka server.properties", "kafka"),
        ("", "/opt/raylet", "ray"),
        ("", "bash", "other"),
    ],
)
def test_a_process_has_a_role_whatever_its_number_is(said: str, name: str, role: str) -> None:
    assert role_of(said, name) == role
