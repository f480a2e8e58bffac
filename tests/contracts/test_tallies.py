"""What is counted and used once must be so in every implementation, over threads and over processes' own openings."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.adapters import tallies as files
from actors.adapters.memory_keys import MemoryTallies
from actors.adapters.tallies import FILE, FileTallies
from actors.errors import Overloaded, Unavailable
from actors.ports import Tallies

MINUTE_MS = 60_000


class TalliesContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self, folder: Path) -> Tallies:
        """The implementation under test."""

    @pytest.fixture
    def tallies(self, tmp_path: Path) -> Iterator[Tallies]:
        tallies = self.make(tmp_path)
        yield tallies
        tallies.close()

    def test_so_many_are_counted_in_a_period_and_not_one_more(self, tallies: Tallies) -> None:
        assert [tallies.count("ann", MINUTE_MS, 2, now_ms) for now_ms in (0, 1, 2, 59_999)] == [
            True,
            True,
            False,
            False,
        ]
        assert tallies.count("bob", MINUTE_MS, 2, 3)
        assert [tallies.count("ann", MINUTE_MS, 2, now_ms) for now_ms in (60_000, 60_001, 60_002)] == [
            True,
            True,
            False,
        ]

    def test_a_greater_bound_lets_more_through_in_the_same_period(self, tallies: Tallies) -> None:
        assert [tallies.count("ann", MINUTE_MS, most, 0) for most in (1, 1, 2, 2)] == [True, False, True, False]

    def test_what_was_used_may_be_used_again_by_the_same_alone_until_it_is_over(self, tallies: Tallies) -> None:
        assert tallies.use("token", b"first", 100, 0)
        assert tallies.use("token", b"first", 100, 1)
        assert not tallies.use("token", b"second", 100, 99)
        assert tallies.use("another", b"second", 100, 99)
        assert tallies.use("token", b"second", 200, 100), "what is over is refused by its own time"

    def test_whoever_counts_at_once_is_counted(self, tallies: Tallies) -> None:
        def count(_: int) -> bool:
            return tallies.count("ann", MINUTE_MS, 20, 0)

        def use(n: int) -> bool:
            return tallies.use("token", bytes([n]), 100, 0)

        with ThreadPoolExecutor(8) as pool:
            let, used = list(pool.map(count, range(50))), list(pool.map(use, range(20)))
        assert (sum(let), sum(used)) == (20, 1)


class TestMemoryTallies(TalliesContract):
    def make(self, folder: Path) -> Tallies:
        del folder
        return MemoryTallies()


class TestFileTallies(TalliesContract):
    def make(self, folder: Path) -> Tallies:
        return FileTallies(folder)

    def test_every_gateway_of_the_machine_counts_the_same_and_so_does_the_next(self, tmp_path: Path) -> None:
        first, second = FileTallies(tmp_path), FileTallies(tmp_path)
        assert first.count("ann", MINUTE_MS, 2, 0)
        assert second.count("ann", MINUTE_MS, 2, 0)
        assert not first.count("ann", MINUTE_MS, 2, 0)
        assert first.use("token", b"first", 100, 0)
        assert not second.use("token", b"second", 100, 0)
        for each in (first, second):
            each.close()
        third = FileTallies(tmp_path)
        assert not third.count("ann", MINUTE_MS, 2, 0)
        assert not third.use("token", b"second", 100, 0)
        third.close()
        assert (tmp_path / FILE).stat().st_mode & 0o077 == 0

    def test_it_keeps_so_much_and_forgets_what_is_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "TALLIES_MAX", 3)
        tallies = self.make(tmp_path)
        assert [tallies.use(name, b"", 100, 0) for name in "abc"] == [True] * 3
        with pytest.raises(Overloaded):
            tallies.use("d", b"", 100, 0)
        with pytest.raises(Overloaded):
            tallies.count("d", MINUTE_MS, 1, 0)
        assert tallies.use("a", b"", 100, 50), "what is known is still known"
        assert tallies.use("d", b"", 200, 100)
        tallies.close()

    def test_a_file_that_holds_no_tallies_is_named(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(b"not a database at all" * 100)
        with pytest.raises(Unavailable, match=r"tallies\.sqlite"):
            FileTallies(tmp_path).count("ann", MINUTE_MS, 1, 0)
