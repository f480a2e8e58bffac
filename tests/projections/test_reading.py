"""Events become rows once each, whatever stands twice on a topic and in whichever order partitions are read."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, msgpack

from actors import Owed
from actors.adapters.memory_states import MemoryRows
from actors.cli.following import PROJECTIONS
from actors.domain.visit import VisitBegan
from actors.errors import Corrupt
from actors.kernel.action import EventRecord, decode_event_frame
from actors.kernel.record import Slice, encode_frame
from actors.ports import Fetched, Place, Put
from actors.projections import owed as debts
from actors.projections.owed import DEBTS, debt_of
from actors.projections.reading import Projection, follow, terms_of

TOPIC = "hutong.events.inn.v1"


class Ate(Struct, frozen=True, tag="inn.ate"):
    dish: str


class DinnerOwed(Owed, frozen=True, kw_only=True, tag="inn.dinner-owed"):
    table: int = 0


def event(n: int, guest: str, said: Struct, partition: int = 0, incarnation: int = 0) -> EventRecord:
    return EventRecord(incarnation, partition, n, 0, 0, 1_000 + n, f"inn.guest/{guest}", msgpack.encode(said))


def dinner(reference: str, amount: int = 100) -> DinnerOwed:
    return DinnerOwed(amount_minor=amount, currency="CNY", to="inn", what_for="dinner", reference=reference)


def frame(offset: int, events: Sequence[EventRecord], partition: int = 0) -> Fetched:
    packed = [msgpack.encode(one) for one in events]
    return Fetched(Slice(TOPIC, partition), offset, 0, encode_frame(TOPIC, partition, "h", 1, "", packed))


def test_a_debt_is_a_row_and_other_events_are_none() -> None:
    made = follow([DEBTS], {}, [frame(0, [event(0, "ann", Ate("fish")), event(1, "ann", dinner("d1"))])])
    (put,) = made.changes
    assert isinstance(put, Put)
    assert (put.table, put.key) == ("owed", "inn.guest/ann d1")
    assert put.values == ("inn.guest/ann", 100, "CNY", "inn", "dinner", "d1", 1_001, "0/1/0")
    assert made.places == {Slice(TOPIC, 0): Place(1, (0, 1, 0, 0))}
    assert made.events == 2


def test_a_debt_that_is_stated_again_is_one_debt_as_stated_last() -> None:
    said = [event(0, "ann", dinner("d1", 100)), event(1, "ann", dinner("d1", 90)), event(2, "ben", dinner("d1", 5))]
    rows = MemoryRows([DEBTS])
    rows.write(follow([DEBTS], {}, [frame(0, said)]).changes, {})
    assert [row[1:3] for row in rows.find(debts.TABLE, {}, 9)] == [("inn.guest/ann", 90), ("inn.guest/ben", 5)]


def test_what_was_no_debt_when_it_happened_is_none_now() -> None:
    class Former(Struct, frozen=True, tag="inn.dinner-owed"):
        dish: str

    assert follow([DEBTS], {}, [frame(0, [event(0, "ann", Former("fish"))])]).changes == ()


@pytest.mark.parametrize("odd", [{"amount_minor": 0}, {"currency": "cny"}, {"to": 7}, {"reference": None}])
def test_what_has_not_all_that_a_debt_has_states_none(odd: dict[str, object]) -> None:
    fields = msgspec.to_builtins(dinner("d1"))
    assert debt_of(msgpack.encode(fields)) is not None, "whatever type states it"
    assert debt_of(msgpack.encode(fields | odd)) is None
    for name in Owed.__struct_fields__:
        assert debt_of(msgpack.encode({key: value for key, value in fields.items() if key != name})) is None


def test_events_of_any_kind_are_folded_by_who_asks_for_any() -> None:
    named = msgspec.structs.replace(DEBTS, kinds=("bar.guest",))
    assert follow([named], {}, [frame(0, [event(0, "ann", dinner("d1"))])]).changes == ()
    assert len(follow([DEBTS, named], {}, [frame(0, [event(0, "ann", dinner("d1"))])]).changes) == 1


def test_the_platforms_own_events_are_folded_only_by_who_names_their_kind() -> None:
    own = msgspec.structs.replace(event(0, "ann", dinner("d1")), entity="visit/inn/ann")
    assert follow([DEBTS], {}, [frame(0, [own])]).changes == ()
    named = msgspec.structs.replace(DEBTS, kinds=("visit",))
    assert len(follow([named], {}, [frame(0, [own])]).changes) == 1


def test_an_event_without_a_read_models_mark_is_passed_over_and_counts_as_read() -> None:
    shown: list[EventRecord] = []

    def fold(said: EventRecord) -> tuple[Put, ...]:
        shown.append(said)
        return ()

    marked = msgspec.structs.replace(DEBTS, fold=fold, mark="inn.ate")
    said = [event(0, "ann", dinner("d1")), event(1, "ann", Ate("fish")), event(2, "ann", dinner("inn.ate"))]
    made = follow([marked], {}, [frame(0, said)])
    assert shown == said[1:], "the mark may stand anywhere: the fold itself looks again"
    assert (made.events, made.places[Slice(TOPIC, 0)].last) == (3, (0, 2, 0, 0))


FOLDED: dict[str, tuple[str, Struct]] = {
    "used": ("visit/inn/ann", VisitBegan(1, 1, "p", "search", "phone", "", "1", "", 7)),
    "owed": ("inn.guest/ann", dinner("d1")),
}
"""An entity and an event of it that makes a row, for each read model that has a mark."""


@pytest.mark.parametrize("one", [one for one in PROJECTIONS if one.mark], ids=lambda one: one.table)
def test_a_read_models_mark_leaves_out_no_event_that_it_makes_a_row_of(one: Projection) -> None:
    entity, struct = FOLDED[one.table]
    record = msgspec.structs.replace(event(0, "ann", struct), entity=entity)
    assert len(follow([one], {}, [frame(0, [record])]).changes) == len(one.fold(record)) == 1


def test_a_frame_that_was_not_written_there_is_refused() -> None:
    moved = frame(0, [event(0, "ann", dinner("d1"))])._replace(slice=Slice(TOPIC, 1))
    with pytest.raises(Corrupt, match="not what was written there"):
        follow([DEBTS], {}, [moved])


def test_an_older_incarnation_s_events_are_skipped_after_a_newer_one() -> None:
    said = [event(5, "ann", dinner("d1")), event(0, "ann", dinner("d2"), incarnation=1), event(6, "ann", dinner("d3"))]
    made = follow([DEBTS], {}, [frame(0, said)])
    assert [put.key for put in made.changes] == ["inn.guest/ann d1", "inn.guest/ann d2"]


@given(st.integers(0, 1 << 32))
def test_any_order_of_partitions_and_any_repeats_make_the_same_rows(seed: int) -> None:
    draw, inn = random.Random(seed), DEBTS
    topics = {partition: _topic(draw, partition) for partition in range(3)}
    live = _rows(inn, topics, draw)
    rebuilt = MemoryRows([inn])
    for frames in topics.values():
        made = follow([inn], rebuilt.places(), frames)
        rebuilt.write(made.changes, made.places)
    assert live.find(debts.TABLE, {}, 999) == rebuilt.find(debts.TABLE, {}, 999), f"seed {seed}"
    assert live.places() == rebuilt.places(), f"seed {seed}"
    once = {(partition, one.offset): one for partition, frames in topics.items() for one in _events(frames)}
    last = {f"{one.entity} {msgpack.decode(one.payload)['reference']}": one for _, one in sorted(once.items())}
    stamps = {row[0]: row[-2] for row in live.find(debts.TABLE, {}, 999)}
    assert stamps == {key: one.stamp_ms for key, one in last.items()}, f"seed {seed}"


def _topic(draw: random.Random, partition: int) -> list[Fetched]:
    """Events of one partition; a host that begins again repeats some of the last."""
    said = [
        event(n, f"g{partition}{draw.randrange(2)}", dinner(f"d{draw.randrange(3)}", n + 1), partition)
        for n in range(draw.randrange(12))
    ]
    frames: list[Fetched] = []
    told = 0
    while told < len(said):
        begin = max(0, told - draw.randrange(4))
        told = draw.randint(told, len(said)) if begin < told else draw.randint(told + 1, len(said))
        if said[begin:told]:
            frames.append(frame(len(frames), said[begin:told], partition))
    return frames


def _events(frames: Sequence[Fetched]) -> list[EventRecord]:
    return [one for read in frames for one in decode_event_frame(*read.slice, read.offset, read.frame).records]


def _rows(inn: Projection, topics: dict[int, list[Fetched]], draw: random.Random) -> MemoryRows:
    """Partitions are read in turns of chance, some frames at a time."""
    rows, left = MemoryRows([inn]), {partition: list(frames) for partition, frames in topics.items()}
    while any(left.values()):
        batch: list[Fetched] = []
        for partition in draw.sample(sorted(left), len(left)):
            taken = draw.randrange(3)
            batch += left[partition][:taken]
            del left[partition][:taken]
        made = follow([inn], rows.places(), batch)
        rows.write(made.changes, made.places)
    return rows


def test_terms_name_what_rows_hang_on() -> None:
    inn, other = DEBTS, msgspec.structs.replace(DEBTS, terms="others")
    assert terms_of([inn], ["b", "a"]) == terms_of([inn], ["a", "b"])
    others = (terms_of([], ["a", "b"]), terms_of([inn], ["a"]), terms_of([other], ["a", "b"]))
    assert terms_of([inn], ["a", "b"]) not in others
