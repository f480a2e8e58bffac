"""What a gateway and a host say to each other over their one direct stream: plain values, sent in batches.

Commands never travel here: they go over the log. What does: answers, pushes, queries, and the pending list that a
gateway hands to a partition's new owner. Both sides send `msgpack(list[Message])` per gRPC message.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from actors.kernel.action import Push, Reply

SERVICE = "hutong.internal.Host"
METHOD = "Link"
STATUS_METHOD = "Status"
"""Unary: an empty question, answered with the JSON of how every partition of the host stands."""
TOKEN_METADATA = "hutong-link-token"
GATEWAY_METADATA = "hutong-gateway"


PendingCall: TypeAlias = tuple[str, bytes, int]
"""(caller, request_id, sum of the body): the id may be in the log with another body."""


class Pending(Struct, frozen=True, array_like=True, tag=1):
    """Gateway → host: these calls were appended for this partition and are not answered yet."""

    partition: int
    calls: list[PendingCall]


class Ask(Struct, frozen=True, array_like=True, tag=2):
    """Gateway → host: a query; `args` is JSON; answered once the watermark is at or above `at_least` (-1: at once)."""

    ask_id: int
    partition: int
    entity: str
    view: str
    args: bytes
    at_least: int


class Attach(Struct, frozen=True, array_like=True, tag=3):
    """Gateway → host: somebody listens to this entity here; send its pushes, until Detach or the stream ends."""

    partition: int
    entity: str


class Detach(Struct, frozen=True, array_like=True, tag=4):
    """Gateway → host: nobody listens to this entity here any more."""

    partition: int
    entity: str


class Owned(Struct, frozen=True, array_like=True, tag=5):
    """Host → gateway: this partition is served here under `epoch`; hand over what is pending for it."""

    partition: int
    epoch: int


class Lost(Struct, frozen=True, array_like=True, tag=6):
    """Host → gateway: this partition is not served here; `halted` says why when it is halted, else it is empty."""

    partition: int
    halted: str


class Replies(Struct, frozen=True, array_like=True, tag=7):
    """Host → gateway: the answers of one partition."""

    partition: int
    replies: list[Reply]


class Absent(Struct, frozen=True, array_like=True, tag=8):
    """Host → gateway: these pending calls are not in the log as of the list's arrival: append them again."""

    partition: int
    calls: list[tuple[str, bytes]]


class Answer(Struct, frozen=True, array_like=True, tag=9):
    """Host → gateway: a query's answer. `code` is a kernel `Code`; `payload` is JSON; `offset` is the watermark."""

    ask_id: int
    partition: int
    epoch: int
    code: int
    payload: bytes
    offset: int


class Pushes(Struct, frozen=True, array_like=True, tag=10):
    """Host → gateway: pushes of entities that are attached there."""

    partition: int
    pushes: list[Push]


FromGateway: TypeAlias = Pending | Ask | Attach | Detach
FromHost: TypeAlias = Owned | Lost | Replies | Absent | Answer | Pushes

encode = msgspec.msgpack.Encoder().encode
decode_from_gateway = msgspec.msgpack.Decoder(list[FromGateway]).decode
decode_from_host = msgspec.msgpack.Decoder(list[FromHost]).decode
