"""kafka-python, named and typed once: what of it is used, how it is set up, and what its errors mean.

Everything that touches the library's inside is here, pinned to 3.0.12 and held by the contract suite.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from actors.errors import Outcome, PlatformError, SetupError, Unavailable
from actors.ports import Slice, Span

# kafka-python ships no types, and those that pyright brings along are of an older release: each name is typed here.
_kafka = import_module("kafka")
_kafka_admin = import_module("kafka.admin")
_errors = import_module("kafka.errors")
_KafkaProducer = cast("Callable[..., object]", _kafka.KafkaProducer)
_KafkaConsumer = cast("Callable[..., object]", _kafka.KafkaConsumer)
_KafkaAdminClient = cast("Callable[..., object]", _kafka_admin.KafkaAdminClient)
_KafkaNetClient = cast("Callable[..., _Client]", import_module("kafka.net.compat").KafkaNetClient)
_TopicPartition = cast("Callable[[str, int], object]", _kafka.TopicPartition)
_ConfigResource = cast("Callable[[object, str], object]", _kafka_admin.ConfigResource)
_TOPIC_RESOURCE = cast("object", _kafka_admin.ConfigResourceType.TOPIC)
_EARLIEST = cast("object", _kafka_admin.OffsetSpec.EARLIEST)
_LATEST = cast("object", _kafka_admin.OffsetSpec.LATEST)

KafkaError = cast("type[Exception]", _errors.KafkaError)
OffsetOutOfRange = cast("type[Exception]", _errors.OffsetOutOfRangeError)
LogTruncation = cast("type[Exception]", _errors.LogTruncationError)
CorruptRecord = cast("type[Exception]", _errors.CorruptRecordError)
TopicExists = cast("type[Exception]", _errors.TopicAlreadyExistsError)
UnknownTopic = cast("type[Exception]", _errors.UnknownTopicOrPartitionError)
_NEVER_APPENDED = cast(
    "tuple[type[Exception], ...]",
    (
        _errors.InvalidRecordError,
        _errors.InvalidTopicError,
        _errors.MessageSizeTooLargeError,
        _errors.RecordListTooLargeError,
        _errors.TopicAuthorizationFailedError,
        _errors.ClusterAuthorizationFailedError,
    ),
)
_REFUSED = cast(
    "tuple[type[Exception], ...]",
    (
        _errors.SaslAuthenticationFailedError,
        _errors.UnsupportedSaslMechanismError,
        _errors.KafkaConfigurationError,
        _errors.TopicAuthorizationFailedError,
        _errors.ClusterAuthorizationFailedError,
    ),
)

MESSAGE_BYTES_MAX = 2 << 20
CONNECT_MS_MAX = 3_000
REQUEST_MS_MAX = 5_000
METADATA_BLOCK_MS = 500
METADATA_AGE_MS_MAX = 30_000
FETCH_WAIT_MS = 250
FETCH_BYTES_MAX = 3 << 20
FETCH_SLICE_BYTES_MAX = 1 << 20
POLL_FRAMES_MAX = 4_096
RECONNECT_MS_MAX = 1_000

OPTIONS: Mapping[str, Callable[[str], object]] = {
    "security_protocol": str,
    "ssl_cafile": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_crlfile": str,
    "ssl_check_hostname": lambda value: value.lower() not in ("0", "false", "no"),
    "sasl_mechanism": str,
    "sasl_plain_username": str,
    "sasl_plain_password": str,
    "sasl_kerberos_name": str,
    "sasl_kerberos_service_name": str,
    "sasl_kerberos_domain_name": str,
    "proxy_url": str,
}
"""What a `kafka://` address may say after its question mark; each goes to kafka-python under the same name."""


class Metadata(Protocol):
    """Where a record was appended."""

    offset: int
    timestamp: int


class Sent(Protocol):
    """kafka-python's own future."""

    def add_callback(self, f: Callable[[Metadata], None]) -> object: ...

    def add_errback(self, f: Callable[[Exception], None]) -> object: ...


class Producer(Protocol):
    """What is used of KafkaProducer."""

    def send(self, topic: str, value: bytes, key: bytes | None, *, partition: int) -> Sent: ...

    def partitions_for(self, topic: str) -> set[int]: ...

    def close(self, timeout: float) -> None: ...


