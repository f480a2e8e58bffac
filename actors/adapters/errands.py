"""The follower's errand to developers' servers: events become deliveries, and each try of a delivery a request.

All that it knows is read from the log, and all that it finds out is a command. What it says twice changes nothing: a
delivery is named after its event, and a try by its number. A try that a kill took away is lost, by the delivery's own
timer, and followed by the next.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from actors.adapters.telling import tell
from actors.adapters.turns import Turns
from actors.adapters.webhooks import Outcome, Sender, secret_of, signed
from actors.clocks import wall_ms
from actors.domain.webhook.delivery import (
    BODY_BYTES_MAX,
    DELIVERY,
    NOTE_CHARS_MAX,
    Begin,
    Tried,
    Trying,
)
from actors.domain.webhook.endpoint import OWED
from actors.errors import InvalidCommand, NotFound, PlatformError, SetupError
from actors.kernel.action import EventRecord
from actors.ports import Change, Log, Packages, Put, Rows
from actors.projections.endpoints import TABLE, name_of
from actors.projections.owed import debt_of
from actors.projections.reading import ANY, Projection, tag_in
from actors.projections.switches import HASHES_TABLE, SWITCHES_TABLE
from actors.registry import PREFIX, Registry
from actors.sealing import veiled
from actors.settings import ClusterSettings

AT_ONCE_MAX = 32
OF_ONE_MAX = 8
WAITING_MAX = 1_024
"""So many tries are made at a time, in all and for one program; so many wait for their turn, of all programs."""
CLOSING_S_MAX = 20.0
CHANGES_MAX = 1_000_000
"""More than there are: an endpoint whose changes are left out is told nothing, and nobody hears of it."""
CHANGES_KEPT = 64
"""Of an endpoint so many of its latest changes are known; what happened before them is told to it no more."""


class Schedule(NamedTuple):
    """How long after a try that failed each further one is made, and when one of which nobody tells is lost."""

    waits_ms: tuple[int, ...]
    lost_ms: int


class _Endpoint(NamedTuple):
    """An endpoint as it stood from some moment of the log's time on, until its next change."""

    from_ms: int
    state: str
    url: str
    events: frozenset[str]
    version: int
    both_until_ms: int


class _Try(NamedTuple):
    """A try, of the delivery of this name, and when it is given up as lost."""

    delivery: str
    trying: Trying
    lost_at_ms: int


class _Told(Struct, frozen=True):
    """What the developer's server reads."""

    type: str
    entity: str
    stamp_ms: int
    position: str
    data: Mapping[str, Any] | None


_fields = msgspec.msgpack.Decoder(dict[str, Any]).decode
_delivery_event = msgspec.msgpack.Decoder(DELIVERY.event).decode


class Names:
    """The resource names of entities, also of programs that have come as packages since."""

    def __init__(self, registry: Registry, packages: Packages) -> None:
        self._registry = registry
        self._packages = packages
        self._hashes: dict[str, str] = {}
        self._shown: dict[str, dict[int, None]] = {}
        self._collections: dict[str, str] = {}

    def learn(self, table: str, key: str, values: Sequence[Any]) -> None:
        """What a row says of a program's packages, if it is of any."""
        if table == HASHES_TABLE:
            self._hashes[key] = values[0]
        elif table == SWITCHES_TABLE and values[0]:
            self._shown.setdefault(key.partition("/")[0], {})[values[0]] = None

    def of(self, entity: str) -> str:
        """The name of the entity that the log calls `kind/id`; that itself where no package has the kind.

        Raises Unavailable while the packages are away.
        """
        kind, _, entity_id = entity.partition("/")
        if kind in self._registry.entities:
            return self._registry.name_of(entity)
        if kind not in self._collections:
            self._load(kind)
        return f"{self._collections.get(kind, kind)}/{entity_id}"

    def _load(self, kind: str) -> None:
        """Look for the kind in what was shown, the newest first, which has all kinds of those before it."""
        program = kind.partition(".")[0]
        for code in sorted(self._shown.get(program, {}), reverse=True):
            try:
                entities = self._packages(self._hashes.get(f"{program}/{code}", ""))
            except (NotFound, SetupError, InvalidCommand):
                continue  # it cannot be loaded, so no partition had it
            self._collections |= {one.kind: f"{PREFIX}/{program}/{one.collection_name}" for one in entities}
            if kind in self._collections:
                return


