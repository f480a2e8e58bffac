"""A program's package: a zip archive named by its content, walked in memory and never extracted to a folder. Pure.

Every refusal has a reason of its own, and is made before anything is decompressed that could be large.
"""

import hashlib
import io
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from actors.errors import InvalidCommand, SetupError
from actors.manifest import Manifest, parse_manifest

FILES_MAX = 2_000
RATIO_MAX = 100
NAME_BYTES_MAX = 200
_DIRECTORY_BYTES_MAX = FILES_MAX * 512
_END_BYTES = 22
_HEADER_BYTES = 30
_END = b"PK\x05\x06"
_IS_ENCRYPTED = 1
_ARCHIVES = (b"PK\x03\x04", _END, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
_TAR = (257, b"ustar")
_WHEN = (1980, 1, 1, 0, 0, 0)


class Limits(NamedTuple):
    """How many bytes an archive and all its files may have; and the files in one folder at the top, or those beside the
    manifest, which are one sub-package, too.
    """

    package_bytes_max: int
    sub_package_bytes_max: int


UPLOADED = Limits(30 << 20, 2 << 20)
"""Of what is brought, where no setting says otherwise."""
KEPT = Limits(256 << 20, 256 << 20)
"""Of what was taken in and is loaded: it may have been brought under other settings. None allows more."""


class Package(NamedTuple):
    """What an archive holds; `hash` is the SHA-256 of the archive, in hex, and its name wherever it goes."""

    hash: str
    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def place(self) -> str:
        """Where it is kept."""
        return place_of(self.hash)


def place_of(hash: str) -> str:
    """The name of a package's object, from its hash."""
    return f"packages/{hash}"


def hash_of(archive: bytes) -> str:
    """The name of an archive."""
    return hashlib.sha256(archive).hexdigest()


def signed_of(hash: str) -> bytes:
    """What the account's key signs, so that a signature of a package is one of nothing else."""
    return b"hutong package " + hash.encode()


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files: of the same files the same bytes, but for another release of zlib."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    return made.getvalue()


def read_package(archive: bytes, limits: Limits = UPLOADED) -> Package:
    """The package in these bytes. Raises InvalidCommand with the reason, and the path of what is wrong in `field`."""
    check_size(len(archive), limits)
    _check_frame(archive)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = opened.infolist()
            _check_entries(entries, *_count_and_place(archive), limits)
            files = {entry.filename: _content(opened, entry) for entry in entries if not entry.is_dir()}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, UnicodeError) as error:
        _refuse("PACKAGE_DAMAGED", f"the archive does not read: {error}")
    for name in ("manifest.json", "program.py"):
        if name not in files:
            _refuse("PACKAGE_INCOMPLETE", f"{name} is missing: a package has manifest.json and program.py", name)
    try:
        manifest = parse_manifest(files["manifest.json"], "manifest.json")
    except SetupError as error:
        said = str(error)
        _, mark, path = said.rpartition(" - at `")
        raise InvalidCommand(said, field=path[:-1] if mark else "manifest.json", reason="MANIFEST") from error
    return Package(hash_of(archive), manifest, files)


def check_size(bytes: int, limits: Limits) -> None:
    """Raises InvalidCommand for an archive, or a part of one, of more bytes than are read."""
    if bytes > limits.package_bytes_max:
        _refuse("PACKAGE_TOO_LARGE", f"the archive has more than {limits.package_bytes_max} bytes")


def _count_and_place(archive: bytes) -> tuple[int, int]:
    """How many entries the archive's directory has, and where it begins, as the end says."""
    return int.from_bytes(archive[-12:-10], "little"), int.from_bytes(archive[-6:-2], "little")


def _check_frame(archive: bytes) -> None:
    """The archive ends with its directory and nothing else, and both say the same of how much there is."""
    end = archive[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END):
        _refuse("NOT_A_PACKAGE", "this is not a zip archive that ends with its directory, without a comment")
    count, begin = _count_and_place(archive)
    size = int.from_bytes(end[12:16], "little")
    if count > FILES_MAX or size > _DIRECTORY_BYTES_MAX:
        _refuse("TOO_MANY_FILES", f"the archive's directory has {count} entries in {size} bytes; at most {FILES_MAX}")
    if begin + size + _END_BYTES != len(archive):
        _refuse("PACKAGE_DAMAGED", "the archive's directory is not where its end says, or something stands around it")


