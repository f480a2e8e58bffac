"""A host that takes a log that was filled before: how many records a second it applies, with its stores and events.

Runs in whichever process calls it, which is what is compared: a plain one or a Ray actor.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.adapters.logs import open_log
from actors.adapters.prometheus import PrometheusSensor
from actors.errors import SetupError
from actors.host import PartitionStatus
from actors.kernel.record import Slice, decode_frame
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from loadtests.bench import host

BEGUN, POLL_S, DRAIN_S_MAX = 0.1, 0.01, 120.0
POLL_MS = 200
_decode_status = msgspec.json.Decoder(list[PartitionStatus]).decode
_decode_command = msgspec.msgpack.Decoder(dict[str, object]).decode


def host_per_s(url: str, token: str, folder: str, n: int, records: int, *, metered: bool) -> float:
    """Records a second from when a tenth was applied until all were. `n` is higher in each life over one log."""
    running = host.make(url, token, Path(folder), PrometheusSensor() if metered else Sensor())
    running.start()
    try:
        running.assign(dict.fromkeys(range(ClusterSettings().partitions), (1, n)))
        return _rate(lambda: _applied(running.status()), records)
    finally:
        running.stop()


def _applied(status: bytes) -> int:
    partitions = _decode_status(status)
    if halted := [partition.halted for partition in partitions if partition.halted]:
        raise SetupError(f"a partition stopped: {halted[0]}")
    return sum(partition.applied_records for partition in partitions)


def _rate(applied: Callable[[], int], records: int) -> float:
    began, first, until = 0.0, 0, time.monotonic() + DRAIN_S_MAX
    while (now := applied()) < records:
        if not first and now >= BEGUN * records:
            began, first = time.perf_counter(), now
        if time.monotonic() > until:
            raise SetupError(f"the host applied {now} of {records} records within {DRAIN_S_MAX:.0f} s")
        time.sleep(POLL_S)
    return (now - first) / (time.perf_counter() - began) if first else float("inf")


def bare_per_s(url: str, token: str, records: int) -> float:
    """The same log read by a loop that decodes each record and its command and counts it under its entity."""
    cluster = ClusterSettings()
    topic, states, taken = cluster.commands_topic, dict[str, int](), 0
    log = open_log(url, ProcessSettings(), token)
    reader = log.reader()
    try:
        reader.assign({Slice(topic, partition): 0 for partition in range(cluster.partitions)})
        began = time.perf_counter()
        while taken < records and time.perf_counter() < began + DRAIN_S_MAX:
            for fetched in reader.poll(POLL_MS):
                frame = decode_frame(topic, fetched.slice.partition, fetched.offset, fetched.frame)
                for record in frame.records:
                    entity, command = getattr(record, "entity", ""), getattr(record, "command", b"\x80")
                    states[entity] = states.get(entity, 0) + len(_decode_command(command))
                    taken += bool(entity)
        return taken / (time.perf_counter() - began)
    finally:
        reader.close()
        log.close()
