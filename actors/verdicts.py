"""What is decided about single records outside the fold: halted, to be skipped, to be tried again.

Verdicts stand on the compacted control topic, keyed by position; the last one of a position holds. Every owner reads
them before it replays, so that no host runs into a record that killed another.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors.kernel.record import Position, decode_by, encode_frame

Word: TypeAlias = Literal["died", "halted", "skip", "retry"]
PRODUCER = "control"


class Verdict(Struct, frozen=True, array_like=True, tag=1):
    """`died`: a host ended while it applied this record; `halted`: do not apply it; `skip`, `retry`: an operator's."""

    position: Position
    word: Word
    why: str


_encode = msgspec.msgpack.Encoder().encode


class _Frame(Struct, frozen=True, array_like=True):
    producer: str
    release: int
    digest: str
    records: list[Verdict]


_decode = msgspec.msgpack.Decoder(_Frame).decode


def encode_verdict(topic: str, verdict: Verdict) -> tuple[bytes, bytes]:
    """The key and the frame to append to the control topic."""
    frame = encode_frame(topic, 0, PRODUCER, 0, "", [_encode(verdict)])
    return str(verdict.position).encode(), frame


def decode_verdicts(topic: str, offset: int, frame: bytes) -> list[Verdict]:
    """What a frame of the control topic says. Raises Corrupt."""
    return decode_by(_decode, topic, 0, offset, frame).records


def noticed(verdicts: Mapping[Position, Verdict], position: Position, why: str, *, died: bool) -> Verdict:
    """What to say of a record at which a decide hung or, with `died`, a host ended: the second death halts.

    `why` tells one death from another: told twice, it is still one.
    """
    before = verdicts.get(position)
    if died and (before is None or before.word != "died" or before.why == why):
        return Verdict(position, "died", why)
    return Verdict(position, "halted", why)


def standing(verdicts: Iterable[Verdict], partition: int) -> tuple[list[tuple[int, int]], Verdict | None]:
    """The records of a partition to skip, as (offset, index), and what is said of the first one to stop at."""
    mine = sorted((v for v in verdicts if v.position.partition == partition), key=lambda v: v.position)
    skips = [(v.position.offset, v.position.index) for v in mine if v.word == "skip"]
    return skips, next((v for v in mine if v.word == "halted"), None)
