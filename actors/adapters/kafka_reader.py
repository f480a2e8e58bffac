"""Reading Kafka: by assignment, from offsets we name, without a group; every gap is an error, never a skip."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from actors.adapters.kafka_library import (
    CONNECT_MS_MAX,
    Cluster,
    Consumer,
    ConsumerRecord,
    CorruptRecord,
    KafkaError,
    LogTruncation,
    OffsetOutOfRange,
    TopicFacts,
    is_connected,
    named_places,
    place,
    topic_id_now,
)
from actors.adapters.kafka_topics import is_compacted
from actors.adapters.reading import check_contiguous, slice_at, where
from actors.errors import Corrupt, SetupError
from actors.ports import Fetched, Slice, Span

WAKE_MS_MAX = 250
AWAY_MS_MIN = 1_000
OPINIONS = 4
"""So often the brokers must say that they do not hold our place before it is believed: what turns bits does not stop
after one."""
DAMAGED_MAX = 5
"""What came damaged from the brokers so often in a row is damaged there."""
AGAIN_MS = 100
"""Between two such answers."""


class KafkaReader:
    """A Reader. Connects at the first `poll`, and again by itself after the brokers were away.

    kafka-python cannot be woken from its poll, so a poll that waits looks for `wake` every 250 ms.
    """

    def __init__(
        self,
        cluster: Cluster,
        facts: Callable[[Sequence[str]], dict[str, TopicFacts]],
        spans: Callable[[Sequence[Slice]], dict[Slice, Span]],
    ) -> None:
        self._cluster = cluster
        self._facts_of = facts
        self._spans_of = spans
        self._positions: dict[Slice, int] = {}
        self._facts: dict[str, TopicFacts] = {}
        self._consumer: Consumer | None = None
        self._assigned = False
        self._sought: set[Slice] = set()
        self._lost: dict[Slice, Corrupt] = {}
        self._damage: dict[Slice, int] = {}
        self._final: Corrupt | None = None
        self._connected_at = 0.0
        self._wake = threading.Event()
        self._closed = False

    def assign(self, positions: Mapping[Slice, int]) -> None:
        goes_on = self._positions.keys() & positions.keys()
        self._lost = {slice: why for slice, why in self._lost.items() if slice in goes_on}
        self._positions = {slice: self._positions.get(slice, offset) for slice, offset in positions.items()}
        self._assigned = False
        # A slice that goes on keeps its place in the consumer: to seek is to forget under which leader it was read, and
        # so how to see that frames below it are gone. Of the one that was corrupt the consumer may be beyond our place.
        self._sought &= positions.keys() - ({slice_at(self._final.position)} if self._final else set())
        self._final = None

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        if self._final is not None:
            raise self._final
        for slice in self._lost.keys() & self._positions.keys():
            self._final = self._lost[slice]
            raise self._final
        due = monotonic() + timeout_ms / 1000
        try:
            return self._poll_until(due)
        except Corrupt as error:
            self._final = error
            raise
        except KafkaError as error:
            raise self._cluster.trouble(error, "NOT_APPENDED") from error

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        self._disconnect()

    def _poll_until(self, due: float) -> list[Fetched]:
        while True:
            left_ms = max(0, int((due - monotonic()) * 1000))
            if not self._positions:
                self._wake.wait(left_ms / 1000)
                self._wake.clear()
                return []
            consumer = self._ready()
            fetched = self._fetch(consumer, min(left_ms, WAKE_MS_MAX))
            if fetched:
                self._connected_at = monotonic()
            if fetched or self._wake.is_set() or self._closed:
                self._wake.clear()
                return fetched
            if monotonic() >= due:
                self._check_connected(consumer)
                return []

    def _check_connected(self, consumer: Consumer) -> None:
        """Raises Unavailable once a leader has not been connected for longer than a connection takes to be made."""
        now = monotonic()
        if is_connected(consumer, list(self._positions)):
            self._connected_at = now
        elif now - self._connected_at > AWAY_MS_MIN / 1000:
            raise self._cluster.trouble(ConnectionError("no answer"), "NOT_APPENDED")

    def _ready(self) -> Consumer:
        """The consumer, connected and at our positions."""
        if self._consumer is None:
            self._consumer = self._cluster.consumer()
            self._sought.clear()
            self._connected_at = monotonic()
            self._assigned = False
        if not self._assigned:
            # The ids are asked for again only for new topics: a topic that changes its id under us is another one.
            new = [
                topic for topic in dict.fromkeys(slice.topic for slice in self._positions) if topic not in self._facts
            ]
            self._facts |= self._facts_of(new) if new else {}
            self._consumer.assign([place(slice) for slice in self._positions])
            for slice, offset in self._positions.items():
                if slice not in self._sought:
                    self._consumer.seek(place(slice), offset)
            self._sought = set(self._positions)
            self._assigned = True
        return self._consumer

    def _fetch(self, consumer: Consumer, timeout_ms: int) -> list[Fetched]:
        try:
            polled = consumer.poll(timeout_ms=timeout_ms)
        except OffsetOutOfRange as error:
            return self._beyond(error)
        except LogTruncation as error:
            # It is said once of all slices concerned, and each is to stop, though our caller hears of one at a time.
            for slice in named_places(error, self._positions) or self._positions:
                at = where(slice, self._positions[slice])
                self._lost[slice] = Corrupt(
                    f"the log was cut off before {at}: acknowledged frames are gone", position=at
                )
            raise next(iter(self._lost.values())) from error
        except CorruptRecord as error:
            return self._damaged(error)
        self._check_ids(consumer)
        fetched: list[Fetched] = []
        for (topic, partition), records in polled.items():
            slice = Slice(topic, partition)
            try:
                fetched += self._take(slice, records)
            except Corrupt as error:
                # What other slices gave is handed out first: their places are behind it already. A batch's first offset
                # has no checksum, and neither has what was asked for: it is fetched anew before it is believed.
                if self._damaged_again(slice) < DAMAGED_MAX:
                    self._disconnect()
                else:
                    self._final = error
        if self._final is not None and not fetched:
            raise self._final
        return fetched

    def _take(self, slice: Slice, records: Sequence[ConsumerRecord]) -> list[Fetched]:
        expected = self._positions[slice]
        if not is_compacted(self._facts[slice.topic]):
            for n, record in enumerate(records):
                check_contiguous(slice, expected + n, record.offset)
        self._positions[slice] = records[-1].offset + 1
        self._damage.pop(slice, None)
        return [Fetched(slice, record.offset, record.timestamp, record.value, record.key) for record in records]

    def _check_ids(self, consumer: Consumer) -> None:
        for topic, slice in {slice.topic: slice for slice in self._positions}.items():
            facts, now = self._facts[topic], topic_id_now(consumer, topic)
            if now is not None and now != facts.topic_id:
                raise Corrupt(
                    f"the topic {topic} was deleted and made again: it was {facts.topic_id}, now it is {now}",
                    position=where(slice, self._positions[slice]),
                )

    def _beyond(self, error: Exception) -> list[Fetched]:
        """A broker was asked for an offset that it has not: ours, unless the request was damaged on its way.

        Neither a request nor an answer about offsets has a checksum; so the brokers are asked what they hold,
        several times before it is believed that ours is not among it, and if it is, it is fetched anew first. A broker
        remembers what a connection fetches (KIP-227), a damaged offset too, so that only a new one asks for ours.
        """
        slice = self._slice_of(error)
        at = where(slice, self._positions[slice])
        if self._is_held(slice) and (times := self._damaged_again(slice)) < DAMAGED_MAX:
            # Only the second time, since by a new connection a reader forgets under which leader it read.
            if times > 1:
                self._disconnect()
            return []
        message = f"the log does not hold {at}: frames were cut, or acknowledged frames are gone"
        raise Corrupt(message, position=at) from error

    def _is_held(self, slice: Slice) -> bool:
        """Whether the brokers say once, of the times that they are asked, that the log reaches our place."""
        for _ in range(OPINIONS):
            with contextlib.suppress(SetupError):  # no such partition: so says who is asked for another than we meant
                span = self._spans_of([slice])[slice]
                if span.start <= self._positions[slice] <= span.end:
                    return True
            self._wake.wait(AGAIN_MS / 1000)
        return False

    def _damaged_again(self, slice: Slice) -> int:
        """How often in a row something of this slice came damaged, this time included."""
        self._damage[slice] = self._damage.get(slice, 0) + 1
        return self._damage[slice]

    def _slice_of(self, error: Exception) -> Slice:
        """The slice that an error of kafka-python is about."""
        named = named_places(error, self._positions)
        return named[0] if named else next(iter(self._positions))

    def _damaged(self, error: Exception) -> list[Fetched]:
        """What came does not have its checksum: it may have been damaged on its way, so it is fetched anew first."""
        slice = self._slice_of(error)
        if self._damaged_again(slice) >= DAMAGED_MAX:
            at = where(slice, self._positions[slice])
            raise Corrupt(f"the log is damaged at or after {at}: {error}", position=at) from error
        self._disconnect()
        return []

    def _disconnect(self) -> None:
        """End the connection; the next fetch is from our places, by a new one."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=CONNECT_MS_MAX)
            self._consumer = None
