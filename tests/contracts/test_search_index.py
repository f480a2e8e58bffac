"""The search index in SQLite says what a list of all programs says, whatever was put into it and in which order."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.adapters.searching import COMMON, FEW, MERGE_MIN, SIMILAR_MAX, SearchIndex, open_index
from actors.errors import InvalidCommand
from actors.projections import search
from actors.projections.search import Listed, Query, Wanted
from loadtests.city.names import programs, typed
from loadtests.city.search import measure

GUANGZHOU = (23.1291, 113.2644)
MADE = list(programs(400))
TYPED = [one.query for one in typed(MADE, 200)]


class Reference:
    """The programs in a dict; every query looks at all of them."""

    def __init__(self) -> None:
        self.listed: dict[str, tuple[Listed, frozenset[str]]] = {}

    def put(self, programs: list[Listed], dropped: list[str]) -> None:
        for program in dropped:
            self.listed.pop(program, None)
        self.listed |= {listed.program: (listed, frozenset(search.tokens_of(listed))) for listed in programs}

    def find(self, query: Query, hits_max: int) -> list[Listed]:
        hits = self._match(search.wanted(query))[:hits_max]
        if len(hits) < min(FEW, hits_max):
            words = [word for listed, _ in self.listed.values() for word in search.words_of(listed)]
            similar = {typed: _similar(typed, words) for typed in search.mistyped(query)}
            hits += [one for one in self._match(search.relaxed(query, similar))[:hits_max] if one not in hits]
        return hits[:hits_max]

    def _match(self, wanted: Wanted) -> list[Listed]:
        found = (one for one, tokens in self.listed.values() if any(tokens.issuperset(each) for each in wanted))
        return sorted(found, key=search.place_of)


def _similar(typed: str, words: list[str]) -> tuple[str, ...]:
    if words.count(typed) >= COMMON:
        return ()
    similar = {word for word in words if word != typed and search.is_one_slip(typed, word)}
    return tuple(sorted(similar, key=lambda word: (-words.count(word), word))[:SIMILAR_MAX])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    index = open_index(tmp_path / "search.db")
    yield index
    index.close()


def test_the_index_answers_as_the_whole_list_does(index: SearchIndex) -> None:
    reference = Reference()
    for at in range(0, len(MADE), 50):
        reference.put(MADE[at : at + 50], [])
        index.put(MADE[at : at + 50])
    for query in TYPED:
        assert index.find(query, 20) == reference.find(query, 20), query


NAME = st.text("瑞幸咖啡ab ", max_size=6) | st.sampled_from(("luckin", "lukcin", "luckin coffee", "coffee"))
CHANGES = st.lists(
    st.tuples(
        st.lists(
            st.builds(
                Listed,
                program=st.sampled_from("pqrs"),
                name=NAME,
                category=st.sampled_from(("", "drinks")),
                uses=st.integers(0, 5),
            ),
            max_size=3,
            unique_by=lambda listed: listed.program,
        ),
        st.lists(st.sampled_from("pqrs"), max_size=2),
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(CHANGES, st.lists(st.builds(Query, NAME, st.sampled_from(("", "drinks"))), min_size=1, max_size=4))
def test_what_was_listed_again_or_dropped_is_found_as_it_is_now(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[list[Listed], list[str]]],
    queries: list[Query],
) -> None:
    folder = tmp_path_factory.mktemp("search")
    index, reference = open_index(folder / "live.db"), Reference()
    for listed, dropped in changes:
        index.put(listed, dropped=dropped)
        reference.put(listed, dropped)
    for query in queries:
        assert index.find(query, 3) == reference.find(query, 3), query
    fresh = open_index(folder / "fresh.db")
    fresh.put([listed for listed, _ in reference.listed.values()])
    index.close()
    fresh.close()
    assert contents(folder / "live.db") == contents(folder / "fresh.db"), "an index made anew is another one"


def contents(path: Path) -> list[list[tuple[object, ...]]]:
    """Every row that an index keeps, and the terms of its full-text part."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, names, row)")
        tables = ("programs ORDER BY place", "words", "slips", "temp.terms")
        return [database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def test_a_word_that_very_many_names_have_is_no_slip_of_another(index: SearchIndex) -> None:
    index.put([Listed("yoka", "Yoka"), *(Listed(f"p{n}", f"Yoga {n}") for n in range(COMMON - 1))])
    assert [one.program for one in index.find(Query("yoga yo zz"))] == []
    assert "yoka" in [one.program for one in index.find(Query("yoga yok"))]
    index.put([Listed("one-more", "Yoga")])
    assert [one.program for one in index.find(Query("yoga yok"))] == []


def test_an_index_of_which_much_is_new_is_put_in_order_and_says_the_same(tmp_path: Path) -> None:
    many = [Listed(f"p{n}", f"茶{n % 7}", uses=n) for n in range(MERGE_MIN + 300)]
    index = open_index(tmp_path / "search.db")
    for at in range(0, len(many), 1_500):
        index.put(many[at : at + 1_500])
        before = index.find(Query("茶"), 3)
        assert [one.program for one in before] == [
            one.program for one in sorted(many[: at + 1_500], key=search.place_of)[:3]
        ]
    index.close()
    with closing(sqlite3.connect(tmp_path / "search.db")) as database:
        pieces = database.execute("SELECT count(DISTINCT segid) FROM names_idx").fetchone()[0]
    assert pieces <= 2, "one list a token, and what came after"


def test_more_use_moves_a_program_up(index: SearchIndex) -> None:
    index.put([Listed("p", "瑞幸咖啡", uses=10), Listed("q", "老咖啡", uses=100)])
    assert [one.program for one in index.find(Query("咖啡"))] == ["q", "p"]
    index.put([Listed("p", "瑞幸咖啡", uses=1_000)])
    assert [one.program for one in index.find(Query("咖啡"))] == ["p", "q"]
    assert [one.program for one in index.find(Query("咖啡"), 1)] == ["p"]


def test_the_nearest_come_first_and_what_is_far_does_not_come(index: SearchIndex) -> None:
    latitude, longitude = GUANGZHOU
    steps = {"here": 0.0, "near": 0.001, "nearer": 0.0005, "far": 0.1}
    index.put([Listed(name, name, position=(latitude + step, longitude)) for name, step in steps.items()])
    index.put([Listed("nowhere", "nowhere")])
    assert [one.program for one in index.nearby(GUANGZHOU)] == ["here", "nearer", "near"]
    assert [one.program for one in index.nearby(GUANGZHOU, 1)] == ["here"]
    index.put([], dropped=["here"])
    assert [one.program for one in index.nearby(GUANGZHOU, 1)] == ["nearer"]


def test_ten_kilobytes_of_text_are_refused_and_so_is_what_would_be_a_query_to_sqlite(index: SearchIndex) -> None:
    index.put([Listed("p", 'NEAR(a b) OR "c')])
    with pytest.raises(InvalidCommand, match="10,240 characters"):
        index.find(Query("x" * 10_240))
    for text in ('"', "a* OR b", "NEAR(a b)", "names:a", "'; DROP TABLE names; --", "\0", "a\0b", "-a", "^a"):
        assert index.find(Query(text)) in ([], [Listed("p", 'NEAR(a b) OR "c')]), text
    assert index.find(Query("near"))


def test_an_index_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    first = open_index(tmp_path / "search.db")
    first.put(MADE[:50])
    first.close()
    again = open_index(tmp_path / "search.db")
    assert again.find(Query(MADE[7].name), 100)
    assert MADE[7] in again.find(Query(MADE[7].name), 100)
    again.close()


def test_the_load_test_measures_what_it_says() -> None:
    figures = measure(300, 90, tell=lambda _text: None)
    assert figures["search_programs"] == 300
    assert all(value is not None and value >= 0 for value in figures.values())
    assert {"search_p50_ms", "search_p99_ms", "nearby_p99_ms", "search_visible_p99_ms"} <= set(figures)
