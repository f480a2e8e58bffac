"""The memory that a host's process may take: an author's code that fills it gets an error, and the machine lives on."""

import resource
from pathlib import Path


def data_bytes() -> int:
    """What counts towards the limit: the writable memory that this process has mapped for itself."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmData"].split()[0]) << 10


def limit_memory(more_bytes_max: int) -> None:
    """Let this process take at most so much more than it has now; beyond that its code gets MemoryError."""
    if not Path("/proc/self/status").exists():
        return  # elsewhere than on Linux there is no such limit
    limit_bytes = data_bytes() + more_bytes_max
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))
