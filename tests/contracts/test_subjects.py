"""What the keys of persons must do in every implementation, and what a folder keeps of one that was destroyed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors.adapters.keyfile import MASTER_FILE
from actors.adapters.keyring import FileKeys
from actors.adapters.memory_keys import MemorySubjects
from actors.adapters.subjects import FILE, KEY_BYTES, FileSubjects
from actors.errors import SetupError, Unavailable
from actors.ports import Subjects
from actors.sealing import DAY_MS, nobody


class SubjectsContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self, folder: Path) -> Subjects:
        """The implementation under test."""

    @pytest.fixture
    def subjects(self, tmp_path: Path) -> Iterator[Subjects]:
        subjects = self.make(tmp_path)
        yield subjects
        subjects.close()

    def test_a_subject_has_no_key_until_one_is_made_and_then_always_the_same(self, subjects: Subjects) -> None:
        assert subjects.find("ann") is None
        subjects.make(["ann", "bob"])
        first = subjects.find("ann")
        assert first is not None
        assert len(first) == KEY_BYTES
        subjects.make(["bob", "ann"])
        assert subjects.find("ann") == first != subjects.find("bob")

    def test_what_is_destroyed_never_gets_another_key(self, subjects: Subjects) -> None:
        subjects.make(["ann"])
        subjects.destroy(["ann", "never-made"], 5)
        subjects.make(["ann", "never-made"])
        assert subjects.find("ann") == subjects.find("never-made") == b""

    def test_the_word_grows_with_what_is_destroyed_and_with_nothing_else(self, subjects: Subjects) -> None:
        assert subjects.destroyed_count() == 0
        subjects.make(["ann", "bob"])
        assert subjects.destroyed_count() == 0
        subjects.destroy(["ann"], 1)
        assert subjects.destroyed_count() == 1
        subjects.destroy(["ann"], 2)
        assert subjects.destroyed_count() == 1
        subjects.destroy(["ann", "bob", "cat"], 3)
        assert subjects.destroyed_count() == 3

    def test_what_was_destroyed_is_known_by_its_first_time(self, subjects: Subjects) -> None:
        subjects.destroy(["ann"], 10)
        subjects.destroy(["bob"], 20)
        subjects.destroy(["ann"], 30)
        assert sorted(subjects.destroyed(0)) == ["ann", "bob"]
        assert list(subjects.destroyed(11)) == ["bob"]
        assert list(subjects.destroyed(21)) == []

    def test_a_login_is_the_person_it_was_first_until_that_is_destroyed(self, subjects: Subjects) -> None:
        assert subjects.enrol("by ann", "p1") == "p1"
        assert subjects.enrol("by ann", "p2") == "p1"
        assert subjects.enrol("by bob", "p3") == "p3"
        subjects.destroy(["p1"], 1)
        assert subjects.enrol("by ann", "p4") == "p4"
        assert subjects.enrol("by bob", "p5") == "p3"

    def test_those_of_nobody_in_particular_are_found_until_they_are_destroyed(self, subjects: Subjects) -> None:
        assert list(subjects.of_nobody()) == []
        days = [nobody("parking", day * DAY_MS) for day in (1, 2, 3)]
        subjects.make(["ann", "parking/ann", *days])
        assert sorted(subjects.of_nobody()) == days
        subjects.destroy(days[:2], 1)
        assert list(subjects.of_nobody()) == days[2:]

    def test_whoever_makes_keys_at_once_makes_one(self, subjects: Subjects) -> None:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(5):
                list(pool.map(subjects.make, [["ann"]] * 8))
            found = set(pool.map(subjects.find, ["ann"] * 8))
        assert len(found) == 1
        assert found == {subjects.find("ann")}


class TestMemorySubjects(SubjectsContract):
    def make(self, folder: Path) -> Subjects:
        del folder
        return MemorySubjects()


class TestFileSubjects(SubjectsContract):
    def make(self, folder: Path) -> Subjects:
        return FileSubjects(folder)

    def test_another_process_sees_what_was_made_and_destroyed_at_once(self, tmp_path: Path) -> None:
        first, second = FileSubjects(tmp_path), FileSubjects(tmp_path)
        first.make(["ann"])
        assert second.find("ann") == first.find("ann")
        assert (first.destroyed_count(), second.destroyed_count()) == (0, 0)
        second.destroy(["ann"], 1)
        assert (first.destroyed_count(), second.destroyed_count()) == (1, 1)
        assert first.find("ann") == b""

    def test_to_look_for_those_of_nobody_makes_no_file(self, tmp_path: Path) -> None:
        assert list(FileSubjects(tmp_path / "keys").of_nobody()) == []
        assert not (tmp_path / "keys").exists()

    def test_files_are_for_their_owners_eyes_and_hold_no_key_in_the_clear(self, tmp_path: Path) -> None:
        subjects = FileSubjects(tmp_path)
        subjects.make(["ann"])
        key = subjects.find("ann")
        assert key
        assert {MASTER_FILE, FILE} <= {file.name for file in tmp_path.iterdir()}
        for file in tmp_path.iterdir():
            assert not file.stat().st_mode & 0o077, file.name
            assert key not in file.read_bytes(), file.name

    def test_a_destroyed_key_and_its_login_are_gone_from_the_files_wrapped_or_not(self, tmp_path: Path) -> None:
        subjects = FileSubjects(tmp_path)
        subjects.make([f"p{number}" for number in range(60)])
        for number in range(60):
            subjects.enrol(f"login-of-{number}-here", f"p{number}")
        database: Any = apsw.Connection(str(tmp_path / FILE))
        wrapped = dict(database.execute("SELECT name, key FROM subjects"))
        database.close()
        gone = [f"p{number}" for number in range(0, 60, 3)]
        subjects.destroy(gone, 1)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert {name for name, key in wrapped.items() if key not in content} == set(gone)
        assert {f"p{n}" for n in range(60) if f"login-of-{n}-here".encode() not in content} == set(gone)
        subjects.close()
        assert {file.name for file in tmp_path.iterdir()} == {FILE, MASTER_FILE}

    def test_whoever_reads_does_not_wait_for_whoever_makes_keys(self, tmp_path: Path) -> None:
        subjects, maker = FileSubjects(tmp_path), FileSubjects(tmp_path)
        subjects.make(["ann"])
        database: Any = apsw.Connection(str(tmp_path / FILE))
        database.set_busy_timeout(0)
        database.execute("BEGIN EXCLUSIVE")
        assert (maker.find("ann"), maker.destroyed_count()) == (subjects.find("ann"), 0)
        database.execute("COMMIT")
        database.close()

    def test_nobody_is_told_of_an_end_while_somebody_still_reads_what_was_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actors.adapters.keyfile.BUSY_MS_MAX", 10)
        subjects = FileSubjects(tmp_path)
        subjects.make(["ann"])
        reader: Any = apsw.Connection(str(tmp_path / FILE))
        reader.execute("BEGIN")
        assert list(reader.execute("SELECT name FROM subjects")) == [("ann",)]
        with pytest.raises(Unavailable):
            subjects.destroy(["ann"], 1)
        reader.execute("COMMIT")
        subjects.destroy(["ann"], 1)
        assert subjects.find("ann") == b""
        reader.close()

    def test_it_has_the_master_key_of_the_keyring_beside_it_and_never_makes_it_anew(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        subjects = FileSubjects(tmp_path)
        subjects.make(["ann"])
        subjects.close()
        (tmp_path / MASTER_FILE).unlink()
        for missing in (lambda: FileSubjects(tmp_path).find("ann"), lambda: FileKeys(tmp_path)):
            with pytest.raises(SetupError, match="missing"):
                missing()
        (tmp_path / MASTER_FILE).write_bytes(b"x" * 32)
        (tmp_path / MASTER_FILE).chmod(0o600)
        with pytest.raises(SetupError, match="not the master key"):
            FileSubjects(tmp_path).find("ann")

    def test_a_file_that_holds_no_keys_is_named(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        (tmp_path / FILE).write_bytes(b"not a database at all" * 100)
        with pytest.raises(Unavailable, match=r"subjects\.db"):
            FileSubjects(tmp_path).find("ann")
