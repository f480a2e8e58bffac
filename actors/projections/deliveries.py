"""How every webhook delivery stands: its latest try, and what became of it."""

from typing import assert_never

import msgspec

from actors.domain.webhook.delivery import DELIVERY, Begun, Delivered, Event, TryFailed, Trying
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import Projection

TABLE = "deliveries"
COLUMNS = ("endpoint", "state", "attempt", "status", "note", "stamp_ms")

_event = msgspec.msgpack.Decoder(DELIVERY.event).decode


def fold(event: EventRecord) -> tuple[Put, ...]:
    """A delivery is a row by its name, `program/delivery`."""
    said: Event = _event(event.payload)
    values: tuple[str | int | None, ...]
    match said:
        case Begun():
            return ()  # a try follows in the same record
        case Trying(attempt=attempt, endpoint=endpoint):
            values = (endpoint, "trying", attempt, None, "")
        case Delivered(attempt, status, note, endpoint=endpoint):
            values = (endpoint, "delivered", attempt, status, note)
        case TryFailed(attempt, status, note, dead=dead, endpoint=endpoint):
            values = (endpoint, "dead" if dead else "waiting", attempt, status, note)
        case _:
            assert_never(said)
    return (Put(TABLE, event.entity.partition("/")[2], (*values, event.stamp_ms)),)


DELIVERIES = Projection(TABLE, COLUMNS, (DELIVERY.kind,), "tries and what became of them", fold)
