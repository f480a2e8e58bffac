"""What the platform needs of the outside: short protocols, each with an in-memory reference and a contract suite.

Every implementation lives in `actors/adapters` and passes `tests/contracts`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from actors.entity import AnyEntity
from actors.kernel.record import Slice

__all__ = [
    "Add",
    "Appended",
    "Batch",
    "Change",
    "Fetched",
    "KeyState",
    "Keys",
    "Log",
    "Objects",
    "Packages",
    "Place",
    "Put",
    "Reader",
    "Rows",
    "SigningKey",
    "Slice",
    "Span",
    "States",
    "Store",
    "Subjects",
    "Topic",
]


class Topic(Struct, frozen=True):
    """A topic as it must exist. A compacted one keeps at least the last frame of each key; its offsets have gaps."""

    name: str
    partitions: int
    compacted: bool = False


class Appended(NamedTuple):
    """Where a frame stands, and the log's clock when it was appended."""

    offset: int
    stamp_ms: int


class Fetched(NamedTuple):
    """A frame as it was read back: durable, in order, at this offset."""

    slice: Slice
    offset: int
    stamp_ms: int
    frame: bytes
    key: bytes | None = None


class Span(NamedTuple):
    """What a slice holds: offsets from `start` up to, not including, `end`."""

    start: int
    end: int


class Reader(Protocol):
    """Reads slices in order, from one thread at a time."""

    def assign(self, positions: Mapping[Slice, int]) -> None:
        """Read these slices from these offsets from now on; a slice that was read already keeps its place.

        Raises Corrupt if an offset is not in the log any more (cut below) or not yet possible (beyond its end).
        It may also be raised by the next `poll`.
        """
        ...

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        """The next frames, waiting for at most `timeout_ms` for the first. At most about 4 MiB at once.

        Raises Corrupt when offsets of a slice that is not compacted have a hole, and Unavailable when the log is away.
        """
        ...

    def wake(self) -> None:
        """Make a `poll` that waits return now. May be called from any thread."""
        ...

    def close(self) -> None:
        """Stop reading and free what is held."""
        ...


class Log(Protocol):
    """The ordered, durable frames of all slices. Safe to use from several threads."""

    def create(self, topics: Sequence[Topic]) -> None:
        """Make the topics that do not exist. Raises SetupError if one exists with other partitions."""
        ...

    def topic_id(self, topic: str) -> str:
        """What names this very topic: another id under the same name is another topic."""
        ...

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        """Append one frame; frames of one slice keep the order of the calls, unless one fails.

        The future is done within `append_deadline_ms` in any case. It fails with Unavailable: NOT_APPENDED when the
        frame certainly is not in the log, OUTCOME_UNKNOWN when it may be there now or appear later.
        """
        ...

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        """The start and end of each slice as of now. Raises Unavailable."""
        ...

    def trim(self, slice: Slice, below: int) -> None:
        """Forget the frames with offsets under `below`."""
        ...

    def reader(self) -> Reader:
        """A new reader, assigned to nothing yet."""
        ...

    def close(self) -> None:
        """Finish what was appended, stop, and free what is held."""
        ...


class Batch(Struct):
    """What is written to a store at once: all of it or nothing. Ranges go first, then puts and deletes."""

    puts: dict[bytes, bytes] = {}
    deletes: list[bytes] = []
    delete_ranges: list[tuple[bytes, bytes]] = []


class Store(Protocol):
    """The states of one partition, ordered by key. Used from one thread."""

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where there is none."""
        ...

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, in order."""
        ...

    def write(self, batch: Batch) -> None:
        """Write the batch atomically. It survives the end of this process (not a power cut)."""
        ...

    def checkpoint(self, folder: Path) -> None:
        """Make `folder` (which must not exist) a copy that can be opened as a store, without waiting for writes."""
        ...

    def close(self) -> None:
        """Free the store's lock."""
        ...


class States(Protocol):
    """Where a host keeps the stores of its partitions."""

    def open(self, folder: Path) -> Store:
        """Open or make the store in this folder. Raises Unavailable while another process holds it."""
        ...


