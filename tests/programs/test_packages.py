"""Packages: what is taken is named by its content; every bomb is refused by a reason of its own, before it goes off."""

import io
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import InvalidCommand, SetupError
from actors.packages import (
    FILES_MAX,
    UPLOADED,
    hash_of,
    pack,
    place_of,
    read_package,
)
from actors.registry import check_package, load_package

VOUCHER = Path(__file__).parent / "voucher"
FILES = {name: (VOUCHER / name).read_bytes() for name in ("manifest.json", "program.py")}
DIRECTORY_ENTRY_BYTES = 46
NOISE = random.Random(7).randbytes(1 << 16)


def with_entry(name: str, content: bytes = b"x", **changes: object) -> bytes:
    """The voucher's archive with one more entry, made as `zipfile` is told to."""
    made = io.BytesIO(pack(FILES))
    with zipfile.ZipFile(made, "a") as archive:
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name
        entry.compress_type = zipfile.ZIP_DEFLATED
        for attribute, value in changes.items():
            setattr(entry, attribute, value)
        archive.writestr(entry, content)
    return made.getvalue()


def replaced(archive: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    assert len(old) == len(new)
    assert old in archive
    return archive.replace(old, new, count)


def directory_entry(archive: bytes, name: bytes) -> int:
    """Where the directory's entry of this file begins."""
    return archive.rindex(name) - DIRECTORY_ENTRY_BYTES


def patched(archive: bytes, at: int, form: str, value: int) -> bytes:
    whole = bytearray(archive)
    struct.pack_into(form, whole, at, value)
    return bytes(whole)


def test_a_package_is_named_by_its_bytes_and_read_without_a_folder() -> None:
    archive = pack({**FILES, "pages/map/index.js": b"page", "logo.svg": b"<svg/>"})
    package = read_package(archive)
    assert (package.hash, package.place) == (hash_of(archive), place_of(hash_of(archive)))
    assert package.manifest.app_id == "voucher"
    assert package.files["pages/map/index.js"] == b"page"
    assert pack(dict(reversed(list(package.files.items())))) == archive


def test_folders_and_what_nearly_goes_over_a_bound_are_taken() -> None:
    whole = {f"pages/{n}": b"" for n in range(FILES_MAX - len(FILES))}
    assert len(read_package(pack({**FILES, **whole})).files) == FILES_MAX
    assert "pages" not in read_package(with_entry("pages/", b"")).files
    full = UPLOADED.sub_package_bytes_max // len(NOISE)
    big = {f"one/{n}": NOISE for n in range(full)} | {f"two/{n}": NOISE for n in range(full)}
    assert len(read_package(pack({**FILES, **big})).files) == 2 * full + 2


def _too_long() -> bytes:
    full = UPLOADED.sub_package_bytes_max // len(NOISE)
    return pack({**FILES, **{f"{top}/{n}": NOISE for top in range(16) for n in range(full)}})


def _overlapping() -> bytes:
    """Two entries of the directory lead to one file, as in the bombs that grow with the square of their length."""
    archive = with_entry("b.txt", b"one and the same")
    first = directory_entry(archive, b"manifest.json")
    return patched(
        archive, directory_entry(archive, b"b.txt") + 42, "<L", struct.unpack_from("<L", archive, first + 42)[0]
    )


def _lying() -> bytes:
    """The directory says that a long file is short: it is cut there, and its sum is another."""
    archive = with_entry("a.txt", b"x" * 5_000 + NOISE)
    return patched(archive, directory_entry(archive, b"a.txt") + 24, "<L", 10)


def _nested() -> bytes:
    return with_entry("inner.js", pack(FILES))


def _fewer(archive: bytes) -> bytes:
    """The end says one entry, the directory has two."""
    return patched(archive, len(archive) - 12, "<H", 1)


def _claims() -> bytes:
    """One byte is said to become two million."""
    archive = with_entry("a.txt", b"x", compress_type=zipfile.ZIP_STORED)
    return patched(archive, directory_entry(archive, b"a.txt") + 24, "<L", UPLOADED.sub_package_bytes_max // 2)


def _encrypted() -> bytes:
    archive = with_entry("a.txt", b"secret")
    return patched(archive, directory_entry(archive, b"a.txt") + 8, "<H", 1)


def _with_both(first: str, second: str) -> bytes:
    made = io.BytesIO(pack(FILES))
    with zipfile.ZipFile(made, "a") as archive:
        for name in (first, second):
            archive.writestr(zipfile.ZipInfo(name), b"x")
    return made.getvalue()


BOMBS: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "NOT_A_PACKAGE"),
    ("text", lambda: b"PK" * 100, "NOT_A_PACKAGE"),
    ("a comment behind the directory", lambda: pack(FILES)[:-2] + b"\x01\x00!", "NOT_A_PACKAGE"),
    ("something in front", lambda: b"MZ" + pack(FILES), "PACKAGE_DAMAGED"),
    ("half of it", lambda: pack(FILES)[:100] + pack(FILES)[-22:], "PACKAGE_DAMAGED"),
    ("a flipped bit", lambda: replaced(pack(FILES), pack(FILES)[60:64], b"\x00\x00\x00\x00", 1), "PACKAGE_DAMAGED"),
    ("a long archive", lambda: b"\x00" * (UPLOADED.package_bytes_max + 1), "PACKAGE_TOO_LARGE"),
    ("many long files", _too_long, "PACKAGE_TOO_LARGE"),
    (
        "a long sub-package",
        lambda: pack({**FILES, **{f"a/{n}": NOISE for n in range(33)}}),
        "SUB_PACKAGE_TOO_LARGE",
    ),
    ("long files at the top", lambda: pack({**FILES, **{f"{n}": NOISE for n in range(33)}}), "SUB_PACKAGE_TOO_LARGE"),
    ("many files", lambda: pack({**FILES, **{f"{n}": b"" for n in range(FILES_MAX)}}), "TOO_MANY_FILES"),
    ("more files than the end says", lambda: _fewer(pack(FILES)), "PACKAGE_DAMAGED"),
    ("zeros", lambda: with_entry("a.txt", b"\x00" * (1 << 20)), "RATIO_TOO_HIGH"),
    ("one byte that claims to be many", _claims, "RATIO_TOO_HIGH"),
    ("up and out", lambda: with_entry("../a.txt"), "PATH_OUTSIDE"),
    ("down and out", lambda: with_entry("pages/../../a.txt"), "PATH_OUTSIDE"),
    ("an absolute path", lambda: with_entry("/etc/passwd"), "PATH_OUTSIDE"),
    ("two slashes", lambda: with_entry("pages//a"), "PATH_OUTSIDE"),
    ("a dot", lambda: with_entry("./a"), "PATH_OUTSIDE"),
    ("a drive", lambda: with_entry("C:/a.txt"), "BAD_NAME"),
    ("another system's path", lambda: with_entry("..\\a.txt"), "BAD_NAME"),
    ("a control character", lambda: with_entry("a\nb"), "BAD_NAME"),
    ("a name that is cut", lambda: replaced(with_entry("a.pyX.txt"), b"a.pyX.txt", b"a.py\x00.txt"), "BAD_NAME"),
    ("a long name", lambda: with_entry("n" * 201), "BAD_NAME"),
    ("a link", lambda: with_entry("a", b"/etc", external_attr=(stat.S_IFLNK | 0o777) << 16), "NOT_A_FILE"),
    ("a device", lambda: with_entry("a", b"", external_attr=stat.S_IFCHR << 16), "NOT_A_FILE"),
    (
        "a link of another system",
        lambda: with_entry("a", external_attr=stat.S_IFLNK << 16, create_system=0),
        "NOT_A_FILE",
    ),
    ("an encrypted file", _encrypted, "ENCRYPTED"),
    ("another method", lambda: with_entry("a", compress_type=zipfile.ZIP_LZMA), "BAD_METHOD"),
    ("equal names", lambda: replaced(with_entry("program.pY"), b"program.pY", b"program.py"), "TWIN_NAMES"),
    ("names that differ in case", lambda: with_entry("Program.PY"), "TWIN_NAMES"),
    ("names that differ in form", lambda: _with_both("pages/\u00e9.js", "pages/e\u0301.js"), "TWIN_NAMES"),
    ("a file below a file", lambda: with_entry("program.py/a"), "TWIN_NAMES"),
    ("a file that is a folder", lambda: _with_both("pages/a.js", "pages"), "TWIN_NAMES"),
    ("one file's bytes for two", _overlapping, "OVERLAPPING"),
    ("a directory that lies", _lying, "PACKAGE_DAMAGED"),
    ("an archive inside", _nested, "ARCHIVE_INSIDE"),
    ("a gzip inside", lambda: with_entry("a.txt", b"\x1f\x8b\x08rest"), "ARCHIVE_INSIDE"),
    ("no program", lambda: pack({"manifest.json": FILES["manifest.json"]}), "PACKAGE_INCOMPLETE"),
    ("no manifest", lambda: pack({"program.py": FILES["program.py"]}), "PACKAGE_INCOMPLETE"),
    ("everything in a folder", lambda: pack({f"v/{name}": FILES[name] for name in FILES}), "PACKAGE_INCOMPLETE"),
]


