"""Which entities may leave memory. Pure.

Second chance in order of arrival, so that neither a hit nor a drop costs more than a constant.
"""

from actors.kernel.resident import Resident


def passivate(residents: dict[str, Resident], excess: int, now_ms: int, written: int, scan_max: int = 10_000) -> int:
    """Drop up to `excess` residents whatever their age, and all that are idle; returns how many were dropped.

    Only those the store has (changed <= written) are dropped. Looks at `scan_max` residents at most, oldest first.
    """
    dropped = 0
    for entity in list(residents)[:scan_max]:
        resident = residents[entity]
        idle_ms, idle_ms_max = now_ms - resident.used_ms, resident.kind.entity.passivate_after_ms
        if resident.changed <= written and (dropped < excess or idle_ms > idle_ms_max):
            del residents[entity]
            dropped += 1
        elif idle_ms < idle_ms_max // 2:
            residents[entity] = residents.pop(entity)
        elif dropped >= excess:
            break
    return dropped
