"""What every implementation of `Objects` must do."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.memory_states import MemoryObjects
from actors.adapters.objects import FolderObjects, StoreObjects, open_objects
from actors.errors import NotFound, SetupError, Unavailable
from actors.ports import Objects
from tests.contracts.s3_server import Server, s3_server


class ObjectsContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self, tmp_path: Path) -> Objects:
        """The implementation under test, empty."""

    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects:
        return self.make(tmp_path)

    def test_bytes_come_back_as_they_were_put(self, objects: Objects) -> None:
        objects.put("a/b/c", b"\x00\xffbytes")
        assert objects.get("a/b/c") == b"\x00\xffbytes"

    def test_empty_bytes_are_an_object(self, objects: Objects) -> None:
        objects.put("empty", b"")
        assert objects.get("empty") == b""
        assert objects.list("") == ["empty"]

    def test_a_file_comes_back_as_a_file(self, objects: Objects, tmp_path: Path) -> None:
        content = os.urandom(7_000_001)
        (tmp_path / "source").write_bytes(content)
        objects.put("big/file", tmp_path / "source")
        objects.fetch("big/file", tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == content
        assert objects.get("big/file") == content

    def test_put_replaces_what_was_there(self, objects: Objects) -> None:
        objects.put("a", b"a longer text")
        objects.put("a", b"short")
        assert objects.get("a") == b"short"

    def test_what_is_absent_is_not_found(self, objects: Objects, tmp_path: Path) -> None:
        objects.put("a/b", b"1")
        for name in ("a", "a/b/c", "x"):
            with pytest.raises(NotFound):
                objects.get(name)
            with pytest.raises(NotFound):
                objects.fetch(name, tmp_path / "target")

    def test_list_gives_names_by_prefix_of_letters_in_order(self, objects: Objects) -> None:
        for name in ("p/10", "p/2", "p/1", "pq/1", "q"):
            objects.put(name, b"1")
        assert objects.list("p") == ["p/1", "p/10", "p/2", "pq/1"]
        assert objects.list("p/") == ["p/1", "p/10", "p/2"]
        assert objects.list("p/1") == ["p/1", "p/10"]
        assert objects.list("nothing/") == []
        assert objects.list("") == ["p/1", "p/10", "p/2", "pq/1", "q"]

    def test_a_deleted_name_is_gone_and_deleting_it_again_is_no_error(self, objects: Objects) -> None:
        objects.put("a/b", b"1")
        objects.delete("a/b")
        objects.delete("a/b")
        assert objects.list("") == []
        with pytest.raises(NotFound):
            objects.get("a/b")


class TestMemoryObjects(ObjectsContract):
    def make(self, tmp_path: Path) -> Objects:
        del tmp_path
        return MemoryObjects()


class TestFolderObjects(ObjectsContract):
    def make(self, tmp_path: Path) -> Objects:
        return open_objects(tmp_path / "objects")

    def test_objects_outlive_the_process_that_put_them(self, objects: Objects, tmp_path: Path) -> None:
        objects.put("a/b", b"1")
        assert FolderObjects(tmp_path / "objects").get("a/b") == b"1"

    def test_a_put_that_fails_half_way_leaves_what_was_there(self, objects: Objects, tmp_path: Path) -> None:
        objects.put("a", b"before")
        with pytest.raises(Unavailable):
            objects.put("a", tmp_path)  # a folder cannot be read as a file
        assert objects.get("a") == b"before"
        assert [path.name for path in (tmp_path / "objects").iterdir()] == ["a"]

    def test_bytes_and_names_are_synced_before_put_returns(
        self, objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[str] = []
        real = os.fsync

        def fsync(handle: int) -> None:
            synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        objects.put("new/name", b"1")
        assert synced[0] == "objects"
        assert synced[1].startswith(".part-")
        assert synced[2] == "new"
        assert tmp_path.exists()

    def test_a_part_left_by_a_crash_is_never_listed_and_goes_once_it_is_old(self, tmp_path: Path) -> None:
        folder = tmp_path / "objects"
        objects = FolderObjects(folder)
        objects.put("a", b"1")
        (folder / ".part-1-old").write_bytes(b"half")
        (folder / ".part-1-young").write_bytes(b"half")
        os.utime(folder / ".part-1-old", (0, 0))
        assert FolderObjects(folder).list("") == ["a"]
        assert sorted(path.name for path in folder.iterdir()) == [".part-1-young", "a"]

    @pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a"])
    def test_a_name_cannot_lead_out_of_the_folder(self, objects: Objects, name: str) -> None:
        with pytest.raises(AssertionError):
            objects.put(name, b"1")

    def test_a_file_url_is_a_folder(self, tmp_path: Path) -> None:
        open_objects(f"file://{tmp_path}/o").put("a", b"1")
        assert (tmp_path / "o" / "a").read_bytes() == b"1"

    def test_a_place_that_cannot_be_a_folder_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(SetupError, match="Choose a folder that can be written"):
            open_objects(tmp_path / "file" / "objects")


class TestStoreObjectsInMemory(ObjectsContract):
    def make(self, tmp_path: Path) -> Objects:
        del tmp_path
        return open_objects("memory:///")


class TestStoreObjectsOnS3(ObjectsContract):
    @pytest.fixture(autouse=True)
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        with s3_server() as server:
            monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            monkeypatch.setenv("AWS_REGION", "here")
            yield server

    def make(self, tmp_path: Path) -> Objects:
        del tmp_path
        return StoreObjects("s3://bucket/prefix")

    def test_names_stand_under_the_prefix_of_the_url(self, objects: Objects, server: Server) -> None:
        objects.put("a/b", b"1")
        assert list(server.objects) == ["prefix/a/b"]

    def test_a_store_that_refuses_is_unavailable_and_says_where(self, objects: Objects, server: Server) -> None:
        server.broken = True
        with pytest.raises(Unavailable, match="s3://bucket/prefix did not serve a/b"):
            objects.put("a/b", b"1")
        with pytest.raises(Unavailable):
            objects.list("a/")


@pytest.mark.parametrize("url", ["ftp://host/path", "s3://", "az://container-without-account"])
def test_a_url_that_names_no_store_says_what_to_give(url: str) -> None:
    with pytest.raises(SetupError, match="Give a folder"):
        open_objects(url)
