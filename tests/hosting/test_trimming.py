"""The log is trimmed below snapshots that were read back, and what is left is enough to recover from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.embedded.local import LocalLog
from actors.adapters.hosting.shell import Hosting
from actors.adapters.memory import MemoryLog
from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.clocks import wall_ms
from actors.kernel import layout
from actors.kernel.record import Slice
from actors.ports import Log
from actors.snapshots import newest
from tests.hosting.stage import CLUSTER, Stage, added, play, put

pytestmark = pytest.mark.slow

SLICE = Slice(CLUSTER.commands_topic, 0)
KEPT = 2


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """The embedded log."""
    log = LocalLog(tmp_path / "log")
    log.create(CLUSTER.topics(("tally",)))
    yield log
    log.close()


def start_of(log: Log) -> int:
    """The first offset that the partition's log still holds."""
    return log.spans([SLICE])[SLICE].start


def watermarks(stage: Stage) -> list[int]:
    """What the snapshots are of, newest first."""
    return [manifest.info.watermark for manifest in newest(open_objects(stage.folder / "objects"), 0)]


async def fill(stage: Stage, host: Hosting, first: int, count: int) -> int:
    """Add so many numbers, a frame each, and wait until the store has them; the last one's offset."""
    offset = -1
    for n in range(first, first + count):
        offset = put(stage.log, 0, "tally.add", n=n).offset
        await stage.serving(host, 0, offset - 1)
    return offset


async def trimmed(stage: Stage, host: Hosting, past: int = 0) -> int:
    """Wait until the log begins beyond `past`; where it begins."""
    await stage.until(host, 0, lambda _: start_of(stage.log) > past)
    return start_of(stage.log)


def state(folder: Path) -> dict[bytes, bytes]:
    """What the one store of the partition holds of entities."""
    (store_folder,) = [path for path in (folder / "states" / "0000").iterdir() if not path.name.startswith(".")]
    store = RocksStates().open(store_folder)
    try:
        return dict(store.scan(layout.ENTITY, layout.ENTITY + b"\xff", 1_000))
    finally:
        store.close()


def test_a_host_without_its_store_recovers_from_a_snapshot_and_the_tail_of_a_trimmed_log(
    tmp_path: Path, log: Log
) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, RocksStates(), log)
        async with stage.host(snapshot_records=4) as host:
            last = await fill(stage, host, 0, 20)
            start = await trimmed(stage, host)
            assert start <= last
        before = state(tmp_path)
        shutil.rmtree(tmp_path / "states")
        async with stage.host() as host:
            await stage.serving(host, 0, last)
        assert state(tmp_path) == before
        assert added(stage.log, 0) == list(range(20))
        assert not [report for report in stage.reports if report[0] == "partition halted"]

    play(act)


def test_the_log_keeps_what_the_oldest_kept_snapshot_needs(tmp_path: Path, log: Log) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, RocksStates(), log)
        async with stage.host(snapshot_records=4) as host:
            await fill(stage, host, 0, 30)
            await trimmed(stage, host, past=8)
            await stage.until(host, 0, lambda _: len(watermarks(stage)) == KEPT)
        assert start_of(log) <= min(watermarks(stage))

    play(act)


@pytest.mark.parametrize(("kept", "trim"), [(1_000, True), (KEPT, False)])
def test_too_few_snapshots_trim_nothing_and_neither_does_a_host_that_is_told_not_to(
    tmp_path: Path, kept: int, trim: bool
) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host(snapshot_records=4, snapshots_kept=kept, trim_log=trim) as host:
            await fill(stage, host, 0, 16)
            await stage.until(host, 0, lambda _: len(watermarks(stage)) >= KEPT)
        assert start_of(stage.log) == 0

    play(act)


def test_a_snapshot_that_reads_back_otherwise_is_withdrawn_and_trims_nothing(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, RocksStates())
        async with stage.host(snapshot_records=4) as host:
            await fill(stage, host, 0, 4)
            await stage.until(host, 0, lambda _: bool(watermarks(stage)))
            first = newest(open_objects(tmp_path / "objects"), 0)[0]
            for file in (tmp_path / "objects").rglob("files/*/*"):
                file.write_bytes(b"rubbish")
            await fill(stage, host, 4, 4)
            await stage.until(host, 0, lambda _: "snapshot failed" in [event for event, _ in stage.reports])
            assert start_of(stage.log) == 0
            assert watermarks(stage) == [first.info.watermark]
            await fill(stage, host, 8, 16)
            await trimmed(stage, host)

    play(act)


def test_a_trimmed_partition_whose_snapshots_are_lost_halts_and_says_so(tmp_path: Path, log: Log) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, RocksStates(), log)
        async with stage.host(snapshot_records=4) as host:
            await fill(stage, host, 0, 20)
            await trimmed(stage, host)
        shutil.rmtree(tmp_path / "states")
        shutil.rmtree(tmp_path / "objects")
        async with stage.host() as host:
            why = await stage.halted(host, 0)
            assert f"the log begins at offset {start_of(log)}, and no store or snapshot reaches back to it" in why
            await stage.serving(host, 1)

    play(act)


class TrimmedMeanwhile(MemoryLog):
    """Another host trims this log just after an opener looked where it begins."""

    def __init__(self) -> None:
        super().__init__(wall_ms)
        self.below = 0

    def topic_id(self, topic: str) -> str:
        """See `Log`."""
        if self.below:
            self.trim(SLICE, self.below)
        return super().topic_id(topic)


def test_a_replay_under_which_the_log_is_trimmed_begins_anew_from_a_snapshot(tmp_path: Path) -> None:
    async def act() -> None:
        log = TrimmedMeanwhile()
        log.create(CLUSTER.topics(("tally",)))
        stage = Stage(tmp_path, RocksStates(), log)
        async with stage.host() as host:
            await fill(stage, host, 0, 2)
        shutil.copytree(tmp_path / "states", tmp_path / "old")
        async with stage.host(snapshot_records=4, trim_log=False) as host:
            last = await fill(stage, host, 2, 16)
            await stage.until(host, 0, lambda _: len(watermarks(stage)) == KEPT)
        shutil.rmtree(tmp_path / "states")
        shutil.move(tmp_path / "old", tmp_path / "states")
        log.below = min(watermarks(stage))
        async with stage.host() as host:
            await stage.serving(host, 0, last)
        assert start_of(log) > 2
        assert added(log, 0) == list(range(18))

    play(act)
