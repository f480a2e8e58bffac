"""A failing seed is made smaller before it is shown."""

import pytest

from tests.simulation.planted import the_window_is_off
from tests.simulation.running import digest, failure, kind_of, run, shrink
from tests.simulation.world import World


def first_failing() -> tuple[World, str]:
    """The first world that finds the bug, and how it fails."""
    for world in map(World, range(20)):
        error = failure(world)
        if error is not None:
            return world, kind_of(error)
    raise AssertionError("no world finds the bug")


def test_a_failing_world_is_shrunk_to_fewer_calls_and_faults_and_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    the_window_is_off(monkeypatch)
    world, kind = first_failing()
    found = shrink(world, kind, for_s=4.0)
    assert found is not None
    small, _ = found
    assert small.counts.asked < world.counts.asked / 2
    assert len(small.drawn.told()) < len(world.drawn.told())
    again = failure(World(small.seed, small.drawn, small.scale))
    assert again is not None
    assert kind_of(again) == kind


def test_a_world_told_with_its_own_faults_is_the_same_world() -> None:
    world = run(World(3))
    assert digest(run(World(3, world.drawn, world.scale))) == digest(world)


def test_a_world_that_holds_is_not_shrunk() -> None:
    assert shrink(World(1), "anything") is None


def test_a_failure_is_told_with_how_to_repeat_it_and_its_last_events(monkeypatch: pytest.MonkeyPatch) -> None:
    the_window_is_off(monkeypatch)
    seed = first_failing()[0].seed
    with pytest.raises(Exception, match=r"decided|answered|came|are there|says") as caught:
        run(World(seed))
    story = "\n".join(caught.value.__notes__)
    assert story.startswith("the smallest world that fails alike ends with ")
    assert f"World({seed}, Faults(" in story
    assert " ms  nothing goes wrong any more" in story
