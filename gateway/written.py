"""Answers of streams as protobuf's bytes, put together from a few parts: an object for each costs twice as much."""

from collections import deque
from collections.abc import Callable

from actors.kernel.action import Reply
from actors.kernel.record import RECORDS_MAX
from actors.sealing import MARK
from gateway.pending import Call, Settled

RESULTS_MAX = 1_000
RESULTS_BYTES_MAX = 1 << 20
PARTS = 5
NAME_CHARS = 36
_HEADS_MAX = 4_096
_RESULT, _NAME, _RESPONSE = b"\x0a", bytes((0x0A, NAME_CHARS)), b"\x12"
"""Of a message its results; of a result its request id, which is a UUID, and its response."""
_PARTITION, _OFFSET, _INDEX = b"\x08", b"\x10", b"\x18"
"""Of a position."""


def varint(number: int) -> bytes:
    """A number that is not negative."""
    return VARINTS[number] if number < len(VARINTS) else _long(number)


def _long(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_SHORT = 1 << 7
VARINTS = tuple(_long(number) for number in range(RECORDS_MAX))
"""Each answer has some small ones; every index of a record is one."""


class Shape:
    """What the results of one kind of stream are like, in a message that has them as its first field."""

    def __init__(self, said: Callable[[Reply], bytes], lead: bytes, position: bytes, duplicate: bytes) -> None:
        """What an answer says is one field of a response, of this tag, or all of them if there is none.

        `position` and `duplicate` are tags of a response, too.
        """
        self._said = said
        self._lead = lead
        self._position = position
        self._duplicate = duplicate + b"\x01"
        self._heads: dict[int, tuple[bytes, bytes]] = {}

    def write(self, answered: deque[Settled], opened: Callable[[Call, Reply], Reply | None]) -> list[bytes]:
        """The parts of a message of the oldest answers, which are taken: `PARTS` of each.

        `opened` gives what is to be told in place of an answer that is none, or that has something sealed.
        """
        parts: list[bytes] = []
        said_by, heads = self._said, self._heads
        partition = offset = -1
        short = long = b""
        size = 0
        for _ in range(min(len(answered), RESULTS_MAX)):
            if size > RESULTS_BYTES_MAX:
                break
            call, reply = answered.popleft()
            if reply.code or reply.payload.find(MARK) >= 0:
                found = opened(call, reply)
                if found is None:
                    continue
                reply = found
            if reply.offset != offset or call.partition != partition:  # those of one frame come together
                partition, offset = call.partition, reply.offset
                short, long = self._where(partition, offset)
            said, index = said_by(reply), reply.index
            where = (short if index < _SHORT else long) + VARINTS[index]
            if reply.duplicate:
                where += self._duplicate
            sizes = len(said) << 8 | len(where)
            before, between = heads.get(sizes) or self._head(sizes)
            parts += (before, call.name.encode(), between, said, where)
            size += len(said)
        return parts

    def _where(self, partition: int, offset: int) -> tuple[bytes, bytes]:
        """What says where a call was decided but for its index in this frame, which has one byte or two."""
        place = b"".join((_PARTITION, varint(partition), _OFFSET, varint(offset), _INDEX))
        short, long = (b"".join((self._position, varint(len(place) + size), place)) for size in (1, 2))
        return short, long

    def _head(self, sizes: int) -> tuple[bytes, bytes]:
        """What stands before a result's name, and between it and what the answer says, by the sizes of the rest."""
        said, where = sizes >> 8, sizes & 0xFF
        lead = self._lead + varint(said) if self._lead else b""
        response = _RESPONSE + varint(len(lead) + said + where) + lead
        head = _RESULT + varint(len(_NAME) + NAME_CHARS + len(response) + said + where) + _NAME, response
        if len(self._heads) < _HEADS_MAX:
            self._heads[sizes] = head
        return head
