"""The follower is killed while programs state debts: in the end its rows and a developer's server have each, once."""

import asyncio
import base64
import hashlib
import hmac
import json
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from gateway.client import Client
from tests.cli.running import PROGRAMS
from tests.cluster.hearing import Heard, server
from tests.cluster.stage import Platform, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
GUESTS = 50
LATE = 5
"""So many debts are stated, or stated again, while the follower is gone."""


class Inn(NamedTuple):
    """A platform with slates, and the server at this port that hears of them once it is told where."""

    platform: Platform
    heard: Heard
    port: int


@pytest.fixture(scope="module")
def inn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inn]:
    heard = Heard()
    with server(heard) as port:
        settings = {"HUTONG_WEBHOOK_LOCAL_PORT": str(port), "HUTONG_WEBHOOK_LOST_MS": "2000"}
        folder = tmp_path_factory.mktemp("inn") / "up"
        with Platform(folder, "--hosts", "1", "--programs", str(PROGRAMS), **settings) as platform:
            yield Inn(platform, heard, port)


def drink(platform: Platform, guest: str, debts: int, kills: int, *, again: bool) -> None:
    """So many debts of these guests; the follower is killed so often, before the last of a share or what is `again`."""

    async def order(begin: int, end: int) -> None:
        async with Client(platform.gateway, "guests") as client:
            for number in range(begin, end):
                fields = f'{{"what": "ale", "amount_minor": {number + 1}, "reference": "{number}"}}'.encode()
                await client.invoke(f"programs/slate/slates/{guest}{number % GUESTS}", "slate.drink", fields)

    share = debts // (kills + 1)
    for kill in range(kills):
        asyncio.run(order(kill * share, (kill + 1) * share - (0 if again else LATE)))
        victim = platform.kill("follower")
        asyncio.run(order((kill + 1) * share - LATE, (kill + 1) * share))
        platform.replaced(victim, "follower")
    asyncio.run(order(kills * share, debts))


def test_a_killed_follower_goes_on_where_its_rows_are(inn: Inn) -> None:
    debts, platform = 600, inn.platform
    drink(platform, "row", debts, kills=3, again=True)

    def amounts() -> list[int]:
        rows = platform.operate("owed")["debts"]
        return sorted(row["amount_minor"] for row in rows if row["entity"].startswith("programs/slate/slates/row"))

    until(lambda: len(amounts()) == debts, 60, f"{debts} debts; {platform.errors}")
    assert amounts() == list(range(1, debts + 1))
    owed = platform.operate("owed")
    assert owed["totals"] == {"GBP": sum(row["amount_minor"] for row in owed["debts"])}
    with urllib.request.urlopen(f"http://{platform.run().metrics['follower']}/metrics") as answer:
        told = answer.read().decode()
    assert "hutong_followed_events_total" in told
    assert "hutong_follow_lag_seconds" in told


def test_every_event_is_told_by_one_name_across_a_kill_of_the_follower(inn: Inn) -> None:
    debts, platform, heard = 60, inn.platform, inn.heard

    def delivered() -> set[str]:
        """The names of the deliveries that the log shows as delivered."""
        shown = platform.operate("webhooks", "log", "slate/main", "--state", "delivered")
        return {str(one["delivery"]).removeprefix("slate/") for one in shown["deliveries"]}

    shown = platform.operate("webhooks", "set", "slate/main", f"http://127.0.0.1:{inn.port}/in", "owed")
    secret = base64.b64decode(shown["secret"].removeprefix("whsec_"))
    drink(platform, "told", debts, kills=1, again=False)
    until(lambda: len(heard.bodies) >= debts, 60, f"{debts} deliveries; {platform.errors}")
    until(lambda: len(delivered()) == debts, 60, f"{debts} delivered; {platform.errors}")
    assert delivered() == set(heard.bodies)
    told = {name: json.loads(bodies[0]) for name, bodies in heard.bodies.items()}
    assert sorted(int(one["data"]["reference"]) for one in told.values()) == list(range(debts))
    assert all(len(set(bodies)) == 1 for bodies in heard.bodies.values()), "a name stands for one thing"
    for name, said, signature in heard.signatures:
        made = base64.b64encode(hmac.digest(secret, said, hashlib.sha256)).decode()
        assert signature == f"v1,{made}", name
