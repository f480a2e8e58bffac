"""The checkers are checked: a bug that is planted into the product is found within a few worlds."""

import pytest

from actors.errors import Corrupt
from tests.simulation.checks import check
from tests.simulation.planted import PLANTED, Plant
from tests.simulation.world import Broken, World

SEEDS_MAX = 60


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(SEEDS_MAX):
        world = World(seed)
        try:
            world.run()
            check(world)
        except (Broken, Corrupt):
            return
    pytest.fail(f"{plant.__name__}: not found in {SEEDS_MAX} worlds")
