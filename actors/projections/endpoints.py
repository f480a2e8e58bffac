"""How the webhook endpoints of all programs stood at any time: each change of one is a row, which stays."""

import msgspec

from actors.domain.webhook.endpoint import ENDPOINT, Changed
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import Projection
from actors.shape import tag_of

TABLE = "endpoints"
COLUMNS = ("from_ms", "state", "url", "events", "version", "both_until_ms")

_changed = msgspec.msgpack.Decoder(Changed).decode


def fold(event: EventRecord) -> tuple[Put, ...]:
    """A change is a row by the endpoint's name, `program/endpoint`, and its place: keys are in the order of changes.

    The names of the events that it is told of stand in one column.
    """
    new = _changed(event.payload).endpoint
    _, _, name = event.entity.partition("/")
    place = f"{event.incarnation:08}/{event.offset:019}/{event.index:06}/{event.n:04}"
    values = (event.stamp_ms, new.state, new.url, " ".join(new.events), new.version, new.both_until_ms)
    return (Put(TABLE, f"{name} {place}", values),)


def name_of(key: str) -> str:
    """The endpoint that a row tells of."""
    return key.partition(" ")[0]


ENDPOINTS = Projection(TABLE, COLUMNS, (ENDPOINT.kind,), tag_of(Changed), fold)
