"""What a partition asks its host to carry out: data, nothing more. This file is the engine's table of contents."""

from enum import IntEnum
from typing import TypeAlias, final

import msgspec
from msgspec import Struct

from actors.kernel.record import decode_by


class Code(IntEnum):
    """How a call ended; stands in the window and on the wire to the gateway."""

    OK = 0
    REJECTED = 1
    POISONED = 2
    REQUEST_ID_REUSED = 3
    REQUEST_ID_TOO_OLD = 4
    BOUND_PASSED = 5
    NO_SUCH_VIEW = 6
    BEYOND_END = 7


@final
class Reply(Struct, frozen=True, array_like=True, gc=False):
    """The answer to a client's call, for the gateway `producer` that appended this copy of it.

    `payload` is JSON: the author's reply, or `{"reason": …, "details": {…}}` when the code is not OK. `offset` and
    `index` are where the call was decided: for a duplicate, the first copy's place.
    """

    producer: str
    caller: str
    request_id: bytes
    code: int
    payload: bytes
    offset: int
    index: int
    duplicate: bool


class Push(Struct, frozen=True, array_like=True, gc=False):
    """JSON for whoever listens to `entity`; `cursor` is its place among the entity's pushes."""

    entity: str
    cursor: int
    payload: bytes


class Send(Struct, frozen=True, array_like=True, gc=False):
    """An encoded `Sent` record for another partition (or this one), in dense order of seq per destination."""

    destination: int
    seq: int
    record: bytes


@final
class Event(Struct, frozen=True, array_like=True, gc=False):
    """An encoded `EventRecord` for the events topic of `kind`; (offset, index, n) orders it within its partition."""

    kind: str
    offset: int
    index: int
    n: int
    record: bytes


class SetTimer(Struct, frozen=True, array_like=True, gc=False):
    """A timer now exists at this generation and falls due at `due_ms`."""

    entity: str
    timer: str
    generation: int
    due_ms: int


class CancelTimer(Struct, frozen=True, array_like=True, gc=False):
    """The timer at this generation is gone: fired, replaced or cancelled."""

    entity: str
    timer: str
    generation: int
    due_ms: int


Action: TypeAlias = Reply | Push | Send | Event | SetTimer | CancelTimer


class EventRecord(Struct, frozen=True, array_like=True, gc=False):
    """An event as it stands on its topic. Its identity is (incarnation, partition, offset, index, n).

    A reader keeps the last identity per partition and skips what is not above it. `payload` is msgpack of the author's
    tagged event; `stamp_ms` the log's time.
    """

    incarnation: int
    partition: int
    offset: int
    index: int
    n: int
    stamp_ms: int
    entity: str
    payload: bytes


class NeedState(Struct, frozen=True):
    """Nothing was changed: load these store keys, then apply the same record again."""

    keys: tuple[bytes, ...]


class NeedPackage(Struct, frozen=True):
    """Nothing was changed: load these packages of a program, then apply the same record again."""

    program: str
    hashes: tuple[str, ...]


class EventFrame(Struct, frozen=True, array_like=True):
    """The events of one partition that were appended at once."""

    producer: str
    release: int
    digest: str
    records: list[EventRecord]


_decode_event_frame = msgspec.msgpack.Decoder(EventFrame).decode


def decode_event_frame(topic: str, partition: int, offset: int, frame: bytes) -> EventFrame:
    """The frame that was read at this place of an events topic. Raises Corrupt if it was not written for this place."""
    return decode_by(_decode_event_frame, topic, partition, offset, frame)
