"""A million sessions on one host, some of them resident: the memory they take, and how long the collector pauses."""

import secrets
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import msgspec
from uuid_utils import uuid7

from actors.adapters.embedded.server import ADDRESS_NAME
from actors.adapters.logs import open_log
from actors.errors import SetupError
from actors.kernel.record import Invoke, Slice, encode_frame, encode_record
from actors.kernel.routing import partition_of
from actors.ports import Appended, Log
from actors.settings import ClusterSettings, ProcessSettings
from loadtests.bench import processes
from loadtests.bench.worker import Answer, Worker

FRAME_RECORDS = 500
FED_AT_ONCE = ProcessSettings().pending_max // 2
WAIT_S_MAX = 120.0
POLL_S = 0.02


def measure(folder: Path, sessions: int) -> Answer:
    """Open so many sessions on one host; as many as a host may have stay resident."""
    cluster, token = ClusterSettings(), secrets.token_hex(16)
    log_folder = folder / "log"
    owner = subprocess.Popen([sys.executable, "-m", "loadtests.bench.owner", str(log_folder), token])
    try:
        address = address_of(log_folder)
        url = f"embedded://{address}"
        log = open_log(url, ProcessSettings(), token)
        try:
            with Worker("loadtests.bench.host", url, token, str(folder / "host")) as host:
                _wait(host, "serving", cluster.partitions)
                before = processes.rss_bytes(host.pid)
                for start in range(0, sessions, FED_AT_ONCE):
                    # No more on their way than one gateway may have.
                    fed = feed(log, cluster, range(start, min(start + FED_AT_ONCE, sessions)))
                    _wait(host, "applied", fed - FED_AT_ONCE)
                _wait(host, "applied", sessions)
                return _settled(host, before)
        finally:
            log.close()
    finally:
        processes.end(owner, 10)


def _settled(host: Worker, before: int) -> Answer:
    """The host once it has passivated what it may not keep, and its highest mark on the way."""
    stand = host.ask("stand")
    until = time.monotonic() + WAIT_S_MAX
    while stand["resident"] > ProcessSettings().resident_max and time.monotonic() < until:
        time.sleep(POLL_S)
        stand = host.ask("stand")
    return {
        "rss_mb": processes.rss_bytes(host.pid) / 1e6,
        "rss_peak_mb": processes.rss_peak_bytes(host.pid) / 1e6,
        "rss_empty_mb": before / 1e6,
        "resident": stand["resident"],
        "gc_pause_ms_max": stand["pause_s_max"] * 1_000,
    }


def address_of(folder: Path) -> str:
    path = folder / ADDRESS_NAME
    until = time.monotonic() + WAIT_S_MAX
    while not path.exists():
        if time.monotonic() > until:
            raise SetupError(f"the embedded log in {folder} did not start; what it printed above says why")
        time.sleep(POLL_S)
    return path.read_text().strip()


def _wait(host: Worker, what: str, at_least: int) -> None:
    until = time.monotonic() + WAIT_S_MAX
    while host.ask("stand")[what] < at_least:
        if time.monotonic() > until:
            raise SetupError(f"the host did not get to {at_least} {what} within {WAIT_S_MAX:.0f} s")


def feed(log: Log, cluster: ClusterSettings, sessions: range) -> int:
    """Append an opening for each of these sessions, as a gateway would; returns how many there are by now."""
    topic = cluster.commands_topic
    command = msgspec.msgpack.encode({"type": "session.open", "program": "shop", "path": "pages/index", "scene": 1001})
    waiting: dict[int, list[bytes]] = {partition: [] for partition in range(cluster.partitions)}
    flying: list[Future[Appended]] = []

    def append(partition: int) -> None:
        frame = encode_frame(topic, partition, "bench", 1, "", waiting[partition])
        flying.append(log.append(Slice(topic, partition), frame))
        waiting[partition] = []

    for n in sessions:
        session = f"{n:08x}"
        records = waiting[partition_of(session, cluster.partitions, cluster.groups)]
        records.append(encode_record(Invoke(f"session/{session}", command, uuid7().bytes, f"caller-{n % 1_000}")))
        if len(records) == FRAME_RECORDS:
            append(partition_of(session, cluster.partitions, cluster.groups))
    for partition in [partition for partition, records in waiting.items() if records]:
        append(partition)
    for future in flying:
        future.result()
    return sessions.stop
