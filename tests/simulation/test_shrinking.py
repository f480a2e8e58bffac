"""A failing seed is made smaller before it is shown."""

import pytest

from tests.simulation.planted import the_window_is_off
from tests.simulation.running import failure, run, shrink
from tests.simulation.world import World


def first_failing() -> World:
    """The first world that finds the bug."""
    return next(world for world in map(World, range(20)) if failure(world) is not None)


def test_a_failing_world_is_shrunk_to_fewer_calls_and_faults_and_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    the_window_is_off(monkeypatch)
    world = first_failing()
    small = shrink(world, for_s=4.0)
    assert small is not None
    assert small.counts.asked < world.counts.asked / 2
    assert len(small.drawn.told()) < len(world.drawn.told())
    assert failure(World(small.seed, small.drawn, small.scale)) is not None


def test_a_world_that_holds_is_not_shrunk() -> None:
    assert shrink(World(1)) is None


def test_a_failure_is_told_with_how_to_repeat_it_and_its_last_events(monkeypatch: pytest.MonkeyPatch) -> None:
    the_window_is_off(monkeypatch)
    seed = first_failing().seed
    with pytest.raises(Exception, match=r"decided|answered|came|are there|says") as caught:
        run(World(seed))
    story = "\n".join(caught.value.__notes__)
    assert f"World({seed}, Faults(" in story
    assert " ms  nothing goes wrong any more" in story
