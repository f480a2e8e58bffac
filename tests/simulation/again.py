"""`python -m tests.simulation.again SEED…` prints what each world comes to: to be compared between processes.

`--plant-a-set` plants a bug first: two processes that differ in PYTHONHASHSEED find what depends on it.
"""

import argparse

import pytest

from tests.simulation.conftest import make_checks_often
from tests.simulation.planted import a_handler_iterates_over_a_set
from tests.simulation.running import digest
from tests.simulation.world import World


def main() -> None:
    """Run the worlds and print their digests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--plant-a-set", action="store_true")
    wanted = parser.parse_args()
    with pytest.MonkeyPatch.context() as patch:
        make_checks_often(patch)
        if wanted.plant_a_set:
            a_handler_iterates_over_a_set(patch)
        for seed in wanted.seeds:
            world = World(seed)
            world.run()
            print(digest(world))


if __name__ == "__main__":
    main()
