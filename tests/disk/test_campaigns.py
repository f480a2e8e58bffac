"""A share of each campaign, but of those that need strace; and damage that a real host meets."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.adapters.embedded.database import OFFSETS_MAX
from actors.adapters.embedded.local import LocalLog
from actors.kernel.record import Position
from tests.disk.cutting import cut_power
from tests.disk.damage import FAULTS, damage
from tests.disk.failing import fail_syncs, fill_the_disk
from tests.disk.killing import kill_at_random
from tests.disk.recovering import FAULTS as FAULTS_OF_A_HOST
from tests.disk.recovering import recover
from tests.disk.stores import damage_stores
from tests.hosting.stage import CLUSTER, Stage, play, put_all, say
from tests.proof.counts import Counts

pytestmark = pytest.mark.cluster

SEED = 1


def check(counts: Counts, faults_min: int) -> None:
    """Nothing is wrong, and enough happened."""
    assert counts.is_clean, "\n".join(counts.findings)
    assert sum(counts.faults.values()) >= faults_min, counts


@pytest.mark.proved
def test_what_was_acknowledged_survives_the_kills_of_its_owner(tmp_path: Path) -> None:
    counts = kill_at_random(tmp_path, SEED, 3)
    check(counts, 3)
    assert counts.acked > 100


@pytest.mark.proved
def test_what_was_acknowledged_survives_power_cuts(tmp_path: Path) -> None:
    counts = cut_power(tmp_path, SEED, 30)
    check(counts, 30)
    assert counts.acked > 300


@pytest.mark.proved
def test_damage_is_named_and_never_handed_out(tmp_path: Path) -> None:
    counts = damage(tmp_path, SEED, dict.fromkeys(FAULTS, 9))
    check(counts, 20)
    assert set(counts.faults) == set(FAULTS)


@pytest.mark.proved
def test_a_failed_sync_ends_the_log_and_is_not_tried_again(tmp_path: Path) -> None:
    check(fail_syncs(tmp_path, SEED, range(1, 21)), 20)


@pytest.mark.proved
def test_a_full_disk_refuses_for_certain_and_the_log_goes_on(tmp_path: Path) -> None:
    check(fill_the_disk(tmp_path, SEED, 200), 20)


@pytest.mark.proved
def test_a_damaged_store_shows_an_earlier_state_or_says_what_is_wrong(tmp_path: Path) -> None:
    check(damage_stores(tmp_path, SEED, 6), 2)


@pytest.mark.proved
def test_a_host_recovers_or_halts_and_names_the_cause(tmp_path: Path) -> None:
    counts = recover(tmp_path, SEED, len(FAULTS_OF_A_HOST))
    check(counts, len(FAULTS_OF_A_HOST))
    assert set(counts.faults) == set(FAULTS_OF_A_HOST)


@pytest.mark.parametrize("topic", [CLUSTER.commands_topic, CLUSTER.control_topic])
def test_a_damaged_frame_halts_its_partition_and_what_operators_said_all(tmp_path: Path, topic: str) -> None:
    log = LocalLog(tmp_path / "log")
    log.create(CLUSTER.topics(("tally",)))
    put_all(log, 0, range(3))
    put_all(log, 1, range(3))
    say(log, Position(0, 99, 0), "retry")
    say(log, Position(0, 98, 0), "retry")
    log.close()
    _change_frame(tmp_path / "log", topic)

    async def act() -> None:
        log = LocalLog(tmp_path / "log")
        stage = Stage(tmp_path, log=log)
        async with stage.host() as host:
            assert f"{topic}/0/0" in await stage.halted(host, 0)
            if topic == CLUSTER.commands_topic:
                await stage.serving(host, 1)
            else:
                await stage.halted(host, 1)
        log.close()

    play(act)


def _change_frame(folder: Path, topic: str) -> None:
    """Change the first frame of the first slice of a topic behind the log's back."""
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        first = connection.execute("SELECT first FROM topics WHERE name = ?", (topic,)).fetchone()[0]
        connection.execute("UPDATE frames SET frame = x'00' WHERE place = ?", (first * OFFSETS_MAX,))
        connection.commit()
