"""Snapshots: a partition's store at a watermark, as content-addressed files and one manifest, in `Objects`.

What holds:
- A manifest is written last and never overwritten, so a crash at any step leaves the former snapshots as they were.
- Files lie under the epoch that uploaded them, and an owner deletes only under its own epoch and lower ones: an owner
  that was replaced without noticing cannot take a file from a later owner's snapshot. The price is one full upload
  per change of owner; within an epoch a file is uploaded once.
- Bytes are believed only after their hash was compared.
It does not choose when to take a snapshot, nor which one fits the log: the host does.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from actors.errors import Corrupt, NotFound, SetupError
from actors.kernel.layout import Meta
from actors.ports import Objects

FORMAT = 1
_DIGEST = re.compile("[0-9a-f]{64}")
_NAMED = re.compile(r"snapshots/\d{5,}/(manifests/\d{10,}-\d{20}-\d{20}\.json|files/\d{20}/[0-9a-f]{64})")
"""What we store. Whatever else an operator put there is neither read nor deleted."""


class Info(Struct, frozen=True, kw_only=True):
    """What a snapshot is of. `frame_crc` sums the frame at the watermark of the topic `topic_id`."""

    partition: int
    watermark: int
    epoch: int
    topic_id: str
    frame_crc: int
    release: int
    digest: str
    incarnation: int
    created_ms: int
    format: int = FORMAT


def info_of(partition: int, meta: Meta) -> Info:
    """What a snapshot of a partition is of that stands so."""
    return Info(
        partition=partition,
        watermark=meta.watermark,
        epoch=meta.owner.epoch,
        topic_id=meta.topic_id,
        frame_crc=meta.frame_crc,
        release=meta.release,
        digest=meta.digest,
        incarnation=meta.incarnation,
        created_ms=meta.now_ms,
    )


class File(Struct, frozen=True):
    """A file of the store: its name there, the hash it is stored under, its length."""

    name: str
    sha256: str
    size_bytes: int


class Manifest(Struct, frozen=True):
    """A snapshot: what it is of, and the files it is made of, all stored under the epoch of `info`."""

    info: Info
    files: tuple[File, ...]

    @property
    def size_bytes(self) -> int:
        """How much a restore fetches."""
        return sum(file.size_bytes for file in self.files)


class Rank(NamedTuple):
    """The order of a partition's snapshots, which their names keep too: newer ones are greater.

    The incarnation goes first: after a loss was accepted, older snapshots may carry watermarks that the log, begun
    anew below them, reaches again.
    """

    incarnation: int
    watermark: int
    epoch: int


Hashes: TypeAlias = MutableMapping[tuple[int, int, int], str]
"""Hashes already computed, by (inode, length, time of change): hard links of one file are hashed once."""


def upload(objects: Objects, folder: Path, info: Info, hashes: Hashes | None = None) -> str:
    """Store the checkpoint in `folder` as a snapshot and return its name. One that exists already is left as it is.

    `hashes` may be kept by the caller from one snapshot to the next.
    """
    assert min(info.watermark, info.epoch) >= -1, "names count from -1"
    name = _manifest_name(info)
    if name in objects.list(name):
        return name
    known: Hashes = {} if hashes is None else hashes
    stored = set(objects.list(_files_prefix(info.partition, info.epoch)))
    files: list[File] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        file = File(
            path.relative_to(folder).as_posix(),
            _hash_once(path, known),
            path.stat().st_size,
        )
        place = _file_name(info, file)
        if place not in stored:
            objects.put(place, path)
            stored.add(place)
        files.append(file)
    assert files, f"{folder} is not a checkpoint of a store"
    objects.put(name, encode_manifest(Manifest(info, tuple(files))))
    return name


def newest(
    objects: Objects,
    partition: int,
    below: int | None = None,
    unreadable: Callable[[Corrupt], None] | None = None,
) -> list[Manifest]:
    """The snapshots of a partition, newest first; with `below`, only those whose watermark is under it.

    A manifest that is damaged is handed to `unreadable` and left out: an older snapshot does as well.
    """
    manifests: list[Manifest] = []
    for name in reversed(_named(objects, _manifests_prefix(partition))):
        if below is not None and _rank(name).watermark >= below:
            continue
        try:
            manifests.append(read(objects, name))
        except Corrupt as damage:
            if unreadable is not None:
                unreadable(damage)
        except NotFound:
            continue  # pruned since it was listed
    return manifests


def read(objects: Objects, name: str) -> Manifest:
    """The manifest of this name. Raises Corrupt if it is not what was written, NotFound if there is none."""
    digest, _, body = objects.get(name).partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise Corrupt(f"the snapshot manifest {name} is not what was written", position=name)
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"the snapshot manifest {name} does not decode: {error}", position=name) from error
    if manifest.info.format != FORMAT:
        raise Corrupt(
            f"{name} has format {manifest.info.format}, this release reads {FORMAT}",
            position=name,
        )
    if _manifest_name(manifest.info) != name:
        raise Corrupt(
            f"the snapshot manifest {name} belongs to {_manifest_name(manifest.info)}",
            position=name,
        )
    if not all(_DIGEST.fullmatch(file.sha256) for file in manifest.files):
        raise Corrupt(f"the snapshot manifest {name} names a file by what is no hash", position=name)
    return manifest


def restore(objects: Objects, manifest: Manifest, folder: Path) -> None:
    """Make `folder` (which must not exist) the store that was snapshot. Raises Corrupt naming the file that is not
    what was written, SetupError when there is no room; then, as after a crash, `folder` does not exist.
    """
    assert not folder.exists(), f"a snapshot is restored into a fresh folder, {folder} exists"
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for file in manifest.files:
            target = _inside(part, file, manifest)
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(objects, manifest, file, target)
            _compare(manifest, file, hash_of(target))
        part.rename(folder)
    except OSError as error:
        message = f"cannot restore the snapshot {_manifest_name(manifest.info)} to {folder}: {error}. Make room for it."
        raise SetupError(message, reason="STORE_NOT_USABLE") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def verify(objects: Objects, manifest: Manifest) -> None:
    """Read back every byte of a snapshot. Raises Corrupt naming the manifest or file that is missing or differs."""
    name = _manifest_name(manifest.info)
    try:
        stored = read(objects, name)
    except NotFound as error:
        raise Corrupt(f"the snapshot manifest {name} is missing", position=name) from error
    if stored != manifest:
        raise Corrupt(f"the snapshot manifest {name} is another one", position=name)
    for file in manifest.files:
        try:
            content = objects.get(_file_name(manifest.info, file))
        except NotFound as error:
            raise _missing(manifest, file) from error
        _compare(manifest, file, hashlib.sha256(content).hexdigest())


def withdraw(objects: Objects, manifest: Manifest) -> None:
    """Forget a snapshot that is not what was written, and those of its files that differ.

    The next snapshot then uploads such a file anew, which also mends the older snapshots that share it.
    """
    objects.delete(_manifest_name(manifest.info))
    for file in manifest.files:
        place = _file_name(manifest.info, file)
        try:
            differs = hashlib.sha256(objects.get(place)).hexdigest() != file.sha256
        except NotFound:
            continue
        if differs:
            objects.delete(place)


def prune(objects: Objects, partition: int, epoch: int, keep: int) -> int:
    """Delete all but the newest `keep` snapshots that are readable, then the files no manifest names.

    Only what epochs up to `epoch`, the caller's own, have stored is touched; a caller uploads nothing meanwhile.
    Manifests go before files, so a crash leaves no snapshot without its files. Returns how many objects went.
    """
    assert keep >= 1
    kept = {_manifest_name(manifest.info) for manifest in newest(objects, partition)[:keep]}
    old = (name for name in _named(objects, _manifests_prefix(partition)) if name < min(kept, default=""))
    count = _delete(objects, [name for name in old if len(kept) == keep and _rank(name).epoch <= epoch])
    return count + _sweep(objects, partition, epoch)


def discard(objects: Objects, partition: int, from_watermark: int) -> int:
    """Delete every snapshot at or beyond this watermark, whoever took it: the log that it knew is lost.

    For an operator who accepted the loss, while no host owns the partition. Returns how many snapshots went.
    """
    names = _named(objects, _manifests_prefix(partition))
    return _delete(objects, (name for name in names if _rank(name).watermark >= from_watermark))


def hash_of(path: Path) -> str:
    """The SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_once(path: Path, known: Hashes) -> str:
    status = path.stat()
    key = (status.st_ino, status.st_size, status.st_mtime_ns)
    digest = known.get(key)
    if digest is None:
        digest = known[key] = hash_of(path)
    return digest


