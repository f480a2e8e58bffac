"""The two clocks of a machine, each by one name. What is folded or decided uses neither: it has the log's time."""

import time


def wall_ms() -> int:
    """Milliseconds since 1970, as the machine believes: it jumps when somebody sets its time."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since some moment of the machine's: for deadlines and waits in one process; it never jumps."""
    return time.monotonic_ns() // 1_000_000
