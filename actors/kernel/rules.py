"""The rules of one release: every kind of entity, compiled for the loop that applies records."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, get_args

import msgspec

from actors.entity import AnyEntity, Context, Decision


class Kind:
    """One entity type with its decoders made ready.

    `initial` makes a new entity's state, each its own: what an author changed in place by mistake stays in one entity.
    """

    __slots__ = (
        "commands",
        "decide",
        "decode_command",
        "decode_state",
        "entity",
        "evolve",
        "initial",
        "name",
        "routing",
        "senders",
        "state_type",
    )

    def __init__(self, entity: AnyEntity) -> None:
        self.entity = entity
        self.name = entity.kind
        self.state_type: type[object] = type(entity.initial)
        self.decide: Callable[[Any, Any, Context], Decision[Any]] = entity.decide
        self.evolve: Callable[[Any, Any], Any] = entity.evolve
        self.routing = entity.routing
        self.senders = entity.senders
        self.commands: tuple[object, ...] = get_args(entity.command) or (entity.command,)
        self.decode_command: Callable[[bytes], object] = msgspec.msgpack.Decoder[Any](entity.command).decode
        self.decode_state: Callable[[bytes | msgspec.Raw], object] = msgspec.msgpack.Decoder[Any](
            self.state_type
        ).decode
        self.initial: Callable[[], object] = partial(self.decode_state, msgspec.msgpack.encode(entity.initial))


class Rules:
    """What a release decides by. `digest` names the code; `release` numbers it."""

    __slots__ = ("digest", "kinds", "release")

    def __init__(self, entities: Iterable[AnyEntity], release: int = 1, digest: str = "") -> None:
        self.kinds = {entity.kind: Kind(entity) for entity in entities}
        self.release = release
        self.digest = digest

    def of(self, entity: str) -> tuple[Kind, str] | None:
        """The kind and the id of the entity `kind/id`, or None when there is no such kind."""
        name, _, entity_id = entity.partition("/")
        kind = self.kinds.get(name)
        return None if kind is None else (kind, entity_id)
