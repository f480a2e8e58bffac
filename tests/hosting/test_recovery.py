"""A host comes back: from its store, from a snapshot, from the log alone; and halts where it must not go on."""

import shutil
from pathlib import Path

import pytest

from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.kernel import layout
from actors.kernel.record import Slice
from actors.ports import Batch
from actors.snapshots import info_of, upload
from tests.hosting.stage import CLUSTER, Phases, Stage, added, new_log, play, put, put_all


def test_a_new_partition_goes_through_the_four_phases(tmp_path: Path) -> None:
    async def act() -> None:
        stage, phases = Stage(tmp_path), Phases()
        async with stage.host(phases) as host:
            await stage.serving(host, 0)
            await stage.serving(host, 1)
        assert sorted(set(phases.ended)) == ["Fencing", "Replaying", "Restoring"]

    play(act)


def test_what_was_put_on_the_log_before_any_host_is_decided_once(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        last = put_all(stage.log, 0, range(5))
        async with stage.host() as host:
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [0, 1, 2, 3, 4]

    play(act)


def test_a_store_that_was_kept_is_opened_again_and_nothing_is_decided_twice(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            last = put_all(stage.log, 0, range(20))
            await stage.serving(host, 0, last.offset - 1)
        last = put(stage.log, 0, "tally.add", n=20)
        async with stage.host() as host:
            standing = await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == list(range(21))
        assert standing["applied_records"] < 10

    play(act)


def test_a_store_that_was_deleted_is_made_again_from_the_log(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=3)
            await stage.serving(host, 0, last.offset - 1)
        shutil.rmtree(tmp_path / "states")
        async with stage.host() as host:
            standing = await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [3]
        assert standing["applied_records"] > last.offset

    play(act)


def test_a_store_that_was_deleted_is_restored_from_its_snapshot_when_the_log_is_cut(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host(snapshot_records=4) as host:
            for n in range(12):
                last = put(stage.log, 0, "tally.add", n=n)
                await stage.serving(host, 0, last.offset - 1)
            await stage.until(host, 0, lambda _: len(list((tmp_path / "objects").rglob("*manifest*"))) > 0)
        stage.log.trim(Slice(CLUSTER.commands_topic, 0), 3)
        shutil.rmtree(tmp_path / "states")
        last = put(stage.log, 0, "tally.add", n=12)
        async with stage.host() as host:
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == list(range(13))

    play(act)


def test_without_store_and_snapshot_a_cut_log_halts_the_partition(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        put(stage.log, 0, "tally.add", n=1)
        put(stage.log, 0, "tally.add", n=2)
        stage.log.trim(Slice(CLUSTER.commands_topic, 0), 1)
        async with stage.host() as host:
            assert "no store or snapshot reaches back" in await stage.halted(host, 0)
            await stage.serving(host, 1)

    play(act)


def test_a_snapshot_of_another_topic_is_left_alone_with_one_word_that_names_it(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        last = put(stage.log, 0, "tally.add", n=3)
        (tmp_path / "checkpoint").mkdir()
        (tmp_path / "checkpoint" / "store").write_bytes(b"what another log's host wrote")
        another = info_of(0, layout.Meta(watermark=0, topic_id="another"))
        upload(open_objects(tmp_path / "objects"), tmp_path / "checkpoint", another)
        async with stage.host() as host:
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [3]
        ((event, facts),) = stage.reports
        assert event == "a snapshot cannot be used"
        assert "partition 0 at offset 0 is of the topic another" in str(facts["why"])

    play(act)


def test_a_damaged_store_is_put_aside_and_made_again(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, RocksStates())
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=3)
            await stage.serving(host, 0, last.offset - 1)
        store = next((tmp_path / "states" / "0000").iterdir())
        (store / "CURRENT").write_bytes(b"rubbish\n")
        async with stage.host() as host:
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [3]
        assert [path.name for path in (tmp_path / "states" / "0000").glob(".corrupt-*")]

    play(act)


def test_a_log_that_ends_before_the_store_halts_every_such_partition_and_says_what_is_missing(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=3)
            await stage.serving(host, 0, last.offset - 1)
        stage.log = new_log()
        async with stage.host() as host:
            why = await stage.halted(host, 0)
        assert "acknowledged records are gone" in why or "made anew" in why

    play(act)


@pytest.mark.parametrize("key", [layout.META, layout.bucket_key(7)])
def test_a_store_whose_meta_does_not_decode_halts_its_partition_alone_and_can_be_put_right(
    tmp_path: Path, key: bytes
) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            last = put_all(stage.log, 0, range(3))
            await stage.serving(host, 0, last.offset - 1)
        folder = tmp_path / "states" / "0000" / "host-1"
        store = stage.states.open(folder)
        good = store.get([key])[0]
        store.write(Batch(puts={key: b"\xc1"}))
        store.close()
        async with stage.host() as host:
            why = await stage.halted(host, 0)
            assert "the store of partition 0 holds under" in why
            await stage.serving(host, 1)
            store = stage.states.open(folder)
            store.write(Batch(puts={key: good}) if good else Batch(deletes=[key]))
            store.close()
            host.restart(0)
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [0, 1, 2]

    play(act)
