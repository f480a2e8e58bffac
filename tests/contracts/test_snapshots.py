"""What holds of snapshots, over every kind of store and at every step of a crash."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import snapshots
from actors.adapters.memory_states import MemoryObjects, MemoryStates
from actors.adapters.objects import FolderObjects
from actors.adapters.rocksdb import RocksStates
from actors.errors import Corrupt, Unavailable
from actors.ports import Batch, Objects, States
from actors.snapshots import File, Info, Manifest

INFO = Info(
    partition=3,
    watermark=10,
    epoch=5,
    topic_id="topic",
    frame_crc=77,
    release=1,
    digest="rules",
    incarnation=0,
    created_ms=1_700_000_000_000,
)


class Crash(Exception):
    """The process ended here."""


class CrashingObjects(MemoryObjects):
    """Ends the process before the step-th change from now; `steps_left` None lets everything through."""

    def __init__(self) -> None:
        super().__init__()
        self.steps_left: int | None = None
        self.changes: list[str] = []

    def put(self, name: str, source: Path | bytes) -> None:
        self._step(name)
        super().put(name, source)

    def delete(self, name: str) -> None:
        self._step(name)
        super().delete(name)

    def _step(self, name: str) -> None:
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Crash
            self.steps_left -= 1
        self.changes.append(name)


class Source:
    """Folders that look like checkpoints, made of named contents."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._count = 0

    def checkpoint(self, **files: bytes) -> Path:
        self._count += 1
        folder = self._home / f"checkpoint-{self._count}"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def restored(self, objects: Objects, manifest: Manifest) -> dict[str, bytes]:
        self._count += 1
        folder = self._home / f"restored-{self._count}"
        snapshots.restore(objects, manifest, folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def ranks(objects: Objects, below: int | None = None) -> list[tuple[int, int, int]]:
    found = (manifest.info for manifest in snapshots.newest(objects, 3, below))
    return [(info.incarnation, info.watermark, info.epoch) for info in found]


def take(objects: Objects, source: Source, *points: tuple[int, int, int]) -> None:
    for incarnation, watermark, epoch in points:
        folder = source.checkpoint(a=b"same", b=f"{watermark}/{epoch}".encode())
        snapshots.upload(objects, folder, replace(INFO, incarnation=incarnation, watermark=watermark, epoch=epoch))


def memory_objects(folder: Path) -> Objects:
    del folder
    return MemoryObjects()


class Stores(NamedTuple):
    """How one kind of storage is made."""

    states: Callable[[], States]
    objects: Callable[[Path], Objects]


@pytest.mark.parametrize(
    "stores",
    [Stores(MemoryStates, memory_objects), Stores(RocksStates, FolderObjects)],
    ids=["memory", "rocksdb in a folder"],
)
def test_a_store_is_the_same_after_snapshot_and_restore(stores: Stores, tmp_path: Path) -> None:
    states, objects = stores.states(), stores.objects(tmp_path / "objects")
    store = states.open(tmp_path / "store")
    pairs = [(b"%05d" % number, bytes(50)) for number in range(3_000)]
    store.write(Batch(puts=dict(pairs)))
    store.checkpoint(tmp_path / "checkpoint")
    snapshots.upload(objects, tmp_path / "checkpoint", INFO)
    (manifest,) = snapshots.newest(objects, 3)
    assert manifest.info == INFO
    snapshots.verify(objects, manifest)
    snapshots.restore(objects, manifest, tmp_path / "states" / "restored")
    restored = stores.states().open(tmp_path / "states" / "restored")
    assert restored.scan(b"", b"\xff", 10_000) == pairs
    restored.close()
    store.close()


def test_a_second_snapshot_of_a_store_uploads_only_the_new_tables(tmp_path: Path) -> None:
    states, objects = RocksStates(), CrashingObjects()
    store = states.open(tmp_path / "store")
    sizes: list[int] = []
    for watermark in (10, 11):
        store.write(Batch(puts={b"%d-%05d" % (watermark, number): bytes(50) for number in range(3_000)}))
        folder = tmp_path / f"checkpoint-{watermark}"
        store.checkpoint(folder)
        objects.changes.clear()
        snapshots.upload(objects, folder, replace(INFO, watermark=watermark))
        sizes.append(sum(_is_table(objects, name) for name in objects.changes))
    tables = len(list((tmp_path / "checkpoint-11").glob("*.sst")))
    assert (sizes, tables) == ([1, 1], 2)
    store.close()


def _is_table(objects: Objects, name: str) -> bool:
    """A table of RocksDB ends with its magic number."""
    return objects.get(name)[-8:] == bytes.fromhex("f7cff485b741e288")


def test_the_manifest_is_the_last_thing_written(source: Source) -> None:
    objects = CrashingObjects()
    name = snapshots.upload(objects, source.checkpoint(a=b"1", b=b"2"), INFO)
    assert objects.changes[-1] == name
    assert sum("manifests" in change for change in objects.changes) == 1


def test_files_of_equal_content_are_stored_once(source: Source) -> None:
    objects = CrashingObjects()
    snapshots.upload(objects, source.checkpoint(a=b"same", b=b"same"), INFO)
    assert len(objects.changes) == 2
    (manifest,) = snapshots.newest(objects, 3)
    assert source.restored(objects, manifest) == {"a": b"same", "b": b"same"}


def test_a_snapshot_that_exists_is_never_overwritten(source: Source) -> None:
    objects = CrashingObjects()
    first = snapshots.upload(objects, source.checkpoint(a=b"1"), INFO)
    objects.changes.clear()
    assert snapshots.upload(objects, source.checkpoint(a=b"2"), INFO) == first
    assert objects.changes == []
    (manifest,) = snapshots.newest(objects, 3)
    assert source.restored(objects, manifest) == {"a": b"1"}


def test_newest_sorts_by_incarnation_then_watermark_then_epoch(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 9, 1), (0, 10, 2), (0, 10, 11), (0, 100, 1), (1, 50, 30), (0, -1, -1))
    assert ranks(objects) == [(1, 50, 30), (0, 100, 1), (0, 10, 11), (0, 10, 2), (0, 9, 1), (0, -1, -1)]
    assert ranks(objects, below=50) == [(0, 10, 11), (0, 10, 2), (0, 9, 1), (0, -1, -1)]
    assert ranks(objects, below=-1) == []


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 10**12), st.integers(-1, 10**12)), unique=True, max_size=8)
)
@settings(max_examples=30, deadline=None)
def test_the_order_of_names_is_the_order_of_their_numbers(points: list[tuple[int, int, int]]) -> None:
    objects = MemoryObjects()
    with TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(b"1")
        for incarnation, watermark, epoch in points:
            info = replace(INFO, incarnation=incarnation, watermark=watermark, epoch=epoch)
            snapshots.upload(objects, Path(folder), info)
    assert ranks(objects) == sorted(points, reverse=True)


