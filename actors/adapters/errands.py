"""The follower's errand to developers' servers: events become deliveries, and each try of a delivery a request.

All that it knows is read from the log, and all that it finds out is a command. What it says twice changes nothing: a
delivery is named after its event, and a try by its number. A try that a kill took away is lost, by the delivery's own
timer, and followed by the next.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import uuid_utils
from msgspec import Struct

from actors.adapters.webhooks import Outcome, Sender, secret_of, signed
from actors.clocks import wall_ms
from actors.domain.identity.person import FOLLOWER
from actors.domain.webhook.delivery import BODY_BYTES_MAX, DELIVERY, NOTE_CHARS_MAX, Begin, Tried, Trying
from actors.domain.webhook.endpoint import OWED
from actors.entity import Owed, Ref
from actors.errors import PlatformError
from actors.kernel.action import EventRecord
from actors.kernel.record import Invoke, Slice, encode_frame, encode_record
from actors.kernel.routing import partition_of
from actors.ports import Change, Log, Put, Rows
from actors.projections.endpoints import TABLE
from actors.projections.reading import Projection
from actors.registry import Registry
from actors.sealing import veiled
from actors.settings import ClusterSettings
from actors.shape import structs_of, tag_of

AT_ONCE = 8
WAITING_MAX = 256
FRAME_RECORDS = 40
"""Of bodies as long as they may be, so many fit a frame."""
ENDPOINTS_MAX = 1_000_000
"""More than there are: one that is left out is told nothing, and nobody hears of it."""


class _Endpoint(NamedTuple):
    state: str
    url: str
    events: frozenset[str]
    version: int
    both_until_ms: int
    since_ms: int


class _Told(Struct, frozen=True):
    """What the developer's server reads."""

    type: str
    entity: str
    stamp_ms: int
    position: str
    data: Mapping[str, Any] | None


class _Tagged(Struct):
    type: str


_tag = msgspec.msgpack.Decoder(_Tagged).decode
_fields = msgspec.msgpack.Decoder(dict[str, Any]).decode
_delivery_event = msgspec.msgpack.Decoder(DELIVERY.event).decode


