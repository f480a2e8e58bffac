"""A day in the city: played through the gateway of a platform where everybody proves who they are."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from actors.cli import wiring
from actors.cli.city import proofs
from gateway.client import Client
from loadtests.city.audit import audit
from loadtests.city.day import Day, Step
from loadtests.city.town import Town
from tests.cli.running import Platform, dev
from tests.cluster.stage import command

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with dev(tmp_path_factory.mktemp("day") / "dev", HUTONG_IDENTITY_REQUIRED="true") as running:
        yield running


def test_every_step_of_a_day_is_as_it_must_be_and_why_explains_it(city: Platform) -> None:
    said = city("demo day-in-the-city")
    assert said.status == 0, said.err
    report = said.value
    assert (report["ok"], report["wrong"], len(report["owed"])) == (True, [], 6), report
    steps = report["steps"]
    assert len(steps) >= 12
    assert all(step["ok"] and step["why"] for step in steps), steps
    assert len({step["request_id"] for step in steps}) == len(steps)
    explained = city("why", steps[-1]["request_id"]).value
    assert [call["asked"]["entity"] for call in explained["calls"]] == [one["entity"] for one in steps[-1]["why"]]
    assert explained["calls"][0]["decided"]["outcome"] == "accepted"


def test_a_step_that_is_not_as_it_must_be_is_said_and_is_the_last(city: Platform) -> None:
    async def play() -> tuple[list[Step], list[str]]:
        keys = wiring.keys_of(city.folder)
        async with Client(city.run["gateway"]) as connection:
            town = Town(connection, proofs(keys), f"{time.time_ns():x}", drop_limit=1)
            await town.open()
            town.code = "nothing"
            day = Day(town, "bob")
            steps = [step async for step in day.play()]
            for who in (day.me, day.friend):
                await day.played(await who.at("jump"), 1, "")
            wrong = await audit(town, [day])
        keys.close()
        return steps, wrong

    steps, wrong = asyncio.run(play())
    assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
    assert steps[-1].name == "scan the code at a bike station"
    told = {each.partition(":")[0] for each in wrong}
    assert {"bikes at the two stations", "dishes on the menu", "seats sold", "items given out", "best players"} <= told
    assert not told & {"orders in the kitchen", "players on the board"}, wrong


def test_where_nobody_proves_who_they_are_there_is_no_day(platform: Platform) -> None:
    error = platform("demo day-in-the-city").error
    assert (error["reason"], error["details"]["next"]) == (
        "no_keyring",
        "start the platform with HUTONG_IDENTITY_REQUIRED=true",
    )


@pytest.mark.kafka
def test_the_same_day_goes_by_on_kafka() -> None:
    done = subprocess.run(
        command("demo", "day-in-the-city", "--log", "kafka", "--hosts", "1", "--json"),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["log"], report["ok"], report["wrong"]) == ("kafka", True, []), report
    assert len(report["steps"]) >= 12