def test_snapshots_of_other_partitions_are_not_seen(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 1))
    snapshots.upload(objects, source.checkpoint(a=b"1"), replace(INFO, partition=30))
    assert ranks(objects) == [(0, 1, 1)]


def test_a_crash_at_any_step_of_an_upload_leaves_the_former_snapshot_and_the_next_try_succeeds(source: Source) -> None:
    for steps in range(4):
        objects = CrashingObjects()
        snapshots.upload(objects, source.checkpoint(a=b"1", b=b"2"), INFO)
        objects.steps_left = steps
        after = source.checkpoint(a=b"1", b=b"3", c=b"4")
        info = replace(INFO, watermark=20)
        if steps < 3:  # b, c and the manifest are new; a is there already
            with pytest.raises(Crash):
                snapshots.upload(objects, after, info)
            (former,) = snapshots.newest(objects, 3)
            assert source.restored(objects, former) == {"a": b"1", "b": b"2"}
        objects.steps_left = None
        snapshots.upload(objects, after, info)
        manifests = snapshots.newest(objects, 3)
        assert [manifest.info.watermark for manifest in manifests] == [20, 10]
        assert source.restored(objects, manifests[0]) == {"a": b"1", "b": b"3", "c": b"4"}
        assert source.restored(objects, manifests[1]) == {"a": b"1", "b": b"2"}


def test_a_crash_at_any_step_of_pruning_leaves_every_listed_snapshot_whole(source: Source) -> None:
    steps = 0
    while True:
        objects = CrashingObjects()
        take(objects, source, (0, 1, 5), (0, 2, 5), (0, 3, 5), (0, 4, 5))
        objects.steps_left = steps
        try:
            snapshots.prune(objects, 3, epoch=5, keep=2)
        except Crash:
            steps += 1
            for manifest in snapshots.newest(objects, 3):
                snapshots.verify(objects, manifest)
            continue
        break
    assert steps == 4  # two manifests, then the file that each of them alone named
    assert ranks(objects) == [(0, 4, 5), (0, 3, 5)]


def test_pruning_again_removes_what_a_crash_left(source: Source) -> None:
    objects = CrashingObjects()
    take(objects, source, (0, 1, 5), (0, 2, 5), (0, 3, 5))
    objects.steps_left = 1
    with pytest.raises(Crash):
        snapshots.prune(objects, 3, epoch=5, keep=1)
    objects.steps_left = None
    snapshots.prune(objects, 3, epoch=5, keep=1)
    assert ranks(objects) == [(0, 3, 5)]
    assert len(objects.list("")) == 3
    snapshots.verify(objects, snapshots.newest(objects, 3)[0])


