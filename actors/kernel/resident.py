"""What of an entity is in memory. It stays there until the store has its last change; the host drops it then."""

from actors.kernel.layout import Timer
from actors.kernel.rules import Kind


class Resident:
    """An entity in memory; `changed` is the last offset that changed it, `used_ms` the log's time of its last use.

    `raw` is how its state will be stored, where other types than its own wrote it: they may have known more.
    """

    __slots__ = ("changed", "kind", "raw", "state", "timers", "used_ms")

    def __init__(self, kind: Kind, state: object, timers: dict[str, Timer]) -> None:
        self.kind = kind
        self.state = state
        self.timers = timers
        self.changed = -1
        self.raw = b""
        self.used_ms = 0
