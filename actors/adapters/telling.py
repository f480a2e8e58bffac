"""What the follower's errands tell entities, and how it gets there: one table, by the kind of errand."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import uuid_utils
from msgspec import Struct

from actors.domain.identity.person import FOLLOWER, PERSON, Shredded
from actors.domain.webhook.delivery import DELIVERY, Begin, Tried
from actors.entity import AnyEntity, Ref
from actors.kernel.record import Invoke, Slice, encode_frame, encode_record
from actors.kernel.routing import partition_of
from actors.ports import Log
from actors.settings import ClusterSettings

FRAME_RECORDS = 40
"""Of commands as long as they may be, so many fit a frame."""


class Telling(NamedTuple):
    """One kind of errand, the entities that it tells what it has found out, and by which commands."""

    errand: str
    to: AnyEntity
    commands: tuple[type[Struct], ...]


TELLINGS = (
    Telling("webhooks", DELIVERY, (Begin, Tried)),
    Telling("shredding", PERSON, (Shredded,)),
)
"""The roll-out is not here: it tells partitions, not entities."""

_BY_KIND = {telling.to.kind: telling for telling in TELLINGS}


def tell(log: Log, cluster: ClusterSettings, asked: Sequence[tuple[Ref[Any], Struct]]) -> None:
    """Write these commands, each of which stands in the table.

    Raises Unavailable when the log did not take all of them.
    """
    records: dict[int, list[bytes]] = {}
    for to, command in asked:
        telling = _BY_KIND.get(to.kind)
        assert telling is not None, f"no errand tells {to.kind}"
        assert isinstance(command, telling.commands), f"no errand tells {to.kind} {type(command).__name__}"
        partition = partition_of(telling.to.routing(to.id), cluster.partitions, cluster.groups)
        invoke = Invoke(str(to), msgspec.msgpack.encode(command), uuid_utils.uuid7().bytes, FOLLOWER)
        records.setdefault(partition, []).append(encode_record(invoke))
    topic = cluster.commands_topic
    frames = [
        (partition, some[begin : begin + FRAME_RECORDS])
        for partition, some in records.items()
        for begin in range(0, len(some), FRAME_RECORDS)
    ]
    appends = [
        log.append(Slice(topic, partition), encode_frame(topic, partition, FOLLOWER, 0, "", some))
        for partition, some in frames
    ]
    for append in appends:
        append.result()
