"""Programs by name and by place, in SQLite: its full-text index holds the tokens, `projections/search.py` makes them.

A row's number is the program's place by use, so the index gives the most used ones first and a query ends with its last
hit: nothing is scored or sorted. Names of tables and columns are ours; nothing that was typed becomes SQL.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

import apsw
import msgspec

from actors.projections import search
from actors.projections.search import Listed, Query, Wanted

HITS_MAX = 100
FEW = 3
"""With fewer hits than this, what was typed may be a slip."""
SIMILAR_MAX = 8
_SIMILAR_LOOKED_AT_MAX = 256
COMMON = 100
"""A word that so many names have is no slip of another one."""
MERGE_MIN = 10_000
_MERGE_PART = 4
_NEARBY_PER_CELL_MAX = 50
MAPPED_BYTES_MAX = 4 << 30
# The ascii tokenizer takes every other character for a letter; the tokens hold no ASCII but letters, digits and colons.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS programs (place INTEGER PRIMARY KEY, cell INT, listed BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS programs_by_mark ON programs (place & {mask});
CREATE INDEX IF NOT EXISTS programs_by_cell ON programs (cell) WHERE cell IS NOT NULL;
CREATE VIRTUAL TABLE IF NOT EXISTS names
    USING fts5(tokens, content='', columnsize=0, detail=none, tokenize="ascii tokenchars ':'");
CREATE TABLE IF NOT EXISTS words (word TEXT PRIMARY KEY, names INT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slips (variant TEXT, word TEXT, PRIMARY KEY (variant, word)) WITHOUT ROWID;
""".replace("{mask}", str(search.MARK_MASK))
_FIND = "SELECT rowid FROM names WHERE names MATCH ? ORDER BY rowid LIMIT ?"
_ADD_WORD = """
INSERT INTO words VALUES (?1, ?2) ON CONFLICT (word) DO UPDATE SET names = names + ?2 RETURNING names
"""


class _Cursor(Protocol):
    """The part of apsw's cursor that is used; its own types name one that Python 3.11 does not have."""

    def execute(self, statements: str, bindings: Sequence[object] = ()) -> "_Cursor": ...

    def executemany(self, statements: str, bindings: Iterable[Sequence[object]]) -> "_Cursor": ...

    def __iter__(self) -> Iterator[tuple[object, ...]]: ...


