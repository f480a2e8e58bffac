"""A log that lost what was acknowledged: who owns such a partition says so and serves it no more; the others go on."""

import re

import pytest

from actors.kernel.record import Empty, Slice, encode_frame, encode_record
from actors.ports import Fetched
from tests.simulation.faults import CALM
from tests.simulation.running import run
from tests.simulation.world import World

AGAIN_MS = 20_000


def settled(seed: int) -> World:
    """A world after a calm storm, with its stores written up to the log's end."""
    world = run(World(seed, CALM))
    assert world.unsettled() == []
    return world


def restart_all(world: World) -> None:
    """Every host ends, and others open their stores."""
    for host in list(world.hosts.values()):
        world.crashed(host)
    until_ms = world.clock.elapsed_ms + AGAIN_MS
    while world.clock.elapsed_ms < until_ms:
        world.clock.step()


def cut(world: World, partition: int, frames: int, grown: int) -> None:
    """Take the last frames of a partition away; others are appended in their place. It may halt."""
    world.may_halt.add(partition)
    slice_ = Slice(world.cluster.commands_topic, partition)
    kept = world.log.slices[slice_][:-frames]
    frame = encode_frame(*slice_, "another", 1, "", [encode_record(Empty())])
    more = [Fetched(slice_, len(kept) + n, world.clock.now_ms, frame) for n in range(grown)]
    world.log.slices[slice_] = [*kept, *more]


@pytest.mark.parametrize("world_seed", range(5))
def test_other_frames_in_the_place_of_those_that_states_were_made_from_halt_the_partition(world_seed: int) -> None:
    world = settled(world_seed)
    end = world.log.end(Slice(world.cluster.commands_topic, 0))
    cut(world, 0, frames=1 + world_seed, grown=2 + world_seed)
    restart_all(world)
    assert re.match(f"at 0/{end - 1}: the log holds another frame", world.halts[0])
    assert all(left.startswith("0 ") for left in world.unsettled())


@pytest.mark.parametrize("world_seed", range(5))
def test_a_store_that_is_newer_than_the_log_halts_its_partition(world_seed: int) -> None:
    world = settled(world_seed)
    end = world.log.end(Slice(world.cluster.commands_topic, 1))
    cut(world, 1, frames=4 + world_seed, grown=0)
    restart_all(world)
    assert re.match(f"at 1/{end - 1}: .* acknowledged records are gone", world.halts[1])
    assert all(left.startswith("1 ") for left in world.unsettled())


def test_a_store_that_is_older_than_the_log_catches_up() -> None:
    world = settled(1)
    before = {n: host.core.owned for n, host in world.hosts.items()}
    world.disk.lose(0)
    world.disk.lose(1)
    restart_all(world)
    assert not before.keys() & world.hosts.keys()
    assert world.unsettled() == []
    assert {"stores_lost"} >= world.counts.felt.keys()
