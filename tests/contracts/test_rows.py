"""What every implementation of `Rows` must do, and what a file of them does when it is killed or damaged."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.adapters.memory_states import MemoryRows
from actors.adapters.readmodels import SqliteRows
from actors.errors import Corrupt, Unavailable
from actors.ports import Add, Place, Put, Rows, Slice
from actors.projections.reading import Listing, Projection
from actors.projections.search import Listed, Query

TABLES = (
    Projection("debts", ("who", "amount"), (), "", fold=lambda _: ()),
    Projection("visits", ("who",), (), "", fold=lambda _: ()),
    Projection("uses", ("uses",), (), "", fold=lambda _: ()),
)
HERE, THERE = Slice("hutong.events.box.v1", 0), Slice("hutong.events.box.v1", 1)
LAST = Place(7, (0, 6, 2, 1))
PUT = st.builds(
    Put,
    st.just("debts"),
    st.sampled_from(("a", "b", "c")),
    st.tuples(st.sampled_from(("ann", "ben")), st.integers(0, 9)),
)
ADD = st.builds(Add, st.just("uses"), st.sampled_from(("a", "b")), st.integers(-2, 5))
WRITES = st.lists(
    st.tuples(st.lists(PUT | ADD, max_size=4), st.dictionaries(st.sampled_from((HERE, THERE)), st.just(LAST)))
)


class RowsContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self, folder: Path) -> Rows:
        """The implementation under test."""

    @pytest.fixture
    def rows(self, tmp_path: Path) -> Iterator[Rows]:
        rows = self.make(tmp_path)
        yield rows
        rows.close()

    def test_new_ones_are_empty(self, rows: Rows) -> None:
        assert rows.places() == {}
        assert rows.find("debts", {}, 10) == []

    def test_rows_and_places_change_together_and_the_last_of_a_key_wins(self, rows: Rows) -> None:
        rows.write(
            [Put("debts", "k", ("ann", 5)), Put("debts", "k", ("ann", 6)), Put("visits", "k", ("ben",))], {HERE: LAST}
        )
        rows.write([Put("debts", "j", ("ben", 1))], {THERE: Place(1)})
        assert rows.find("debts", {}, 10) == [("j", "ben", 1), ("k", "ann", 6)]
        assert rows.find("visits", {}, 10) == [("k", "ben")]
        assert rows.places() == {HERE: LAST, THERE: Place(1)}

    def test_rows_are_found_by_what_stands_in_them_up_to_a_number(self, rows: Rows) -> None:
        rows.write([Put("debts", str(n), ("ann" if n % 2 else "ben", n % 3)) for n in range(9)], {})
        assert rows.find("debts", {"who": "ann"}, 2) == [("1", "ann", 1), ("3", "ann", 0)]
        assert rows.find("debts", {"who": "ben", "amount": 2}, 9) == [("2", "ben", 2), ("8", "ben", 2)]
        assert rows.find("debts", {"who": "' OR 1 --"}, 9) == []

    def test_what_is_added_up_is_the_sum_of_it_all(self, rows: Rows) -> None:
        rows.write([Add("uses", "bike", 2), Add("uses", "taxi", 1), Add("uses", "bike", 3)], {HERE: LAST})
        rows.write([Add("uses", "bike", 10)], {THERE: LAST})
        assert rows.find("uses", {}, 10) == [("bike", 15), ("taxi", 1)]

    def test_what_is_forgotten_was_never_there(self, rows: Rows) -> None:
        rows.write([Put("debts", "k", ("ann", 5))], {HERE: LAST})
        rows.forget()
        assert (rows.places(), rows.find("debts", {}, 10)) == ({}, [])
        rows.write([Put("debts", "k", ("ann", 5))], {HERE: LAST})
        assert rows.find("debts", {}, 10) == [("k", "ann", 5)]


class TestMemoryRows(RowsContract):
    def make(self, folder: Path) -> Rows:
        assert not list(folder.iterdir())
        return MemoryRows(TABLES)


class TestSqliteRows(RowsContract):
    def make(self, folder: Path) -> Rows:
        return SqliteRows(folder / "rows.db", TABLES, "as now")


@settings(max_examples=30)
@given(WRITES)
def test_both_hold_the_same_after_the_same_writes(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[list[Put | Add], dict[Slice, Place]]]
) -> None:
    memory, sqlite = MemoryRows(TABLES), SqliteRows(tmp_path_factory.mktemp("rows") / "rows.db", TABLES, "as now")
    for changes, places in writes:
        for rows in (memory, sqlite):
            rows.write(changes, places)
    for table in ("debts", "uses"):
        assert sqlite.find(table, {}, 99) == memory.find(table, {}, 99)
    assert sqlite.places() == memory.places()
    sqlite.close()


def shop(key: str, rows: Sequence[tuple[object, ...] | None]) -> Listed | None:
    """A shop with a title, ranked by its uses."""
    title, uses = rows
    return None if title is None else Listed(key, str(title[0]), uses=int(str(uses[0])) if uses else 0)


FOUND = Listing(("shops", "uses"), shop)
SHOPS = Projection("shops", ("title",), (), "", lambda _: (), FOUND)
USES = Projection("uses", ("uses",), (), "", lambda _: (), FOUND)


def test_what_is_found_is_made_of_all_its_rows_and_follows_each_of_them(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "rows.db", (SHOPS, USES), "as now")
    rows.write([Put("shops", "a", ("瑞幸",)), Put("shops", "b", ("瑞幸",)), Add("uses", "c", 9)], {})
    first, second = (one.program for one in rows.search(Query("瑞幸"), 9))
    rows.write([Add("uses", second, 7)], {})
    assert [one.program for one in rows.search(Query("瑞幸"), 9)] == [second, first]
    rows.write([Put("shops", "c", ("瑞幸",))], {})
    assert [(one.program, one.uses) for one in rows.search(Query("瑞幸"), 9)] == [("c", 9), (second, 7), (first, 0)]
    assert [one.program for one in rows.listed("a", 9)] == ["b", "c"]
    assert [one.program for one in rows.listed("", 2)] == ["a", "b"]
    rows.close()


def test_a_reader_knows_that_its_writer_has_made_another_file(tmp_path: Path) -> None:
    writer = SqliteRows(tmp_path / "rows.db", TABLES, "as now")
    reader = SqliteRows(tmp_path / "rows.db", TABLES)
    writer.write([Put("debts", "k", ("ann", 5))], {})
    assert reader.is_current()
    writer.forget()
    assert not reader.is_current()
    writer.close()
    for file in tmp_path.iterdir():
        file.unlink()
    assert not reader.is_current()
    reader.close()


def test_rows_that_are_listed_are_found_by_the_search_as_they_are_now(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "rows.db", (*TABLES, SHOPS), "as now")
    rows.write([Put("shops", "a", ("瑞幸咖啡",)), Put("shops", "b", ("Luckin Tea",)), Put("debts", "a", ("茶", 1))], {})
    rows.write([Put("shops", "a", ("瑞幸奶茶",))], {HERE: LAST})
    reader = SqliteRows(tmp_path / "rows.db", (*TABLES, SHOPS))
    for each in (rows, reader):
        assert [one.program for one in each.search(Query("瑞幸"), 9)] == ["a"]
        assert [one.program for one in each.search(Query("lukcin"), 9)] == ["b"]
        assert each.search(Query("咖啡"), 9) == []
    rows.forget()
    assert rows.search(Query("瑞幸"), 9) == []
    rows.write([Put("shops", "c", ("瑞幸",))], {})
    rows.close()
    other = SqliteRows(tmp_path / "rows.db", (SHOPS, USES), "other")
    assert other.search(Query("瑞幸"), 9) == []
    other.write([Put("shops", "d", ("瑞幸",))], {})
    assert [one.program for one in other.search(Query("瑞幸"), 9)] == ["d"]
    other.close()
    reader.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rows with one row, closed."""
    path = tmp_path / "rows.db"
    rows = SqliteRows(path, TABLES, "as now")
    rows.write([Put("debts", "k", ("ann", 5))], {HERE: LAST})
    rows.close()
    return path


