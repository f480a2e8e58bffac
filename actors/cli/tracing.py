"""Finds a call on the log, and what came of it: every copy, the decision, and where its sends arrived."""

import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from actors.cli.archive import Archive, progress, replaying
from actors.errors import Corrupt, InvalidCommand, NotFound
from actors.history import first_at, read_slice
from actors.kernel import layout
from actors.kernel.action import Send
from actors.kernel.record import Frame, Invoke, Position, Read, Record, decode_frame, encode_record
from actors.ports import Slice, Span
from actors.replaying import Step
from actors.steps import CALL_STEPS_MAX, step_id

CLOCKS_DIFFER_MS = 90_000
"""An id may be dated so much ahead of the log: a gateway takes 60 s, and owners' clocks differ."""
COPIES_WITHIN_MS = 15 * 60_000
"""A copy later than the window's 10 minutes is refused, and nobody goes on for long."""
ARRIVES_WITHIN_FRAMES = 50_000
SEARCH_FRAMES_MIN = 1_000
"""A slice of no more frames than this is read from end to end sooner than a time is found in it."""


class Copy(NamedTuple):
    """One time that a call was appended."""

    position: Position
    stamp_ms: int
    frame: Frame
    record: Record


class Trace(NamedTuple):
    """A call of one caller in one partition: its copies in order, and what came of those that were decided.

    `undecided` says why the later copies were not.
    """

    copies: Sequence[Copy]
    steps: Sequence[Step]
    undecided: str


def trace(archive: Archive, what: str) -> list[Trace]:
    """The calls of this request id and of the steps they took, or the record at this position.

    Raises NotFound, InvalidCommand.
    """
    if "/" in what:
        copy = _at(archive, position_of(what))
        if not isinstance(copy.record, Invoke | Read):
            return [_decided(archive, [copy])]
        request_id = copy.record.request_id
    else:
        request_id = _uuid(what)
    names = [step_id(request_id, n) for n in range(CALL_STEPS_MAX)]
    found: dict[tuple[int, int, str], list[Copy]] = {}
    for copy in _copies(archive, names):
        assert isinstance(copy.record, Invoke | Read)
        step = names.index(copy.record.request_id)
        found.setdefault((step, copy.position.partition, copy.record.caller), []).append(copy)
    if not found:
        trimmed = [str(slice_.partition) for slice_, span in archive.spans().items() if span.start > 0]
        if trimmed:
            raise NotFound(
                f"the log holds no call with the request id {what}. It may have held one: what came first was trimmed "
                f"from partitions {', '.join(trimmed)}. Ask by a query what the state is; the same id sent again is "
                "answered as before, or refused as too old.",
                reason="HISTORY_TRIMMED",
            )
        raise NotFound(
            f"the log holds no call with the request id {what}: it was refused before the log, or never reached it. "
            "Nothing was decided, and the call can be made again.",
            reason="NO_SUCH_REQUEST",
        )
    return [_decided(archive, found[step]) for step in sorted(found)]


def position_of(text: str) -> Position:
    """A position as it is written: partition/offset/index. Raises InvalidCommand."""
    parts = text.split("/")
    if len(parts) != len(Position.__struct_fields__) or not all(part.isascii() and part.isdigit() for part in parts):
        message = f"{text!r} is no position: it is partition/offset/index, such as 3/17/0"
        raise InvalidCommand(message, field="position", reason="INVALID_POSITION")
    return Position(*map(int, parts))


def _uuid(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        message = f"{text!r} is no request id, which is a UUID, and no position, which is partition/offset/index"
        raise InvalidCommand(message, field="request_id", reason="INVALID_REQUEST_ID") from None


def _at(archive: Archive, position: Position) -> Copy:
    slice_, offset = archive.commands(position.partition), position.offset
    span = archive.spans().get(slice_)
    fetched = next(read_slice(archive.log, slice_, offset, offset + 1), None) if span else None
    if fetched is not None and fetched.offset == offset:
        frame = decode_frame(*slice_, offset, fetched.frame)
        if position.index < len(frame.records):
            return Copy(position, fetched.stamp_ms, frame, frame.records[position.index])
    held = f"it holds offsets {span.start} up to {span.end - 1} there" if span else "there is no such partition"
    raise NotFound(f"the log has no record at {position}; {held}", reason="NO_SUCH_POSITION")


def _copies(archive: Archive, names: Sequence[bytes]) -> Iterator[Copy]:
    """Every record of one of these ids. The time in a UUIDv7 bounds the search; others are looked for everywhere."""
    made_ms = layout.made_ms(names[0])
    for slice_, span in archive.spans().items():
        start, end = span
        if made_ms >= 0:
            start = _first_at(archive, slice_, span, made_ms - CLOCKS_DIFFER_MS, start)
            end = _first_at(archive, slice_, span, made_ms + COPIES_WITHIN_MS, end)
        if start >= end:
            continue
        frames = read_slice(archive.log, slice_, start, end)
        for fetched in progress(frames, f"searching partition {slice_.partition}", end):
            # A frame is decoded only when an id's bytes stand in it somewhere.
            if not any(name in fetched.frame for name in names):
                continue
            frame = decode_frame(*slice_, fetched.offset, fetched.frame)
            for index, record in enumerate(frame.records):
                if isinstance(record, Invoke | Read) and record.request_id in names:
                    position = Position(slice_.partition, fetched.offset, index)
                    yield Copy(position, fetched.stamp_ms, frame, record)


def _first_at(archive: Archive, slice_: Slice, span: Span, stamp_ms: int, otherwise: int) -> int:
    """The first offset that can be stamped so; `otherwise` when it is quicker to read the slice than to search it."""
    return first_at(archive.log, slice_, stamp_ms) if span.end - span.start > SEARCH_FRAMES_MIN else otherwise


def _decided(archive: Archive, copies: Sequence[Copy]) -> Trace:
    """What the partition makes of these records."""
    first, last = copies[0].position, copies[-1].position
    wanted = {copy.position for copy in copies}
    steps: list[Step] = []
    undecided = ""
    try:
        with replaying(archive, first.partition, first.offset, last.offset + 1) as (_, replayed):
            steps.extend(step for step in replayed if step.position in wanted)
    except Corrupt as error:
        undecided = f"the replay stops at {error.position}: {error}"
    if len(steps) < len(copies) and not undecided:
        halted = [
            v for v in archive.verdicts().values() if v.word == "halted" and v.position.partition == first.partition
        ]
        undecided = "; ".join(f"the partition is halted at {v.position}: {v.why}" for v in halted)
    return Trace(copies, steps, undecided)


def arrival(archive: Archive, send: Send, stamp_ms: int) -> Position | None:
    """Where a send first stands on its destination's slice; None if it is not there, or much later."""
    slice_ = archive.commands(send.destination)
    span = archive.log.spans([slice_])[slice_]
    start = _first_at(archive, slice_, span, stamp_ms - CLOCKS_DIFFER_MS, span.start)
    for fetched in read_slice(archive.log, slice_, start, start + ARRIVES_WITHIN_FRAMES):
        if send.record in fetched.frame:
            frame = decode_frame(*slice_, fetched.offset, fetched.frame)
            for index, record in enumerate(frame.records):
                if _is(record, send):
                    return Position(send.destination, fetched.offset, index)
    return None


def _is(record: Record, send: Send) -> bool:
    return encode_record(record) == send.record
