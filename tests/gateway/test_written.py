"""What a stream writes by itself is, to the byte's meaning, what protobuf would write."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from actors.kernel.action import Reply
from actors.kernel.record import RECORDS_MAX
from gateway.pending import Call
from gateway.services.opening import Openings
from gateway.services.program import Calls
from gateway.v1 import program_pb2, session_pb2
from gateway.written import PARTS, Shape, varint

NAME = "0192f0c1-1234-7abc-8def-0123456789ab"
NUMBERS = st.integers(0, (1 << 63) - 1)
PARTITIONS, INDEXES = st.integers(0, 1 << 14), st.integers(0, RECORDS_MAX - 1)
PLACES = st.lists(st.tuples(PARTITIONS, NUMBERS, INDEXES, st.booleans(), st.binary(max_size=300)), max_size=5)
WAITER: Any = None
REST = program_pb2.InvokeResultBatch(level=7, own_level=9).SerializeToString()


def reply(place: tuple[int, int, int, bool, bytes], payload: bytes) -> Reply:
    """An answer that was decided there."""
    _, offset, index, duplicate, _ = place
    return Reply("g", "ann", b"", 0, payload, offset, index, duplicate)


@given(NUMBERS)
def test_a_number_is_written_as_protobuf_writes_it(number: int) -> None:
    assert program_pb2.Position(offset=number).SerializeToString() == (b"\x10" + varint(number) if number else b"")


def written(shape: Shape, answers: Sequence[tuple[int, Reply]]) -> bytes:
    """These answers, each with its partition, and what else a message says."""
    settled = [(Call(("ann", b""), partition, b"", WAITER, 0, True, NAME), reply) for partition, reply in answers]
    parts = shape.write(deque(settled), lambda _, reply: reply)
    assert len(parts) == PARTS * len(answers)
    return b"".join((*parts, REST))


@given(PLACES)
@example([(1, 2, 3, False, b"x" * size) for size in (0, 70, 120, 128, 16_400, 1 << 21)])
def test_answers_of_calls_are_read_as_they_were_given(places: list[tuple[int, int, int, bool, bytes]]) -> None:
    answers, expected = list[tuple[int, Reply]](), program_pb2.InvokeResultBatch(level=7, own_level=9)
    for place in places:
        partition, offset, index, duplicate, payload = place
        answers.append((partition, reply(place, payload)))
        where = program_pb2.Position(partition=partition, offset=offset, index=index)
        response = program_pb2.InvokeResponse(payload=payload, position=where, duplicate=duplicate)
        expected.results.add(request_id=NAME, response=response)
    assert program_pb2.InvokeResultBatch.FromString(written(Calls.shape, answers)) == expected


@given(PLACES, st.text(max_size=200), NUMBERS)
def test_answers_of_openings_are_read_as_they_were_given(
    places: list[tuple[int, int, int, bool, bytes]], word: str, visit: int
) -> None:
    answers, expected = list[tuple[int, Reply]](), session_pb2.OpenResultBatch(level=7, own_level=9)
    path = f"pages/{word}"
    said = {"session": word, "path": path, "version": "1.0", "visit": visit}
    for place in places:
        partition, offset, index, duplicate, _ = place
        answers.append((partition, reply(place, msgspec.json.encode({**said, "began": duplicate}))))
        response = session_pb2.OpenResponse(
            session=f"sessions/{word}",
            path=path,
            version="1.0",
            visit=visit,
            began=duplicate,
            position=program_pb2.Position(partition=partition, offset=offset, index=index),
            duplicate=duplicate,
        )
        expected.results.add(request_id=NAME, response=response)
    assert session_pb2.OpenResultBatch.FromString(written(Openings.shape, answers)) == expected
