"""A program is listed by its releases, and by nothing before."""

from msgspec import Struct, msgpack

from actors.domain.catalog.program import GraySet, Judged, Registered, Released, Uploaded
from actors.domain.catalog.versions import Rule
from actors.kernel.action import EventRecord
from actors.projections import search
from actors.projections.listed import fold, listing
from actors.projections.search import Query

HASH = "0" * 64


def record(said: Struct) -> EventRecord:
    return EventRecord(0, 3, 7, 1, 0, 1_000, "catalog.program/acme/cafe", msgpack.encode(said))


def test_only_what_everybody_may_open_is_listed() -> None:
    before = (Registered("cafe", "Café", "drinks"), Uploaded(1, "1.0", HASH), Judged(1, "approved", "", "eve"))
    assert [fold(record(said)) for said in (*before, GraySet(1, Rule()))] == [()] * 4
    (put,) = fold(record(Released(1, HASH, "Café", "drinks")))
    assert (put.table, put.key, put.values) == ("listed", "acme/cafe", ("Café", "drinks", 1, 1_000))


def test_a_listed_program_is_found_by_its_title_its_name_and_its_category() -> None:
    (put,) = fold(record(Released(2, HASH, "瑞幸", "drinks")))
    tokens = set(search.tokens_of(listing(put)))
    for query in (Query("瑞幸"), Query("CAF"), Query("", "drinks"), Query("瑞 cafe", "drinks")):
        assert any(tokens.issuperset(wanted) for wanted in search.wanted(query)), query
    assert listing(put).program == "acme/cafe"
