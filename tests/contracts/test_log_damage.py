"""The embedded log on a disk that is full, failing, or has changed what was written."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import apsw
import pytest

from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.server import EXIT_DISK
from actors.errors import Corrupt, SetupError, Unavailable
from actors.ports import Log, Reader, Slice, Span, Topic
from tests.contracts.log_contract import WAIT_S, append_all, bodies, eventually, read
from tests.contracts.log_owner import LogOwner

SLICE = Slice("t", 0)
TMPFS_BYTES = 1 << 20


def _filled(folder: Path, frames: list[bytes]) -> None:
    log = LocalLog(folder)
    log.create([Topic("t", 2)])
    append_all(log, SLICE, frames)
    log.close()


def _change(folder: Path, statement: str) -> None:
    """Change the file behind the log's back, by the SQLite that Python brings along."""
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        connection.execute(statement)
        connection.commit()


def _read_all(folder: Path, count: int) -> list[bytes]:
    log = LocalLog(folder)
    try:
        reader = log.reader()
        reader.assign({SLICE: 0})
        return bodies(read(reader, count))
    finally:
        log.close()


@pytest.mark.parametrize("bit", [0, 7, 8 * 20 + 3, 8 * 5_000])
def test_a_flipped_bit_in_a_frame_is_detected_and_the_place_is_named(tmp_path: Path, bit: int) -> None:
    frame = b"the frame to be damaged" + bytes(6_000)
    _filled(tmp_path, [b"a", frame, b"c"])
    stored = bytearray((tmp_path / "log.db").read_bytes())
    # What does not fit a page goes to the next one, where four bytes of a page number come first: flip in the content.
    at = stored.index(b"the frame to be damaged") + bit // 8
    stored[at] ^= 1 << bit % 8
    (tmp_path / "log.db").write_bytes(stored)
    with pytest.raises(Corrupt) as corrupt:
        _read_all(tmp_path, 3)
    assert corrupt.value.position == "t/0/1"


def test_a_changed_last_frame_refuses_further_appends_and_leaves_other_slices_alone(tmp_path: Path) -> None:
    _filled(tmp_path, [b"a", b"the last frame"])
    stored = (tmp_path / "log.db").read_bytes()
    (tmp_path / "log.db").write_bytes(stored.replace(b"the last frame", b"the lost frame"))
    log = LocalLog(tmp_path)
    with pytest.raises(Unavailable, match="t/0/1") as refused:
        log.append(SLICE, b"b").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    assert log.append(Slice("t", 1), b"other").result(WAIT_S).offset == 0
    log.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE frames SET stamp_ms = stamp_ms + 1 WHERE place = 1",
        "UPDATE frames SET frame = x'00' WHERE place = 1",
        "UPDATE frames SET key = x'00' WHERE place = 1",
        "UPDATE frames SET stamp_ms = 'noon' WHERE place = 1",
        "UPDATE frames SET (crc, frame) = (SELECT crc, frame FROM frames WHERE place = 2) WHERE place = 1",
        "DELETE FROM frames WHERE place = 1",
    ],
    ids=["stamp", "frame", "key", "type", "moved", "hole"],
)
def test_rows_that_were_changed_behind_the_log_are_corrupt(tmp_path: Path, change: str) -> None:
    _filled(tmp_path, [b"a", b"b", b"c", b"d"])
    _change(tmp_path, change)
    with pytest.raises(Corrupt) as corrupt:
        _read_all(tmp_path, 4)
    assert corrupt.value.position == "t/0/1"


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_damaged_slice_takes_no_frame_of_the_others_with_it(tmp_path: Path, remote: bool) -> None:
    log: Log = LocalLog(tmp_path)
    slices = [Slice("t", partition) for partition in range(4)]
    log.create([Topic("t", 4)])
    for slice in slices:
        append_all(log, slice, [b"%d-%d" % (slice.partition, n) for n in range(10)])
    log.close()
    _change(tmp_path, "UPDATE frames SET frame = x'00' WHERE frame = CAST('2-5' AS BLOB)")
    owner = LogOwner(tmp_path) if remote else None
    log = owner.client() if owner else LocalLog(tmp_path)
    reader = log.reader()
    reader.assign(dict.fromkeys(slices, 0))
    found: list[bytes] = []
    with pytest.raises(Corrupt) as corrupt:
        gather(reader, found)
    assert corrupt.value.position == "t/2/5"
    good = [slice for slice in slices if slice.partition != 2]
    reader.assign(dict.fromkeys(good, 0))
    while sum(not frame.startswith(b"2-") for frame in found) < 30:
        found += bodies(read(reader, 1))
    for slice in good:
        mine = [frame for frame in found if frame.startswith(b"%d-" % slice.partition)]
        assert mine == [b"%d-%d" % (slice.partition, n) for n in range(10)]
    reader.close()
    log.close()
    if owner:
        owner.end()


