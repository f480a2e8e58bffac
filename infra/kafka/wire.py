"""One question to a broker, in Kafka's own bytes: which brokers of the cluster are up?

`DescribeCluster` (key 60, version 0) lists the brokers that the controller has let in, so its answer says more than an
open port does. Written out because only adapters may import a Kafka client, and this must not wait for its retries.
"""

import socket
import struct
from io import BytesIO

DESCRIBE_CLUSTER = 60
ANSWER_BYTES_MAX = 64 * 1024


def brokers_up(port: int, timeout_s: float) -> dict[int, int]:
    """The brokers that are up as the one at this port sees it: node id → port; empty if it does not answer in time."""
    client = b"hutong"
    header = struct.pack(">hhih", DESCRIBE_CLUSTER, 0, 1, len(client)) + client + b"\0"
    request = header + b"\0\0"  # no list of operations, no tagged fields
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as stream:
                size = int.from_bytes(stream.read(4))
                return _parse(stream.read(size)) if 0 < size <= ANSWER_BYTES_MAX else {}
    except (OSError, struct.error, IndexError):  # away, or its answer was cut short
        return {}


def _parse(answer: bytes) -> dict[int, int]:
    stream = BytesIO(answer)
    stream.read(4 + 1 + 4)  # correlation id, tagged fields, throttle time
    (error,) = struct.unpack(">h", stream.read(2))
    if error:
        return {}
    _text(stream)  # the error's message
    _text(stream)  # the cluster's id
    stream.read(4)  # the controller
    found: dict[int, int] = {}
    for _ in range(_varint(stream) - 1):
        (node,) = struct.unpack(">i", stream.read(4))
        _text(stream)  # host
        (found[node],) = struct.unpack(">i", stream.read(4))
        _text(stream)  # rack
        stream.read(1)  # tagged fields
    return found


def _varint(stream: BytesIO) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


def _text(stream: BytesIO) -> bytes:
    """A compact string: its length plus one, then its bytes; a length of zero is none at all."""
    return stream.read(max(0, _varint(stream) - 1))
