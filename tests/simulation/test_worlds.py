"""Worlds under chance: whatever goes wrong, everything holds once it stops, and everything settles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.registry import load_programs, shipped_programs
from tests.simulation import city
from tests.simulation.conftest import Tally
from tests.simulation.counts import Counts
from tests.simulation.faults import CALM, Faults
from tests.simulation.running import digest, run
from tests.simulation.workload import SHOPS
from tests.simulation.world import World

ROOT = Path(__file__).parents[2]
BY_KIND_OF_WORK = {"crash_at_work"}
BY_ITSELF = {"snapshot_overtaken", "follower_ends"}
WORLDS_ENOUGH = 100


@pytest.mark.usefixtures("timed")
def test_everything_holds_and_settles(seed: int, tally: Tally) -> None:
    world = World(seed)
    try:
        run(world)
    except Exception:
        tally.failed_seeds.append(seed)
        raise
    finally:
        tally.counts.add(world.counts)
    assert world.counts.asked >= 90


def test_every_kind_of_the_platform_and_of_its_programs_is_in_some_world() -> None:
    kinds = set(load_programs(shipped_programs()).entities)
    assert kinds - set(city.RULES.kinds) - set(SHOPS.rules.kinds) == set()


def test_a_world_is_a_function_of_its_seed() -> None:
    one, other = run(World(7)), run(World(7))
    assert digest(one) == digest(other)
    assert (one.notes, one.counts) == (other.notes, other.counts)
    assert digest(run(World(8))) != digest(one)


def digests(seeds: list[int], hash_seed: str, *more: str) -> bytes:
    """What these worlds come to in a process of its own, under this order of sets."""
    command = [sys.executable, "-m", "tests.simulation.again", *map(str, seeds), *more]
    return subprocess.check_output(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed})


@pytest.mark.slow
def test_worlds_are_the_same_in_another_process_under_another_order_of_sets() -> None:
    assert (
        digests([3, 8], "1") == digests([3, 8], "2") == "".join(f"{digest(run(World(n)))}\n" for n in (3, 8)).encode()
    )


def test_in_a_calm_world_every_call_is_answered_at_its_first_try() -> None:
    world = run(World(1, CALM))
    assert (world.counts.injected, world.counts.unknown_settled) == ({}, 0)
    assert world.counts.acked == world.counts.asked
    assert len({reply.offset for replies in world.said_replies.values() for reply in replies}) > 10


def test_everything_that_can_go_wrong_does_and_has_an_effect_within_a_few_worlds(tally: Tally) -> None:
    counts = tally.counts
    if counts.worlds < WORLDS_ENOUGH:
        counts = Counts()
        for seed in range(WORLDS_ENOUGH):
            counts.add(run(World(seed)).counts)
    kinds = {kind for kind in counts.felt if not kind.startswith("crash_at_")}
    assert kinds - BY_ITSELF == set(Faults.__struct_fields__) - {"crowded"} - BY_KIND_OF_WORK
    assert {"crash_at_append", "crash_at_write", "crash_at_tell", "crash_at_load"} <= counts.felt.keys()
    assert counts.faults > 20 * counts.worlds
    assert all(counts.felt[kind] <= counts.injected[kind] for kind in counts.felt)