class Objects(Protocol):
    """Named, immutable bytes that outlive a machine: a folder or an object store. Names have slashes."""

    def put(self, name: str, source: Path | bytes) -> None:
        """Store the bytes or file under the name, durably; what was there is replaced whole."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes. Raises NotFound."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Write the bytes to a file. Raises NotFound."""
        ...

    def list(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order."""
        ...

    def delete(self, name: str) -> None:
        """Forget the name; one that is absent is no error."""
        ...


Packages: TypeAlias = Callable[[str], Sequence[AnyEntity]]
"""Loads the package with this content hash: the entities of one program.

Raises NotFound when nobody has it, Unavailable while it cannot be had, and any other PlatformError when it cannot be
loaded.
"""


class KeyState(StrEnum):
    """What a signing key is for; each goes through all of them, in this order."""

    NEXT = "next"
    """Known to all who verify before the first token is signed with it."""
    SIGNING = "signing"
    VERIFYING = "verifying"
    """Signs no more; what it signed is still good."""
    RETIRED = "retired"
    """Nothing that it signed is good any more, and its private half is destroyed."""


class SigningKey(NamedTuple):
    """The half of a signing key that may be shown: an Ed25519 public key of 32 bytes, named by `kid`."""

    kid: str
    state: KeyState
    public: bytes
    made_ms: int
    changed_ms: int


class RootState(StrEnum):
    """What a root key is for; each goes through all of them, in this order."""

    CURRENT = "current"
    """All that is new follows from it."""
    FORMER = "former"
    """What followed from it is still good."""
    RETIRED = "retired"
    """Nothing that followed from it is good any more, and it is destroyed."""


class RootKey(NamedTuple):
    """What may be shown of a root key."""

    kid: str
    state: RootState
    made_ms: int
    changed_ms: int


class Keys(Protocol):
    """Secrets that must be forgotten some day, and so are not on the log. Used from one thread at a time."""

    def signing_keys(self) -> Sequence[SigningKey]:
        """Every key that was ever made, oldest first. There is always one that signs, and one that is next."""
        ...

    def signer(self) -> tuple[str, bytes]:
        """The key that signs now: its kid, and its private half of 32 bytes."""
        ...

    def private(self, kid: str) -> bytes | None:
        """The private half of a key; None of one that was retired, or that there is not."""
        ...

    def rotate(self, now_ms: int, apart_ms: int) -> str:
        """Sign with the next key from now on, and make another next one; returns the kid that signs now.

        Raises InvalidCommand within `apart_ms` of the last rotation: not everybody who verifies knows the next key.
        """
        ...

    def retire(self, kid: str, now_ms: int, held_ms: int) -> None:
        """Destroy a key that has signed nothing for `held_ms`.

        Raises NotFound, or InvalidCommand while the key is needed: it signs, is next, or has signed lately.
        """
        ...

    def roots(self) -> Sequence[RootKey]:
        """Every root key that was ever made, oldest first. There is always one that is current: the last one."""
        ...

    def root(self) -> tuple[str, bytes]:
        """The root key that is current: its kid, and its 32 bytes."""
        ...

    def root_of(self, kid: str) -> bytes | None:
        """A root key; None of one that was retired, or that there is not."""
        ...

    def rotate_root(self, now_ms: int) -> str:
        """Make another root key, from which all that is new follows; returns its kid.

        Raises InvalidCommand when there are as many as may be at a time.
        """
        ...

    def retire_root(self, kid: str, now_ms: int) -> None:
        """Destroy a former root key, under which nothing lives. Raises NotFound, or InvalidCommand for the current."""
        ...

    def names(self) -> bytes:
        """The key, of 32 bytes, that follows from the first root key and stays when that is retired.

        What is made of it is found by being made again and stands nowhere else, so it can never change.
        """
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class Subjects(Protocol):
    """The keys that personal data is sealed by, one for each person on the platform and for each person in a program.

    They are nowhere else, so that what is destroyed here can be opened nowhere. A subject that was destroyed stays so:
    it never gets another key. Who signs in as whom is here for the same reason. Safe to use from several threads. Any
    method may raise Unavailable, and SetupError when the master key is not the one that was used.
    """

    def find(self, subject: str) -> bytes | None:
        """The subject's key, 64 bytes; none when it was never made, empty when it was destroyed."""
        ...

    def make(self, subjects: Sequence[str]) -> None:
        """Make a key for each of these that never had one."""
        ...

    def destroy(self, subjects: Sequence[str], now_ms: int) -> None:
        """Destroy the keys of these for ever, also of those that never had one, and forget who signs in as them."""
        ...

    def of_nobody(self) -> Sequence[str]:
        """Those with a key that stand for nobody in particular: what is sealed so has a day, and no person."""
        ...

    def destroyed_count(self) -> int:
        """How many were destroyed so far: who remembers keys forgets them all when this has grown."""
        ...

    def destroyed(self, since_ms: int) -> Sequence[str]:
        """Those that were destroyed then or later."""
        ...

    def enrol(self, login: str, person: str) -> str:
        """Who signs in by this login: the person it was given first, which is this one if there was none."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


TALLIES_MAX = 1_000_000
"""So much is counted, and known to be used, at a time; what is over does not count."""


class Tallies(Protocol):
    """What is counted, and what may be used once, over all gateways of a machine. Safe to use from several threads.

    Nothing of it is for ever. Any method may raise Unavailable, and Overloaded where too much is counted already.
    """

    def count(self, name: str, period_ms: int, most: int, now_ms: int) -> bool:
        """Count this once more in the period that it is; False, and nothing is counted, where that is over `most`."""
        ...

    def use(self, name: str, by: bytes, until_ms: int, now_ms: int) -> bool:
        """Whether nobody else has used this before; who has is known until then, and may use it again."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class Put(NamedTuple):
    """A row as it stands from now on: its key, and the values of the table's other columns."""

    table: str
    key: str
    values: tuple[str | int | float | None, ...]


class Add(NamedTuple):
    """So much more in a row's one column, which is a number; a row that is not there begins at 0."""

    table: str
    key: str
    more: int


Change: TypeAlias = Put | Add
"""How a row changes. Nothing is both put and added to in one table, so adding up needs no order."""


class Place(NamedTuple):
    """How far an events topic's slice is read: the next offset, and the identity of the last event that was folded."""

    next_offset: int = 0
    last: tuple[int, int, int, int] = (-1, -1, -1, -1)


class Rows(Protocol):
    """Read models: the rows that events were folded into, and how far each slice was read. From one thread at a time.

    It may be thrown away, for the events are still there. Any method may raise Unavailable, and Corrupt: then `forget`.
    """

    def places(self) -> dict[Slice, Place]:
        """How far each slice is read; a slice that was never read is absent."""
        ...

    def write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        """Change these rows, the last `Put` of a key wins, and move these places: all of it or nothing."""
        ...

    def find(self, table: str, equal: Mapping[str, object], rows_max: int) -> list[tuple[object, ...]]:
        """The rows, key first, whose columns have these values; in order of their keys, at most `rows_max`."""
        ...

    def forget(self) -> None:
        """Drop every row and place: all is to be made anew."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...