def _check_entries(entries: Sequence[zipfile.ZipInfo], count: int, directory_at: int, limits: Limits) -> None:
    if len(entries) != count:
        _refuse("PACKAGE_DAMAGED", f"the archive has {len(entries)} entries, and its end says {count}")
    seen: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for entry in entries:
        name = entry.filename
        _check_name(entry)
        _check_kind(entry)
        _check_twins(name, seen)
        _check_sizes(entry, sizes, limits)
        if entry.file_size > RATIO_MAX * max(entry.compress_size, 1):
            _refuse("RATIO_TOO_HIGH", f"{name} is more than {RATIO_MAX} times as long as what it is made from", name)
    _check_places(entries, directory_at)


def _check_sizes(entry: zipfile.ZipInfo, sizes: dict[str, int], limits: Limits) -> None:
    """`sizes` are those of the sub-packages so far."""
    name, most = entry.filename, limits.sub_package_bytes_max
    top = name.partition("/")[0] if "/" in name else ""
    sizes[top] = sizes.get(top, 0) + entry.file_size
    if sizes[top] > most:
        what = f"the sub-package {top!r}" if top else "what stands beside the manifest"
        _refuse("SUB_PACKAGE_TOO_LARGE", f"{what} has more than {most} bytes", name)
    if sum(sizes.values()) > limits.package_bytes_max:
        _refuse("PACKAGE_TOO_LARGE", f"the files have more than {limits.package_bytes_max} bytes in all", name)


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = name.removesuffix("/").split("/")
    if entry.orig_filename != name or not name.isprintable() or "\\" in name or ":" in name:
        _refuse("BAD_NAME", f"{entry.orig_filename[:100]!r} is no name for a file of a package", name)
    if not 1 <= len(name.encode()) <= NAME_BYTES_MAX:
        _refuse("BAD_NAME", f"a name has 1 to {NAME_BYTES_MAX} bytes, not {len(name.encode())}", name[:100])
    if not parts[0] or any(part in ("", ".", "..") for part in parts):
        _refuse("PATH_OUTSIDE", f"{name!r} leads out of the package, or nowhere", name)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    name, mode = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        _refuse("NOT_A_FILE", f"{name} is a link or a device; a package has files alone", name)
    if entry.flag_bits & _IS_ENCRYPTED:
        _refuse("ENCRYPTED", f"{name} is encrypted", name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        _refuse(
            "BAD_METHOD", f"{name} is compressed by method {entry.compress_type}; stored and deflated are read", name
        )
    if entry.is_dir() and entry.file_size:
        _refuse("NOT_A_FILE", f"{name} is a folder with content", name)


def _check_twins(name: str, seen: dict[str, str]) -> None:
    """No two names that a file system could take for one, and no file that is a folder, too."""
    *above, last = unicodedata.normalize("NFC", name).casefold().removesuffix("/").split("/")
    folders = ["/".join(above[: n + 1]) for n in range(len(above))]
    leaf, is_folder = "/".join((*above, last)), name.endswith("/")
    if seen.get(leaf, "above") != "above" or (leaf in seen and not is_folder):
        _refuse("TWIN_NAMES", f"{name!r} is there twice, or cannot be told from another name", name)
    if any(seen.get(folder) == "file" for folder in folders):
        _refuse("TWIN_NAMES", f"{name!r} stands below a file", name)
    for folder in folders:
        seen.setdefault(folder, "above")
    seen[leaf] = "folder" if is_folder else "file"


def _check_places(entries: Sequence[zipfile.ZipInfo], directory_at: int) -> None:
    """No two files are made from the same bytes, and none from the directory."""
    free = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < free:
            _refuse("OVERLAPPING", f"{entry.filename} is made from bytes of another file", entry.filename)
        free = entry.header_offset + _HEADER_BYTES + len(entry.filename) + entry.compress_size
    if free > directory_at:
        _refuse("OVERLAPPING", "a file is made from bytes of the archive's directory")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The file; zipfile reads no more than the directory says, and checks the sum."""
    content = archive.read(entry)
    if content.startswith(_ARCHIVES) or content[_TAR[0] :].startswith(_TAR[1]):
        _refuse("ARCHIVE_INSIDE", f"{entry.filename} is an archive itself", entry.filename)
    return content


def _refuse(reason: str, message: str, field: str = "package") -> NoReturn:
    raise InvalidCommand(message, field=field, reason=reason)
