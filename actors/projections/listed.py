"""The programs that everybody may open: listed from a first release on, by the title and category of the newest."""

import msgspec

from actors.domain.catalog.program import PROGRAM, Released
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import Projection
from actors.projections.search import TOKENS, Listed
from actors.shape import tag_of

TABLE = "listed"
COLUMNS = ("title", "category", "code", "released_ms")

_event = msgspec.msgpack.Decoder(PROGRAM.event)


def fold(event: EventRecord) -> tuple[Put, ...]:
    """A release, or a rollback, which is one of an earlier version."""
    released: object = _event.decode(event.payload)
    if not isinstance(released, Released):
        return ()
    _, _, program = event.entity.partition("/")
    return (Put(TABLE, program, (released.title, released.category, released.code, event.stamp_ms)),)


def listing(put: Put) -> Listed:
    """How a program of the table is found. Its key is `account/program`, and the program's own name finds it too."""
    title, category, *_ = put.values
    return Listed(put.key, str(title), (put.key.partition("/")[2],), str(category))


LISTED = Projection(TABLE, COLUMNS, (PROGRAM.kind,), f"{tag_of(Released)}, tokens {TOKENS}", fold, listing)
