"""What stands on the commands topic: frames of records, and how they are written as bytes.

A frame is what one producer appends at once for one partition; it is one Kafka record and is applied whole. Its
checksum covers the topic and the partition it was meant for, so bytes that land elsewhere are refused.
"""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar, final

import msgspec
from msgspec import Raw, Struct

from actors.entity import FILLED
from actors.errors import Corrupt

RECORDS_MAX = 4_096
FRAME_BYTES_MAX = 1 << 20
_HEADER = struct.Struct(">4sI")
_MAGIC = b"HTG1"
T = TypeVar("T")


class Slice(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Position(Struct, frozen=True, order=True, array_like=True, gc=False):
    """Where a record stands: `offset` is the frame's, `index` the record's place in it."""

    partition: int
    offset: int
    index: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}/{self.index}"


@final
class Invoke(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A client's call. `entity` is `kind/id`; `command` is msgpack of the author's tagged struct."""

    entity: str
    command: bytes
    request_id: bytes
    caller: str


class Sent(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A command that one entity sent to another; (source, incarnation, seq) names it once and for all.

    `on_reject` is a command for `sender`, or empty: then a rejection is dead-lettered.
    """

    source: int
    incarnation: int
    seq: int
    entity: str
    command: bytes
    sender: str
    on_reject: bytes
    caller: str


@final
class Fire(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The owner says that a timer is due; it counts only for this generation, and not before `due_ms`."""

    entity: str
    timer: str
    generation: int
    due_ms: int


class Epoch(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A host takes the partition over; valid only if its assignment (term, n) exceeds the last valid one."""

    term: int
    n: int
    host: str


class Check(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """The owner's sum over all actions up to the end of the frame at `offset`."""

    offset: int
    crc: int


class Read(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """A linearizable query: answered from the state at this record's place in the log."""

    entity: str
    view: str
    args: bytes
    request_id: bytes
    caller: str


class Empty(Struct, frozen=True, array_like=True, tag=7, gc=False):
    """Nothing; carries a frame's release across an idle partition."""


class Incarnation(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """Acknowledged records were lost and an operator accepted it: identities begin anew under `n`."""

    n: int


class Share(Struct, frozen=True, array_like=True, gc=False):
    """What the package with this content hash decides: the routing keys whose bucket for `code` is below `upto`.

    `code` is the version of the program that the package is of: a person's own entities are decided by the version that
    the person is shown, since both ask `shares.bucket_of`.
    """

    hash: str
    code: int
    upto: int


class Programs(Struct, frozen=True, array_like=True, tag=9):
    """From here on these packages decide one program's entities: of each routing key, the first share that has it.

    It counts only above the last `generation` of the program here. Without shares the platform's own rules decide.
    """

    program: str
    generation: int
    shares: tuple[Share, ...]


Record: TypeAlias = Invoke | Sent | Fire | Epoch | Check | Read | Empty | Incarnation | Programs


class Frame(Struct, frozen=True, array_like=True):
    """The records of one producer for one partition, under one release of the rules (0: carries none)."""

    producer: str
    release: int
    digest: str
    records: list[Record]


class _Parts(Struct, frozen=True, array_like=True):
    producer: str
    release: int
    digest: str
    records: list[Raw]


_encoder = msgspec.msgpack.Encoder()
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_frame = msgspec.msgpack.Decoder(Frame).decode
_decode_fields = msgspec.msgpack.Decoder(dict[str, Raw]).decode
_decode_names = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_FILLED = msgspec.msgpack.encode(FILLED)
_decode_parts = msgspec.msgpack.Decoder(_Parts).decode


encode_record: Callable[[Record], bytes] = _encoder.encode
"""The bytes of one record, to be gathered into a frame by `encode_frame`."""


def body_sum(call: Invoke) -> int:
    """What tells one body of a request id from another, in the window and in a pending list.

    What a gateway has filled in does not count: a retry may come with other values, and is the same call.
    """
    command = call.command
    if command.find(_FILLED) >= 0:  # `in` would first take it for a number, at the price of an exception
        command = _asked(command)
    return zlib.crc32(command, zlib.crc32(call.entity.encode()))


def _asked(command: bytes) -> bytes:
    """A command without the fields that it says were filled in; the command itself if it only looks so."""
    try:
        fields = _decode_fields(command)
        for name in _decode_names(fields[FILLED]):
            fields.pop(name, None)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return command
    return _encoder.encode(fields)


def body_sum_of(record: bytes) -> int:
    """The sum of an encoded call's body; -1 for what is no call, which no window remembers."""
    decoded = _decode_record(record)
    return body_sum(decoded) if isinstance(decoded, Invoke) else -1


def is_same_call(record: bytes, other: bytes) -> bool:
    """Whether these, made with one request id, are one call: the same bytes but for what a gateway has filled in."""
    return record == other or 0 <= body_sum_of(record) == body_sum_of(other)


def encode_frame(topic: str, partition: int, producer: str, release: int, digest: str, records: list[bytes]) -> bytes:
    """The bytes of a frame made of already encoded records."""
    assert 0 < len(records) <= RECORDS_MAX
    # `_Parts`, put together, since an object for each record is dear: there is one for every call and every event.
    length = (0x90 | len(records)).to_bytes(1) if len(records) < 16 else b"\xdc" + len(records).to_bytes(2)
    body = b"".join((b"\x94", _encoder.encode((producer, release, digest))[1:], length, *records))
    return _HEADER.pack(_MAGIC, zlib.crc32(body, _seed(topic, partition))) + body


def decode_frame(topic: str, partition: int, offset: int, frame: bytes) -> Frame:
    """The frame that was read at this place. Raises Corrupt if it is not what was written for this place."""
    return decode_by(_decode_frame, topic, partition, offset, frame)


def frame_records(topic: str, partition: int, offset: int, frame: bytes) -> list[Raw]:
    """The records of a frame of any topic, still encoded. Raises Corrupt if it was not written for this place."""
    return decode_by(_decode_parts, topic, partition, offset, frame).records


def decode_by(decode: Callable[[memoryview], T], topic: str, partition: int, offset: int, frame: bytes) -> T:
    """What this decoder makes of a frame. Raises Corrupt if it was not written for this place, or does not decode."""
    if len(frame) < _HEADER.size:
        raise _corrupt(topic, partition, offset, "is cut short")
    magic, crc = _HEADER.unpack_from(frame)
    body = memoryview(frame)[_HEADER.size :]
    if magic != _MAGIC or crc != zlib.crc32(body, _seed(topic, partition)):
        raise _corrupt(topic, partition, offset, "is not what was written there")
    try:
        return decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # msgspec lets text that is no UTF-8 out as the latter
        raise _corrupt(topic, partition, offset, f"does not decode: {error}") from error


def _corrupt(topic: str, partition: int, offset: int, why: str) -> Corrupt:
    where = f"{partition}/{offset}"
    return Corrupt(f"the frame at {topic} {where} {why}", position=where)


_seeds: dict[tuple[str, int], int] = {}


def _seed(topic: str, partition: int) -> int:
    seed = _seeds.get((topic, partition))
    if seed is None:
        seed = _seeds[topic, partition] = zlib.crc32(f"{topic}/{partition}".encode())
    return seed
