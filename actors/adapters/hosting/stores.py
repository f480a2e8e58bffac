"""The stores of a host's partitions: opening the newest usable one, reading, writing, snapshots.

A store lives in `states/<partition>/<life>`. A new owner opens the newest whose lock is free; else it restores the
newest snapshot that the log still reaches; else it begins empty, if the log still begins at its first record.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors import snapshots
from actors.errors import Corrupt, NotFound, Unavailable
from actors.kernel import layout
from actors.kernel.layout import Meta
from actors.kernel.record import Programs
from actors.ports import Batch, Log, Objects, Slice, Span, States, Store

LOCK_WAIT_S = 1.0
LOCK_RETRY_S = 0.02
CHECKPOINT_S_MAX = 3_600.0
"""An upload that is older than this is nobody's any more."""
SWEEP_LIMIT = 100_000
PROGRAMS_MAX = 10_000_000
"""More programs than there are."""
BUCKETS_MAX = 100_000
"""More seconds than any window spans."""


class Opened(NamedTuple):
    """A store, and what it holds beside entities."""

    store: Store
    meta: Meta | None
    buckets: dict[int, tuple[int, int]]
    programs: dict[str, Programs]
    topic_id: str


class Opener:
    """Finds and opens the store that a new owner should begin from. Blocking; runs beside the loop."""

    def __init__(
        self,
        states: States,
        objects: Objects,
        log: Log,
        folder: Path,
        commands_topic: str,
        life: str,
        damaged: Callable[[Corrupt], None],
    ) -> None:
        """`life` names the folders of restored stores; `damaged` is told of snapshots that cannot be used."""
        self._states = states
        self._objects = objects
        self._log = log
        self._folder = folder
        self._topic = commands_topic
        self._life = life
        self._damaged = damaged
        self._hashes: snapshots.Hashes = {}

    def open(self, partition: int) -> Opened:
        """The newest usable store. Raises Corrupt when nothing reaches back to the log's start, or the log is short."""
        topic_id = self._log.topic_id(self._topic)
        for store in self._kept(partition):
            opened = _read(store, partition, topic_id)
            watermark = opened.meta.watermark if opened.meta else -1
            span = self._span(partition)
            if watermark >= span.end:
                store.close()
                raise Corrupt(
                    f"the states are at offset {watermark}, the log ends at {span.end}: acknowledged records are gone",
                    position=f"{partition}/{watermark}",
                )
            if watermark >= span.start or (span.start == 0 and watermark < 0):
                return opened
            store.close()
        return self._restored(partition, topic_id)

    def _span(self, partition: int) -> Span:
        """What the log holds now, to be asked for after what it is compared with is in hand: until a store is ours, its
        former owner goes on, and a snapshot may come from whoever served since; the log's end only grows.
        """
        slice_ = Slice(self._topic, partition)
        return self._log.spans([slice_])[slice_]

    def _kept(self, partition: int) -> "list[Store]":
        home = self._folder / f"{partition:04}"
        folders = [path for path in home.glob("[!.]*") if path.is_dir()]
        folders.sort(key=_age, reverse=True)
        for n, folder in enumerate(folders):
            store = self._unlocked(folder)
            if store is not None:
                for older in folders[n + 1 :]:
                    shutil.rmtree(older, ignore_errors=True)
                return [store]
        return []

    def sweep(self) -> None:
        """Remove checkpoints that hosts which have ended were uploading."""
        for folder in self._folder.glob(".snapshot-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > CHECKPOINT_S_MAX:
                    shutil.rmtree(folder, ignore_errors=True)

    def _unlocked(self, folder: Path) -> Store | None:
        """The store in this folder, once its lock is free; None if another process goes on holding it."""
        until = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                return self._states.open(folder)
            except Unavailable:
                if time.monotonic() > until:
                    return None
                time.sleep(LOCK_RETRY_S)
            except Corrupt:
                for former in folder.parent.glob(".corrupt-*"):
                    shutil.rmtree(former, ignore_errors=True)
                shutil.move(folder, folder.with_name(f".corrupt-{folder.name}"))
                return None

    def _restored(self, partition: int, topic_id: str) -> Opened:
        home = self._folder / f"{partition:04}"
        target = home / self._life
        for manifest in snapshots.newest(self._objects, partition, unreadable=self._damaged):
            watermark = manifest.info.watermark
            if manifest.info.topic_id != topic_id:
                self._damaged(_of_another_topic(manifest, topic_id))
                continue
            span = self._span(partition)
            if watermark < span.start:
                continue  # trimmed away beneath it
            if watermark >= span.end:
                raise Corrupt(
                    f"a snapshot is at offset {watermark}, the log ends at {span.end}: acknowledged records are gone",
                    position=f"{partition}/{watermark}",
                )
            try:
                shutil.rmtree(target, ignore_errors=True)
                snapshots.restore(self._objects, manifest, target)
                opened = _read(self._states.open(target), partition, topic_id)
                _check_restored(opened, manifest)
                return opened
            except Corrupt as damage:
                self._damaged(damage)
            except NotFound:
                continue  # pruned since it was listed
        span = self._span(partition)
        if span.start > 0:
            raise Corrupt(
                f"the log begins at offset {span.start}, and no store or snapshot reaches back to it",
                position=f"{partition}/{span.start}",
            )
        shutil.rmtree(target, ignore_errors=True)
        return _read(self._states.open(target), partition, topic_id)

    def snapshot(self, partition: int, folder: Path, meta: Meta, keep: int) -> int:
        """Upload a checkpoint, remove it, read it back, keep the newest `keep` snapshots; returns its bytes.

        Raises Corrupt if what was read back differs; then that snapshot is gone, and every older one is still there.
        """
        info = snapshots.info_of(partition, meta)
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        try:
            name = snapshots.upload(self._objects, folder, info, self._hashes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        manifest = snapshots.read(self._objects, name)
        try:
            snapshots.verify(self._objects, manifest)
        except Corrupt:
            snapshots.withdraw(self._objects, manifest)
            raise
        snapshots.prune(self._objects, partition, meta.owner.epoch, keep)
        return size_bytes

    def needed_from(self, partition: int, topic_id: str, keep: int) -> int:
        """The offset below which no recovery reads the partition's log: the frame of the oldest snapshot kept.

        That frame is needed, since recovery compares it. Returns 0 until there are `keep` snapshots. The oldest is read
        back first, for it may have been damaged since it was taken. Raises Corrupt.
        """
        kept = snapshots.newest(self._objects, partition)[:keep]
        if len(kept) < keep or any(manifest.info.topic_id != topic_id for manifest in kept):
            return 0
        snapshots.verify(self._objects, kept[-1])
        return max(min(manifest.info.watermark for manifest in kept), 0)


def _age(folder: Path) -> tuple[int, str]:
    return folder.stat().st_mtime_ns, folder.name


def _of_another_topic(manifest: snapshots.Manifest, topic_id: str) -> Corrupt:
    info = manifest.info
    return Corrupt(
        f"the snapshot of partition {info.partition} at offset {info.watermark} is of the topic {info.topic_id}, "
        f"the log's is {topic_id}",
        position=f"{info.partition}/{info.watermark}",
    )


def _check_restored(opened: Opened, manifest: snapshots.Manifest) -> None:
    """Raises Corrupt, with the store closed, when a snapshot is not of the watermark that it says."""
    info, meta = manifest.info, opened.meta
    if meta is None or (meta.watermark, meta.topic_id) != (info.watermark, info.topic_id):
        opened.store.close()
        found = "nothing" if meta is None else f"the states at offset {meta.watermark}"
        raise Corrupt(
            f"the snapshot of partition {info.partition} at offset {info.watermark} holds {found}",
            position=f"{info.partition}/{info.watermark}",
        )


def _read(store: Store, partition: int, topic_id: str) -> Opened:
    try:
        return Opened(store, *held(store, partition), topic_id)
    except BaseException:
        store.close()  # or its lock would keep whoever tries next from it
        raise


def held(store: Store, partition: int) -> tuple[Meta | None, dict[int, tuple[int, int]], dict[str, Programs]]:
    """What a store holds beside entities, timers and the window: its meta, the window's counts by second, packages.

    Raises Corrupt when that is not what was written.
    """
    meta = meta_of(store, partition)
    buckets: dict[int, tuple[int, int]] = {}
    for key, value in store.scan(*layout.BUCKETS, limit=BUCKETS_MAX):
        try:
            buckets[layout.bucket_of(key)] = layout.decode_bucket(value)
        except msgspec.MsgspecError as error:
            raise layout.unreadable(partition, key, error) from error
    return meta, buckets, programs_of(store, partition)


def programs_of(store: Store, partition: int) -> dict[str, Programs]:
    """Which packages decide which programs, by a store. Raises Corrupt when that is not what was written."""
    programs: dict[str, Programs] = {}
    for key, value in store.scan(*layout.PROGRAMS, limit=PROGRAMS_MAX):
        try:
            decoded = layout.decode_programs(value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise layout.unreadable(partition, key, error) from error
        programs[decoded.program] = decoded
    return programs


def meta_of(store: Store, partition: int) -> Meta | None:
    """The meta that a store holds, if it was ever written. Raises Corrupt when that is not what was written."""
    stored = store.get([layout.META])[0]
    try:
        return None if stored is None else layout.decode_meta(stored)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise layout.unreadable(partition, layout.META, error) from error


def write(store: Store, batch: Batch, swept_seconds: Sequence[int]) -> None:
    """Write a batch, and with it forget the timeless window entries of these seconds."""
    for second in swept_seconds:
        start, end = layout.sweep_range(second)
        from_key = start
        while swept := store.scan(from_key, end, SWEEP_LIMIT):
            # An id may have been used again since its entry left the window: then its key is among the puts.
            batch.deletes += [key for pair in swept if (key := layout.swept(pair[0])) not in batch.puts]
            from_key = swept[-1][0] + b"\0"
        if from_key != start:
            batch.delete_ranges.append((start, end))
    store.write(batch)


def load(store: Store, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
    """The values of these keys."""
    return dict(zip(keys, store.get(keys), strict=True))
