"""A host in a process of its own, over the log in FOLDER: arguments FOLDER ASSIGNMENT DECIDE_MS_MAX MEMORY_BYTES_MAX.

It ends once it has halted a partition, if it gets that far.
"""

import asyncio
import sys
import threading
from pathlib import Path

import msgspec

from actors.adapters.embedded.local import LocalLog
from actors.adapters.hosting.memory import limit_memory
from actors.adapters.hosting.shell import Hosting, Parts
from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.sensor import Sensor
from tests.hosting.stage import CLUSTER, config_of, rules, verdicts


async def serve(folder: Path, assignment: int, decide_ms_max: int, memory_bytes_max: int) -> None:
    """Own every partition until one is halted."""
    config = msgspec.structs.replace(
        config_of(folder, f"bad-host-{assignment}", decide_ms_max=decide_ms_max), watchdog=True
    )
    log = LocalLog(folder / "log")
    parts = Parts(log, RocksStates(), open_objects(folder / "objects"), rules(), Sensor())
    hosting = Hosting(config, parts, lambda _event, _facts: None)
    await hosting.start()
    limit_memory(memory_bytes_max)
    hosting.assign(dict.fromkeys(range(CLUSTER.partitions), (0, assignment)))
    while not any(verdict.word == "halted" for verdict in verdicts(log).values()):
        await asyncio.to_thread(threading.Event().wait, 0.01)
    await hosting.stop()
    log.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), *map(int, sys.argv[2:])))
