"""A generator plays people against a gateway and a host in this very process, and the audit reads the log."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from actors.errors import PlatformError, SetupError
from actors.registry import shipped_programs
from gateway.client import Client
from loadtests.driver.audit import Found, Reader, asked, audited, effects
from loadtests.driver.generator import Generator
from loadtests.driver.ledger import OPENED, Places, read
from loadtests.driver.messages import Done, Play, Report, Task
from loadtests.driver.prepare import founded
from loadtests.journeys.table import LEAVES
from loadtests.schedule import window_of
from tests.gateway.scene import CLUSTER, Scene, play

USERS = 40


async def played(scene: Scene, folder: Path, *, unary: bool = False) -> tuple[Done, str]:
    """What one generator did, and the run's mark."""
    scene.runs(*(program.name for program in shipped_programs()))
    await scene.served()
    address, mark = f"127.0.0.1:{scene.gateways[-1].port}", "feed"
    async with Client(address, "before") as client:
        town = await founded(client, mark)
    day = Play(users=USERS, seed=1, day="workday", busiest=2.0, window=window_of("24h:1s", 0.0), asks=0.0)
    task = Task(play=day, part=0, parts=1, address=address, town=town, folder=str(folder), unary=unary, identity=False)
    said: list[Report] = []
    generator = Generator(task, said.append)
    await generator.prepare()
    await generator.play(time.time_ns())
    done = said[-1]
    assert isinstance(done, Done), done
    return done, mark


class Mute(Client):
    """A client whose platform has no pages in its sessions."""

    def __init__(self) -> None: ...

    async def query(self, *_: Any, **__: Any) -> Any:
        return Answered({"pages_loaded": "many"})


class Answered(NamedTuple):
    """What a question comes to."""

    value: object


def looked(scene: Scene, mark: str, accepted: Mapping[str, Places]) -> Found:
    """What the audit finds."""
    return audited(Reader(scene.log, CLUSTER, mark, LEAVES), accepted, {}, lambda: False)


def test_everything_that_people_do_is_served_and_stands_on_the_log_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        done, mark = await played(scene, tmp_path)
        assert not done.errors, done
        assert done.served == done.offered > 4 * USERS, done
        assert done.arrived >= 2 * USERS
        accepted = read(tmp_path, done.ledger)
        assert {"visit.began", "session.page-loaded", "shop.line-sold", "jump.started"} <= accepted.keys()
        wanted = sum(len(places) for places in effects(accepted).values())
        assert await asyncio.to_thread(looked, scene, mark, accepted) == Found(0, 0, wanted)

    play(act)


def test_one_by_one_it_is_the_same_and_an_effect_that_nobody_was_told_of_is_found(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        done, mark = await played(scene, tmp_path, unary=True)
        assert not done.errors, done
        accepted = read(tmp_path, done.ledger)
        assert (await asyncio.to_thread(looked, scene, mark, accepted))[:2] == (0, 0)
        async with Client(f"127.0.0.1:{scene.gateways[-1].port}", "after") as client:
            assert done.drawn
            assert (await asked(client, done.drawn))[:2] == (0, 0)
            one = next(iter(done.drawn))
            assert (await asked(client, {one: done.drawn[one] + 1}))[:2] == (1, 0)
            assert (await asked(client, {one: done.drawn[one] - 1}))[:2] == (0, 1)
        with pytest.raises(SetupError, match="somebody ended the audit"):
            audited(Reader(scene.log, CLUSTER, mark, LEAVES), accepted, {}, lambda: True)
        tag = next(tag for tag in accepted if tag != OPENED[0])
        less = accepted | {tag: accepted[tag][:-1]}
        assert (await asyncio.to_thread(looked, scene, mark, less))[:2] == (0, 1)
        none = {other: places for other, places in accepted.items() if other != tag}
        found = await asyncio.to_thread(looked, scene, mark, none)
        assert found[:2] == (0, len(accepted[tag])), "a kind that nobody was told of"
        opened = {OPENED[0]: accepted[OPENED[0]]}
        assert (await asyncio.to_thread(looked, scene, mark, opened)).lost == 0, "an opening leaves its page as well"
        with pytest.raises(PlatformError, match="does not say how many pages"):
            await asked(Mute(), {one: 1})

    play(act)


def test_a_platform_that_lacks_what_journeys_open_is_told_what_it_lacks() -> None:
    async def act(scene: Scene) -> None:
        scene.runs("shop")
        await scene.served()
        async with Client(f"127.0.0.1:{scene.gateways[-1].port}", "before") as client:
            with pytest.raises(SetupError, match=r"lacks programs that journeys open: bike, .*wear$") as refused:
                await founded(client, "feed")
        assert refused.value.reason == "PROGRAMS"

    play(act)
