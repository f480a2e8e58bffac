"""`hutong replay --verify`: a platform that is what its log says, and ones that are not."""

import asyncio
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import snapshots
from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.kernel import layout
from actors.ports import Batch
from gateway.client import Client
from tests.cli.running import PROGRAMS, Platform, dev, hutong

pytestmark = pytest.mark.cluster

TRAP = "trap/traps/held"
SNAPSHOT_EVERY = "8"


def _programs(folder: Path) -> Path:
    """A copy of the trap that a test may change."""
    return Path(shutil.copytree(PROGRAMS, folder / "programs"))


def _note(platform: Platform, *whats: str) -> tuple[int, int]:
    """Have the trap note these; returns the partition and the offset of the last."""
    position = ""
    for what in whats:
        position = platform.call(TRAP, "trap.do", what=what)["position"]
    partition, offset, _ = map(int, position.split("/"))
    return partition, offset


@contextmanager
def _calls(address: str) -> Generator[list[int]]:
    """Calls that go on beside the test; the list says of each that was answered where it stands."""
    ended, begun = threading.Event(), threading.Event()
    offsets: list[int] = []

    async def play() -> None:
        async with Client(address, "beside", seed=1) as client:
            while not ended.is_set():
                answer = await client.invoke(f"programs/{TRAP}", "trap.do", {"what": "beside"})
                offsets.append(answer.position.offset)
                begun.set()

    thread = threading.Thread(target=asyncio.run, args=(play(),))
    thread.start()
    assert begun.wait(20), "no call was answered"
    try:
        yield offsets
    finally:
        ended.set()
        thread.join()


def _of(value: Any, partition: int) -> Any:
    return next(row for row in value["partitions"] if row["partition"] == partition)


def test_a_live_partition_is_its_replay_from_the_beginning_and_while_calls_go_on(platform: Platform) -> None:
    with _calls(platform.run["gateway"]) as offsets:
        partition, offset = _note(platform, "one", "two")
        row = _of(platform("replay", "--verify", "--partition", partition).value, partition)
        asked = len(offsets)
        while len(offsets) == asked:  # they did go on
            pass
    (replay,) = row["replays"]
    assert (replay["from"], replay["difference"], row["difference"]) == ("0", None, None)
    assert {one["with"] for one in replay["compared"]} == {"the host", "its store"}
    by_name = {one["with"]: one for one in replay["compared"]}
    assert by_name["the host"]["watermark"] >= offset
    assert by_name["its store"]["entities"] >= 1
    assert by_name["the host"]["chain"] != "00000000"


def test_all_partitions_are_compared_and_told_to_a_person(platform: Platform) -> None:
    text = platform.text("replay", "--verify")
    assert "16 partitions are what their log says" in text
    assert text.count(": the same as its log from 0") == 16
    assert platform.text("replay", "--verify", "--partition", 3).startswith("partition 3: the same as its log from 0")


def test_what_is_asked_wrongly_is_said(platform: Platform) -> None:
    assert hutong("replay", "--dir", platform.folder).status == 2
    assert hutong("replay", f"programs/{TRAP}", "--verify", "--dir", platform.folder).status == 2
    assert "the last is 15" in platform("replay", "--verify", "--partition", 16).error["message"]


