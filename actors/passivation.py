"""Which entities may leave memory. Pure.

Second chance in order of arrival, so that neither a hit nor a drop costs more than a constant. A look at a part of them
each time is enough: to look at all cost a host with 50,000 residents and many timers a third of its time.
"""

from itertools import islice

from actors.kernel.resident import Resident

LOOKS_MIN = 64
TURNS = 128
"""Each resident is looked at once in so many times, of which there are four a second."""


def passivate(residents: dict[str, Resident], excess: int, now_ms: int, written: int) -> int:
    """Drop up to `excess` residents whatever their age, and what is idle; returns how many were dropped.

    Only those the store has (changed <= written) are dropped. Looks at some only, oldest first.
    """
    dropped = 0
    looks_max = max(excess, 0) + LOOKS_MIN + len(residents) // TURNS
    for entity in list(islice(residents, looks_max)):
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
