"""How far a slice was acknowledged is known beside the database, so that the log itself sees what the database lost."""

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import wait
from pathlib import Path
from unittest.mock import patch

import apsw
import pytest

from actors.adapters.embedded.database import OFFSETS_MAX, Database, Row
from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.marks import MARKS_NAME
from actors.errors import Corrupt, Unavailable
from actors.ports import Slice, Topic
from tests.disk.damage import PAGE_BYTES
from tests.disk.truth import WAIT_S

ONE, TWO = Slice("t", 0), Slice("t", 1)


def _killed(folder: Path) -> Path:
    """What is on the disk when a log with five frames of each slice is killed; its WAL ends with those of `TWO`."""
    log = LocalLog(folder / "running")
    log.create([Topic("t", 2)])
    for slice in (ONE, TWO):
        for n in range(5):
            log.append(slice, b"%d" % n).result(WAIT_S)
    shutil.copytree(folder / "running", folder / "left")
    log.close()
    return folder / "left"


def _cut_wal(folder: Path) -> None:
    """Lose the last three commits."""
    wal = folder / "log.db-wal"
    content = wal.read_bytes()
    wal.write_bytes(content[: len(content) - 3 * 8_216])


def _bodies(log: LocalLog, slice: Slice) -> list[bytes]:
    reader = log.reader()
    reader.assign({slice: 0})
    bodies: list[bytes] = []
    while len(bodies) < log.spans([slice])[slice].end:
        bodies += [fetched.frame for fetched in reader.poll(1_000)]
    return bodies


def test_frames_that_went_with_the_end_of_the_wal_are_named_and_other_slices_go_on(tmp_path: Path) -> None:
    folder = _killed(tmp_path)
    _cut_wal(folder)
    log = LocalLog(folder)
    with pytest.raises(Corrupt, match="acknowledged and are gone") as gone:
        _bodies(log, TWO)
    assert gone.value.position == "t/1/2"
    with pytest.raises(Unavailable, match="t/1/2 to 4") as refused:
        log.append(TWO, b"not on top of a hole").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    assert _bodies(log, ONE) == [b"0", b"1", b"2", b"3", b"4"]
    assert log.append(ONE, b"5").result(WAIT_S).offset == 5
    log.close()


def test_the_damage_is_still_known_after_another_start(tmp_path: Path) -> None:
    folder = _killed(tmp_path)
    _cut_wal(folder)
    LocalLog(folder).close()
    log = LocalLog(folder)
    with pytest.raises(Corrupt, match="acknowledged and are gone"):
        _bodies(log, TWO)
    log.close()


def test_without_its_marks_a_log_goes_on_from_what_is_there(tmp_path: Path) -> None:
    folder = _killed(tmp_path)
    _cut_wal(folder)
    (folder / MARKS_NAME).unlink()
    log = LocalLog(folder)
    assert _bodies(log, TWO) == [b"0", b"1"]
    assert log.append(TWO, b"2 again").result(WAIT_S).offset == 2
    log.close()


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, bytes(64)], ids=["cut", "rubbish", "zeros"])
def test_marks_that_a_power_cut_took_are_written_again(tmp_path: Path, content: bytes) -> None:
    folder = _killed(tmp_path)
    marks = (folder / MARKS_NAME).read_bytes()
    (folder / MARKS_NAME).write_bytes(content)
    log = LocalLog(folder)
    assert _bodies(log, TWO) == [b"0", b"1", b"2", b"3", b"4"]
    log.append(ONE, b"5").result(WAIT_S)
    log.append(TWO, b"5").result(WAIT_S)
    log.close()
    assert len((folder / MARKS_NAME).read_bytes()) == len(marks)


def test_a_log_whose_database_is_gone_does_not_begin_anew(tmp_path: Path) -> None:
    folder = _killed(tmp_path)
    (folder / "log.db").unlink()
    (folder / "log.db-wal").unlink()
    log = LocalLog(folder)
    log.create([Topic("t", 2)])
    with pytest.raises(Unavailable, match="t/0/0 to 4"):
        log.append(ONE, b"first").result(WAIT_S)
    log.close()


def test_a_page_that_cannot_be_read_is_the_trouble_of_its_slice_alone(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    log.create([Topic("t", 2)])
    for slice in (ONE, TWO):
        for n in range(20):
            log.append(slice, b"%d-%d " % (slice.partition, n) + bytes(3_000)).result(WAIT_S)
    log.close()
    content = bytearray((tmp_path / "log.db").read_bytes())
    page = content.index(b"1-19 ") // PAGE_BYTES * PAGE_BYTES
    content[page] ^= 0xFF
    (tmp_path / "log.db").write_bytes(content)
    log = LocalLog(tmp_path)
    with pytest.raises(Corrupt):
        _bodies(log, TWO)
    with pytest.raises(Unavailable, match=r"t/1 cannot be read") as refused:
        log.append(TWO, b"lost").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    assert len(_bodies(log, ONE)) == 20
    assert log.append(ONE, b"goes on").result(WAIT_S).offset == 20
    log.close()


def test_a_page_that_turns_out_to_be_damaged_ends_the_appends_of_its_slice_alone(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    log.create([Topic("t", 2)])
    append = Database.append

    def damaged(self: Database, rows: Sequence[Row], keyed: Iterable[tuple[int, bytes, int]]) -> None:
        if any(row.place >= OFFSETS_MAX for row in rows):
            raise apsw.CorruptError("the page is damaged")
        append(self, rows, keyed)

    with patch.object(Database, "append", damaged):
        futures = [log.append(slice, b"x") for slice in (ONE, TWO) * 50]
        wait(futures, WAIT_S)
    assert [future.exception() is None for future in futures] == [True, False] * 50
    with pytest.raises(Unavailable, match="the page is damaged") as refused:
        log.append(TWO, b"later").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    assert len(_bodies(log, ONE)) == 50
    log.close()
