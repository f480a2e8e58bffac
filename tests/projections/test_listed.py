"""A program is listed by its releases, and by nothing before; what describes it and who opens it come to that."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, msgpack

from actors.adapters.memory_states import MemoryRows
from actors.domain.catalog.listing import Described
from actors.domain.catalog.program import GraySet, Judged, Registered, Released, Uploaded
from actors.domain.catalog.versions import Rule
from actors.domain.visit import SessionEnded, VisitBegan, VisitContinued
from actors.kernel.action import EventRecord
from actors.ports import Add, Change
from actors.projections import search
from actors.projections.listed import DESCRIBED, LISTED, USED, fold_releases, listing
from actors.projections.search import Listed, Query

HASH = "0" * 64
OPENED = ("pages/map/index", "scan", "", "", "", "", 7)
FOUR = VisitBegan(4, 9, *OPENED)


def record(said: Struct, entity: str = "catalog.program/acme/cafe") -> EventRecord:
    return EventRecord(0, 3, 7, 1, 0, 1_000, entity, msgpack.encode(said))


def test_only_what_everybody_may_open_is_listed() -> None:
    before = (Registered("cafe", "Café", "drinks"), Uploaded(1, "1.0", HASH), Judged(1, "approved", "", "eve"))
    assert [fold_releases(record(said)) for said in (*before, GraySet(1, Rule()))] == [()] * 4
    (put,) = fold_releases(record(Released(1, HASH, "Café", "drinks")))
    assert (put.table, put.key, put.values) == ("listed", "cafe", ("acme", "Café", "drinks", 1, 1_000))


def test_what_was_described_and_opened_before_its_release_is_not_found() -> None:
    assert listing("cafe", (None, ('["瑞幸"]', "广州", 23.1, 113.3), (9,))) is None


def test_a_visit_is_one_use_however_often_it_is_continued() -> None:
    visit = "visit/cafe/ann"
    assert USED.fold(record(FOUR, visit)) == (Add("used", "cafe", 1),)
    for said in (VisitContinued(4, 10, *OPENED), SessionEnded(9, "closed", 7)):
        assert USED.fold(record(said, visit)) == ()


@pytest.mark.parametrize("text", ["瑞幸", "CAF", "瑞 cafe", "CAFÉ", "Coffee"])
def test_a_listed_program_is_found_by_its_title_its_name_and_its_other_names(text: str) -> None:
    found = listing("cafe", (("acme", "瑞幸", "drinks", 1, 7), ('["Coffee"]', "广州", None, None), (5,)))
    assert found == Listed("cafe", "瑞幸", ("cafe", "Coffee"), "drinks", "广州", None, 4, "acme")
    assert found is not None
    tokens = set(search.tokens_of(found))
    query = Query(text, "drinks", "广州")
    assert any(tokens.issuperset(wanted) for wanted in search.wanted(query)), query


EVENTS = (
    record(Released(1, HASH, "Café", "drinks")),
    record(Described(("瑞幸",), "广州", (23.1, 113.3)), "catalog.listing/acme/cafe"),
    *(record(VisitBegan(n, n, *OPENED), f"visit/cafe/{name}") for n in (1, 2) for name in ("ann", "ben", "cid")),
)


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_partitions_are_read_changes_nothing(chance: random.Random) -> None:
    tables = {one.kinds[0]: one for one in (LISTED, DESCRIBED, USED)}
    rows = MemoryRows(tuple(tables.values()))
    events = list(EVENTS)
    chance.shuffle(events)
    for event in events:
        changes: Sequence[Change] = tables[event.entity.partition("/")[0]].fold(event)
        rows.write(changes, {})
    assert LISTED.listing is not None
    found = [rows.find(table, {"key": "cafe"}, 1)[0][1:] for table in LISTED.listing.tables]
    assert found[2] == (6,)
    assert LISTED.listing.make("cafe", found) == Listed(
        "cafe", "Café", ("cafe", "瑞幸"), "drinks", "广州", (23.1, 113.3), 4, "acme"
    )
