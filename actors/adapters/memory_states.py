"""States, objects and rows in memory: what the real ones must do, in the fewest words. For tests and the simulation."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec

from actors.errors import Corrupt, NotFound, Unavailable
from actors.ports import Batch, Change, Place, Put, Slice
from actors.projections.reading import Projection

_FILE = "memory.store"
_LIVE = b"live "


class MemoryStates:
    """Stores that live as long as this value does: it stands for the disk, a closed store for an ended process.

    Each folder really exists and holds one small file that says which store lives there, so moving or removing
    a folder does what it does to a real store. A checkpoint writes that file in full.
    """

    def __init__(self) -> None:
        self._stores: dict[bytes, MemoryStore] = {}

    def open(self, folder: Path) -> "MemoryStore":
        """Open or make the store in this folder; see `States.open`."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _FILE
        stored = file.read_bytes() if file.exists() else msgspec.msgpack.encode({})
        store = self._stores.get(stored)
        if store is None:
            store = MemoryStore(_decode(stored, file))
            name = _LIVE + str(len(self._stores)).encode()
            self._stores[name] = store
            file.write_bytes(name)
        if store.is_open:
            raise Unavailable(f"the store in {folder} is held; close it first", outcome="NOT_APPENDED")
        store.is_open = True
        return store


class MemoryStore:
    """A dict and its keys in order. See `Store` for the contract of each method."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.is_open = False
        self._values = values
        self._keys = sorted(values)

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where there is none."""
        return [self._values.get(key) for key in keys]

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, in order."""
        first, last = bisect_left(self._keys, start), bisect_left(self._keys, end)
        return [(key, self._values[key]) for key in self._keys[first : min(last, first + max(limit, 0))]]

    def write(self, batch: Batch) -> None:
        """Write the batch: ranges, then puts, then deletes."""
        for start, end in batch.delete_ranges:
            first, last = bisect_left(self._keys, start), bisect_left(self._keys, end)
            for key in islice(self._keys, first, last):
                del self._values[key]
            del self._keys[first : max(first, last)]
        for key, value in batch.puts.items():
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value
        for key in batch.deletes:
            if self._values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def checkpoint(self, folder: Path) -> None:
        """Write everything into a fresh folder."""
        assert not folder.exists(), f"a checkpoint needs a fresh folder, {folder} exists"
        folder.mkdir(parents=True)
        (folder / _FILE).write_bytes(msgspec.msgpack.encode(self._values))

    def close(self) -> None:
        """Free the store; what was written stays."""
        self.is_open = False


class MemoryObjects:
    """Named bytes in a dict. See `Objects` for the contract of each method."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, name: str, source: Path | bytes) -> None:
        """Store the bytes or file under the name."""
        self._objects[name] = source if isinstance(source, bytes) else source.read_bytes()

    def get(self, name: str) -> bytes:
        """The bytes. Raises NotFound."""
        try:
            return self._objects[name]
        except KeyError:
            raise NotFound(f"there is no object {name}") from None

    def fetch(self, name: str, target: Path) -> None:
        """Write the bytes to a file. Raises NotFound."""
        target.write_bytes(self.get(name))

    def list(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order."""
        return sorted(name for name in self._objects if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the name; one that is absent is no error."""
        self._objects.pop(name, None)


def _decode(stored: bytes, file: Path) -> dict[bytes, bytes]:
    try:
        return msgspec.msgpack.decode(stored, type=dict[bytes, bytes])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{file} is not a checkpoint of a store: {error}", position=str(file)) from error


class MemoryRows:
    """Read models in dicts: what `Rows` means."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._columns = {one.table: ("key", *one.columns) for one in projections}
        self._rows: dict[str, dict[str, tuple[object, ...]]] = {}
        self._places: dict[Slice, Place] = {}

    def places(self) -> dict[Slice, Place]:
        """See `Rows.places`."""
        return dict(self._places)

    def write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        """See `Rows.write`."""
        for change in changes:
            rows = self._rows.setdefault(change.table, {})
            if isinstance(change, Put):
                rows[change.key] = change.values
            else:
                (count,) = rows.get(change.key, (0,))
                rows[change.key] = (cast("int", count) + change.more,)
        self._places |= places

    def find(self, table: str, equal: Mapping[str, object], rows_max: int) -> list[tuple[object, ...]]:
        """See `Rows.find`."""
        rows = [(key, *values) for key, values in sorted(self._rows.get(table, {}).items())]
        places = {self._columns[table].index(column): value for column, value in equal.items()}
        found = [row for row in rows if all(row[place] == value for place, value in places.items())]
        return [*found[:rows_max]]

    def forget(self) -> None:
        """See `Rows.forget`."""
        self._rows.clear()
        self._places.clear()

    def close(self) -> None:
        """See `Rows.close`."""