class Webhooks:
    """The errand. `root` reads the keyring's root, when there is something to sign."""

    def __init__(
        self,
        log: Log,
        cluster: ClusterSettings,
        registry: Registry,
        root: Callable[[], bytes],
        sender: Sender,
        lost_ms: int,
        report: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._log = log
        self._cluster = cluster
        self._registry = registry
        self._root = root
        self._sender = sender
        self._lost_ms = lost_ms
        self._report = report
        self._owed = frozenset(
            tag_of(event)
            for entity in registry.entities.values()
            for event in structs_of(entity.event)
            if issubclass(event, Owed)
        )
        kinds = [kind for kind, entity in registry.entities.items() if entity.program in registry.programs]
        self.hearing = Projection("", (), (*kinds, DELIVERY.kind), "", self._hear)
        self._heard: list[EventRecord] = []
        self._endpoints: dict[str, dict[str, _Endpoint]] = {}
        """By their program, and by their names in full, since every event asks for those of its program."""
        self._room = threading.Semaphore(WAITING_MAX)
        self._pool = ThreadPoolExecutor(AT_ONCE, "webhook")

    def begin(self, rows: Rows) -> None:
        self._heard.clear()
        for name, *values in rows.find(TABLE, {}, ENDPOINTS_MAX):
            self._learn(str(name), values)

    def act(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Put) and change.table == TABLE:
                self._learn(change.key, change.values)
        heard, self._heard = self._heard, []
        begins: list[tuple[str, Begin]] = []
        for event in heard:
            if event.entity.startswith(f"{DELIVERY.kind}/"):
                self._try(event)
            else:
                begins += self._begins(event)
        self._ask(begins)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _hear(self, event: EventRecord) -> tuple[Put, ...]:
        self._heard.append(event)
        return ()

    def _learn(self, name: str, values: Sequence[Any]) -> None:
        state, url, events, *rest = values
        of_program = self._endpoints.setdefault(name.partition("/")[0], {})
        of_program[name] = _Endpoint(state, url, frozenset(events.split()), *rest)

    def _begins(self, event: EventRecord) -> Iterable[tuple[str, Begin]]:
        """The deliveries that an event begins, one for each endpoint that names it."""
        program = event.entity.partition("/")[0].partition(".")[0]
        told = [
            (name, endpoint)
            for name, endpoint in self._endpoints.get(program, {}).items()
            if endpoint.state == "active" and event.stamp_ms >= endpoint.since_ms
        ]
        tag = _tag(event.payload).type if told else ""
        for name, endpoint in told:
            if tag in endpoint.events or (OWED in endpoint.events and tag in self._owed):
                begin = Begin(name, self._body(event, tag), lost_ms=self._lost_ms)
                yield f"{program}/{_delivery_of(name, event)}", begin

    def _body(self, event: EventRecord, tag: str) -> bytes:
        """What is told of an event; without its fields when they are too long."""
        entity, position = self._registry.name_of(event.entity), f"{event.partition}/{event.offset}/{event.index}"
        data = {name: veiled(value) for name, value in _fields(event.payload).items() if name != "type"}
        told = _Told(tag, entity, event.stamp_ms, position, data)
        body = msgspec.json.encode(told)
        return body if len(body) <= BODY_BYTES_MAX else msgspec.json.encode(msgspec.structs.replace(told, data=None))

    def _try(self, event: EventRecord) -> None:
        """Send what is to be sent now. What has been given up as lost, since it was read late, is not."""
        said: object = _delivery_event(event.payload)
        late_ms = wall_ms() - event.stamp_ms
        if isinstance(said, Trying) and late_ms < self._lost_ms:
            if self._room.acquire(blocking=False):
                self._pool.submit(self._send, event.entity.partition("/")[2], said)
            else:
                self._report("a webhook's try is lost", {"why": "too many wait", "delivery": event.entity})

    def _send(self, delivery: str, trying: Trying) -> None:
        try:
            outcome = self._sent(delivery.partition("/")[2], trying)
            self._ask([(delivery, Tried(trying.attempt, outcome.status, outcome.note[:NOTE_CHARS_MAX]))])
        except PlatformError as error:
            self._report("a webhook's try is lost", {"why": str(error), "delivery": delivery})
        finally:
            self._room.release()

    def _sent(self, name: str, trying: Trying) -> Outcome:
        endpoint = self._endpoints.get(trying.endpoint.partition("/")[0], {}).get(trying.endpoint)
        if endpoint is None or endpoint.state != "active":
            return Outcome(0, f"the endpoint is {endpoint.state if endpoint else 'unknown'}")
        now_ms = wall_ms()
        versions = [endpoint.version, *([endpoint.version - 1] if now_ms < endpoint.both_until_ms else [])]
        secrets = [secret_of(self._root(), trying.endpoint, version) for version in versions]
        return self._sender.post(endpoint.url, signed(name, now_ms // 1_000, trying.body, secrets), trying.body)

    def _ask(self, asked: Sequence[tuple[str, Begin | Tried]]) -> None:
        tell(self._log, self._cluster, [(DELIVERY.at(delivery), command) for delivery, command in asked])


def tell(log: Log, cluster: ClusterSettings, asked: Sequence[tuple[Ref[Any], Struct]]) -> None:
    """Write these commands to platform entities, whose routing key is their id.

    Raises Unavailable when the log did not take all of them.
    """
    records: dict[int, list[bytes]] = {}
    for to, command in asked:
        partition = partition_of(to.id, cluster.partitions, cluster.groups)
        invoke = Invoke(str(to), msgspec.msgpack.encode(command), uuid_utils.uuid7().bytes, FOLLOWER)
        records.setdefault(partition, []).append(encode_record(invoke))
    topic = cluster.commands_topic
    frames = [
        (partition, some[begin : begin + FRAME_RECORDS])
        for partition, some in records.items()
        for begin in range(0, len(some), FRAME_RECORDS)
    ]
    appends = [
        log.append(Slice(topic, partition), encode_frame(topic, partition, FOLLOWER, 0, "", some))
        for partition, some in frames
    ]
    for append in appends:
        append.result()


def _delivery_of(endpoint: str, event: EventRecord) -> str:
    """The name of an event's delivery to an endpoint, the same whoever begins it."""
    place = f"{endpoint} {event.incarnation}/{event.partition}/{event.offset}/{event.index}/{event.n}"
    return base64.b32encode(hashlib.sha256(place.encode()).digest()).decode()[:26].lower()