@pytest.mark.parametrize(("bomb", "reason"), [bomb[1:] for bomb in BOMBS], ids=[bomb[0] for bomb in BOMBS])
def test_a_bomb_is_refused_by_its_reason(bomb: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(InvalidCommand) as error:
        read_package(bomb())
    assert (error.value.reason, error.value.field != "") == (reason, True), str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b'"app_id": "voucher"', b'"app_id": "Voucher"', "$.app_id"),
        (b'["pages/claim/index"]', b"[7]", "$.pages[0]"),
        (b'"code": 1},\n  "platform', b'"code": 0},\n  "platform', "$.version.code"),
        (b'{"name": "1.0.0"', b'{"name": ""', "$.version.name"),
        (b'["pages/claim/index"]', b'["a"], "imports": ["apsw.ext"]', "$.imports[0]"),
        (b'"app_id": "voucher",', b"", "$.app_id"),
        (b'"app_id"', b'"colour": 7, "app_id"', "$.colour"),
        (b'["pages/claim/index"]', b'["a", "../a"]', "$.pages[1]"),
        (b'"min_code": 1', b'"min_code": 9', "$.platform_version.min_code"),
        (b"{", b"[", "manifest.json"),
    ],
)
def test_a_manifest_in_a_package_is_refused_with_the_path(old: bytes, new: bytes, path: str) -> None:
    manifest = FILES["manifest.json"].replace(old, new, 1)
    assert manifest != FILES["manifest.json"]
    with pytest.raises(InvalidCommand) as error:
        read_package(pack({**FILES, "manifest.json": manifest}))
    assert (error.value.reason, error.value.field) == ("MANIFEST", path)


