"""From what a client writes to what the log holds: resource names, request ids and payloads, checked."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import uuid_utils

from actors.entity import AnyEntity, Ref
from actors.errors import InvalidCommand, NotFound
from actors.kernel.layout import made_ms
from actors.kernel.record import Invoke, encode_record
from actors.kernel.routing import partition_of
from actors.payload import Payloads
from actors.registry import Registry
from actors.settings import ClusterSettings, ProcessSettings

fromhex = bytes.fromhex
ROUTES_MAX = 100_000
UUID_CHARS = 36


class Route(NamedTuple):
    """Where an entity's calls go: its name on the log, its partition, and the decoder of its payloads."""

    entity: str
    partition: int
    decode: Callable[[str, bytes], bytes]
    kind: AnyEntity


class Routes:
    """Resolves resource names, remembering the latest."""

    def __init__(self, registry: Registry, cluster: ClusterSettings, process: ProcessSettings) -> None:
        self.registry = registry
        self._cluster = cluster
        self._ahead_ms_max = process.request_id_ahead_ms_max
        self._known: dict[str, Route] = {}
        self._payloads = {
            kind: Payloads(entity, process.payload_bytes_max) for kind, entity in registry.entities.items()
        }

    def to(self, name: str) -> Route:
        """The route of a resource name. Raises NotFound or InvalidCommand."""
        route = self._known.get(name)
        if route is None:
            entity, entity_id = self.registry.entity_of(name)
            key = entity.routing(entity_id)
            partition = partition_of(key, self._cluster.partitions, self._cluster.groups)
            route = Route(f"{entity.kind}/{entity_id}", partition, self._payloads[entity.kind].decode, entity)
            if len(self._known) >= ROUTES_MAX:
                self._known.clear()
            self._known[name] = route
        return route

    def at(self, to: Ref[Any]) -> Route:
        """The route of an entity that is named as the log does. Raises what `to` raises."""
        return self.to(self.registry.name_of(str(to)))

    def record(self, name: str, command: str, payload: bytes, request_id: bytes, caller: str) -> tuple[int, bytes]:
        """The partition and the encoded record of a call. Raises NotFound or InvalidCommand."""
        route = self._known.get(name) or self.to(name)
        return route.partition, encode_record(Invoke(route.entity, route.decode(command, payload), request_id, caller))

    def check_view(self, route: Route, view: str) -> None:
        """Raises NotFound when the entity has no such view."""
        if view not in route.kind.views:
            known = ", ".join(sorted(route.kind.views)) or "none: its state is private"
            raise NotFound(f"{route.kind.kind} has no view {view[:100]!r}; it has {known}", reason="NO_SUCH_VIEW")

    def request_id(self, text: str) -> bytes:
        """The id in 16 bytes; one is made when the text is empty. Raises InvalidCommand, also for one of the future."""
        if not text:
            return uuid_utils.uuid7().bytes
        try:
            request_id = fromhex(text.replace("-", ""))
        except ValueError:
            request_id = b""
        if len(request_id) != 16 or len(text) != UUID_CHARS:
            message = f"request_id is a UUID such as {uuid_utils.uuid7()}, not {text[:50]!r}"
            raise InvalidCommand(message, field="request_id", reason="INVALID_REQUEST_ID")
        latest_ms = time.time_ns() // 1_000_000 + self._ahead_ms_max
        if made_ms(request_id) > latest_ms:
            ahead_ms = made_ms(request_id) - latest_ms + self._ahead_ms_max
            message = f"request_id is dated {ahead_ms} ms ahead of this gateway's clock; date it by hutong-time-ms"
            raise InvalidCommand(message, field="request_id", reason="REQUEST_ID_IN_FUTURE")
        return request_id


def text_of(request_id: bytes) -> str:
    """A UUID as text."""
    digits = request_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
