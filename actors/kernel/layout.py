"""How a partition's folded state is laid out in its store: the keys, and what their values hold.

`m` meta · `e` entities · `t` timers by due time · `w` window by entry time · `b` window counts by second ·
`x` window entries of ids that carry no time · `y` those by entry time, so that they can be swept · `p` which packages
decide a program.
"""

import struct
from functools import cache

import msgspec
from msgspec import Raw, Struct

from actors.errors import Corrupt
from actors.kernel.record import Programs

META = b"m"
ENTITY = b"e"
_TIMER = b"t"
WINDOW = b"w"
_BUCKET = b"b"
TIMELESS = b"x"
TIMELESS_BY_TIME = b"y"
_PROGRAM = b"p"
BY_SECOND = (WINDOW, TIMELESS_BY_TIME)
"""What `second_of` is for."""

MS = 1_000


class Timer(Struct, frozen=True, array_like=True, gc=False):
    """A timer of an entity: it counts at this generation only, and gives `command` (msgpack) when it fires."""

    generation: int
    due_ms: int
    command: bytes


class Stored(Struct, frozen=True, array_like=True):
    """An entity at rest: the release that wrote it, its state, its timers by name."""

    release: int
    state: Raw
    timers: dict[str, Timer]


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """What the window remembers of a call: a sum of its body, where it was decided, and the answer."""

    entry_ms: int
    body: int
    offset: int
    index: int
    code: int
    payload: bytes


class Owner(Struct, frozen=True, array_like=True):
    """The last valid epoch: its offset is the epoch, (term, n) its assignment, `host` who may fire timers and check."""

    epoch: int = -1
    term: int = -1
    n: int = -1
    host: str = ""


class Meta(Struct, array_like=True):
    """Everything else that is folded from the log. `frame_crc` is the sum of the frame at the watermark."""

    watermark: int = -1
    frame_crc: int = 0
    topic_id: str = ""
    now_ms: int = 0
    release: int = 0
    digest: str = ""
    owner: Owner = Owner()
    incarnation: int = 0
    chain: int = 0
    sums: dict[int, int] = {}
    generation: int = 0
    floor_ms: int = 0
    next_seq: dict[int, int] = {}
    sources: dict[int, tuple[int, int, list[int]]] = {}
    skips: list[tuple[int, int]] = []


encode = msgspec.msgpack.Encoder().encode
_first_8 = struct.Struct(">Q").unpack_from
_ARRAY_OF_3, NO_TIMERS = b"\x93", b"\x80"
decode_meta = msgspec.msgpack.Decoder(Meta).decode
decode_stored = msgspec.msgpack.Decoder(Stored).decode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
decode_bucket = msgspec.msgpack.Decoder(tuple[int, int]).decode
decode_programs = msgspec.msgpack.Decoder(Programs).decode


def encode_timers(timers: dict[str, Timer]) -> bytes:
    """What of an entity at rest comes after its state."""
    return encode(timers) if timers else NO_TIMERS


@cache
def stored_head(release: int) -> bytes:
    """What comes before the state: `encode(Stored(release, Raw(state), timers))` is put together of three parts."""
    return _ARRAY_OF_3 + encode(release)


def entity_key(entity: str) -> bytes:
    """Where the entity `kind/id` is stored."""
    return ENTITY + entity.encode()


def entity_of(key: bytes) -> str:
    """The entity of an entity key."""
    return key[1:].decode()


def timer_key(due_ms: int, entity: str, timer: str) -> bytes:
    """Where a timer stands in the order of due times; the value is its generation."""
    return _TIMER + due_ms.to_bytes(8) + entity.encode() + b"\0" + timer.encode()


def timer_of(key: bytes) -> tuple[int, str, str]:
    """(due_ms, entity, timer) of a timer key."""
    entity, _, timer = key[9:].rpartition(b"\0")
    return int.from_bytes(key[1:9]), entity.decode(), timer.decode()


def timer_range(from_ms: int, to_ms: int) -> tuple[bytes, bytes]:
    """The keys of all timers with from_ms <= due < to_ms."""
    return _TIMER + max(from_ms, 0).to_bytes(8), _TIMER + max(to_ms, 0).to_bytes(8)


def window_key(request_id: bytes, caller: str) -> bytes:
    """Where the window keeps a call. UUIDv7 begins with its time, so those entries stand in order of entry time."""
    return (WINDOW if request_id[6] >> 4 == 7 else TIMELESS) + request_id + caller.encode()


def sweep_key(entry_ms: int, window_key_: bytes) -> bytes:
    """Where a timeless window entry stands in the order of entry times."""
    return TIMELESS_BY_TIME + entry_ms.to_bytes(6) + window_key_[1:]


def swept(key: bytes) -> bytes:
    """The window key that a sweep key stands for."""
    return TIMELESS + key[7:]


def second_of(key: bytes) -> int:
    """The second of the entry time that a window key (of an id with a time) or a sweep key begins with."""
    return int.from_bytes(key[1:7]) // MS


def window_range(second: int) -> tuple[bytes, bytes]:
    """The window keys whose id is dated in this second."""
    return WINDOW + (second * MS).to_bytes(6), WINDOW + ((second + 1) * MS).to_bytes(6)


def sweep_range(second: int) -> tuple[bytes, bytes]:
    """The sweep keys of entries made in this second."""
    return TIMELESS_BY_TIME + (second * MS).to_bytes(6), TIMELESS_BY_TIME + ((second + 1) * MS).to_bytes(6)


def bucket_key(second: int) -> bytes:
    """Where the window's count and bytes of this second are stored."""
    return _BUCKET + second.to_bytes(6)


def program_key(program: str) -> bytes:
    """Where it is stored which packages decide this program."""
    return _PROGRAM + program.encode()


BUCKETS = (_BUCKET, _BUCKET + b"\xff" * 7)
PROGRAMS = (_PROGRAM, _PROGRAM + b"\xff")
ENTITIES = (ENTITY, ENTITY + b"\xff")


def bucket_of(key: bytes) -> int:
    """The second of a bucket key."""
    return int.from_bytes(key[1:7])


def made_ms(request_id: bytes) -> int:
    """The time in milliseconds since 1970 that a UUIDv7 begins with; -1 for any other UUID."""
    return _first_8(request_id)[0] >> 16 if request_id[6] >> 4 == 7 else -1


decode_generation = msgspec.msgpack.Decoder(int).decode


def unreadable(partition: int, key: bytes, error: Exception) -> Corrupt:
    """What to raise when the value under this key is not what a partition wrote there."""
    why = f"the store of partition {partition} holds under {key!r} what does not decode: {error!r}"
    return Corrupt(why, position=str(partition))