class ConsumerRecord(Protocol):
    """A record as it is read."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


class Consumer(Protocol):
    """What is used of KafkaConsumer."""

    def assign(self, partitions: list[Slice]) -> None: ...

    def seek(self, partition: Slice, offset: int) -> None: ...

    def poll(self, timeout_ms: int) -> dict[tuple[str, int], list[ConsumerRecord]]: ...

    def close(self, autocommit: bool, timeout_ms: int) -> None: ...


class TopicFacts(NamedTuple):
    """A topic as the brokers describe it."""

    topic_id: str
    partitions: int
    configs: dict[str, str]


class Cluster(NamedTuple):
    """Where the brokers are, and how to be let in."""

    bootstrap: tuple[str, ...]
    options: Mapping[str, object]

    @property
    def addresses(self) -> str:
        """For messages to people; options may hold secrets and are not in it."""
        return ",".join(self.bootstrap)

    def _common(self, request_ms: int) -> dict[str, object]:
        return {
            "bootstrap_servers": list(self.bootstrap),
            "bootstrap_timeout_ms": CONNECT_MS_MAX,
            "request_timeout_ms": request_ms,
            "reconnect_backoff_max_ms": RECONNECT_MS_MAX,
            "metadata_max_age_ms": METADATA_AGE_MS_MAX,
            **self.options,
        }

    def producer(self, append_deadline_ms: int) -> Producer:
        """A connected producer that keeps the order of each slice. Raises what `trouble` explains."""
        return cast(
            "Producer",
            _build(
                _KafkaProducer,
                **self._common(max(1_000, append_deadline_ms // 2)),
                # Our own deadline comes first: after a batch expires, this producer may never send again.
                delivery_timeout_ms=max(2_000, append_deadline_ms * 2),
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
                batch_size=1 << 20,
                max_request_size=MESSAGE_BYTES_MAX,
                max_block_ms=METADATA_BLOCK_MS,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            ),
        )

    def consumer(self) -> Consumer:
        """A connected consumer without a group, at no offset yet. Raises what `trouble` explains."""
        return cast(
            "Consumer",
            _build(
                _KafkaConsumer,
                **self._common(REQUEST_MS_MAX),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                check_crcs=True,
                fetch_min_bytes=1,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                fetch_max_bytes=FETCH_BYTES_MAX,
                max_partition_fetch_bytes=FETCH_SLICE_BYTES_MAX,
                max_poll_records=POLL_FRAMES_MAX,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            ),
        )

    def admin(self) -> "Admin":
        """A connected admin client. Raises what `trouble` explains."""
        return Admin(cast("_AdminClient", _build(_KafkaAdminClient, **self._common(REQUEST_MS_MAX))))

    def trouble(self, error: Exception, outcome: Outcome) -> PlatformError:
        """What an error of kafka-python means for whoever asked."""
        if isinstance(error, PlatformError):
            return error
        if isinstance(error, _REFUSED):
            return SetupError(f"the brokers at {self.addresses} refused: {error}", reason="KAFKA_REFUSED")
        return Unavailable(f"the brokers at {self.addresses} are away ({_short(error)})", outcome=outcome)


def _build(make: Callable[..., object], **config: object) -> object:
    """Make a client. If that fails, kafka-python leaves its connections and its thread behind; we close them."""
    made: list[_Client] = []

    def connections(**options: object) -> object:
        client = _KafkaNetClient(**options)
        made.append(client)
        return client

    try:
        return make(kafka_client=connections, **config)
    except KafkaError as error:
        for client in made:
            client.close()
        # Its traceback would keep all that kafka-python made alive, for as long as somebody remembers the error.
        raise error.with_traceback(None) from None


class _Client(Protocol):
    def is_ready(self, node_id: int) -> bool: ...

    def close(self) -> None: ...


class _AdminClient(Protocol):
    def describe_topics(self, topics: list[str]) -> list[dict[str, object]]: ...

    def describe_configs(
        self, config_resources: list[object], *, config_filter: str
    ) -> dict[str, dict[str, dict[str, dict[str, object]]]]: ...

    def create_topics(self, new_topics: dict[str, object], *, wait_for_metadata: bool) -> object: ...

    def delete_topics(self, topics: list[str]) -> object: ...

    def list_partition_offsets(self, topic_partition_specs: dict[object, object]) -> dict[object, object]: ...

    def delete_records(self, records_to_delete: dict[object, int]) -> object: ...

    def close(self) -> None: ...


class _Offset(Protocol):
    offset: int


class Admin:
    """Questions to the brokers, in our own types. Every method may raise KafkaError."""

    def __init__(self, client: _AdminClient) -> None:
        self._client = client

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFacts]:
        """The topics that exist, of those named."""
        described = self._client.describe_topics(list(topics))
        there = {str(one["name"]): one for one in described if one["error_code"] == 0}
        resources: list[object] = [_ConfigResource(_TOPIC_RESOURCE, name) for name in there]
        configs = self._client.describe_configs(resources, config_filter="all").get("topic", {}) if there else {}
        return {
            name: TopicFacts(
                str(one["topic_id"]),
                len(cast("list[object]", one["partitions"])),
                {key: str(entry["value"]) for key, entry in configs.get(name, {}).items()},
            )
            for name, one in there.items()
        }

    def create(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        """Make a topic, and wait until it has leaders."""
        new = {name: {"num_partitions": partitions, "configs": dict(configs)}}
        self._client.create_topics(dict[str, object](new), wait_for_metadata=True)

    def delete_topic(self, name: str) -> None:
        """Forget a topic and all it holds."""
        self._client.delete_topics([name])

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        """The first and the next offset of each slice."""
        places = {slice: _TopicPartition(slice.topic, slice.partition) for slice in slices}
        starts = self._offsets(dict.fromkeys(places.values(), _EARLIEST))
        ends = self._offsets(dict.fromkeys(places.values(), _LATEST))
        return {slice: Span(starts[place].offset, ends[place].offset) for slice, place in places.items()}

    def _offsets(self, specs: dict[object, object]) -> dict[object, _Offset]:
        return cast("dict[object, _Offset]", self._client.list_partition_offsets(specs))

    def delete(self, slice: Slice, below: int) -> None:
        """Forget the records of a slice below an offset."""
        self._client.delete_records({_TopicPartition(slice.topic, slice.partition): below})

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


class _Sender(Protocol):
    def force_close(self) -> None: ...

    def join(self, timeout: float) -> None: ...


class _ClusterMetadata(Protocol):
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...

    def leader_for_partition(self, partition: object) -> int | None: ...

    def topic_id(self, topic_name: str) -> object | None: ...


def may_send_at_once(producer: Producer, slice: Slice) -> bool:
    """Whether `send` knows the partition, so that it will not wait for the brokers on the caller's thread."""
    metadata = cast("_ClusterMetadata", getattr(producer, "_metadata"))  # noqa: B009 - private, and typed here
    return slice.partition in (metadata.partitions_for_topic(slice.topic) or ())


