"""A processor that a host's thread keeps, on a machine that serves nothing else.

A host is one thread, and all that is behind it waits. Where a gateway and a log share two processors with it, Linux
left it waiting for a fifth of the time, while one of the two idled.
"""

import os
import socket

HELD = "\0hutong/core/{}"
"""A name that one socket of a machine may have, and that is free again when its process has ended, however it did."""


def keep_core(thread_id: int) -> socket.socket | None:
    """Tie this thread of this process to a processor to which no other host's is; it is kept while the socket is open.

    None where each has a host's already, or the system does not let us: the thread then goes where there is room. The
    first processor is left to gateways and the log, which have to say no when hosts have too much to do.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None  # elsewhere than on Linux
    for core in sorted(os.sched_getaffinity(os.getpid()))[:0:-1]:
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(HELD.format(core))
            os.sched_setaffinity(thread_id, {core})
        except OSError:
            held.close()
            continue
        return held
    return None
