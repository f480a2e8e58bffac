"""A start that hangs in a step says in which, and does not last for ever."""

import asyncio

import pytest

from actors.cli.starting import Step, bring_up
from actors.errors import SetupError


def test_a_step_that_takes_long_is_said_and_one_that_takes_too_long_ends_the_start() -> None:
    said: list[str] = []

    async def act() -> None:
        quick: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        quick.set_result(None)
        for_ever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        steps = [Step("the log", "log.txt", quick), Step("Ray's session", "ray.txt", for_ever)]
        try:
            await bring_up(steps, said.append, 0.01, 0.03)
        finally:
            assert for_ever.cancelled()

    with pytest.raises(SetupError, match=r"Ray's session did not come up .* ray\.txt"):
        asyncio.run(act())
    assert said
    assert all("Ray's session (ray.txt)" in line for line in said)


def test_a_step_that_fails_ends_the_start_at_once() -> None:
    async def fail() -> None:
        raise SetupError("no room", reason="DISK")

    async def act() -> None:
        for_ever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await bring_up([Step("the log", "", for_ever), Step("a gateway", "", fail())], lambda _: None, 60, 120)

    with pytest.raises(SetupError, match="no room"):
        asyncio.run(act())


def test_a_start_without_trouble_says_nothing() -> None:
    said: list[str] = []

    async def act() -> None:
        await bring_up([Step("the log", "", asyncio.sleep(0))], said.append, 60, 120)

    asyncio.run(act())
    assert said == []
