"""Snapshots of a host's stores: taken on the loop, uploaded beside it; then the log is trimmed below what is kept."""

import asyncio
import shutil
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path

from actors.adapters.hosting import stores
from actors.adapters.hosting.config import HostConfig
from actors.adapters.hosting.observing import Report
from actors.adapters.hosting.stores import Opener
from actors.errors import PlatformError
from actors.kernel.layout import Meta
from actors.ownership import Ownership
from actors.ports import Log, Slice, Store
from actors.sensor import Sensor


class Keeping:
    """One snapshot at a time of each partition; `owned` says which are still ours."""

    def __init__(
        self,
        config: HostConfig,
        opener: Opener,
        log: Log,
        sensor: Sensor,
        owned: Mapping[int, Ownership],
        report: Report,
    ) -> None:
        self._config = config
        self._opener = opener
        self._log = log
        self._sensor = sensor
        self._owned = owned
        self._report = report
        self._uploading: set[int] = set()

    def checkpoint(self, partition: int, store: Store) -> Coroutine[None, None, None] | None:
        """Hold the store fast as it is now; returns what is left to do beside the loop, unless nothing is."""
        meta = stores.meta_of(store, partition)
        if meta is None or partition in self._uploading:
            return None  # one snapshot at a time; another is asked for after as many records
        folder = Path(self._config.states_dir) / f".snapshot-{partition:04}-{meta.watermark}-{self._config.name}"
        shutil.rmtree(folder, ignore_errors=True)
        store.checkpoint(folder)
        self._uploading.add(partition)
        return self._upload(partition, folder, meta)

    async def _upload(self, partition: int, folder: Path, meta: Meta) -> None:
        began = time.perf_counter()
        try:
            keep = self._config.process.snapshots_kept
            size_bytes = await asyncio.to_thread(self._opener.snapshot, partition, folder, meta, keep)
        except (PlatformError, OSError) as error:
            self._sensor.snapshot_failed(partition)
            self._report("snapshot failed", {"partition": partition, "why": str(error)})
            return
        finally:
            self._uploading.discard(partition)
        self._sensor.snapshot_taken(partition, time.perf_counter() - began, size_bytes)
        if self._config.process.trim_log:
            await self._trim(partition, meta, keep)

    async def _trim(self, partition: int, meta: Meta, keep: int) -> None:
        """Let go of what no recovery will read again. If that fails, it is done with the next snapshot."""
        try:
            below = await asyncio.to_thread(self._opener.needed_from, partition, meta.topic_id, keep)
            ownership = self._owned.get(partition)
            if below == 0 or ownership is None or not ownership.serving or ownership.epoch != meta.owner.epoch:
                return  # whoever owns the partition by now does it
            slice_ = Slice(self._config.cluster.commands_topic, partition)
            await asyncio.to_thread(self._log.trim, slice_, below)
        except PlatformError as error:
            self._report("the log was not trimmed", {"partition": partition, "why": str(error)})
