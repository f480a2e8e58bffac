"""Running worlds: one with its checks, its digest, and a failing one made smaller before it is shown."""

import hashlib
import time
import traceback
from collections.abc import Iterator

from tests.simulation.checks import check
from tests.simulation.faults import Faults
from tests.simulation.world import Scale, World

SHRINK_S = 10.0
SHRINK_MAX = 400


def run(world: World) -> World:
    """Run a world and check it. What it raises carries the story of the smallest world that fails alike."""
    try:
        world.run()
        check(world)
    except BaseException as error:
        if isinstance(error, Exception):
            small = shrink(world, kind_of(error))
            if small is None:
                error.add_note(f"it could not be made smaller:\n{world.story()}")
            else:
                world, fails_with = small
                error.add_note(f"the smallest world that fails alike ends with {fails_with}\n{world.story()}")
        raise
    return world


def failure(world: World) -> Exception | None:
    """What a world ends with that does not hold."""
    try:
        world.run()
        check(world)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what a smaller world should show, too
        return error
    return None


def kind_of(error: Exception) -> str:
    """What was found wrong: the check that raised it, or the step of the world."""
    frames = traceback.extract_tb(error.__traceback__)
    names = (frame.name for frame in frames if "simulation" in frame.filename)
    return next((name for name in names if name not in ("run", "failure", "check")), type(error).__name__)


def shrink(world: World, kind: str, for_s: float = SHRINK_S) -> tuple[World, str] | None:
    """The same seed with fewer commands and faults, as far as it still fails in the same way, and with what.

    None if it does not fail again.
    """
    until = time.monotonic() + for_s
    faults, scale = world.drawn, world.scale
    smallest: tuple[World, str] | None = None
    tries = 0
    while tries < SHRINK_MAX and time.monotonic() < until:
        for milder, smaller in [(faults, scale)] if smallest is None else _milder(faults, scale):
            tries += 1
            tried = World(world.seed, milder, smaller, world.work)
            error = failure(tried)
            if error is not None and kind_of(error) == kind:
                faults, scale, smallest = milder, smaller, (tried, f"{type(error).__name__}: {error}")
                break
            if tries >= SHRINK_MAX or time.monotonic() > until:
                return smallest
        else:
            return smallest
    return smallest


def _milder(faults: Faults, scale: Scale) -> Iterator[tuple[Faults, Scale]]:
    for calls in (scale.calls // 2, scale.calls - 1):
        if 0 < calls < scale.calls:
            yield faults, scale._replace(calls=calls)
    for clients in (scale.clients // 2, scale.clients - 1):
        if 0 < clients < scale.clients:
            yield faults, scale._replace(clients=clients)
    for milder in faults.milder():
        yield milder, scale


def digest(world: World) -> str:
    """A sum over all that happened in a world: its events, its log, and what its hosts stored."""
    summed = hashlib.sha256(str(world.trace).encode())
    for slice_ in sorted(world.log.slices):
        for fetched in world.log.slices[slice_]:
            summed.update(b"%d %d " % (fetched.offset, fetched.stamp_ms) + fetched.frame)
    for partition in range(world.scale.partitions):
        host = world.owner_of(partition)
        assert host is not None
        for key, value in host.store_of(partition).scan(b"", b"\xff", 1_000_000):
            summed.update(key + b"=" + value)
    return summed.hexdigest()
