"""Brokers behind proxies, a log of the product on them, and a load on that: what every campaign begins with."""

import gc
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from actors.adapters.kafka import KafkaLog
from actors.adapters.kafka_library import KafkaError
from actors.ports import Slice, Topic
from infra.kafka.broker import Cluster, start
from tests.kafka_faults.checking import settle
from tests.kafka_faults.load import Follower, Load
from tests.kafka_faults.proxy import Proxy
from tests.proof.counts import Counts

DEADLINE_MS = 4_000
TOPIC = "frames"
PARTITIONS = 3
SEEN_S_MAX = 30.0
LOOK_S = 0.02


class Stand(NamedTuple):
    """Everything that a fault may need."""

    cluster: Cluster
    proxy: Proxy
    log: KafkaLog
    load: Load
    follower: Follower
    slices: Sequence[Slice]
    counts: Counts


@contextmanager
def brokers(folder: Path, count: int, seed: int) -> Generator[tuple[Cluster, Proxy]]:
    """So many brokers, each behind its proxy."""
    with Proxy(count, seed) as proxy, start(folder, count, advertised=proxy.ports) as cluster:
        proxy.aim(cluster.ports)
        yield cluster, proxy
    gc.collect()  # kafka-python forgets sockets whose connections were refused


@contextmanager
def loaded(cluster: Cluster, proxy: Proxy, counts: Counts, topic: str = TOPIC) -> Generator[Stand]:
    """A load on these brokers; at its end everything is compared."""
    log = KafkaLog(cluster.addresses, append_deadline_ms=DEADLINE_MS)
    slices = [Slice(topic, partition) for partition in range(PARTITIONS)]
    try:
        log.create([Topic(topic, PARTITIONS)])
        load, follower = Load(log, slices, counts.seed), Follower(log, slices)
        yield Stand(cluster, proxy, log, load, follower, slices, counts)
        settle(counts, log, load, follower, slices)
    finally:
        log.close()


def seen(fact: Callable[[], bool], seconds: float = SEEN_S_MAX) -> bool:
    """Wait until this is so; whether it is."""
    until = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > until:
            return False
        for_a_while(LOOK_S)
    return True


def for_a_while(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(seconds)


def stands_still(pid: int) -> bool:
    """Whether every thread of a process has taken note of SIGSTOP."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


@contextmanager
def admin(cluster: Cluster) -> Generator[Any]:
    """kafka-python's own administrator, which has no types."""
    client = import_module("kafka").KafkaAdminClient(bootstrap_servers=cluster.addresses)
    try:
        yield client
    finally:
        client.close()


def leader_of(cluster: Cluster, slice_: Slice) -> int:
    """Which broker leads a slice, counted from 0; -1 for none, or while nobody says."""
    try:
        with admin(cluster) as client:
            (topic,) = client.describe_topics([slice_.topic])
    except KafkaError:
        return -1
    leaders = [one["leader_id"] for one in topic["partitions"] if one["partition_index"] == slice_.partition]
    return max(int(leaders[0]), 0) - 1 if leaders else -1