def test_pruning_keeps_all_while_there_are_not_more_than_it_should_keep(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 5), (0, 2, 5))
    assert snapshots.prune(objects, 3, epoch=5, keep=2) == 0
    assert snapshots.prune(objects, 3, epoch=5, keep=3) == 0
    assert ranks(objects) == [(0, 2, 5), (0, 1, 5)]


def test_a_replaced_owner_cannot_harm_what_a_later_owner_stored_or_is_storing(source: Source) -> None:
    objects = CrashingObjects()
    take(objects, source, (0, 1, 5), (0, 2, 5), (0, 3, 8), (0, 4, 8))
    objects.steps_left = 1  # the later owner, of epoch 8, is in the middle of an upload
    with pytest.raises(Crash):
        snapshots.upload(objects, source.checkpoint(a=b"same", b=b"new"), replace(INFO, watermark=5, epoch=8))
    objects.steps_left = None
    later = objects.list("snapshots/00003/files/00000000000000000009/")
    assert len(later) == 4
    snapshots.prune(objects, 3, epoch=5, keep=1)
    assert objects.list("snapshots/00003/files/00000000000000000009/") == later
    assert ranks(objects) == [(0, 4, 8), (0, 3, 8)]
    for manifest in snapshots.newest(objects, 3):
        snapshots.verify(objects, manifest)


def test_an_accepted_loss_discards_the_snapshots_beyond_it(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 10, 5), (0, 20, 15), (0, 30, 15))
    assert snapshots.discard(objects, 3, from_watermark=20) == 2
    assert ranks(objects) == [(0, 10, 5)]


@pytest.mark.parametrize("damage", [b"", b"changed", None])
def test_a_damaged_file_is_named_and_nothing_is_left_of_the_restore(
    source: Source, tmp_path: Path, damage: bytes | None
) -> None:
    objects = MemoryObjects()
    snapshots.upload(objects, source.checkpoint(good=b"1", bad=b"2"), INFO)
    (manifest,) = snapshots.newest(objects, 3)
    (bad,) = (file for file in manifest.files if file.name == "bad")
    (name,) = (name for name in objects.list("") if name.endswith(bad.sha256))
    if damage is None:
        objects.delete(name)
    else:
        objects.put(name, damage)
    with pytest.raises(Corrupt, match="the file bad"):
        snapshots.restore(objects, manifest, tmp_path / "into")
    with pytest.raises(Corrupt, match="the file bad"):
        snapshots.verify(objects, manifest)
    assert not (tmp_path / "into").exists()
    assert not (tmp_path / "into.part").exists()


def test_a_snapshot_that_is_withdrawn_takes_its_damaged_files_along_and_the_next_one_mends_the_older(
    source: Source,
) -> None:
    objects = MemoryObjects()
    folder = source.checkpoint(a=b"1", b=b"2")
    snapshots.upload(objects, folder, INFO)
    (older,) = snapshots.newest(objects, 3)
    damaged = next(name for name in objects.list("snapshots/00003/files/") if objects.get(name) == b"1")
    objects.put(damaged, b"rubbish")
    snapshots.upload(objects, folder, replace(INFO, watermark=20))
    with pytest.raises(Corrupt):
        snapshots.verify(objects, snapshots.newest(objects, 3)[0])
    snapshots.withdraw(objects, snapshots.newest(objects, 3)[0])
    assert ranks(objects) == [(0, INFO.watermark, INFO.epoch)]
    snapshots.upload(objects, folder, replace(INFO, watermark=30))
    for manifest in (older, snapshots.newest(objects, 3)[0]):
        snapshots.verify(objects, manifest)


def test_a_damaged_manifest_is_reported_and_an_older_snapshot_found(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 5), (0, 2, 5))
    newest = objects.list("snapshots/00003/manifests/")[-1]
    objects.put(newest, objects.get(newest).replace(b'"watermark":2', b'"watermark":3'))
    damages: list[Corrupt] = []
    manifests = snapshots.newest(objects, 3, unreadable=damages.append)
    assert [manifest.info.watermark for manifest in manifests] == [1]
    assert [damage.position for damage in damages] == [newest]


def test_pruning_counts_only_readable_snapshots_and_keeps_files_a_damaged_one_may_name(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 5), (0, 2, 5))
    newest = objects.list("snapshots/00003/manifests/")[-1]
    before = objects.list("snapshots/00003/files/")
    objects.put(newest, b"damaged")
    assert snapshots.prune(objects, 3, epoch=5, keep=1) == 0
    assert ranks(objects) == [(0, 1, 5)]
    assert objects.list("snapshots/00003/files/") == before