class SearchIndex:
    """The index in one database; used from one thread. It may be dropped and made anew from the same programs."""

    def __init__(self, connection: apsw.Connection) -> None:
        """Whoever opened the connection says whether there is an index in it, or calls `make`."""
        self._connection = connection
        self._execute = cast("_Cursor", self._connection.cursor()).execute
        self._many = cast("_Cursor", self._connection.cursor()).executemany
        self._decode = msgspec.msgpack.Decoder(Listed).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._put = 0
        self._merge_at = MERGE_MIN

    def make(self) -> None:
        """Make the tables where there are none."""
        self._execute(_SCHEMA)

    def drop(self) -> None:
        """Forget every program, and the tables."""
        for table in ("names", "programs", "words", "slips"):
            self._execute(f"DROP TABLE IF EXISTS {table}")

    def put(self, programs: Sequence[Listed], *, dropped: Sequence[str] = ()) -> None:
        """List these programs as they are now and forget the dropped ones; all at once or nothing."""
        latest = {listed.program: listed for listed in programs}
        with self._connection:
            words: Counter[str] = Counter()
            for program in (*latest, *dropped):
                known = self._listed(f"WHERE place & {search.MARK_MASK} = ?", search.mark_of(program))
                if program not in dropped and known == [latest[program]]:
                    del latest[program]
                else:
                    words.subtract(self._forget(known))
            self._many("INSERT INTO programs VALUES (?, ?, ?)", map(self._row, latest.values()))
            tokens = ((search.place_of(one), " ".join(search.tokens_of(one))) for one in latest.values())
            self._many("INSERT INTO names (rowid, tokens) VALUES (?, ?)", tokens)
            words.update(word for listed in latest.values() for word in search.words_of(listed))
            self._count(words)
            self._put += len(latest)
            if self._put >= self._merge_at:
                self._merge()

    def find(self, query: Query, hits_max: int = 20) -> list[Listed]:
        """The most used programs that match, at most `hits_max`; what may have been meant follows when few do.

        Raises InvalidCommand when the query is too long.
        """
        places = self._match(search.wanted(query), hits_max)
        if len(places) < min(FEW, hits_max):
            similar = {word: self._similar(word) for word in search.mistyped(query)}
            meant = self._match(search.relaxed(query, similar), hits_max)
            places = list(dict.fromkeys((*places, *meant)))[:hits_max]
        return [listed for place in places for listed in self._listed("WHERE place = ?", place)]

    def nearby(self, position: tuple[float, float], hits_max: int = 20) -> list[Listed]:
        """The nearest programs of the cells around; of a crowded cell only the most used ones."""
        found = [
            listed
            for cell in search.cells_around(position)
            for listed in self._listed("WHERE cell = ? ORDER BY place LIMIT ?", cell, _NEARBY_PER_CELL_MAX)
        ]
        found.sort(key=lambda one: (search.metres(position, one.position or position), one.program))
        return found[: min(hits_max, HITS_MAX)]

    def close(self) -> None:
        """Free the file."""
        self._connection.close()

    # -- reading --------------------------------------------------------------------------------------------------

    def _match(self, wanted: Wanted, hits_max: int) -> list[int]:
        if not wanted:
            return []
        expression = " OR ".join("(" + " AND ".join(f'"{token}"' for token in tokens) + ")" for tokens in wanted)
        return [cast("int", row[0]) for row in self._execute(_FIND, (expression, min(hits_max, HITS_MAX)))]

    def _listed(self, condition: str, *bindings: object) -> list[Listed]:
        rows = self._execute(f"SELECT listed FROM programs {condition}", bindings)  # noqa: S608 - ours, not typed
        return [self._decode(cast("bytes", row[0])) for row in rows]

    def _similar(self, word: str) -> tuple[str, ...]:
        """The words that are one slip away, those of most names first; none of a word that very many names have."""
        if any(
            cast("int", row[0]) >= COMMON for row in self._execute("SELECT names FROM words WHERE word = ?", (word,))
        ):
            return ()
        variants = search.variants(word)
        marks = ", ".join("?" * len(variants))
        rows = self._execute(
            "SELECT DISTINCT word, names FROM slips JOIN words USING (word) "  # noqa: S608 - marks, not texts
            f"WHERE variant IN ({marks}) ORDER BY names DESC, word LIMIT {_SIMILAR_LOOKED_AT_MAX}",
            variants,
        )
        words = (cast("str", row[0]) for row in rows)
        return tuple(one for one in words if one != word and search.is_one_slip(word, one))[:SIMILAR_MAX]

    # -- writing --------------------------------------------------------------------------------------------------

    def _merge(self) -> None:
        """Make one list a token of the many that writing leaves, once a good part is new: that halves reading."""
        [count] = [cast("int", row[0]) for row in self._execute("SELECT count(*) FROM programs")]
        if self._put * _MERGE_PART >= count:
            self._execute("INSERT INTO names (names) VALUES ('optimize')")
            self._put = 0
        self._merge_at = max(MERGE_MIN, -(-count // _MERGE_PART))  # counting takes 15 ms where there are 2,000,000

    def _row(self, listed: Listed) -> tuple[object, ...]:
        cell = None if listed.position is None else search.cell_of(listed.position)
        return search.place_of(listed), cell, self._encode(listed)

    def _forget(self, known: Sequence[Listed]) -> tuple[str, ...]:
        """Take programs out that are there; returns the words that one name fewer has now."""
        for former in known:
            place, tokens = search.place_of(former), " ".join(search.tokens_of(former))
            self._execute("DELETE FROM programs WHERE place = ?", (place,))
            # An index without content is told what stood there, since it cannot look it up.
            self._execute("INSERT INTO names (names, rowid, tokens) VALUES ('delete', ?, ?)", (place, tokens))
        return tuple(word for former in known for word in search.words_of(former))

    def _count(self, words: Counter[str]) -> None:
        """Add to the names of each word; a new word's variants are noted, those of a word without names forgotten."""
        for word, change in words.items():
            if not change:
                continue
            [names] = [cast("int", row[0]) for row in self._execute(_ADD_WORD, (word, change))]
            if names == change:
                slips = ((variant, word) for variant in search.variants(word))
                self._many("INSERT INTO slips VALUES (?, ?)", slips)
            elif names == 0:
                slips = ((variant, word) for variant in search.variants(word))
                self._many("DELETE FROM slips WHERE variant = ? AND word = ?", slips)
                self._execute("DELETE FROM words WHERE word = ?", (word,))


def open_index(path: Path) -> SearchIndex:
    """An index in a file of its own."""
    connection = apsw.Connection(str(path))
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"mmap_size={MAPPED_BYTES_MAX}"):
        cast("_Cursor", connection.cursor()).execute(f"PRAGMA {pragma}")
    index = SearchIndex(connection)
    index.make()
    return index