def _sweep(objects: Objects, partition: int, epoch: int) -> int:
    """Delete the files of epochs up to `epoch` that no manifest names; a damaged manifest keeps its epoch's files."""
    damaged: set[int] = set()
    named: set[str] = set()
    for name in _named(objects, _manifests_prefix(partition)):
        try:
            manifest = read(objects, name)
        except (Corrupt, NotFound):
            damaged.add(_rank(name).epoch)
            continue
        named.update(_file_name(manifest.info, file) for file in manifest.files)
    return _delete(
        objects,
        (
            name
            for name in _named(objects, f"{_prefix(partition)}files/")
            if name not in named and _epoch_of_file(name) <= epoch and _epoch_of_file(name) not in damaged
        ),
    )


def _delete(objects: Objects, names: Iterable[str]) -> int:
    count = 0
    for name in names:
        objects.delete(name)
        count += 1
    return count


def _fetch(objects: Objects, manifest: Manifest, file: File, target: Path) -> None:
    try:
        objects.fetch(_file_name(manifest.info, file), target)
    except NotFound as error:
        raise _missing(manifest, file) from error


def _missing(manifest: Manifest, file: File) -> Corrupt:
    name = _manifest_name(manifest.info)
    return Corrupt(
        f"the file {file.name} ({file.sha256}) of snapshot {name} is missing",
        position=name,
    )


