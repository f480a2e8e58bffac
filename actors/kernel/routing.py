"""Entity → partition: a pure function of the id and the cluster settings, the same for ever."""

import zlib
from collections.abc import Mapping

GROUP_MARK = "~"


def partition_of(routing_key: str, partitions: int, groups: Mapping[str, int]) -> int:
    """The partition of every entity with this routing key.

    `groups` reserve partitions from the top of the numbers, in the order they are listed; `gold~m42` belongs to the
    group `gold` if there is one. All other keys share what is left, the group `default`.
    """
    top = partitions
    group, mark, _ = routing_key.partition(GROUP_MARK)
    if mark and group in groups:
        for name, size in groups.items():
            top -= size
            if name == group:
                return top + zlib.crc32(routing_key.encode()) % size
    default = partitions - sum(groups.values())
    return zlib.crc32(routing_key.encode()) % default
