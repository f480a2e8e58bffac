"""What is owed, by whom and to whom: every event of any program that is an `Owed`. Nothing here charges anybody.

That an event is one shows in itself, whatever type states it: so it is known of programs whose types are not at hand.
"""

import msgspec

from actors.entity import Owed
from actors.kernel.action import EventRecord
from actors.ports import Put
from actors.projections.reading import ANY, Projection

TABLE = "owed"
COLUMNS = ("entity", "amount_minor", "currency", "creditor", "what_for", "reference", "stamp_ms", "position")

_FIELDS = Owed.__struct_fields__
_FIRST = msgspec.msgpack.encode(_FIELDS[0])
"""The name of a field that every debt has."""

_decode = msgspec.msgpack.Decoder(Owed).decode


def debt_of(payload: bytes) -> Owed | None:
    """The debt that an event states, if it states one."""
    if payload.find(_FIRST) < 0:
        return None
    try:
        return _decode(payload)
    except msgspec.ValidationError:
        return None


def fold(event: EventRecord) -> tuple[Put, ...]:
    """One that is stated again, by its reference, is one debt: as stated last."""
    debt = debt_of(event.payload)
    if debt is None:
        return ()
    position = f"{event.partition}/{event.offset}/{event.index}"
    stated = (debt.amount_minor, debt.currency, debt.to, debt.what_for, debt.reference)
    # An entity stands in one partition, so its statements have one order; two entities' references may be equal.
    key = f"{event.entity} {debt.reference}"
    return (Put(TABLE, key, (event.entity, *stated, event.stamp_ms, position)),)


DEBTS = Projection(TABLE, COLUMNS, (ANY,), " ".join(_FIELDS), fold, mark=_FIELDS[0])
