"""Whatever goes wrong in the middle of a run ends it, stands in its report, and keeps it from being a good one."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest
from msgspec.structs import replace

from gateway.client import Client
from loadtests.bench.platform import Named
from loadtests.driver import coordinator, watching
from loadtests.driver.command import Asked, order_of
from loadtests.driver.coordinator import Coordinator
from loadtests.driver.messages import Task
from loadtests.driver.playing import Child
from loadtests.driver.result import Run, Second
from loadtests.driver.target import Target
from loadtests.journeys.steps import Town

TINY = (sys.executable, str(Path(__file__).with_name("tiny_generator.py")))


class Tiny(Child):
    """A generator that plays nothing, and ends only when it is cut."""

    words: tuple[str, ...] = ()

    @classmethod
    async def start(cls, part: int, task: Task, token: str, command: object = None) -> Self:
        """See `Child`."""
        del command
        return await super().start(part, task, token, (*TINY, *cls.words))


class Deaf(Tiny):
    """One that does not hear that it is cut."""

    words = ("deaf",)


async def _town(_client: Client, mark: str) -> Town:
    return Town(mark)


@pytest.fixture(autouse=True)
def no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for anything before, and nobody waits for the beginning."""
    monkeypatch.setattr(coordinator, "founded", _town)
    monkeypatch.setattr(coordinator, "BEGINS_S", 0.0)


def played(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    child: type[Child] = Tiny,
    kills: tuple[float, ...] = (),
    begun: Callable[[Coordinator], None] = lambda _: None,
    processes: tuple[Named, ...] = (),
) -> Run:
    """A run in which `begun` is called once the generator has told its first second."""
    monkeypatch.setattr(coordinator, "Child", child)
    order = order_of(Asked(scenario="smoke", compress="24h:10m"), folder)
    order = replace(order, scenario=replace(order.scenario, kills=kills))

    def see(_second: Second) -> None:
        begun(running)

    running = Coordinator(order, Target(gateway="127.0.0.1:1", processes=processes), lambda _: None, see)
    return asyncio.run(running.run())


@pytest.mark.timeout(120)
def test_who_cuts_it_has_what_was_played_until_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = played(tmp_path, monkeypatch, begun=Coordinator.cut)
    assert (run.ended, run.valid, run.passed, run.served) == ("cut", False, False, 1)


@pytest.mark.timeout(120)
def test_who_cuts_it_twice_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_twice(running: Coordinator) -> None:
        running.cut()
        running.cut()

    run = played(tmp_path, monkeypatch, Deaf, begun=cut_twice)
    assert (run.ended, run.valid, run.passed, run.served) == ("cut", False, False, 0)
    assert any("generator 0 was ended by SIGKILL" in why for why in run.invalid_because)
    assert run.settings["audit"] == "not done: a generator took with it what had been accepted"


@pytest.mark.timeout(120)
def test_a_fault_that_could_not_be_made_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = played(tmp_path, monkeypatch, kills=(0.0,))
    assert (run.ended, run.valid, run.passed, run.faults) == ("failed", False, False, ())
    assert run.invalid_because[0].startswith("there was no host to kill")
    assert "`hutong up`" in run.advice


@pytest.mark.timeout(120)
def test_a_platform_that_is_gone_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    run = played(tmp_path, monkeypatch, processes=(Named("up", ended.pid),))
    assert (run.ended, run.valid, run.passed) == ("failed", False, False)
    assert run.invalid_because[0] == "the platform ended in the middle of the run"


@pytest.mark.timeout(120)
def test_a_run_that_nobody_looks_after_any_more_ends_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_watch: watching.Watch) -> None:
        raise FileNotFoundError("the folder is gone")

    monkeypatch.setattr(watching.Watch, "look", gone)
    run = played(tmp_path, monkeypatch)
    assert (run.ended, run.valid, run.passed) == ("failed", False, False)
    assert run.invalid_because[0] == "nobody saw it to its end: FileNotFoundError: the folder is gone"
