"""A whole platform on one Kafka broker that it starts itself."""

import asyncio
from pathlib import Path

import pytest

from tests.cluster.stage import Load, Platform, under_load

pytestmark = [pytest.mark.cluster, pytest.mark.kafka, pytest.mark.timeout(180)]


def test_calls_over_kafka_survive_the_end_of_a_host_and_the_broker_ends_with_the_platform(tmp_path: Path) -> None:
    async def trouble(load: Load) -> None:
        victim = platform.kill("host-")
        await load.all_answered()
        await asyncio.to_thread(platform.replaced, victim, "host-")
        print(f"kill -9 of a host on Kafka: slowest call {load.slowest_s:.2f} s")

    with Platform(tmp_path / "up", "--log", "kafka") as platform:
        assert str(platform.banner["log_url"]).startswith("kafka://127.0.0.1:")
        assert len(platform.processes("kafka")) == 1
        under_load(platform, trouble)
