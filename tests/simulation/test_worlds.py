"""Worlds under chance: whatever goes wrong, everything holds once it stops, and everything settles."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.checks import check
from tests.simulation.faults import Faults
from tests.simulation.world import World


def run(world: World) -> World:
    """Run a world and check it; its story goes with whatever it raises."""
    try:
        world.run()
        check(world)
    except BaseException as error:
        error.add_note(world.story())
        raise
    return world


def test_everything_holds_and_settles(seed: int) -> None:
    world = run(World(seed))
    assert sum(len(client.answers) for client in world.clients) >= 100


def test_a_world_is_a_function_of_its_seed() -> None:
    one, other = run(World(7)), run(World(7))
    assert one.log.slices == other.log.slices
    assert (one.notes, one.happened) == (other.notes, other.happened)


DIGEST = """
import hashlib
from tests.simulation.world import World
world = World(7)
world.run()
frames = [(slice_, [(f.offset, f.stamp_ms, f.frame) for f in frames]) for slice_, frames in world.log.slices.items()]
print(hashlib.sha256(repr(sorted(frames)).encode()).hexdigest())
"""


def test_a_world_is_the_same_under_another_order_of_sets() -> None:
    digests: set[bytes] = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        root = Path(__file__).parents[2]
        digests.add(subprocess.check_output([sys.executable, "-c", DIGEST], cwd=root, env=environment))
    assert len(digests) == 1


def test_in_a_calm_world_every_call_is_answered_at_its_first_try() -> None:
    world = run(World(1, Faults()))
    assert world.happened == {}
    assert all(reply is not None for client in world.clients for reply in client.answers.values())
    assert len({reply.offset for replies in world.said_replies.values() for reply in replies}) > 10


def test_everything_that_can_go_wrong_does_within_a_few_worlds() -> None:
    happened: dict[str, int] = {}
    for seed in range(20):
        world = run(World(seed))
        for name, times in world.happened.items():
            happened[name] = happened.get(name, 0) + times
    assert set(happened) == set(Faults.__struct_fields__) - {"crowded"}
    assert sum(happened.values()) > 20 * 20
