"""What of an entity is in memory. It stays there until the store has its last change; the host drops it then."""

from msgspec import Raw, Struct

from actors.kernel import layout
from actors.kernel.layout import Timer
from actors.kernel.rules import Kind


class Unreadable(Struct, frozen=True, tag="unreadable"):
    """Stands where a state would, which the types of what decides now do not take: another package wrote it."""


UNREADABLE = Unreadable()


class Resident:
    """An entity in memory; `changed` is the last offset that changed it, `used_ms` the log's time of its last use.

    `raw` is how its state will be stored, where other types than its own wrote it: they may have known more; `tail` is
    how its timers are.
    """

    __slots__ = ("changed", "kind", "raw", "state", "tail", "timers", "used_ms")

    def __init__(self, kind: Kind, state: object, timers: dict[str, Timer]) -> None:
        self.kind = kind
        self.state = state
        self.timers = timers
        self.tail = layout.encode_timers(timers)
        self.changed = -1
        self.raw = b""
        self.used_ms = 0


def resident_of(kind: Kind, value: bytes | None, withdrawn: Resident | None, *, shared: bool) -> Resident:
    """An entity by what the store has of it, or by what it has not yet.

    With `shared`, other packages than this kind's may have written it: what its type does not take is `UNREADABLE`, and
    stays as it is for one that takes it. Raises where that cannot be so, and what depends on the machine.
    """
    if withdrawn is not None:
        resident = Resident(kind, _decoded(kind, withdrawn.raw, shared=shared), withdrawn.timers)
        resident.changed, resident.raw = withdrawn.changed, withdrawn.raw
        return resident
    if value is None:
        return Resident(kind, kind.initial(), {})
    stored = layout.decode_stored(value)
    return Resident(kind, _decoded(kind, stored.state, shared=shared), stored.timers)


def _decoded(kind: Kind, state: bytes | Raw, *, shared: bool) -> object:
    try:
        return kind.decode_state(state)
    except (RecursionError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException:  # an author's __post_init__ may raise anything
        if not shared:
            raise
        return UNREADABLE
