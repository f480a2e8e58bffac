"""What the reader makes of what kafka-python says, without brokers: nobody can have it say these things at will."""

import itertools
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, cast

import pytest

from actors.adapters.kafka_library import Cluster, TopicFacts, place
from actors.adapters.kafka_reader import DAMAGED_MAX, OPINIONS, KafkaReader
from actors.errors import Corrupt, SetupError
from actors.ports import Slice, Span

FIRST, SECOND = Slice("frames", 0), Slice("frames", 1)
LONG_MS = 10_000
"""For a poll that ends sooner, with what it was to give or raise."""
errors = import_module("kafka.errors")


class Row(NamedTuple):
    """A record as kafka-python gives it."""

    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes = b""


class Brokers:
    """Stands for a cluster and its one consumer: each poll takes the next of the script, then nothing comes."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.sought: list[tuple[Any, int]] = []
        self.connected = 0
        self.ids: dict[str, str] = {}
        self.addresses = "nowhere"
        self._cluster = self._client = self

    def consumer(self) -> "Brokers":
        self.connected += 1
        return self

    def assign(self, partitions: list[Slice]) -> None:
        del partitions

    def seek(self, partition: Slice, offset: int) -> None:
        self.sought.append((partition, offset))

    def poll(self, timeout_ms: int) -> object:
        del timeout_ms
        nothing: dict[Slice, list[Row]] = {}
        said = self.script.pop(0) if self.script else nothing
        if isinstance(said, Exception):
            raise said
        return said

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        del autocommit, timeout_ms

    def topic_id(self, topic_name: str) -> str:
        return self.ids.get(topic_name, f"id of {topic_name}")

    def leader_for_partition(self, partition: object) -> int:
        del partition
        return 1

    def is_ready(self, node_id: int) -> bool:
        return node_id == 1


def facts(topics: Sequence[str]) -> dict[str, TopicFacts]:
    """Plain topics."""
    return {topic: TopicFacts(f"id of {topic}", 2, {}) for topic in topics}


def reader_of(brokers: Brokers, *starts: int | None) -> KafkaReader:
    """A reader of both slices from 0 on, of a log that is said to begin at these places, one after the other.

    None: that there is no such log.
    """
    said = itertools.chain(starts, itertools.repeat(starts[-1] if starts else 5))

    def spans(slices: Sequence[Slice]) -> dict[Slice, Span]:
        start = next(said)
        if start is None:
            raise SetupError("the topic frames or this partition of it does not exist", reason="NO_TOPIC")
        return dict.fromkeys(slices, Span(start, 9))

    reader = KafkaReader(cast("Cluster", brokers), facts, spans)
    reader.assign({FIRST: 0, SECOND: 0})
    return reader


def rows(slice_: Slice, *offsets: int) -> dict[Slice, list[Row]]:
    """These offsets came of a slice."""
    return {place(slice_): [Row(offset) for offset in offsets]}


def test_every_slice_of_a_truncation_stops_though_one_is_told_of_at_a_time() -> None:
    truncation = errors.LogTruncationError({place(FIRST): "gone", place(SECOND): "gone"})
    reader = reader_of(Brokers(rows(FIRST, 0) | rows(SECOND, 0, 1), truncation, rows(SECOND, 2)))
    assert len(reader.poll(10)) == 3
    with pytest.raises(Corrupt) as first:
        reader.poll(10)
    assert first.value.position == "frames/0/1"
    reader.assign({SECOND: 0})
    with pytest.raises(Corrupt) as second:
        reader.poll(10)
    assert second.value.position == "frames/1/2"


def test_a_slice_that_was_let_go_and_is_wanted_again_begins_anew() -> None:
    reader = reader_of(Brokers(errors.LogTruncationError({place(FIRST): "gone"}), rows(FIRST, 7)))
    with pytest.raises(Corrupt):
        reader.poll(10)
    reader.assign({SECOND: 0})
    reader.assign({SECOND: 0, FIRST: 7})
    assert [fetched.offset for fetched in reader.poll(10)] == [7]


def test_a_slice_that_goes_on_is_not_sought_anew_when_another_comes_or_stops() -> None:
    brokers = Brokers(rows(FIRST, 0), errors.OffsetOutOfRangeError({place(SECOND): 0}), rows(FIRST, 1))
    reader = reader_of(brokers)
    reader.poll(10)
    with pytest.raises(Corrupt) as corrupt:
        reader.poll(10)
    assert corrupt.value.position == "frames/1/0"
    reader.assign({FIRST: 0})
    assert [fetched.offset for fetched in reader.poll(10)] == [1]
    assert brokers.sought == [(place(FIRST), 0), (place(SECOND), 0)]


def test_an_offset_that_the_log_holds_is_asked_for_again_when_a_broker_denies_it() -> None:
    denied = errors.OffsetOutOfRangeError({place(SECOND): 1})
    reader = reader_of(Brokers(rows(SECOND, 0), denied, rows(SECOND, 1)), 0)
    assert [fetched.offset for fetched in (*reader.poll(10), *reader.poll(10))] == [0, 1]
    reader = reader_of(Brokers(*[denied] * DAMAGED_MAX), 0)
    with pytest.raises(Corrupt) as corrupt:
        reader.poll(10)
    assert corrupt.value.position == "frames/1/0"


def test_a_broker_that_remembers_a_damaged_offset_is_asked_by_a_new_connection() -> None:
    denied = errors.OffsetOutOfRangeError({place(SECOND): 1})
    brokers = Brokers(rows(SECOND, 0), denied, denied, rows(SECOND, 1))
    reader = reader_of(brokers, 0)
    assert [fetched.offset for fetched in (*reader.poll(LONG_MS), *reader.poll(LONG_MS))] == [0, 1]
    assert brokers.connected == 2
    assert brokers.sought[2:] == [(place(FIRST), 0), (place(SECOND), 1)]


def test_an_offset_that_is_not_the_next_one_is_fetched_anew_before_it_is_believed() -> None:
    brokers = Brokers(rows(SECOND, 0), rows(FIRST, 0) | rows(SECOND, 65_537), rows(SECOND, 1))
    reader = reader_of(brokers)
    read = [(fetched.slice, fetched.offset) for _ in range(3) for fetched in reader.poll(LONG_MS)]
    assert read == [(SECOND, 0), (FIRST, 0), (SECOND, 1)]
    assert brokers.sought[2:] == [(place(FIRST), 1), (place(SECOND), 1)]


def test_a_hole_that_is_there_every_time_stops_the_slice_that_it_is_in() -> None:
    brokers = Brokers(rows(SECOND, 0), *[rows(SECOND, 2)] * (DAMAGED_MAX - 1), rows(FIRST, 0) | rows(SECOND, 2))
    reader = reader_of(brokers)
    assert [(fetched.slice, fetched.offset) for _ in range(2) for fetched in reader.poll(LONG_MS)] == [
        (SECOND, 0),
        (FIRST, 0),
    ]
    with pytest.raises(Corrupt, match="hole") as corrupt:
        reader.poll(LONG_MS)
    assert corrupt.value.position == "frames/1/1"


def test_a_few_words_of_the_brokers_are_not_enough_to_believe_that_frames_are_gone() -> None:
    denied = errors.OffsetOutOfRangeError({place(SECOND): 1})
    reader = reader_of(Brokers(rows(SECOND, 0), denied, rows(SECOND, 1)), 7, *[None] * (OPINIONS - 2), 0)
    assert [fetched.offset for fetched in (*reader.poll(LONG_MS), *reader.poll(LONG_MS))] == [0, 1]
    with pytest.raises(Corrupt):
        reader_of(Brokers(denied), 7, None, *[7] * (OPINIONS - 2), 0).poll(LONG_MS)


def test_what_came_damaged_is_fetched_anew_by_a_new_connection_from_where_it_was() -> None:
    damaged = errors.CorruptRecordError(f"Record batch for partition {place(SECOND)} at offset 1 failed crc check")
    brokers = Brokers(rows(SECOND, 0), damaged, rows(SECOND, 1))
    reader = reader_of(brokers)
    assert [fetched.offset for fetched in (*reader.poll(LONG_MS), *reader.poll(LONG_MS))] == [0, 1]
    assert brokers.connected == 2
    assert brokers.sought[2:] == [(place(FIRST), 0), (place(SECOND), 1)]


def test_what_always_comes_damaged_stops_the_slice_that_it_is_of() -> None:
    damaged = errors.CorruptRecordError(f"Record batch for partition {place(SECOND)} at offset 0 failed crc check")
    reader = reader_of(Brokers(*[damaged] * DAMAGED_MAX))
    with pytest.raises(Corrupt) as corrupt:
        reader.poll(LONG_MS)
    assert corrupt.value.position == "frames/1/0"


def test_a_topic_that_was_made_again_stops_its_slices_one_by_one_and_no_other_topic() -> None:
    other = Slice("verdicts", 0)
    brokers = Brokers()
    reader = reader_of(brokers)
    reader.assign({FIRST: 0, SECOND: 0, other: 0})
    reader.poll(10)
    brokers.ids["frames"] = "another"
    stopped: set[str] = set()
    for left in ({FIRST: 0, SECOND: 0, other: 0}, {FIRST: 0, other: 0}):
        reader.assign(left)
        with pytest.raises(Corrupt, match="made again") as corrupt:
            reader.poll(10)
        stopped.add(corrupt.value.position)
    assert stopped == {"frames/0/0", "frames/1/0"}
    brokers.script.append(rows(other, 0))
    reader.assign({other: 0})
    assert [fetched.slice for fetched in reader.poll(10)] == [other]
