"""Named, immutable bytes in a folder or an object store; it knows nothing of what is stored."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import IO

from actors.errors import NotFound, PlatformError, SetupError, Unavailable
from actors.ports import Objects

_PART = ".part-"
_PARTS_KEPT_SECONDS = 3_600
_RETRY_AFTER_MS = 1_000
_CHUNK_BYTES = 1 << 20
_CONNECT_TIMEOUT = timedelta(seconds=5)
_RETRY_TIMEOUT = timedelta(seconds=30)
_RETRIES_MAX = 4


def open_objects(place: str | Path) -> Objects:
    """The objects at a folder's path or at a URL: `file://`, `s3://bucket/prefix`, `gs://…`, `az://…`.

    Credentials, region and endpoint of a store come from the environment, as its own tools read them (for S3:
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT …). Raises SetupError when the place cannot be.
    """
    if isinstance(place, str) and "://" in place and not place.startswith("file://"):
        return StoreObjects(place)
    return FolderObjects(Path(str(place).removeprefix("file://")))


class FolderObjects:
    """A file per name. A file appears whole and is on the disk, name and bytes, before `put` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise SetupError(
                f"cannot keep objects in {folder}: {error}. Choose a folder that can be written."
            ) from error

    def put(self, name: str, source: Path | bytes) -> None:
        """Write beside, sync, rename, sync the folders; see `Objects.put`."""
        target = self._path(name)
        part = target.with_name(f"{_PART}{os.getpid()}-{target.name}")
        try:
            self._make_folders(target.parent)
            with part.open("wb") as out:
                if isinstance(source, bytes):
                    out.write(source)
                else:
                    _copy(source, out)
                out.flush()
                os.fsync(out.fileno())
            part.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _away(f"cannot write {target}: {error}") from error

    def get(self, name: str) -> bytes:
        """The bytes. Raises NotFound."""
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise self._missing_or_away(name, error) from error

    def fetch(self, name: str, target: Path) -> None:
        """Write the bytes to a file. Raises NotFound."""
        try:
            with target.open("wb") as out:
                _copy(self._path(name), out)
        except OSError as error:
            raise self._missing_or_away(name, error) from error

    def list(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order."""
        top = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self._folder
        files = (Path(folder) / file for folder, _, files in os.walk(top) for file in files)
        names = (file.relative_to(self._folder).as_posix() for file in files if not file.name.startswith(_PART))
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the name; one that is absent is no error."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _away(f"cannot delete {path}: {error}") from error

    def _path(self, name: str) -> Path:
        assert not {"", ".", ".."} & set(name.split("/")), f"{name!r} is not an object's name"
        return self._folder / name

    def _missing_or_away(self, name: str, error: OSError) -> PlatformError:
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return NotFound(f"there is no object {name} in {self._folder}")
        return _away(f"cannot read {name} in {self._folder}: {error}")

    def _make_folders(self, folder: Path) -> None:
        """Make the folders down to this one; each new name is synced, or a power cut could take a whole subtree."""
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)

    def _sweep(self) -> None:
        """Remove what a process left half-written when it ended; a young part may be another process's work."""
        now_seconds = time.time()
        for part in self._folder.rglob(_PART + "*"):
            try:
                if now_seconds - part.stat().st_mtime > _PARTS_KEPT_SECONDS:
                    part.unlink(missing_ok=True)
            except FileNotFoundError:
                continue


class StoreObjects:
    """An object store, by `obstore`: S3 and what speaks like it, Google Cloud Storage, Azure, or memory."""

    def __init__(self, url: str) -> None:
        # Imported here: a platform that keeps its snapshots in a folder does not pay for it.
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self._obstore = obstore
        self._error = BaseError
        self._url = url
        try:
            self._store = from_url(
                url,
                client_options={"allow_http": _plain_endpoint(), "connect_timeout": _CONNECT_TIMEOUT},
                retry_config={"max_retries": _RETRIES_MAX, "retry_timeout": _RETRY_TIMEOUT},
            )
        except (BaseError, ValueError, TypeError) as error:
            raise SetupError(
                f"cannot use {url} for objects: {_first_line(error)}. Give a folder, or s3://BUCKET/PREFIX, gs://… "
                "or az://… with the store's credentials in the environment."
            ) from error

    def put(self, name: str, source: Path | bytes) -> None:
        """Store the bytes or file whole; see `Objects.put`."""
        try:
            self._obstore.put(self._store, name, source)
        except self._error as error:
            raise self._explained(name, error) from error

    def get(self, name: str) -> bytes:
        """The bytes. Raises NotFound."""
        try:
            return bytes(self._obstore.get(self._store, name).bytes())
        except (self._error, FileNotFoundError) as error:
            raise self._explained(name, error) from error

    def fetch(self, name: str, target: Path) -> None:
        """Write the bytes to a file, chunk by chunk. Raises NotFound."""
        try:
            with target.open("wb") as out:
                for chunk in self._obstore.get(self._store, name).stream():
                    out.write(chunk)
        except (self._error, FileNotFoundError) as error:
            raise self._explained(name, error) from error

    def list(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order. The store itself knows whole path segments only."""
        try:
            # One overload that is not used here returns Arrow tables, whose types are unknown.
            chunks = self._store.list(prefix.rpartition("/")[0] or None)  # pyright: ignore[reportUnknownMemberType]
            names = [meta["path"] for chunk in chunks for meta in chunk]
        except self._error as error:
            raise self._explained(prefix, error) from error
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the name; one that is absent is no error."""
        try:
            self._obstore.delete(self._store, name)
        except FileNotFoundError:
            return
        except self._error as error:
            raise self._explained(name, error) from error

    def _explained(self, name: str, error: Exception) -> PlatformError:
        if isinstance(error, FileNotFoundError):
            return NotFound(f"there is no object {name} in {self._url}")
        return _away(f"the object store {self._url} did not serve {name}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    """What follows the first line of the library's errors is its own inner structure, for its developers."""
    return str(error).partition("\n")[0]


def _plain_endpoint() -> bool:
    """Whether the operator named an endpoint without TLS, as a store on the same machine has."""
    names = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    return any(os.environ.get(name, "").startswith("http://") for name in names)


def _away(message: str) -> Unavailable:
    return Unavailable(message, outcome="OUTCOME_UNKNOWN", retry_after_ms=_RETRY_AFTER_MS)


def _copy(source: Path, target: IO[bytes]) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, target, _CHUNK_BYTES)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
