"""The clean end of a host: everything applied, said and written, or else what is left is told; and then other rules."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from actors import snapshots
from actors.adapters.memory import MemoryLog
from actors.adapters.objects import open_objects
from actors.clocks import wall_ms
from actors.kernel.record import Slice
from actors.ports import Appended
from tests.hosting.stage import CLUSTER, Stage, added, play, put, put_all

OTHERS = (2, "others")


class Deaf(MemoryLog):
    """A log that appends events and, once it is deaf, tells nobody that it did."""

    is_deaf = False

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        done = super().append(slice, frame, key)
        return Future() if self.is_deaf and slice.topic == CLUSTER.events_topic_of("tally") else done


def new_log() -> Deaf:
    """An empty log with every topic."""
    log = Deaf(wall_ms)
    log.create(CLUSTER.topics(("tally",)))
    return log


def end(stage: Stage, partition: int) -> int:
    """Where the log of a partition ends."""
    slice_ = Slice(CLUSTER.commands_topic, partition)
    return stage.log.spans([slice_])[slice_].end


def test_a_drained_host_has_applied_and_written_all_and_other_rules_go_on_from_there(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, log=new_log())
        async with stage.host() as host:
            put_all(stage.log, 0, range(50))
            put(stage.log, 1, "tally.add", n=7)
            records = await host.drain()
            assert await host.drain() == records
            for partition in range(CLUSTER.partitions):
                mine = await stage.until(host, partition, lambda mine: mine["phase"] == "Serving")
                assert mine["written"] == mine["watermark"] == end(stage, partition) - 1
        assert (added(stage.log, 0), added(stage.log, 1)) == (list(range(50)), [7])
        stage.rules = OTHERS
        async with stage.host() as host:
            await stage.serving(host, 0)
            await stage.until(host, 0, lambda _: bool(snapshots.newest(open_objects(tmp_path / "objects"), 0)))
        (snapshot,) = snapshots.newest(open_objects(tmp_path / "objects"), 0)
        assert (snapshot.info.release, snapshot.info.digest) == OTHERS
        assert stage.reports == []

    play(act)


def test_what_is_left_is_told_and_other_rules_do_not_decide_it(tmp_path: Path) -> None:
    async def act() -> None:
        log = new_log()
        stage = Stage(tmp_path, log=log)
        async with stage.host(drain_ms_max=100) as host:
            log.is_deaf = True
            position = put(log, 0, "tally.add", n=1)
            await stage.until(host, 0, lambda mine: mine["watermark"] >= position.offset)
            assert await host.drain() is None
        facts: Any
        ((event, facts),) = stage.reports
        assert event.startswith("stopped before all was written")
        (left,) = facts["left"]
        assert left.startswith("partition 0: 0 frames are not applied, ")
        assert left.endswith(" not written, 1 sends and events not acknowledged")
        log.is_deaf = False
        stage.rules = OTHERS
        async with stage.host() as host:
            assert f"halted at 0/{position.offset}: OTHER_RULES" in await stage.halted(host, 0)
            await stage.serving(host, 1)
        stage.rules = (3, "rules")
        async with stage.host() as host:
            await stage.serving(host, 0)
            await host.drain()
        stage.rules = (4, "others")
        async with stage.host() as host:
            await stage.serving(host, 0)
        assert added(log, 0) == [1]

    play(act)
