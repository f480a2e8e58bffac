"""The webhook endpoints of all programs, as they were last set."""

import msgspec

from actors.domain.webhook.endpoint import ENDPOINT, Changed
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import Projection
from actors.shape import tag_of

TABLE = "endpoints"
COLUMNS = ("state", "url", "events", "version", "both_until_ms", "since_ms")

_changed = msgspec.msgpack.Decoder(Changed).decode


def fold(event: EventRecord) -> tuple[Put, ...]:
    """An endpoint is a row by its name, `program/endpoint`; its events' names stand in one column."""
    new = _changed(event.payload).endpoint
    _, _, name = event.entity.partition("/")
    values = (new.state, new.url, " ".join(new.events), new.version, new.both_until_ms, new.since_ms)
    return (Put(TABLE, name, values),)


ENDPOINTS = Projection(TABLE, COLUMNS, (ENDPOINT.kind,), tag_of(Changed), fold)
