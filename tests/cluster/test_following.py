"""The follower of a platform is killed while programs state debts: none is missing or told twice in the end."""

import asyncio
import urllib.request
from pathlib import Path

import pytest

from gateway.client import Client
from tests.cli.running import PROGRAMS
from tests.cluster.stage import Platform, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
DEBTS = 600
KILLS = 3


async def _drink(address: str, begin: int, end: int) -> None:
    async with Client(address, "guests") as client:
        for number in range(begin, end):
            fields = f'{{"what": "ale", "amount_minor": {number + 1}, "reference": "{number}"}}'.encode()
            await client.invoke(f"programs/slate/slates/g{number % 50}", "slate.drink", fields)


def test_a_killed_follower_goes_on_where_its_rows_are(tmp_path: Path) -> None:
    with Platform(tmp_path / "up", "--programs", str(PROGRAMS)) as platform:
        share = DEBTS // (KILLS + 1)
        for kill in range(KILLS):
            asyncio.run(_drink(platform.gateway, kill * share, (kill + 1) * share))
            victim = platform.kill("follower")
            asyncio.run(_drink(platform.gateway, (kill + 1) * share - 5, (kill + 1) * share))
            platform.replaced(victim, "follower")
        asyncio.run(_drink(platform.gateway, KILLS * share, DEBTS))
        until(lambda: len(platform.operate("owed")["debts"]) == DEBTS, 60, f"{DEBTS} debts; {platform.errors}")
        assert platform.operate("owed")["totals"] == {"GBP": DEBTS * (DEBTS + 1) // 2}
        with urllib.request.urlopen(f"http://{platform.run().metrics['follower']}/metrics") as answer:
            told = answer.read().decode()
        assert "hutong_followed_events_total" in told
        assert "hutong_follow_lag_seconds" in told