class Webhooks:
    """The errand. `roots` reads the keyring's root keys in use, when there is something to sign: each of them signs.

    An event is told to the endpoints that were active, and named it, at the event's own time on the log. So their
    changes must be known before it is judged: see `Follower`.
    """

    def __init__(
        self,
        log: Log,
        cluster: ClusterSettings,
        names: "Names",
        roots: Callable[[], Sequence[bytes]],
        sender: Sender,
        schedule: Schedule,
        report: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._log = log
        self._cluster = cluster
        self._names = names
        self._roots = roots
        self._sender = sender
        self._schedule = schedule
        self._report = report
        self.hearing = Projection("", (), (ANY, DELIVERY.kind), "", self._hear)
        self._heard: list[EventRecord] = []
        self._endpoints: dict[str, dict[str, tuple[_Endpoint, ...]]] = {}
        """Their changes, by their program, and by their names in full: every event asks for those of its program."""
        self._turns = Turns(self._send, AT_ONCE_MAX, OF_ONE_MAX, WAITING_MAX)

    def begin(self, rows: Rows) -> None:
        self._heard.clear()
        self._endpoints.clear()
        for key, *values in rows.find(TABLE, {}, CHANGES_MAX):
            self._learn(str(key), values)
        for table in (HASHES_TABLE, SWITCHES_TABLE):
            for key, *values in rows.find(table, {}, CHANGES_MAX):
                self._names.learn(table, str(key), values)

    def act(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if not isinstance(change, Put):
                continue
            if change.table == TABLE:
                self._learn(change.key, change.values)
            else:
                self._names.learn(*change)
        heard, self._heard = self._heard, []
        begins: list[tuple[str, Begin]] = []
        for event in heard:
            kind = event.entity.partition("/")[0]
            if kind == DELIVERY.kind:
                self._try(event)
            elif (program := kind.partition(".")[0]) in self._endpoints:  # of most programs nobody wants to be told
                begins += self._begins(program, event)
        self._ask(begins)

    def close(self) -> None:
        self._turns.close(CLOSING_S_MAX)

    def _hear(self, event: EventRecord) -> tuple[Put, ...]:
        self._heard.append(event)
        return ()

    def _learn(self, key: str, values: Sequence[Any]) -> None:
        """An endpoint changed: said in the order of its changes."""
        from_ms, state, url, events, *rest = values
        name = name_of(key)
        of_program = self._endpoints.setdefault(name.partition("/")[0], {})
        changed = _Endpoint(from_ms, state, url, frozenset(events.split()), *rest)
        of_program[name] = (*of_program.get(name, ()), changed)[-CHANGES_KEPT:]

    def _begins(self, program: str, event: EventRecord) -> Iterable[tuple[str, Begin]]:
        """The deliveries that an event begins, one for each endpoint that named it when it happened."""
        told = [
            (name, endpoint)
            for name, changes in self._endpoints[program].items()
            if (endpoint := _as_of(changes, event.stamp_ms)) is not None and endpoint.state == "active"
        ]
        tag = tag_in(event.payload) if told else ""
        for name, endpoint in told:
            if tag in endpoint.events or (OWED in endpoint.events and debt_of(event.payload) is not None):
                begin = Begin(name, self._body(event, tag), *self._schedule)
                yield f"{program}/{_delivery_of(name, event)}", begin

    def _body(self, event: EventRecord, tag: str) -> bytes:
        """What is told of an event; without its fields when they are too long."""
        entity, position = self._names.of(event.entity), f"{event.partition}/{event.offset}/{event.index}"
        data = {name: veiled(value) for name, value in _fields(event.payload).items() if name != "type"}
        told = _Told(tag, entity, event.stamp_ms, position, data)
        body = msgspec.json.encode(told)
        return body if len(body) <= BODY_BYTES_MAX else msgspec.json.encode(msgspec.structs.replace(told, data=None))

    def _try(self, event: EventRecord) -> None:
        """Send what is to be sent now, in its turn."""
        said: object = _delivery_event(event.payload)
        if isinstance(said, Trying):
            name = event.entity.partition("/")[2]
            lost = self._turns.add(name.partition("/")[0], _Try(name, said, event.stamp_ms + self._schedule.lost_ms))
            if lost is not None:
                self._report("a webhook's try is lost", {"why": "too many wait", "delivery": lost.delivery})

    def _send(self, one: _Try) -> None:
        """What has been given up as lost, since it was read late or has waited for long, is not sent."""
        if wall_ms() >= one.lost_at_ms:
            return
        try:
            outcome = self._sent(one.delivery.partition("/")[2], one.trying)
            tried = Tried(one.trying.attempt, outcome.status, outcome.note[:NOTE_CHARS_MAX])
            self._ask([(one.delivery, tried)])
        except PlatformError as error:
            self._report("a webhook's try is lost", {"why": str(error), "delivery": one.delivery})

    def _sent(self, name: str, trying: Trying) -> Outcome:
        changes = self._endpoints.get(trying.endpoint.partition("/")[0], {}).get(trying.endpoint)
        if changes is None or changes[-1].state != "active":
            return Outcome(0, f"the endpoint is {changes[-1].state if changes else 'unknown'}")
        endpoint = changes[-1]
        now_ms = wall_ms()
        versions = [endpoint.version, *([endpoint.version - 1] if now_ms < endpoint.both_until_ms else [])]
        roots = self._roots()
        secrets = [secret_of(root, trying.endpoint, version) for version in versions for root in roots]
        headers = signed(name, now_ms // 1_000, trying.body, secrets)
        return self._sender.post(trying.endpoint.partition("/")[0], endpoint.url, headers, trying.body)

    def _ask(self, asked: Sequence[tuple[str, Begin | Tried]]) -> None:
        tell(self._log, self._cluster, [(DELIVERY.at(delivery), command) for delivery, command in asked])


def _as_of(changes: Sequence[_Endpoint], stamp_ms: int) -> _Endpoint | None:
    """How an endpoint stood then; None before what is known of it."""
    return next((one for one in reversed(changes) if one.from_ms <= stamp_ms), None)


def _delivery_of(endpoint: str, event: EventRecord) -> str:
    """The name of an event's delivery to an endpoint, the same whoever begins it."""
    place = f"{endpoint} {event.incarnation}/{event.partition}/{event.offset}/{event.index}/{event.n}"
    return base64.b32encode(hashlib.sha256(place.encode()).digest()).decode()[:26].lower()
