"""The checkers are checked: a bug that is planted into the product is found within a minute of one processor."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from actors.adapters.embedded.database import Database, Row
from tests.disk.cutting import cut_power
from tests.disk.failing import fail_syncs
from tests.disk.power import Content
from tests.simulation.city import city_of
from tests.simulation.conftest import Tally
from tests.simulation.planted import ALSO_PLANTED, MIXTURES, PLANTED, Plant
from tests.simulation.planted_city import PLANTED_IN_CITIES, PLANTED_IN_RELEASES, plant
from tests.simulation.releasing import RELEASES
from tests.simulation.running import failure, kind_of
from tests.simulation.test_worlds import digests
from tests.simulation.world import World

pytestmark = pytest.mark.slow

SEEDS_MAX = 400
FOUND_S_MAX = 50.0


def _nothing(_: Content) -> None:
    """Stands in for what is left out."""


def found_by(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """The first world that finds a bug."""
    until = time.process_time() + FOUND_S_MAX
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(SEEDS_MAX):
            if time.process_time() > until:
                return None
            if failure(World(seed, MIXTURES.get(plant))) is not None:
                return seed
    return None


@pytest.mark.parametrize("promise", PLANTED)
def test_a_planted_bug_is_found_by_worlds(promise: str, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    missed = [plant.__name__ for plant in PLANTED[promise] if found_by(plant, monkeypatch) is None]
    tally.planted[promise] = not missed
    assert not missed


@pytest.mark.parametrize("plant", ALSO_PLANTED, ids=lambda plant: plant.__name__)
def test_more_planted_bugs_are_found_by_worlds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_by(plant, monkeypatch) is not None


@pytest.mark.parametrize("bug", PLANTED_IN_CITIES)
def test_a_bug_in_a_program_is_found_by_a_city(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    area, kind, broken = PLANTED_IN_CITIES[bug]
    until = time.process_time() + FOUND_S_MAX
    plant(monkeypatch, kind, broken)
    worlds = (World(seed, work=city_of(area)) for seed in range(SEEDS_MAX) if time.process_time() < until)
    wrong = (kind_of(error) for error in map(failure, worlds) if error is not None)
    assert area.check.__name__ in wrong


@pytest.mark.parametrize("bug", PLANTED_IN_RELEASES, ids=lambda bug: bug.__name__)
def test_a_bug_in_what_a_release_is_is_found_where_people_use_two(bug: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    until = time.process_time() + FOUND_S_MAX
    bug(monkeypatch)
    worlds = (World(seed, work=city_of(RELEASES)) for seed in range(SEEDS_MAX) if time.process_time() < until)
    wrong = (kind_of(error) for error in map(failure, worlds) if error is not None)
    assert RELEASES.check.__name__ in wrong


def test_set_iteration_in_a_handler_is_found_by_two_processes(tally: Tally) -> None:
    found = digests([8], "1", "--plant-a-set") != digests([8], "2", "--plant-a-set")
    tally.planted["set iteration in a handler"] = found
    assert found


def test_a_dropped_fsync_is_found_by_power_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    monkeypatch.setattr(Content, "sync", _nothing)
    found = not cut_power(tmp_path, 5, 50).is_clean
    tally.planted["fsync dropped"] = found
    assert found


def test_a_swallowed_eio_is_found_by_failing_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    append = Database.append

    def swallow(self: Database, rows: list[Row], keyed: Iterable[tuple[int, bytes, int]]) -> None:
        with suppress(apsw.IOError):
            append(self, rows, keyed)

    monkeypatch.setattr(Database, "append", swallow)
    found = not fail_syncs(tmp_path, 5, range(12, 14)).is_clean
    tally.planted["EIO swallowed"] = found
    assert found


def test_without_a_planted_bug_the_same_worlds_hold() -> None:
    assert [seed for seed in range(10) if failure(World(seed)) is not None] == []
