"""Entity → partition: a pure function of the id and the cluster settings, the same for ever.

Groups reserve partitions from the top of the numbers, in the order they are listed; the rest is the default group's.
"""

import zlib
from collections.abc import Mapping

GROUP_MARK = "~"
DEFAULT_GROUP = "default"


def partition_of(routing_key: str, partitions: int, groups: Mapping[str, int]) -> int:
    """The partition of every entity with this routing key.

    `gold~m42` belongs to the group `gold` if there is one; all other keys share the default group.
    """
    if not groups:
        return zlib.crc32(routing_key.encode()) % partitions
    top = partitions
    group, mark, _ = routing_key.partition(GROUP_MARK)
    if mark and group in groups:
        for name, size in groups.items():
            top -= size
            if name == group:
                return top + zlib.crc32(routing_key.encode()) % size
    default = partitions - sum(groups.values())
    return zlib.crc32(routing_key.encode()) % default


def groups_of(partitions: int, groups: Mapping[str, int]) -> dict[str, range]:
    """The partitions of each group: where `partition_of` sends its keys."""
    top = partitions
    ranges: dict[str, range] = {}
    for name, size in groups.items():
        ranges[name] = range(top - size, top)
        top -= size
    return {DEFAULT_GROUP: range(top), **ranges}
