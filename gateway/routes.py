"""From what a client writes to what the log holds: resource names, request ids and payloads, checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import uuid_utils

from actors.clocks import wall_ms
from actors.entity import AnyEntity, Ref
from actors.errors import InvalidCommand, NotFound, PlatformError, RequestTooOld, Unavailable
from actors.kernel.layout import made_ms
from actors.kernel.record import Invoke, Share, encode_record
from actors.kernel.routing import partition_of
from actors.payload import Payloads, Seal
from actors.placement import Packaged
from actors.principal import PART, Role, parse
from actors.registry import Program, Registry
from actors.sealing import PersonalField, is_over, nobody
from actors.settings import ClusterSettings, ProcessSettings
from actors.shares import bucket_of
from gateway.sealing import Sealing
from gateway.tokens import subject_of

fromhex = bytes.fromhex
ROUTES_MAX = 100_000
UUID_CHARS = 36
_DASHES = (8, 13, 18, 23)
Decode: TypeAlias = Callable[[str, bytes, Seal | None], bytes]


class Route(NamedTuple):
    """Where an entity's calls go: its name on the log, its partition, and the decoder of its payloads.

    `personal` are the commands with something to seal.
    """

    entity: str
    partition: int
    decode: Decode
    kind: AnyEntity
    personal: Mapping[str, tuple[PersonalField, ...]]


class _Package(NamedTuple):
    """What one share of a program is decided by: its kinds, and the decoders of their payloads."""

    share: Share
    kinds: Mapping[str, tuple[AnyEntity, Payloads]]


class Routes:
    """Resolves resource names, remembering the latest. `registry` has the programs that are run from packages, too.

    `knows_all` is False while packages may be missing of which the platform knows.
    """

    def __init__(
        self, registry: Registry, cluster: ClusterSettings, process: ProcessSettings, sealing: Sealing
    ) -> None:
        self.registry = registry
        self.sealing = sealing
        self._cluster = cluster
        self._ahead_ms_max = process.request_id_ahead_ms_max
        self._unnamed_kept_ms = process.unnamed_kept_ms
        self._known: dict[str, Route] = {}
        self._bytes_max = process.payload_bytes_max
        self._own = registry
        self._packages: dict[str, tuple[_Package, ...]] = {}
        self._programs: dict[str, tuple[Program, Program]] = {}
        self.followed: dict[str, Packaged] = {}
        """Of each program that is run from packages, the last word that its partitions have followed."""
        self.knows_all = True
        self._began_ms = wall_ms()
        self._learned_ms: dict[str, int] = {}
        self._payloads = {
            kind: Payloads(entity, process.payload_bytes_max) for kind, entity in registry.entities.items()
        }

    def to(self, name: str) -> Route:
        """The route of a resource name. Raises NotFound or InvalidCommand."""
        route = self._known.get(name)
        if route is None:
            try:
                route = self._made(*self.registry.entity_of(name))
            except NotFound as error:
                raise self.missing(error) from error
            if len(self._known) >= ROUTES_MAX:
                self._known.clear()
            self._known[name] = route
        return route

    def at(self, to: Ref[Any]) -> Route:
        """The route of an entity that is named as the log does. Raises what `to` raises."""
        try:
            return self._made(self.registry.entity_at(to), to.id)
        except NotFound as error:
            raise self.missing(error) from error

    def place(self, entity: AnyEntity, entity_id: str) -> tuple[str, int]:
        """What the log calls an entity of a kind that no package decides, and where it is; its id must be good."""
        key = entity.routing(entity_id)
        return f"{entity.kind}/{entity_id}", partition_of(key, self._cluster.partitions, self._cluster.groups)

    def _made(self, entity: AnyEntity, entity_id: str) -> Route:
        key = entity.routing(entity_id)
        entity, payloads = self._deciding(entity, entity_id, key)
        partition = partition_of(key, self._cluster.partitions, self._cluster.groups)
        return Route(f"{entity.kind}/{entity_id}", partition, payloads.decode, entity, payloads.personal)

    def missing(self, error: NotFound) -> PlatformError:
        """What to say of a name that is not known: while packages may be missing, it may be there all the same."""
        if self.knows_all:
            return error
        return Unavailable("this gateway has just begun, and does not know all programs yet", outcome="NOT_APPENDED")

    def _deciding(self, entity: AnyEntity, entity_id: str, key: str) -> tuple[AnyEntity, Payloads]:
        """The entity and its payloads by the package that decides this routing key, as partitions choose it."""
        packages = self._packages.get(entity.program) if self._packages else None
        if packages is None:
            return entity, self._payloads[entity.kind]
        for share, kinds in packages:
            if bucket_of(entity.program, share.code, key) < share.upto:
                found = kinds.get(entity.kind)
                if found is not None:
                    return found
                break
        name = self.registry.name_of(f"{entity.kind}/{entity_id}")
        raise NotFound(
            f"no version of {entity.program} that decides {name[:100]!r} has this kind", reason="NO_SUCH_KIND"
        )

    def learn(self, word: Packaged, loaded: Mapping[str, Program]) -> None:
        """From now on these packages, each loaded under its hash, decide the program's entities."""
        made = {
            hash: {entity.kind: (entity, Payloads(entity, self._bytes_max)) for entity in program.entities}
            for hash, program in loaded.items()
        }
        if word.is_done:
            self.followed[word.program] = word
        self._packages.pop(word.program, None)
        self._programs.pop(word.program, None)
        if word.shares:
            self._packages[word.program] = tuple(_Package(share, made[share.hash]) for share in word.shares)
            self._programs[word.program] = (loaded[word.shares[0].hash], loaded[word.shares[-1].hash])
        self.registry = self._own.with_packages(self._programs)
        self._learned_ms[word.program] = wall_ms()
        self._known.clear()

    def may_precede(self, request_id: bytes, program: str) -> bool:
        """Whether a call of this id may have been made when the program was another one than this gateway knows now."""
        return made_ms(request_id) < self._learned_ms.get(program, self._began_ms)

    def record(self, name: str, command: str, payload: bytes, request_id: bytes, caller: str) -> tuple[int, bytes]:
        """The partition and the encoded record of a call.

        Raises NotFound or InvalidCommand; of a command with something to seal, also what `Sealing.seal` raises.
        """
        route = self._known.get(name) or self.to(name)
        seal = self._seal(route, request_id, caller) if command in route.personal else None
        body = route.decode(command, payload, seal)
        return route.partition, encode_record(Invoke(route.entity, body, request_id, caller))

    def _seal(self, route: Route, request_id: bytes, caller: str) -> Seal:
        program = route.kind.program

        def seal(field: str, whom: str, packed: bytes) -> bytes:
            subject = _subject(route, caller, field, whom) or self._nobody(program, request_id)
            said = f"{caller}\0{request_id.hex()}\0{field}".encode()
            return self.sealing.seal_packed(subject, program, said, packed)

        return seal

    def _nobody(self, program: str, request_id: bytes) -> str:
        """The subject of a call that says of nobody whom it is about: by the call's own day, the same on every try.

        Raises RequestTooOld where what is said on that day is read no more.
        """
        now_ms = wall_ms()
        made = made_ms(request_id)
        subject = nobody(program, made if made >= 0 else now_ms)  # the id of another kind says no day
        if is_over(subject, now_ms, self._unnamed_kept_ms):
            raise RequestTooOld("what is said of nobody by a request of that day is kept no more; name a new one")
        return subject

    def check_view(self, route: Route, view: str) -> None:
        """Raises NotFound when the entity has no such view."""
        if view not in route.kind.views:
            known = ", ".join(sorted(route.kind.views)) or "none: its state is private"
            raise NotFound(f"{route.kind.kind} has no view {view[:100]!r}; it has {known}", reason="NO_SUCH_VIEW")

    def request_ids(self, texts: Sequence[str], latest: bytes) -> list[bytes] | None:
        """What `request_id` makes of each; None where one has to be looked at by itself."""
        count = len(texts)
        if set(map(len, texts)) != {UUID_CHARS}:
            return None
        joined = "".join(texts)
        digits = joined.replace("-", "")
        if len(digits) != 32 * count or any(joined[at::UUID_CHARS] != "-" * count for at in _DASHES):
            return None
        try:
            packed = fromhex(digits)
        except ValueError:
            return None
        ids = [packed[at : at + 16] for at in range(0, len(packed), 16)]
        return ids if len(packed) == 16 * count and max(ids) <= latest else None

    def latest_id(self) -> bytes:
        """What no id of now is above: for `request_id`, which looks at the clock for those that are."""
        return (wall_ms() + self._ahead_ms_max).to_bytes(6)

    def request_id(self, text: str, latest: bytes = b"") -> bytes:
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
        if request_id > latest:
            self._check_date(request_id)
        return request_id

    def _check_date(self, request_id: bytes) -> None:
        ahead_ms = made_ms(request_id) - wall_ms()
        if ahead_ms > self._ahead_ms_max:
            message = f"request_id is dated {ahead_ms} ms ahead of this gateway's clock; date it by hutong-time-ms"
            raise InvalidCommand(message, field="request_id", reason="REQUEST_ID_IN_FUTURE")


def _subject(route: Route, caller: str, field: str, whom: str) -> str:
    """The subject whose key a field is sealed under, "" for nobody: a person who calls speaks of itself, whatever the
    field names.

    `whom` is what the field's `Of` names, "" for nothing. Raises InvalidCommand for a name that is none.
    """
    principal, program = parse(caller), route.kind.program
    if principal is not None and principal.role is Role.PERSON:
        return subject_of(principal)
    owner = route.kind.owner.get(Role.PERSON)
    named = whom or (owner(route.entity.partition("/")[2]) if owner else "")
    if named and not PART.fullmatch(named):
        message = "whom this is about is named by letters, digits and . _ ~ -, 64 at most"
        raise InvalidCommand(message, field=field, reason="INVALID_ID")
    return f"{program}/{named}" if named else ""


def text_of(request_id: bytes) -> str:
    """A UUID as text."""
    digits = request_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
