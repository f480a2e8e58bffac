"""What a log's owner and its clients say to each other over a socket: msgpack of plain values, each after its length.

A socket and not grpc: every call of the platform passes here twice, and grpc's threads cost more than all the rest.
"""

from collections.abc import Callable, Sequence
from struct import Struct as Layout
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors.errors import Corrupt, Outcome, PlatformError, SetupError, Unavailable
from actors.ports import Slice, Topic

MESSAGE_BYTES_MAX = 4 << 20
RECEIVE_BYTES_MAX = 16 << 20
HELLO_BYTES_MAX = 4 << 10
LENGTH = Layout("<I")
"""What stands before each message: its length in bytes."""

Place: TypeAlias = tuple[str, int]
"""A slice: topic and partition."""

Put: TypeAlias = tuple[str, int, bytes, bytes | None]
"""A frame to append: topic, partition, frame, key. A message is a list of them."""

Outcomes: TypeAlias = "list[tuple[int, int, int] | tuple[int, str, Outcome]]"
"""How appends ended: the append's number on this connection, then offset and stamp, or a message and the outcome."""

Delivered: TypeAlias = tuple[int, int, int, bytes, bytes | None]
"""A frame that was read: index of its slice in the request, offset, stamp, frame, key."""


class Hello(Struct, frozen=True, tag="hello"):
    """The first message of a connection; its answer is `Done` or `Refused`. A connection has one use."""

    token: str
    use: Literal["append", "read", "ask"]


class Refused(Struct, frozen=True, tag="refused"):
    """An error as it travels; `to_error` makes it again."""

    kind: str
    message: str
    reason: str
    position: str


class Frames(Struct, frozen=True, tag="frames"):
    """What a reader is sent, any number of times."""

    frames: list[Delivered]


class Done(Struct, frozen=True, tag="done"):
    """The answer to a single question: `spans` of each slice asked for, or the topic's id."""

    spans: list[tuple[int, int]] = []
    topic_id: str = ""


class Create(Struct, frozen=True, tag="create"):
    """Make topics."""

    topics: list[Topic]


class TopicId(Struct, frozen=True, tag="topic_id"):
    """Which topic is it?"""

    topic: str


class Spans(Struct, frozen=True, tag="spans"):
    """What do the slices hold?"""

    slices: list[Place]


class Trim(Struct, frozen=True, tag="trim"):
    """Forget what lies below."""

    topic: str
    partition: int
    below: int


Question: TypeAlias = Create | TopicId | Spans | Trim

_encode = msgspec.msgpack.Encoder().encode
decode_puts: Callable[[bytes], list[Put]] = msgspec.msgpack.Decoder(list[Put]).decode
decode_outcomes: Callable[[bytes], list[tuple[int, int | str, int | str]]] = msgspec.msgpack.Decoder(
    list[tuple[int, int | str, int | str]]
).decode
decode_hello: Callable[[bytes], Hello] = msgspec.msgpack.Decoder(Hello).decode
decode_positions: Callable[[bytes], list[tuple[str, int, int]]] = msgspec.msgpack.Decoder(
    list[tuple[str, int, int]]
).decode
decode_read: Callable[[bytes], Frames | Refused] = msgspec.msgpack.Decoder(Frames | Refused).decode
decode_question: Callable[[bytes], Question] = msgspec.msgpack.Decoder(Question).decode
decode_answer: Callable[[bytes], Done | Refused] = msgspec.msgpack.Decoder(Done | Refused).decode


def pack(message: object) -> bytes:
    """A message as it travels, its length before it."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body


def refused(error: PlatformError) -> Refused:
    """An error as it travels."""
    kind = "corrupt" if isinstance(error, Corrupt) else "setup" if isinstance(error, SetupError) else "unavailable"
    return Refused(kind, str(error), error.reason, error.position if isinstance(error, Corrupt) else "")


def to_error(refused: Refused) -> PlatformError:
    """The error that the owner met."""
    if refused.kind == "corrupt":
        return Corrupt(refused.message, position=refused.position)
    if refused.kind == "setup":
        return SetupError(refused.message, reason=refused.reason)
    outcome: Outcome = "NOT_APPENDED" if refused.reason == "NOT_APPENDED" else "OUTCOME_UNKNOWN"
    return Unavailable(refused.message, outcome=outcome)


def places(slices: Sequence[Slice]) -> list[Place]:
    """Slices as they travel."""
    return [(slice.topic, slice.partition) for slice in slices]
