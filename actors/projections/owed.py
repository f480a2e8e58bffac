"""What is owed, by whom and to whom: every event of any program that is an `Owed`. Nothing here charges anybody."""

import msgspec
from msgspec import Struct

from actors.entity import Owed
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import Projection
from actors.registry import Registry
from actors.shape import structs_of, tag_of

TABLE = "owed"
COLUMNS = ("entity", "amount_minor", "currency", "creditor", "what_for", "reference", "stamp_ms", "position")


class _Tagged(Struct):
    """The tag of an event, whatever else it holds."""

    type: str


_tag = msgspec.msgpack.Decoder(_Tagged).decode
_debt = msgspec.msgpack.Decoder(Owed).decode


def owed(registry: Registry) -> Projection:
    """The debts that these programs state. One that is stated again, by its reference, is one debt: as stated last."""
    tags = {
        kind: frozenset(tag_of(event) for event in structs_of(entity.event) if issubclass(event, Owed))
        for kind, entity in registry.entities.items()
    }
    stating = {kind: found for kind, found in sorted(tags.items()) if found}

    def fold(event: EventRecord) -> tuple[Put, ...]:
        if _tag(event.payload).type not in stating[event.entity.partition("/")[0]]:
            return ()
        try:
            debt = _debt(event.payload)
        except msgspec.ValidationError:
            return ()  # of an earlier version of the program, whose event of this tag stated no debt
        position = f"{event.partition}/{event.offset}/{event.index}"
        stated = (debt.amount_minor, debt.currency, debt.to, debt.what_for, debt.reference)
        # An entity stands in one partition, so its statements have one order; two entities' references may be equal.
        key = f"{event.entity} {debt.reference}"
        return (Put(TABLE, key, (event.entity, *stated, event.stamp_ms, position)),)

    terms = " ".join(tag for found in stating.values() for tag in sorted(found))
    return Projection(TABLE, COLUMNS, tuple(stating), terms, fold)
