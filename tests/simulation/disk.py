"""Where stores live between hosts, and their snapshots: made by the product's own `snapshots`, damaged now and then."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

from actors import snapshots
from actors.adapters.hosting import stores
from actors.adapters.memory_states import MemoryStates, MemoryStore
from actors.errors import Corrupt, NotFound, Unavailable
from actors.kernel import layout
from actors.kernel.layout import Meta
from actors.kernel.record import Programs
from tests.simulation.broken import require
from tests.simulation.faults import Faults

TOPIC_ID = "the commands of this world"
KEPT = 2


class Surroundings(Protocol):
    """What a disk is in."""

    faults: Faults

    def strike(self, name: str, text: str) -> None:
        """Something is made to go wrong."""
        ...

    def felt(self, name: str) -> None:
        """What was made to go wrong had its effect."""
        ...


class Opened(NamedTuple):
    """A store and what it holds beside entities."""

    store: MemoryStore
    meta: Meta | None
    buckets: dict[int, tuple[int, int]]
    programs: dict[str, Programs]


class Upload(NamedTuple):
    """A checkpoint on its way to become a snapshot."""

    host: str
    partition: int
    values: dict[bytes, bytes]
    meta: Meta


def read(store: MemoryStore) -> Opened:
    """Open a store as a host does."""
    stored = store.get([layout.META])[0]
    pairs = store.scan(*layout.BUCKETS, limit=100_000)
    buckets = {layout.bucket_of(key): layout.decode_bucket(value) for key, value in pairs}
    meta = None if stored is None else layout.decode_meta(stored)
    return Opened(store, meta, buckets, stores.programs_of(store, -1))


def everything(store: MemoryStore) -> dict[bytes, bytes]:
    """All pairs of a store."""
    return dict(store.scan(b"", b"\xff", 1_000_000))


def _nothing() -> None:
    """Nobody comes in between."""


class SimObjects:
    """Objects that a test can damage; an upload may be cut off, and another may come in between."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.is_cut_off = False
        self.between: Callable[[], None] = _nothing

    def put(self, name: str, source: Path | bytes) -> None:
        """Store; a manifest is what comes last."""
        if "/manifests/" in name:
            if self.is_cut_off:
                raise Unavailable("the uploading host is gone", outcome="NOT_APPENDED")
            self.between()
        self.stored[name] = source if isinstance(source, bytes) else source.read_bytes()

    def get(self, name: str) -> bytes:
        """The bytes. Raises NotFound."""
        if name not in self.stored:
            raise NotFound(f"there is no object {name}")
        return self.stored[name]

    def fetch(self, name: str, target: Path) -> None:
        """Write the bytes to a file. Raises NotFound."""
        target.write_bytes(self.get(name))

    def list(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order."""
        return sorted(name for name in self.stored if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the name; one that is absent is no error."""
        self.stored.pop(name, None)


class Disk:
    """The stores of all partitions of one machine, and the object store with their snapshots."""

    def __init__(self, chance: Random, around: Surroundings) -> None:
        self._chance = chance
        self._around = around
        self._stores: dict[int, list[MemoryStore]] = {}
        self._lost: set[int] = set()
        self._objects = SimObjects()
        self._uploads: list[Upload] = []
        self._taken: dict[int, dict[str, snapshots.Rank]] = {}
        self._damaged: dict[str, str] = {}
        self._is_overtaken = False

    def open(self, partition: int) -> Opened:
        """The newest store that nobody holds; else the newest snapshot that is whole; else nothing: replay from 0."""
        stores = self._stores.setdefault(partition, [])
        free = [store for store in stores if not store.is_open]
        if free:
            store = free[-1]
        else:
            if partition in self._lost:
                self._lost.discard(partition)
                self._around.felt("stores_lost")
            store = self._restored(partition)
            stores.append(store)
        store.is_open = True
        return read(store)

    def lose(self, partition: int) -> None:
        """Whatever nobody holds is gone, and who holds a store loses it at its end; snapshots are elsewhere."""
        self._stores[partition] = []
        self._lost.add(partition)

    # -- snapshots ------------------------------------------------------------------------------------------------

    def checkpoint(self, host: str, partition: int, store: MemoryStore) -> Upload:
        """Keep the store as it is now, to be uploaded."""
        meta = read(store).meta
        assert meta is not None
        upload = Upload(host, partition, everything(store), meta)
        self._uploads.append(upload)
        return upload

    def upload(self, upload: Upload, *, cut_off: bool) -> None:
        """Make a snapshot of a checkpoint; `cut_off` leaves it without its manifest."""
        if upload not in self._uploads:
            return  # it came between the file and the manifest of another
        self._uploads.remove(upload)
        partition, meta = upload.partition, upload.meta
        info = snapshots.info_of(partition, meta)
        self._is_overtaken = False
        self._objects.is_cut_off = cut_off
        self._objects.between = lambda: self._let_others_upload(upload)
        with TemporaryDirectory() as home:
            folder = Path(home) / "checkpoint"
            MemoryStore(upload.values).checkpoint(folder)
            try:
                name = snapshots.upload(self._objects, folder, info)
            except Unavailable:
                self._around.felt("snapshot_half")
                return
            finally:
                self._objects.is_cut_off = False
        if name not in self._taken.setdefault(partition, {}):
            self._taken[partition][name] = snapshots.Rank(info.incarnation, info.watermark, info.epoch)
            if self._is_overtaken:
                self._damaged[name] = "snapshot_overtaken"
                self._around.strike("snapshot_overtaken", f"a later owner sweeps while {name} is uploaded")
            else:
                self._damage(name)
        snapshots.prune(self._objects, partition, meta.owner.epoch, KEPT)

    def _let_others_upload(self, upload: Upload) -> None:
        """A former owner's upload of the same partition finishes just before our manifest is stored."""
        self._objects.between = _nothing
        for other in [other for other in self._uploads if other.partition == upload.partition]:
            self.upload(other, cut_off=False)
            # A later owner's sweep may take the files of ours before our manifest names them.
            self._is_overtaken = self._is_overtaken or other.meta.owner.epoch > upload.meta.owner.epoch

    def _damage(self, name: str) -> None:
        """The bytes of a snapshot rot, or one of its objects is lost."""
        chance, faults = self._chance, self._around.faults
        manifest = snapshots.read(self._objects, name)
        names = [name, *(found for found in self._objects.stored if found.endswith(manifest.files[0].sha256))]
        victim = chance.choice(names)
        drawn = chance.random()
        if drawn < faults.snapshot_torn:
            content = bytearray(self._objects.stored[victim])
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            self._objects.stored[victim] = bytes(content)
            self._damaged[name] = "snapshot_torn"
        elif drawn < faults.snapshot_torn + faults.snapshot_lost:
            del self._objects.stored[victim]
            self._damaged[name] = "snapshot_lost"
        else:
            return
        self._around.strike(self._damaged[name], f"{self._damaged[name]}: {victim}")

    def _restored(self, partition: int) -> MemoryStore:
        ranks = sorted(self._taken.get(partition, {}).items(), key=lambda taken: taken[1])[-KEPT:]
        for name, _ in ranks:
            if name in self._damaged:
                self._around.felt(self._damaged[name])
        whole = max((rank.watermark for name, rank in ranks if name not in self._damaged), default=-1)
        for manifest in snapshots.newest(self._objects, partition):
            with TemporaryDirectory() as home:
                folder = Path(home) / "store"
                try:
                    snapshots.restore(self._objects, manifest, folder)
                except Corrupt:
                    continue
                found = manifest.info.watermark
                require(found >= whole, f"{partition} begins with the snapshot at {found}, one at {whole} is whole")
                return MemoryStore(everything(MemoryStates().open(folder)))
        require(whole < 0, f"{partition} begins anew, a snapshot at {whole} is whole")
        return MemoryStore({})

    def verify_snapshots(self) -> None:
        """Read back every snapshot that nothing here has damaged. Raises Corrupt naming what is missing."""
        for partition, taken in self._taken.items():
            for manifest in snapshots.newest(self._objects, partition):
                rank = snapshots.Rank(manifest.info.incarnation, manifest.info.watermark, manifest.info.epoch)
                names = [name for name, known in taken.items() if known == rank]
                if not any(name in self._damaged for name in names):
                    snapshots.verify(self._objects, manifest)
