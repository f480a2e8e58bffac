"""What stream processors are fed with and judged by: a topic of payments, and the changelog of their table."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, cast

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import TopicPartition

from loadtests.peers.contestant import key_in_turn

TOPIC = "payments"
PARTITIONS = 4
QUIET_S = 8.0
POLL_MS = 500


def make_topic(broker: str) -> None:
    """The topic of payments. Four partitions are enough for one process, and cost a processor less than more."""
    admin = cast("Any", KafkaAdminClient)(bootstrap_servers=broker)
    admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1)])
    admin.close()


class Feeder:
    """Produces payments; what it has produced is acknowledged by the broker."""

    def __init__(self, broker: str) -> None:
        self._producer: Any = cast("Any", KafkaProducer)(
            bootstrap_servers=broker, acks="all", enable_idempotence=True, linger_ms=5, batch_size=1 << 18
        )

    def feed(self, count: int, keys: int) -> None:
        """So many payments over so many keys, each under an id of its own."""
        run = uuid.uuid4().hex[:12]
        for n in range(count):
            self._send(key_in_turn(n, keys), f"{run}-{n}")
        self._producer.flush()

    def pay(self, key: str, name: str) -> None:
        """One payment, acknowledged."""
        sent = self._send(key, name)
        self._producer.flush()
        sent.get(timeout=30)

    def _send(self, key: str, name: str) -> Any:
        return self._producer.send(TOPIC, key=key.encode(), value=json.dumps({"id": name, "amount": 1}).encode())

    def close(self) -> None:
        """End the connection."""
        self._producer.close()


def balances(broker: str, prefix: str) -> dict[str, int]:
    """What the table holds, read from its changelog once nothing more has come to that for a while."""
    return dict(_changes(broker, prefix))  # of each key the last change stands


def _changes(broker: str, part_of_name: str) -> Iterator[tuple[str, int]]:
    consumer: Any = cast("Any", KafkaConsumer)(bootstrap_servers=broker, enable_auto_commit=False)
    try:
        (topic,) = (name for name in consumer.topics() if part_of_name in name)
        partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        last = time.monotonic()
        while time.monotonic() < last + QUIET_S:
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    last = time.monotonic()
                    if record.value:
                        yield key_in(record.key), int(json.loads(record.value)["balance"])
    finally:
        consumer.close()


def key_in(raw: bytes) -> str:
    """The account's key in a changelog's: Faust writes it as JSON, quixstreams before a bar, with the state's name."""
    return raw.decode(errors="replace").partition("|")[0].strip('"')