def abandon(producer: Producer) -> None:
    """Stop a producer and free its thread. `close(0)` alone raises while something is in flight, and sends on."""
    sender = cast("_Sender", getattr(producer, "_sender"))  # noqa: B009 - private, and typed here
    sender.force_close()
    sender.join(REQUEST_MS_MAX / 1000)
    try:
        producer.close(timeout=0)
    except KafkaError:
        pass  # Its thread hangs in a call; it is a daemon and sends nothing more.


def topic_id_now(consumer: Consumer, topic: str) -> str | None:
    """The id under which the consumer knows a topic, None while it does not."""
    metadata = cast("_ClusterMetadata", getattr(consumer, "_cluster"))  # noqa: B009 - private, and typed here
    found = metadata.topic_id(topic)
    return None if found is None else str(found)


def is_connected(consumer: Consumer, slices: Sequence[Slice]) -> bool:
    """Whether the leaders of all these slices are known and connected."""
    metadata = cast("_ClusterMetadata", getattr(consumer, "_cluster"))  # noqa: B009 - private, and typed here
    client = cast("_Client", getattr(consumer, "_client"))  # noqa: B009 - private, and typed here
    leaders = {metadata.leader_for_partition(_TopicPartition(*slice)) for slice in slices}
    return all(leader is not None and leader >= 0 and client.is_ready(leader) for leader in leaders)


def place(slice: Slice) -> Slice:
    """A slice as kafka-python wants it: its own named tuple of the same shape."""
    return cast("Slice", _TopicPartition(slice.topic, slice.partition))


def named_places(error: Exception, slices: Iterable[Slice]) -> list[Slice]:
    """Those of the slices that an error of kafka-python is about, as far as its argument or its text says so."""
    named: object = error.args[0] if error.args else None
    if isinstance(named, dict):
        keys = {(key[0], key[1]) for key in cast("dict[tuple[str, int], object]", named)}
        return [slice for slice in slices if tuple(slice) in keys]
    return [slice for slice in slices if str(_TopicPartition(*slice)) in str(error)]


def never_appended(error: Exception) -> bool:
    """Whether the brokers refused the record, so that it certainly is not in the log."""
    return isinstance(error, _NEVER_APPENDED)


def _short(error: Exception) -> str:
    """The class and the first words of an error; kafka-python's texts may hold whole requests."""
    return f"{type(error).__name__}: {error}"[:200]
