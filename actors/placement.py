"""Who owns what, as the controller decides it and the placement topic says it."""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Struct

from actors.kernel.record import Share


class Term(Struct, frozen=True, array_like=True, tag=1):
    """A controller begins; its term is the offset of this record, and readers ignore older terms."""

    controller: str


class Placed(Struct, frozen=True, array_like=True, tag=2):
    """`partition` belongs to `host`, reachable at `address` (host:port); (term, n) numbers the assignment."""

    partition: int
    term: int
    n: int
    host: str
    address: str
    pid: int


class Release(Struct, frozen=True, array_like=True, tag=3):
    """The release of the rules that gateways stamp on frames, and the digest of those rules."""

    term: int
    release: int
    digest: str


class Move(Struct, frozen=True, array_like=True, tag=4):
    """An operator wants `partition` on `host`; a controller that reads it does so, if it can."""

    partition: int
    host: str


class Size(Struct, frozen=True, array_like=True, tag=5):
    """So many hosts should run: `up` says it when it begins, an operator whenever he likes."""

    hosts: int


class Packaged(Struct, frozen=True, array_like=True, tag=6):
    """These packages decide the program, if `generation` is above the last: gateways read its calls by their types.

    A word that is not `is_done` goes before partitions follow, when gateways must not know more than they will, and has
    the `former` shares, which all go back to if they cannot follow; `why` says of packages that could not be loaded
    anywhere, so that the former shares stand here.
    """

    program: str
    generation: int
    shares: tuple[Share, ...]
    is_done: bool = True
    why: str = ""
    former: tuple[Share, ...] = ()


Placement: TypeAlias = Term | Placed | Release | Move | Size | Packaged

RELEASE_MIN = 3
"""The first release of this code's own: 1 and 2 are what logs of former ones hold, and programs decide as they did."""


def release_of(said: Iterable[Placement], digest: str) -> int:
    """The release that these rules are, by what the placement topic said so far: other rules are the next one."""
    release = RELEASE_MIN
    for placement in said:
        if isinstance(placement, Release):
            release = max(RELEASE_MIN, placement.release + (placement.digest != digest))
    return release


encode_placement = msgspec.msgpack.Encoder().encode
decode_placement = msgspec.msgpack.Decoder(Placement).decode


def placement_key(placement: Placement) -> bytes:
    """The compaction key: the last record of each key is what holds."""
    match placement:
        case Term():
            return b"term"
        case Placed(partition):
            return b"partition/%d" % partition
        case Release():
            return b"release"
        case Move(partition):
            return b"move/%d" % partition
        case Size():
            return b"size"
        case Packaged(program):
            return b"program/" + program.encode()