def _compare(manifest: Manifest, file: File, digest: str) -> None:
    if digest != file.sha256:
        name = _manifest_name(manifest.info)
        raise Corrupt(
            f"the file {file.name} of snapshot {name} has hash {digest}, {file.sha256} was written",
            position=name,
        )


def _inside(folder: Path, file: File, manifest: Manifest) -> Path:
    name = _manifest_name(manifest.info)
    try:
        target = (folder / file.name).resolve()
    except ValueError as error:
        raise Corrupt(f"the snapshot {name} names a file {file.name!r}: {error}", position=name) from error
    if not target.is_relative_to(folder.resolve()):
        raise Corrupt(
            f"the snapshot {name} names the file {file.name} outside its folder",
            position=name,
        )
    return target


def encode_manifest(manifest: Manifest) -> bytes:
    """A manifest as it is stored: its own hash on the first line, then JSON that a person can read."""
    body = msgspec.json.encode(manifest)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _named(objects: Objects, prefix: str) -> list[str]:
    """The names of ours that begin with the prefix, in order."""
    return [name for name in objects.list(prefix) if _NAMED.fullmatch(name)]


def _prefix(partition: int) -> str:
    return f"snapshots/{partition:05d}/"


def _manifests_prefix(partition: int) -> str:
    return f"{_prefix(partition)}manifests/"


def _files_prefix(partition: int, epoch: int) -> str:
    return f"{_prefix(partition)}files/{epoch + 1:020d}/"


def _file_name(info: Info, file: File) -> str:
    return _files_prefix(info.partition, info.epoch) + file.sha256


def _epoch_of_file(name: str) -> int:
    return int(name.split("/")[3]) - 1


def _manifest_name(info: Info) -> str:
    """Watermark and epoch may be -1, nothing yet; names count from there, so that they sort as the numbers do."""
    rank = f"{info.incarnation:010d}-{info.watermark + 1:020d}-{info.epoch + 1:020d}"
    return f"{_manifests_prefix(info.partition)}{rank}.json"


def _rank(name: str) -> Rank:
    incarnation, after, epoch = name.rpartition("/")[2].removesuffix(".json").split("-")
    return Rank(int(incarnation), int(after) - 1, int(epoch) - 1)
