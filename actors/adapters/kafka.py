"""The log on Apache Kafka, by kafka-python. Identity and exactly-once are the callers'; here is order and honesty.

A send that fails or is late may have been appended, and the producer that sent it may never send again. So every send
has our own deadline, and the first one that fails or is late ends that producer: all it had in flight is
OUTCOME_UNKNOWN, and a fresh one, of the next generation, takes over.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from actors.adapters.appends import APPEND_BYTES_MAX, Overdue, new_future, not_appended, outcome_unknown, settle
from actors.adapters.kafka_library import (
    Admin,
    Cluster,
    KafkaError,
    Metadata,
    Producer,
    TopicFacts,
    UnknownTopic,
    abandon,
    may_send_at_once,
    never_appended,
)
from actors.adapters.kafka_reader import KafkaReader
from actors.adapters.kafka_topics import create, facts_of, is_compacted
from actors.adapters.topics import no_such_topic, no_trim
from actors.errors import PlatformError
from actors.ports import Appended, Reader, Slice, Span, Topic

RETRY_S = 0.1
WAITING_MAX = 100_000

R = TypeVar("R")


class _Entry:
    """An append on its way; `generation` is that of the producer that has it, 0 while none has."""

    __slots__ = ("frame", "future", "generation", "key", "slice")

    def __init__(self, slice: Slice, frame: bytes, key: bytes | None) -> None:
        self.slice = slice
        self.frame = frame
        self.key = key
        self.future = new_future()
        self.generation = 0


class KafkaLog:
    """A Log on a cluster of brokers. Nothing is raised by the constructor if they are away."""

    def __init__(
        self, bootstrap: Sequence[str], options: Mapping[str, object] | None = None, append_deadline_ms: int = 10_000
    ) -> None:
        """`options` are those that kafka-python takes for security; see `kafka_library.OPTIONS`."""
        self._cluster = Cluster(tuple(bootstrap), dict(options or {}))
        self._deadline_ms = append_deadline_ms
        self._admin: Admin | None = None
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._waiting: deque[_Entry] = deque()
        self._flying: set[_Entry] = set()
        self._why_away = "not connected yet"
        # Told by callbacks on kafka-python's thread, which must not wait for our lock.
        self._failed: deque[int] = deque()
        self._work = threading.Event()
        self._closing = False
        self.producer_generation = 0
        """How many producers there have been; grows with every fault of a send. For metrics."""
        self._overdue: Overdue[_Entry] = Overdue(append_deadline_ms, lambda entry: entry.future.done(), self._expire)
        self._thread = threading.Thread(target=self._run, name="kafka-log", daemon=True)
        self._thread.start()

    # Topics and bounds.

    def create(self, topics: Sequence[Topic]) -> None:
        self._ask(lambda admin: create(admin, topics))

    def topic_id(self, topic: str) -> str:
        return self._facts([topic])[topic].topic_id

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        try:
            return self._ask(lambda admin: admin.spans(slices))
        except UnknownTopic as error:
            self._facts([slice.topic for slice in slices])
            raise no_such_topic(slices[0].topic) from error

    def trim(self, slice: Slice, below: int) -> None:
        if is_compacted(self._facts([slice.topic])[slice.topic]):
            raise no_trim(slice.topic)
        span = self.spans([slice])[slice]
        if span.start < below:
            self._ask(lambda admin: admin.delete(slice, min(below, span.end)))

    def reader(self) -> Reader:
        return KafkaReader(self._cluster, self._facts, self.spans)

    def _facts(self, topics: Sequence[str]) -> dict[str, TopicFacts]:
        return self._ask(lambda admin: facts_of(admin, topics))

    def _ask(self, question: Callable[[Admin], R]) -> R:
        """Raises Unavailable, SetupError, or UnknownTopic; after trouble the next question connects anew."""
        with self._asking:
            try:
                if self._admin is None:
                    self._admin = self._cluster.admin()
                return question(self._admin)
            except UnknownTopic:
                raise
            except KafkaError as error:
                if self._admin is not None:
                    self._admin.close()
                    self._admin = None
                raise self._cluster.trouble(error, "OUTCOME_UNKNOWN") from error

    # Appending.

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        assert len(frame) <= APPEND_BYTES_MAX
        entry = _Entry(slice, frame, key)
        self._overdue.add(entry)
        with self._lock:
            refusal = "the log is closed" if self._closing else ""
            if len(self._waiting) >= WAITING_MAX:
                refusal = f"{WAITING_MAX} appends wait for {self._cluster.addresses}; try again later"
            if not refusal:
                # What waits goes first, to keep the order; what need not wait does not change threads.
                if self._producer is not None and not self._waiting and may_send_at_once(self._producer, slice):
                    self._send(self._producer, entry)
                else:
                    self._waiting.append(entry)
                    self._work.set()
        if refusal:
            settle(entry.future, not_appended(refusal))
        return entry.future

    def _send(self, producer: Producer, entry: _Entry) -> None:
        """Hand an entry over; the caller holds the lock."""
        entry.generation = self.producer_generation
        self._flying.add(entry)
        try:
            sent = producer.send(entry.slice.topic, entry.frame, entry.key, partition=entry.slice.partition)
        except (KafkaError, ValueError) as error:
            self._flying.discard(entry)
            settle(entry.future, not_appended(f"kafka-python refused the frame: {error}"))
            return
        sent.add_callback(lambda metadata: self._on_sent(entry, metadata))
        sent.add_errback(lambda error: self._on_failed(entry, error))

    def _on_sent(self, entry: _Entry, metadata: Metadata) -> None:
        self._flying.discard(entry)
        settle(entry.future, Appended(metadata.offset, metadata.timestamp))

    def _on_failed(self, entry: _Entry, error: Exception) -> None:
        self._flying.discard(entry)
        message = f"the brokers at {self._cluster.addresses} failed an append: {error}"
        settle(entry.future, not_appended(message) if never_appended(error) else outcome_unknown(message))
        self._failed.append(entry.generation)
        self._work.set()

    def _expire(self, entries: list[_Entry]) -> None:
        with self._lock:
            for entry in entries:
                if not entry.generation:
                    # Settled under the lock, so that it cannot be sent after this was said.
                    why = f"the brokers at {self._cluster.addresses} are away: {self._why_away}"
                    settle(entry.future, not_appended(why))
            self._waiting = deque(entry for entry in self._waiting if not entry.future.done())
        late = [entry for entry in entries if not entry.future.done()]
        for entry in late:
            settle(
                entry.future, outcome_unknown(f"no answer from {self._cluster.addresses} within {self._deadline_ms} ms")
            )
            self._failed.append(entry.generation)
        self._work.set()

    # Our thread: it makes producers, ends them, and sends what could not be sent at once.

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            self._retire_failed()
            if self._closing and not self._waiting:
                return
            try:
                self._pump()
            except (KafkaError, PlatformError) as error:
                self._why_away = str(error)
                if self._waiting:
                    threading.Timer(RETRY_S, self._work.set).start()

    def _retire_failed(self) -> None:
        while self._failed:
            generation = self._failed.popleft()
            with self._lock:
                if generation != self.producer_generation or self._producer is None:
                    continue
                producer, self._producer = self._producer, None
                lost, self._flying = self._flying, set()
            unknown = outcome_unknown("another append of this producer failed or was late; a fresh one takes over")
            for entry in lost:
                settle(entry.future, unknown)
            threading.Thread(target=abandon, args=(producer,), name="kafka-retire", daemon=True).start()

    def _pump(self) -> None:
        while self._waiting:
            producer = self._producer or self._renew()
            topic = self._waiting[0].slice.topic
            if not self._learn(producer, topic):
                self._refuse(topic)
                continue
            with self._lock:
                while self._waiting and may_send_at_once(producer, self._waiting[0].slice):
                    entry = self._waiting.popleft()
                    if not entry.future.done():
                        self._send(producer, entry)
            if self._failed:
                self._retire_failed()

    def _renew(self) -> Producer:
        producer = self._cluster.producer(self._deadline_ms)
        with self._lock:
            self.producer_generation += 1
            self._producer = producer
        return producer

    def _learn(self, producer: Producer, topic: str) -> bool:
        """Make the producer know the topic; False if there is none. Raises while the brokers are away."""
        partitions = self._ask(lambda admin: admin.describe([topic]))
        if topic not in partitions:
            return False
        producer.partitions_for(topic)
        with self._lock:
            head = self._waiting[0].slice if self._waiting else None
        return head is None or head.topic != topic or head.partition < partitions[topic].partitions

    def _refuse(self, topic: str) -> None:
        with self._lock:
            refused = [entry for entry in self._waiting if entry.slice.topic == topic]
            self._waiting = deque(entry for entry in self._waiting if entry.slice.topic != topic)
        for entry in refused:
            settle(entry.future, not_appended(str(no_such_topic(topic))))

    def close(self) -> None:
        with self._lock:
            self._closing = True
            left = [entry.future for entry in (*self._waiting, *self._flying)]
        wait(left, self._deadline_ms / 1000)
        self._work.set()
        self._thread.join()
        self._overdue.close()
        if self._producer is not None:
            abandon(self._producer)
            self._producer = None
        with self._asking:
            if self._admin is not None:
                self._admin.close()
                self._admin = None