def test_rows_stay_until_they_hang_on_other_terms(file: Path) -> None:
    again = SqliteRows(file, TABLES, "as now")
    assert (again.find("debts", {}, 9), again.places()) == ([("k", "ann", 5)], {HERE: LAST})
    again.close()
    other = SqliteRows(file, TABLES[:1], "other")
    assert (other.find("debts", {}, 9), other.places()) == ([], {})
    other.close()


def test_a_reader_sees_what_is_written_beside_it_and_changes_nothing(file: Path) -> None:
    writer, reader = SqliteRows(file, TABLES, "as now"), SqliteRows(file, TABLES)
    writer.write([Put("debts", "l", ("ben", 1))], {THERE: LAST})
    assert reader.find("debts", {}, 9) == [("k", "ann", 5), ("l", "ben", 1)]
    assert reader.places() == {HERE: LAST, THERE: LAST}
    with pytest.raises(apsw.ReadOnlyError):
        reader.write([Put("debts", "m", ("ben", 1))], {})
    for rows in (reader, writer):
        rows.close()
    other = Projection("others", ("who",), (), "", fold=lambda _: ())
    stranger = SqliteRows(file, [other])
    with pytest.raises(Unavailable, match="being made"):
        stranger.find("others", {}, 9)
    stranger.close()
    with pytest.raises(Unavailable, match="cannot be used"):
        SqliteRows(file.with_name("absent.db"), TABLES)


def test_a_damaged_file_is_made_anew_by_its_writer_and_named_to_its_reader(file: Path) -> None:
    file.write_bytes(b"no database, this is, but rather a long sentence about nothing" * 200)
    with pytest.raises(Corrupt, match="damaged"):
        SqliteRows(file, TABLES).places()
    writer = SqliteRows(file, TABLES, "as now")
    assert (writer.find("debts", {}, 9), writer.places()) == ([], {})
    writer.close()
