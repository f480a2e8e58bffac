"""What every implementation of `States` and `Store` must do."""

import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.adapters.memory_states import MemoryStates
from actors.adapters.rocksdb import RocksStates
from actors.errors import Corrupt, SetupError, Unavailable
from actors.ports import Batch, States, Store

KEY = st.binary(min_size=1, max_size=3)
BATCH = st.builds(
    Batch,
    puts=st.dictionaries(KEY, st.binary(max_size=4), max_size=6),
    deletes=st.lists(KEY, max_size=3),
    delete_ranges=st.lists(st.tuples(KEY, KEY), max_size=2),
)
EVERYTHING = (b"", b"\xff" * 4)


def apply(model: dict[bytes, bytes], batch: Batch) -> None:
    """What a batch means, in four lines."""
    for start, end in batch.delete_ranges:
        for key in [key for key in model if start <= key < end]:
            del model[key]
    model.update(batch.puts)
    for key in batch.deletes:
        model.pop(key, None)


class StatesContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self) -> States:
        """The implementation under test."""

    @pytest.fixture
    def states(self) -> States:
        return self.make()

    @pytest.fixture
    def store(self, states: States, tmp_path: Path) -> Iterator[Store]:
        store = states.open(tmp_path / "store")
        yield store
        store.close()

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.get([b"a"]) == [None]
        assert store.scan(*EVERYTHING, limit=10) == []

    def test_get_answers_in_the_order_of_the_keys_and_none_for_absent_ones(self, store: Store) -> None:
        store.write(Batch(puts={b"a": b"1", b"b": b"2"}))
        assert store.get([b"b", b"x", b"a", b"b"]) == [b"2", None, b"1", b"2"]
        assert store.get([]) == []

    def test_an_empty_value_is_not_an_absent_one(self, store: Store) -> None:
        store.write(Batch(puts={b"a": b""}))
        assert store.get([b"a"]) == [b""]

    def test_scan_is_ordered_by_bytes_and_leaves_the_end_out(self, store: Store) -> None:
        store.write(Batch(puts=dict.fromkeys((b"b", b"a\xff", b"a", b"a\x00", b"c"), b"v")))
        assert [key for key, _ in store.scan(b"a", b"c", 10)] == [b"a", b"a\x00", b"a\xff", b"b"]

    def test_scan_stops_at_its_limit(self, store: Store) -> None:
        store.write(Batch(puts={bytes([number]): b"v" for number in range(20)}))
        assert [key[0] for key, _ in store.scan(b"\x03", b"\xff", 4)] == [3, 4, 5, 6]
        assert store.scan(b"\x03", b"\xff", 0) == []

    def test_scan_of_a_range_that_ends_before_it_starts_is_empty(self, store: Store) -> None:
        store.write(Batch(puts={b"a": b"1", b"b": b"2"}))
        assert store.scan(b"b", b"a", 10) == []

    def test_ranges_go_before_puts_of_the_same_batch(self, store: Store) -> None:
        store.write(Batch(puts={b"a1": b"old", b"a2": b"old", b"b": b"old"}))
        store.write(Batch(puts={b"a2": b"new"}, delete_ranges=[(b"a", b"b")]))
        assert store.scan(*EVERYTHING, limit=10) == [(b"a2", b"new"), (b"b", b"old")]

    def test_what_was_written_is_there_after_reopening(self, states: States, tmp_path: Path) -> None:
        store = states.open(tmp_path / "s")
        store.write(Batch(puts={b"a": b"1", b"b": b"2"}))
        store.write(Batch(deletes=[b"a"]))
        store.close()
        again = states.open(tmp_path / "s")
        assert again.get([b"a", b"b"]) == [None, b"2"]
        again.close()

    def test_a_store_that_is_open_cannot_be_opened_again(self, states: States, tmp_path: Path) -> None:
        store = states.open(tmp_path / "s")
        with pytest.raises(Unavailable):
            states.open(tmp_path / "s")
        store.close()
        states.open(tmp_path / "s").close()

    def test_stores_of_different_folders_know_nothing_of_each_other(self, states: States, tmp_path: Path) -> None:
        one, other = states.open(tmp_path / "1"), states.open(tmp_path / "2")
        one.write(Batch(puts={b"a": b"1"}))
        assert other.get([b"a"]) == [None]
        one.close()
        other.close()

    def test_a_removed_folder_is_a_new_store(self, states: States, tmp_path: Path) -> None:
        store = states.open(tmp_path / "s")
        store.write(Batch(puts={b"a": b"1"}))
        store.close()
        shutil.rmtree(tmp_path / "s")
        store = states.open(tmp_path / "s")
        assert store.get([b"a"]) == [None]
        store.close()

    def test_a_checkpoint_opens_as_a_store_with_what_was_written_before_it(
        self, states: States, store: Store, tmp_path: Path
    ) -> None:
        store.write(Batch(puts={b"a": b"1"}))
        store.checkpoint(tmp_path / "deep" / "checkpoint")
        store.write(Batch(puts={b"a": b"2", b"b": b"2"}))
        copy = states.open(tmp_path / "deep" / "checkpoint")
        assert copy.scan(*EVERYTHING, limit=10) == [(b"a", b"1")]
        copy.write(Batch(puts={b"c": b"3"}))
        assert store.scan(*EVERYTHING, limit=10) == [(b"a", b"2"), (b"b", b"2")]
        copy.close()

    def test_a_checkpoint_opens_wherever_it_was_copied_and_in_another_process(
        self, store: Store, tmp_path: Path
    ) -> None:
        store.write(Batch(puts={b"a": b"1"}))
        store.checkpoint(tmp_path / "checkpoint")
        shutil.copytree(tmp_path / "checkpoint", tmp_path / "copy")
        copy = self.make().open(tmp_path / "copy")
        assert copy.get([b"a"]) == [b"1"]
        copy.close()

    def test_a_checkpoint_needs_a_fresh_folder(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        with pytest.raises(AssertionError):
            store.checkpoint(tmp_path / "there")

    def test_a_store_behaves_as_a_sorted_dict(self, store: Store) -> None:
        @settings(max_examples=60, deadline=None)
        @given(batches=st.lists(BATCH, max_size=5), bounds=st.tuples(KEY, KEY), limit=st.integers(0, 8))
        def check(batches: list[Batch], bounds: tuple[bytes, bytes], limit: int) -> None:
            store.write(Batch(delete_ranges=[EVERYTHING]))
            model: dict[bytes, bytes] = {}
            for batch in batches:
                store.write(batch)
                apply(model, batch)
            assert store.scan(*EVERYTHING, limit=1_000) == sorted(model.items())
            start, end = bounds
            inside = [(key, value) for key, value in sorted(model.items()) if start <= key < end]
            assert store.scan(start, end, limit) == inside[:limit]
            asked = [*model, b"none"]
            assert store.get(asked) == [model.get(key) for key in asked]

        check()


class TestMemoryStates(StatesContract):
    def make(self) -> States:
        return MemoryStates()


class TestRocksStates(StatesContract):
    def make(self) -> States:
        return RocksStates(shared_cache_bytes=1 << 20)

    def test_a_store_held_by_another_process_names_the_folder_and_the_way_out(self, tmp_path: Path) -> None:
        holder = _child("store = states.open(folder); print('open', flush=True); sys.stdin.read()", tmp_path / "s")
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(Unavailable, match=r"held by another process.*end it"):
            self.make().open(tmp_path / "s")
        _kill(holder)
        self.make().open(tmp_path / "s").close()

    def test_what_was_written_survives_the_kill_of_the_process(self, tmp_path: Path) -> None:
        writer = _child(
            "store = states.open(folder)\n"
            "for key in [b'%03d' % number for number in range(500)]:\n"
            "    store.write(Batch(puts={key: bytes(300), b'last': key}))\n"
            "print('written', flush=True); sys.stdin.read()",
            tmp_path / "s",
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        _kill(writer)
        store = self.make().open(tmp_path / "s")
        assert store.get([b"last"]) == [b"499"]
        assert len(store.scan(*EVERYTHING, limit=1_000)) == 501
        store.close()

    def test_a_changed_block_is_corrupt_when_it_is_read(self, tmp_path: Path) -> None:
        checkpoint = self._checkpoint(tmp_path)
        _flip_in_the_middle(next(checkpoint.glob("*.sst")))
        store = self.make().open(checkpoint)
        with pytest.raises(Corrupt, match="rebuilt from its newest snapshot"):
            store.scan(*EVERYTHING, limit=1_000_000)
        store.close()

    @pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST*", "*.sst"])
    def test_a_missing_file_is_corrupt_on_opening(self, tmp_path: Path, pattern: str) -> None:
        checkpoint = self._checkpoint(tmp_path)
        next(checkpoint.glob(pattern)).unlink()
        with pytest.raises(Corrupt) as caught:
            self.make().open(checkpoint)
        assert caught.value.position == str(checkpoint)

    @pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST*"])
    def test_a_changed_manifest_is_corrupt_on_opening_and_never_an_empty_store(
        self, tmp_path: Path, pattern: str
    ) -> None:
        checkpoint = self._checkpoint(tmp_path)
        _flip_in_the_middle(next(checkpoint.glob(pattern)))
        with pytest.raises(Corrupt):
            self.make().open(checkpoint)

    def test_a_folder_that_cannot_be_made_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(SetupError, match="Make the folder writable"):
            self.make().open(tmp_path / "file" / "store")

    def _checkpoint(self, tmp_path: Path) -> Path:
        store = self.make().open(tmp_path / "s")
        store.write(Batch(puts={b"%05d" % number: os.urandom(64) for number in range(5_000)}))
        store.checkpoint(tmp_path / "checkpoint")
        store.close()
        return tmp_path / "checkpoint"


def _flip_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    # A new file: the old one is a hard link into the store it was taken from.
    path.unlink()
    path.write_bytes(content)


def _child(body: str, folder: Path) -> "subprocess.Popen[str]":
    head = (
        "import sys\nfrom pathlib import Path\nfrom actors.adapters.rocksdb import RocksStates\n"
        "from actors.ports import Batch\nstates, folder = RocksStates(), Path(sys.argv[1])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + body, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _kill(child: "subprocess.Popen[str]") -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()
