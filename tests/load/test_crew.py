"""Generators that die or do not end keep nobody waiting, and whoever wants the end of a run has it."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from actors.errors import SetupError
from gateway import client
from loadtests.driver.command import Asked, order_of
from loadtests.driver.coordinator import Coordinator
from loadtests.driver.crew import Crew
from loadtests.driver.messages import Done, Play, Task
from loadtests.driver.playing import SILENT_S_MAX, Child
from loadtests.driver.tally import Part
from loadtests.driver.target import Target
from loadtests.endings import interrupt, on_end, undisturbed
from loadtests.journeys.steps import Town
from loadtests.schedule import Window

TINY = (sys.executable, str(Path(__file__).with_name("tiny_generator.py")))
TASK = Task(
    play=Play(users=1, seed=1, day="workday", busiest=0.0, window=Window(0.0, 60.0, 60.0), asks=0.0),
    part=0,
    parts=1,
    address="",
    town=Town("t"),
    folder="",
    unary=False,
    identity=False,
)


class Field:
    """Tiny generators, which are let go together; every one tells a second."""

    def __init__(self, *commands: tuple[str, ...], force_s: float = 60.0) -> None:
        self.said: list[str] = []
        self.commands = commands
        self.begun = asyncio.Event()
        self.told = asyncio.Event()
        self.children: list[Child] = []
        self.crew = Crew(self.said.append, self._take, force_s)
        self._parts, self._now_s = 0, 0.0

    def _take(self, _part: Part) -> None:
        self._parts += 1
        self.told.set()
        if self._parts == len(self.commands):
            self.begun.set()

    async def begin(self) -> "asyncio.Future[list[Done | str]]":
        """Returns what they will come to, once all have begun."""
        await self.crew.ready(self._start(part, command) for part, command in enumerate(self.commands))
        self.crew.go(0)
        played = asyncio.ensure_future(self.crew.played())
        await self.begun.wait()
        return played

    async def _start(self, part: int, command: tuple[str, ...]) -> Child:
        self.children.append(await Child.start(part, TASK, "", command))
        return self.children[-1]

    def look(self) -> None:
        """A second has gone by."""
        self._now_s += 1.0
        self.crew.look(self._now_s)

    async def one_more(self, part: int) -> None:
        """This one tells one more second."""
        self.told.clear()
        self.children[part].go(0)
        await self.told.wait()


@pytest.mark.timeout(120)
def test_a_generator_that_is_killed_is_noticed_and_ends_the_run_for_the_others() -> None:
    async def play() -> tuple[list[Done | str], list[str]]:
        field = Field(TINY, TINY)
        played = await field.begin()
        os.kill(field.crew.pids()[1], signal.SIGKILL)
        ends = await played
        await field.crew.end()
        return ends, field.said

    (done, lost), said = asyncio.run(play())
    assert isinstance(done, Done)
    assert lost == "generator 1 was ended by SIGKILL"
    assert len(said) == 1
    assert "not valid" in said[0]


@pytest.mark.timeout(120)
def test_a_generator_that_stands_still_is_ended_and_one_that_goes_on_telling_is_not() -> None:
    async def play() -> tuple[list[Done | str], list[str]]:
        field = Field(TINY, TINY)
        played = await field.begin()
        os.kill(field.crew.pids()[1], signal.SIGSTOP)
        for _ in range(SILENT_S_MAX - 1):
            await field.one_more(0)
            field.look()
        assert field.said == [], "it may yet go on"
        field.look()
        ends = await played
        await field.crew.end()
        return ends, field.said

    (done, lost), said = asyncio.run(play())
    assert isinstance(done, Done)
    assert lost == f"generator 1 stood still: it said nothing for {SILENT_S_MAX} s, and was ended"
    assert "not valid" in said[0]


@pytest.mark.timeout(120)
def test_where_the_coordinator_itself_stood_still_no_generator_is_to_blame() -> None:
    async def play() -> list[Done | str]:
        field = Field(TINY)
        played = await field.begin()
        for _ in range(2 * SILENT_S_MAX):
            field.crew.look(30.0)  # it was away for long, and makes up for every second
        field.crew.cut()
        ends = await played
        await field.crew.end()
        return ends

    (done,) = asyncio.run(play())
    assert isinstance(done, Done)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("nonsense", ["hello", '{"type":"done"}', '{"type":"part","part":{"at_s":-1}}'])
def test_a_generator_that_says_what_nobody_understands_ends_the_run_for_all(nonsense: str) -> None:
    async def play() -> list[Done | str]:
        field = Field((*TINY, nonsense), TINY)
        played = await field.begin()
        field.children[0].cut()
        ends = await played
        await field.crew.end()
        return ends

    lost, done = asyncio.run(play())
    assert lost == "generator 0 said what nobody understands"
    assert isinstance(done, Done)


@pytest.mark.timeout(120)
def test_a_generator_that_does_not_end_when_it_is_cut_is_ended_by_force() -> None:
    async def play() -> list[Done | str]:
        field = Field((*TINY, "deaf"), TINY, force_s=0.1)
        played = await field.begin()
        field.crew.cut()
        ends = await played
        await field.crew.end()
        return ends

    lost, done = asyncio.run(play())
    assert lost == "generator 0 was ended by SIGKILL"
    assert isinstance(done, Done)


@pytest.mark.timeout(120)
def test_a_generator_hears_no_ctrl_c_of_the_terminal() -> None:
    async def groups() -> list[int]:
        field = Field(TINY)
        played = await field.begin()
        found = [os.getpgid(pid) for pid in field.crew.pids()]
        field.crew.cut()
        await played
        await field.crew.end()
        return found

    assert asyncio.run(groups()) != [os.getpgrp()]


@pytest.mark.timeout(120)
def test_a_generator_that_never_begins_is_named_with_its_status() -> None:
    async def start() -> None:
        field = Field((sys.executable, "-c", "raise SystemExit(7)"))
        try:
            await field.begin()
        finally:
            await field.crew.end()

    with pytest.raises(SetupError, match="generator 0 cannot begin: it ended with status 7"):
        asyncio.run(start())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_before_anybody_arrived_waits_for_no_gateway(number: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target(gateway=f"127.0.0.1:{silent.getsockname()[1]}")

        async def run() -> None:
            coordinator = Coordinator(
                order_of(Asked(scenario="smoke"), tmp_path), target, lambda _: None, lambda _: None
            )
            running = asyncio.ensure_future(coordinator.run())
            asking, _ = await asyncio.to_thread(silent.accept)
            with asking:  # it has begun to ask
                signal.raise_signal(number)
                await running

        with pytest.raises(SetupError, match="before anybody arrived") as refused:
            asyncio.run(run())
    assert refused.value.reason == "CUT"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_whoever_answers_at_the_address_and_is_no_gateway_is_told_to_be_none(
    says: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DEADLINE_MS", 300)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"

        async def run() -> None:
            order = order_of(Asked(scenario="smoke"), tmp_path)
            running = asyncio.ensure_future(
                Coordinator(order, Target(gateway=address), lambda _: None, lambda _: None).run()
            )
            asking, _ = await asyncio.to_thread(stranger.accept)
            with asking:
                asking.sendall(says)
                await running

        with pytest.raises(SetupError, match=f"no gateway answers at {address}") as refused:
            asyncio.run(run())
    assert refused.value.reason == "NO_GATEWAY"


def test_whatever_ends_a_run_from_outside_is_one_and_the_same_while_it_lasts() -> None:
    heard: list[int] = []
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with on_end(lambda: heard.append(1)):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
        with undisturbed():
            signal.raise_signal(signal.SIGTERM)
        with on_end(interrupt), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert len(heard) == 3
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