def test_a_manifest_under_another_name_is_corrupt(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 5))
    (name,) = objects.list("snapshots/00003/manifests/")
    other = name.replace("00003", "00004")
    objects.put(other, objects.get(name))
    with pytest.raises(Corrupt, match="belongs to"):
        snapshots.read(objects, other)


def test_a_manifest_of_another_format_is_refused(source: Source) -> None:
    objects = MemoryObjects()
    take(objects, source, (0, 1, 5))
    (name,) = objects.list("snapshots/00003/manifests/")
    manifest = snapshots.read(objects, name)
    newer = snapshots.encode_manifest(replace(manifest, info=replace(manifest.info, format=2)))
    objects.put(name, newer)
    with pytest.raises(Corrupt, match="format 2"):
        snapshots.read(objects, name)


def test_a_manifest_cannot_name_a_file_outside_the_folder(source: Source, tmp_path: Path) -> None:
    objects = MemoryObjects()
    snapshots.upload(objects, source.checkpoint(a=b"1"), INFO)
    (manifest,) = snapshots.newest(objects, 3)
    evil = replace(manifest, files=(replace(manifest.files[0], name="../outside"),))
    with pytest.raises(Corrupt, match="outside its folder"):
        snapshots.restore(objects, evil, tmp_path / "into")
    assert not (tmp_path / "outside").exists()


def test_hashes_are_computed_once_per_file_when_they_are_kept(source: Source) -> None:
    objects, hashes = MemoryObjects(), dict[tuple[int, int, int], str]()
    folder = source.checkpoint(a=b"1")
    snapshots.upload(objects, folder, INFO, hashes)
    (key,) = hashes
    hashes[key] = "0" * 64
    snapshots.upload(objects, folder, replace(INFO, watermark=11), hashes)
    assert [file.sha256 for file in snapshots.newest(objects, 3)[0].files] == ["0" * 64]


def test_an_object_store_that_is_away_is_not_taken_for_a_damaged_snapshot(source: Source, tmp_path: Path) -> None:
    class Away(MemoryObjects):
        def fetch(self, name: str, target: Path) -> None:
            raise Unavailable(f"no {name} for {target}", outcome="OUTCOME_UNKNOWN")

    objects = Away()
    take(objects, source, (0, 1, 5))
    with pytest.raises(Unavailable):
        snapshots.restore(objects, snapshots.newest(objects, 3)[0], tmp_path / "into")


def test_a_manifest_whose_text_is_no_utf_8_is_corrupt_though_its_hash_fits() -> None:
    objects = MemoryObjects()
    stored = snapshots.encode_manifest(Manifest(INFO, ()))
    body = stored.partition(b"\n")[2].replace(b"rules", b"\xff\xfe")
    name = "snapshots/00003/manifests/0000000000-00000000000000000011-00000000000000000006.json"
    objects.put(name, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.raises(Corrupt, match="does not decode"):
        snapshots.read(objects, name)


@pytest.mark.parametrize(
    "file", [File("a\0b", "0" * 64, 1), File("a", "../../" + "0" * 58, 1), File("../a", "0" * 64, 1), File("a", "", 1)]
)
def test_a_manifest_of_files_that_cannot_be_is_corrupt(tmp_path: Path, file: File) -> None:
    objects, manifest = MemoryObjects(), Manifest(INFO, (file,))
    name = "snapshots/00003/manifests/0000000000-00000000000000000011-00000000000000000006.json"
    objects.put(name, snapshots.encode_manifest(manifest))
    with pytest.raises(Corrupt):
        snapshots.restore(objects, snapshots.read(objects, name), tmp_path / "restored")


def test_what_others_put_beside_snapshots_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    objects = MemoryObjects()
    strange = ["snapshots/00003/files/mine", "snapshots/00003/manifests/copy of 11.json", "snapshots/00003/manifests/x"]
    for name in strange:
        objects.put(name, b"strange")
    store = MemoryStates().open(tmp_path / "store")
    store.write(Batch(puts={b"a": b"1"}))
    store.checkpoint(tmp_path / "checkpoint")
    snapshots.upload(objects, tmp_path / "checkpoint", INFO)
    assert [manifest.info for manifest in snapshots.newest(objects, 3)] == [INFO]
    snapshots.prune(objects, 3, INFO.epoch, keep=1)
    assert set(strange) <= set(objects.list("snapshots/"))
    assert snapshots.discard(objects, 3, 0) == 1
    assert objects.list("snapshots/00003/manifests/") == sorted(strange[1:])
