"""The rules of one release and of packages: every kind of entity, compiled for the loop that applies records."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from actors.entity import AnyEntity, Context, Decision
from actors.kernel.action import NeedPackage
from actors.kernel.record import Programs
from actors.shares import bucket_of

_OURS = "actors.domain."


class Kind:
    """One entity type with its decoders made ready.

    `initial` makes a new entity's state, each its own: what an author changed in place by mistake stays in one entity.
    `is_ours` tells the platform's own kinds, for which that is not done, nor are their states decoded once more before
    they are stored: their code is typed and walked by our tests, while what an author writes has been seen by nobody.
    `ahead` are commands that were decoded to see what they reach, for when they are decided: of our own kinds alone,
    since an author's code might change what it is shown.
    """

    def __init__(self, entity: AnyEntity) -> None:
        self.entity = entity
        self.name = entity.kind
        self.state_bytes_max = entity.state_bytes_max
        self.state_type: type[object] = type(entity.initial)
        self.decide: Callable[[Any, Any, Context], Decision[Any]] = entity.decide
        self.evolve: Callable[[Any, Any], Any] = entity.evolve
        self.is_ours = all(code.__module__.startswith(_OURS) for code in (entity.decide, entity.evolve))
        self.routing = entity.routing
        self.senders = entity.senders
        self.commands: tuple[object, ...] = get_args(entity.command) or (entity.command,)
        self.decode_command: Callable[[bytes], object] = msgspec.msgpack.Decoder[Any](entity.command).decode
        self.decode_state: Callable[[bytes | msgspec.Raw], object] = msgspec.msgpack.Decoder[Any](
            self.state_type
        ).decode
        self.ahead: dict[bytes, object] = {}
        self.initial: Callable[[], object] = partial(self.decode_state, msgspec.msgpack.encode(entity.initial))
        if self.is_ours:
            self.initial = partial(getattr, entity, "initial")


_NO_PROGRAMS: Mapping[str, Programs] = MappingProxyType({})


class Rules:
    """What a release decides by: `digest` names the code, `release` numbers it. Packages are loaded beside it."""

    def __init__(self, entities: Iterable[AnyEntity], release: int = 1, digest: str = "") -> None:
        self.kinds = _kinds(entities)
        self.packages: dict[str, Mapping[str, Kind]] = {}
        self.release = release
        self.digest = digest

    def add(self, package: str, entities: Iterable[AnyEntity]) -> None:
        """A package with this content hash was loaded: its entities."""
        self.packages[package] = _kinds(entities)

    def needed(self, record: Programs) -> NeedPackage | None:
        """Which of the packages that it names are still to be loaded."""
        hashes = dict.fromkeys(share.hash for share in record.shares if share.hash not in self.packages)
        return NeedPackage(record.program, tuple(hashes)) if hashes else None

    def of(self, entity: str, programs: Mapping[str, Programs] = _NO_PROGRAMS) -> tuple[Kind, str] | None:
        """The kind and the id of the entity `kind/id` where these packages decide; None when there is no such kind."""
        name, _, entity_id = entity.partition("/")
        kinds: Mapping[str, Kind] = self.kinds
        if programs:
            chosen = programs.get(name.partition(".")[0])
            if chosen is not None and chosen.shares:
                kinds = self._chosen(chosen, name, entity_id)
        kind = kinds.get(name)
        return None if kind is None else (kind, entity_id)

    def _chosen(self, programs: Programs, name: str, entity_id: str) -> Mapping[str, Kind]:
        """The package that decides this entity. All route a kind alike, so any that has it tells the routing key."""
        packages = [self.packages[share.hash] for share in programs.shares]
        kind = next((kinds[name] for kinds in packages if name in kinds), None)
        key = "" if kind is None else kind.routing(entity_id)
        for share, kinds in zip(programs.shares, packages, strict=True):
            if bucket_of(programs.program, share.code, key) < share.upto:
                return kinds
        return {}


def _kinds(entities: Iterable[AnyEntity]) -> dict[str, Kind]:
    return {entity.kind: Kind(entity) for entity in entities}
