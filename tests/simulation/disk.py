"""Where stores live between hosts: what was written stays when a host dies, unless the disk itself is lost."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from actors.adapters.memory_states import MemoryStore
from actors.kernel import layout
from actors.kernel.layout import Meta

TOPIC_ID = "the commands of this world"


class Opened(NamedTuple):
    """A store and what it holds beside entities."""

    store: MemoryStore
    meta: Meta | None
    buckets: dict[int, tuple[int, int]]


def read(store: MemoryStore) -> Opened:
    """Open a store as a host does."""
    stored = store.get([layout.META])[0]
    pairs = store.scan(*layout.BUCKETS, limit=100_000)
    buckets = {layout.bucket_of(key): layout.decode_bucket(value) for key, value in pairs}
    return Opened(store, None if stored is None else layout.decode_meta(stored), buckets)


def everything(store: MemoryStore) -> dict[bytes, bytes]:
    """All pairs of a store."""
    return dict(store.scan(b"", b"\xff", 1_000_000))


class Disk:
    """The stores and snapshots of all partitions of one machine."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._stores: dict[int, list[MemoryStore]] = {}
        self._snapshots: dict[int, list[dict[bytes, bytes]]] = {}

    def open(self, partition: int) -> Opened:
        """The newest store that nobody holds; else a snapshot, not always the newest; else nothing: replay from 0."""
        stores = self._stores.setdefault(partition, [])
        free = [store for store in stores if not store.is_open]
        if free:
            store = free[-1]
        else:
            snapshots: Sequence[dict[bytes, bytes]] = self._snapshots.get(partition, [])
            store = MemoryStore(dict(self._chance.choice(snapshots)) if snapshots else {})
            stores.append(store)
        store.is_open = True
        return read(store)

    def snapshot(self, partition: int, store: MemoryStore) -> None:
        """Keep the store as it is now."""
        self._snapshots.setdefault(partition, []).append(everything(store))

    def lose(self, partition: int) -> None:
        """Whatever nobody holds is gone; snapshots are elsewhere."""
        self._stores[partition] = [store for store in self._stores.get(partition, []) if store.is_open]
