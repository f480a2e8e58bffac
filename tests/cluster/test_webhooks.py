"""A developer's server is told of every debt once or more by one name each, though the follower is killed."""

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from gateway.client import Client
from tests.cli.running import PROGRAMS
from tests.cluster.hearing import Heard, server
from tests.cluster.stage import Platform, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
DEBTS = 60
KILLS = 1


async def _drink(address: str, begin: int, end: int) -> None:
    async with Client(address, "guests") as client:
        for number in range(begin, end):
            fields = f'{{"what": "ale", "amount_minor": {number + 1}, "reference": "{number}"}}'.encode()
            await client.invoke(f"programs/slate/slates/g{number % 50}", "slate.drink", fields)


def _delivered(platform: Platform) -> set[str]:
    """The names of the deliveries that the log shows as delivered."""
    shown = platform.operate("webhooks", "log", "slate/main", "--state", "delivered")
    return {str(one["delivery"]).removeprefix("slate/") for one in shown["deliveries"]}


def test_every_event_is_told_by_one_name_across_a_kill_of_the_follower(tmp_path: Path) -> None:
    heard = Heard()
    with server(heard) as port:
        settings = {"HUTONG_WEBHOOK_LOCAL_PORT": str(port), "HUTONG_WEBHOOK_LOST_MS": "2000"}
        with Platform(tmp_path / "up", "--programs", str(PROGRAMS), **settings) as platform:
            shown = platform.operate("webhooks", "set", "slate/main", f"http://127.0.0.1:{port}/in", "owed")
            secret = base64.b64decode(shown["secret"].removeprefix("whsec_"))
            share = DEBTS // (KILLS + 1)
            for kill in range(KILLS):
                asyncio.run(_drink(platform.gateway, kill * share, (kill + 1) * share - 5))
                victim = platform.kill("follower")
                asyncio.run(_drink(platform.gateway, (kill + 1) * share - 5, (kill + 1) * share))
                platform.replaced(victim, "follower")
            asyncio.run(_drink(platform.gateway, KILLS * share, DEBTS))
            until(lambda: len(heard.bodies) >= DEBTS, 60, f"{DEBTS} deliveries; {platform.errors}")
            until(lambda: len(_delivered(platform)) == DEBTS, 60, f"{DEBTS} delivered; {platform.errors}")
            assert _delivered(platform) == set(heard.bodies)
        told = {name: json.loads(bodies[0]) for name, bodies in heard.bodies.items()}
        assert sorted(int(one["data"]["reference"]) for one in told.values()) == list(range(DEBTS))
        assert all(len(set(bodies)) == 1 for bodies in heard.bodies.values()), "a name stands for one thing"
        for name, said, signature in heard.signatures:
            made = base64.b64encode(hmac.digest(secret, said, hashlib.sha256)).decode()
            assert signature == f"v1,{made}", name