def test_snapshots_are_compared_too_and_a_damaged_state_is_named_with_its_offset(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    with dev(folder, "--programs", str(PROGRAMS), HUTONG_SNAPSHOT_RECORDS=SNAPSHOT_EVERY) as platform:
        partition, _ = _note(platform, *map(str, range(9)))
        row = _of(_with_snapshots(platform, partition, 1), partition)
        assert row["replays"][0]["from"] == "0"
        (snapshot,) = [replay["from"] for replay in row["replays"][1:]]
        assert snapshot in [one["with"] for one in row["replays"][0]["compared"]]
        assert {one["with"] for one in row["replays"][1]["compared"]} >= {"the host"}
        _, last = _note(platform, "last")
        _at_rest(platform, partition, last)
    key = _damage(folder, partition)
    with dev(folder, "--programs", str(PROGRAMS)) as platform:
        said = platform("replay", "--verify")
        told = hutong("replay", "--verify", "--dir", folder)
    assert said.error["position"] == f"{partition}/{last}"
    assert f"at or before offset {last}" in said.error["message"]
    assert f"states differ: {layout.entity_of(key)}" in said.error["message"]
    difference = _of(said.error, partition)["difference"]
    assert (difference["with"], difference["offset"]) == ("its store", last)
    assert sum(row["difference"] is not None for row in said.error["partitions"]) == 1
    assert told.status == 1
    assert f"partition {partition}: DIFFERS" in told.out
    assert f"partition {partition} is not what its log says" in told.err


def test_a_trimmed_log_is_replayed_from_its_snapshots_and_a_damaged_one_of_them_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    with dev(folder, "--programs", str(PROGRAMS), HUTONG_SNAPSHOT_RECORDS=SNAPSHOT_EVERY) as platform:
        partition, row = _trimmed(platform)
        assert row["replays"]
        assert all(replay["from"].startswith("snapshot ") for replay in row["replays"])
        assert any("was trimmed below offset" in note for note in row["notes"])
        newest, *older = snapshots.newest(open_objects(folder / "objects"), partition)
        shared = {file.sha256 for manifest in older for file in manifest.files}
        file = next(file for file in newest.files if file.sha256 not in shared)
        (damaged,) = (folder / "objects").rglob(file.sha256)
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        error = platform("replay", "--verify").error
        told = hutong("replay", "--verify", "--partition", partition, "--dir", folder)
    assert error.get("position") == str(partition), error
    assert f"snapshots are damaged: 1, the first of partition {partition}: the file {file.name}" in error["message"]
    assert told.status == 1
    assert f"partition {partition}: a snapshot is DAMAGED\n" in told.out


def _trimmed(platform: Platform) -> tuple[int, Any]:
    """The partition of the trap, once its log was trimmed, and what was said of it."""
    for _ in range(200):
        partition, _ = _note(platform, *map(str, range(9)))
        (row,) = platform("replay", "--verify", "--partition", partition).value["partitions"]
        if row["log"][0] > 0:
            return partition, row
    raise AssertionError("it was never trimmed")


def _with_snapshots(platform: Platform, partition: int, count: int) -> Any:
    """What is said once there are so many snapshots of this partition."""
    while True:
        value = platform("replay", "--verify").value
        if sum(replay["from"].startswith("snapshot") for replay in _of(value, partition)["replays"]) >= count:
            return value


def _at_rest(platform: Platform, partition: int, offset: int) -> None:
    """Wait until the store holds what this frame changed."""
    while True:
        (row,) = platform("replay", "--verify", "--partition", partition).value["partitions"]
        stores = [one["watermark"] for one in row["replays"][0]["compared"] if one["with"] == "its store"]
        if stores and stores[0] >= offset:
            return


def _damage(folder: Path, partition: int) -> bytes:
    """Put another state of the trap into the store of a platform that does not run; returns its key."""
    (home,) = (path for path in (folder / "states" / f"{partition:04}").iterdir() if path.is_dir())
    store = RocksStates().open(home)
    ((key, value),) = store.scan(*layout.ENTITIES, limit=2)
    assert value.count(b"last") == 1
    store.write(Batch({key: value.replace(b"last", b"lost")}))
    store.close()
    return key


def test_a_program_changed_since_is_told_from_damage(tmp_path: Path) -> None:
    folder, programs = tmp_path / "dev", _programs(tmp_path)
    with dev(folder, "--programs", str(programs)) as platform:
        _note(platform, "before")
        partition, first = _note(platform, "send")
        _at_rest(platform, *_note(platform, "after"))
    source = programs / "trap" / "program.py"
    changed = source.read_text().replace('reply={"sent": command.to}', 'reply={"sent": command.to + "?"}')
    assert changed != source.read_text()
    source.write_text(changed)
    with dev(folder, "--programs", str(programs)) as platform:
        error = platform("replay", "--verify", "--partition", partition).error
    assert error["position"] == f"{partition}/{first}"  # the answer that the window still holds
    assert "chain" in error["message"]
    assert "was decided under the programs" in error["message"]
