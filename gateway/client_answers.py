"""What our client gives back, and how it reads and writes what the protos say."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from actors.kernel.record import Position
from gateway.v1 import program_pb2 as pb

Payload: TypeAlias = Mapping[str, Any] | bytes
CallTuple: TypeAlias = tuple[str, str, Payload]
"""(entity, command, payload)."""


class Answer(NamedTuple):
    """An accepted call's answer. `payload` is JSON."""

    payload: bytes
    position: Position
    duplicate: bool
    request_id: str

    @property
    def value(self) -> Any:
        """The answer as Python values; None when the program gave none."""
        return msgspec.json.decode(self.payload) if self.payload else None


class View(NamedTuple):
    """A query's answer: JSON, and how far the state had come."""

    payload: bytes
    position: Position

    @property
    def value(self) -> Any:
        """The answer as Python values."""
        return msgspec.json.decode(self.payload)


class Pushed(NamedTuple):
    """One push; keep the greatest cursor that was handled."""

    cursor: int
    payload: bytes

    @property
    def value(self) -> Any:
        """The push as Python values."""
        return msgspec.json.decode(self.payload)


def bytes_of(payload: Payload) -> bytes:
    """A payload as JSON."""
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)


def position_of(position: pb.Position) -> Position:
    """A place on the log, as a proto says it."""
    return Position(position.partition, position.offset, position.index)


def answer_of(name: str, response: pb.InvokeResponse) -> Answer:
    """The answer of the call with this name."""
    return Answer(response.payload, position_of(response.position), response.duplicate, name)
