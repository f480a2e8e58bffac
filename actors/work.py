"""What the host core asks its shell to carry out: data, like the kernel's actions, one level up."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from actors.kernel.record import Slice
from actors.link import FromHost
from actors.ports import Batch


class Append(NamedTuple):
    """Append this frame; answer with `appended(ticket, offset)` or `append_failed(ticket)`."""

    ticket: int
    slice: Slice
    frame: bytes
    records: int


class Read(NamedTuple):
    """Read these partitions of the commands topic from these offsets; all others no more."""

    positions: Mapping[int, int]


class Open(NamedTuple):
    """Open the newest usable store of the partition; answer with `opened`."""

    partition: int


class Load(NamedTuple):
    """Get these keys of the partition's store; answer with `loaded`."""

    partition: int
    keys: list[bytes]


class LoadPackage(NamedTuple):
    """Load the package with this content hash; answer with `package_loaded`, or with `package_failed`.

    Several partitions may ask for one; they are answered together.
    """

    program: str
    hash: str


class Scan(NamedTuple):
    """Get the pairs with start <= key < end, at most `limit`; answer with `scanned`."""

    partition: int
    start: bytes
    end: bytes
    limit: int


class Write(NamedTuple):
    """Write the batch, sweeping the timeless window entries of `swept_seconds`; then the store is at `offset`."""

    partition: int
    offset: int
    batch: Batch
    swept_seconds: list[int]


class Checkpoint(NamedTuple):
    """Snapshot the store as it is now (its watermark is `offset`), without holding the loop up."""

    partition: int
    offset: int


class Close(NamedTuple):
    """The partition is not ours any more: close its store."""

    partition: int


class FindEnd(NamedTuple):
    """Find the end of the partition's log as of now; answer with `end_found(partition, ticket, end)`."""

    partition: int
    ticket: int


class Tell(NamedTuple):
    """Send this to a gateway, if it is linked."""

    gateway: str
    message: FromHost


class Halted(NamedTuple):
    """The partition stopped at `position` for good: alarm, and say so on the control topic."""

    partition: int
    position: str
    why: str


Work: TypeAlias = (
    Append | Read | Open | Load | LoadPackage | Scan | Write | Checkpoint | Close | FindEnd | Tell | Halted
)