def gather(reader: Reader, found: list[bytes]) -> None:
    """Poll until the reader has something to say against it."""
    due = monotonic() + WAIT_S
    while monotonic() < due:
        found += bodies(reader.poll(1_000))


def test_a_log_of_another_format_is_refused(tmp_path: Path) -> None:
    _filled(tmp_path, [b"a"])
    _change(tmp_path, "UPDATE meta SET value = 99 WHERE name = 'format'")
    with pytest.raises(SetupError, match="format 99"):
        LocalLog(tmp_path)


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"not a database" * 1_000)
    with pytest.raises(SetupError, match="cannot be opened"):
        LocalLog(tmp_path)
    (tmp_path / "log.db").unlink()
    LocalLog(tmp_path).close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match="file"):
        LocalLog(tmp_path / "file")


class _FailingDisk(apsw.VFS):
    """The real disk while `works` is there; without that file every sync fails, as a worn-out disk's does."""

    def __init__(self, works: Path) -> None:
        super().__init__("failing-disk", "unix", makedefault=True)
        self.works = works

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "_FailingFile":  # noqa: N802
        return _FailingFile(self, name, flags)


class _FailingFile(apsw.VFSFile):
    def __init__(self, disk: _FailingDisk, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802
        if not self._disk.works.exists():
            raise apsw.IOError("the sync failed")
        super().xSync(flags)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[_FailingDisk]:
    before = apsw.vfs_names()[0]
    disk = _FailingDisk(tmp_path / "works")
    disk.works.touch()
    yield disk
    disk.unregister()
    assert apsw.vfs_names()[0] == before


def test_after_a_failed_sync_nothing_is_appended_and_nothing_acknowledged_is_lost(
    tmp_path: Path, disk: _FailingDisk
) -> None:
    log = LocalLog(tmp_path)
    log.create([Topic("t", 1)])
    append_all(log, SLICE, [b"a", b"b"])
    disk.works.unlink()
    with pytest.raises(Unavailable) as unknown:
        log.append(SLICE, b"unknown").result(WAIT_S)
    assert unknown.value.reason == "OUTCOME_UNKNOWN"
    disk.works.touch()
    with pytest.raises(Unavailable, match="stopped") as refused:
        log.append(SLICE, b"refused").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    with pytest.raises(Unavailable, match="stopped"):
        log.spans([SLICE])
    log.close()
    again = LocalLog(tmp_path)
    assert again.append(SLICE, b"next").result(WAIT_S).offset in (2, 3)
    again.close()
    assert _read_all(tmp_path, 3)[:2] == [b"a", b"b"]


def test_the_owner_ends_at_once_when_a_sync_fails_and_the_next_one_has_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    (tmp_path / "works").touch()
    failing = (
        "import sys\nfrom tests.contracts.test_log_damage import use_failing_disk\nuse_failing_disk(sys.argv[1])\n"
    )
    owner = LogOwner(tmp_path, before=failing)
    log = owner.client()
    log.create([Topic("t", 1)])
    acked = append_all(log, SLICE, [b"a", b"b"])
    (tmp_path / "works").unlink()
    with pytest.raises(Unavailable) as unknown:
        log.append(SLICE, b"unknown").result(WAIT_S)
    assert unknown.value.reason == "OUTCOME_UNKNOWN"
    _, said = owner.process.communicate(timeout=WAIT_S)
    assert owner.process.returncode == EXIT_DISK
    assert b"the sync failed" in said
    owner.restart()
    reader = log.reader()
    reader.assign({SLICE: 0})
    eventually(lambda: log.append(SLICE, b"next").exception(WAIT_S) is None)
    assert [row.offset for row in read(reader, 3)][:2] == [at.offset for at in acked]
    reader.close()
    log.close()
    assert owner.end() == 0


def use_failing_disk(folder: str) -> None:
    """Let this process write to a disk that fails without the file `works` in the log's folder."""
    disk = _FailingDisk(Path(folder) / "works")
    _disks.append(disk)


_disks: list[_FailingDisk] = []
"""SQLite does not keep a registered disk alive."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root: NOT tried what a full disk does")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount a small disk: NOT tried what a full disk does")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_refuses_appends_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(TMPFS_BYTES // 2))
    log = LocalLog(small_disk)
    log.create([Topic("t", 1)])
    acked: list[bytes] = []
    refusal: Unavailable | None = None
    for n in range(1_000):
        frame = b"%d " % n + bytes(5_000)
        try:
            assert log.append(SLICE, frame).result(WAIT_S).offset == len(acked)
            acked.append(frame)
        except Unavailable as error:
            refusal = error
            break
    assert refusal is not None
    assert refusal.reason == "NOT_APPENDED"
    assert str(small_disk) in str(refusal)
    assert len(acked) > 10
    ballast.unlink()
    assert log.append(SLICE, b"goes on").result(WAIT_S).offset == len(acked)
    assert log.spans([SLICE]) == {SLICE: Span(0, len(acked) + 1)}
    log.close()
    assert _read_all(small_disk, len(acked) + 1) == [*acked, b"goes on"]