def program(old: bytes, new: bytes) -> bytes:
    """The voucher's archive with this said otherwise in its program."""
    assert old in FILES["program.py"]
    return pack({**FILES, "program.py": FILES["program.py"].replace(old, new, 1)})


def test_versions_of_a_program_are_loaded_side_by_side_each_once() -> None:
    first = load_package(read_package(pack(FILES)))
    second = load_package(read_package(program(b"left: int = 100", b"left: int = 7")))
    assert (first.entities[0].initial.left, second.entities[0].initial.left) == (100, 7)
    assert load_package(read_package(pack({**FILES, "note.txt": b"new"}))).entities[0] is first.entities[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"from msgspec import Struct", b"import apsw\nfrom msgspec import Struct", "line 3: apsw is no library"),
        (b"from msgspec import Struct", b"import os\nfrom msgspec import Struct", "line 3: os is not for programs"),
        (b"from msgspec import Struct", b"import gateway\nfrom msgspec import Struct", "line 3: gateway is no library"),
        (b"def decide(", b"def decide(:", "SyntaxError"),
        (b"def decide(", b"\x00def decide(", "null bytes"),
        (b"def decide(", b"(" * 300 + b"def decide(", "too many nested parentheses"),
    ],
)
def test_what_can_be_known_without_running_a_program_is(old: bytes, new: bytes, message: str) -> None:
    package = read_package(program(old, new))
    for check in (check_package, load_package):
        with pytest.raises(SetupError, match=message) as error:
            check(package)
        assert package.hash in str(error.value)
    check_package(read_package(program(b"ENTITIES = (VOUCHER,)", b"ENTITIES = 1 / 0")))
