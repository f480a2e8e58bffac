"""What a settled world came to, as its log tells it: states, events and answers, for the checks of single programs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from actors.entity import AnyEntity, Entity, Owed
from actors.kernel import layout
from actors.kernel.action import Code, EventRecord
from tests.simulation.replay import Replayed

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

_record = msgspec.msgpack.Decoder(EventRecord).decode


class Asking(NamedTuple):
    """One call to be made; a bad one must change nothing. Of one that is accepted `then` makes what follows."""

    entity: str
    command: bytes
    is_bad: bool = False
    then: Callable[[Any], "list[Asking]"] | None = None
    after_ms: int = 0
    """How long after the answer that it follows."""


class Evening:
    """A world's log, folded from 0."""

    def __init__(self, replays: Sequence[Replayed]) -> None:
        self.replays = replays

    def states(self, kind: Entity[S, Any, Any]) -> dict[str, S]:
        """Every entity of this kind that is stored, by its id."""
        prefix = layout.entity_key(f"{kind.kind}/")
        found: dict[str, Any] = {}
        for replayed in self.replays:
            for key in replayed.stored:
                if key.startswith(prefix):
                    entity_id = key.removeprefix(prefix).decode()
                    found[entity_id] = replayed.state(f"{kind.kind}/{entity_id}")
        return found

    def events(self, kind: Entity[Any, Any, E]) -> dict[str, list[E]]:
        """What came of each entity of this kind, in order."""
        found: dict[str, list[Any]] = {}
        for record, event in self.recorded(kind):
            found.setdefault(record.entity.removeprefix(f"{kind.kind}/"), []).append(event)
        return found

    def recorded(self, kind: Entity[Any, Any, E]) -> Iterator[tuple[EventRecord, E]]:
        """Each event of this kind, and what it was recorded with; those of one entity are in order."""
        decode = msgspec.msgpack.Decoder[Any](kind.event).decode
        for replayed in self.replays:
            for name, encoded in replayed.events:
                if name == kind.kind:
                    record = _record(encoded)
                    yield record, decode(record.payload)

    def owed(self, kind: AnyEntity) -> dict[str, list[int]]:
        """What entities of this kind have stated as owed."""
        amounts = {
            name: [event.amount_minor for event in events if isinstance(event, Owed)]
            for name, events in self.events(kind).items()
        }
        return {name: some for name, some in amounts.items() if some}

    def accepted(self, kind: Entity[Any, C, Any]) -> list[tuple[str, C]]:
        """Every command of a client that an entity of this kind has accepted: the entity's id, and the command."""
        return [(entity_id, command) for entity_id, command, _ in self.replies(kind)]

    def replies(self, kind: Entity[Any, C, Any]) -> list[tuple[str, C, bytes]]:
        """The same, and what the entity said to it beside its yes, as JSON."""
        decode = msgspec.msgpack.Decoder[Any](kind.command).decode
        prefix = f"{kind.kind}/"
        return [
            (record.entity.removeprefix(prefix), decode(record.command), reply.payload)
            for replayed in self.replays
            for record, reply in replayed.first.values()
            if record.entity.startswith(prefix) and reply.code == Code.OK
        ]


class Area(NamedTuple):
    """One part of a city: its kinds, how it opens, what its people ask, what it must come to, and what is looked at."""

    kinds: tuple[Entity[Any, Any, Any], ...]
    opening: Callable[[Any], list[Asking]]
    ask: Callable[[Any], Asking]
    check: Callable[[Evening], None]
    look: tuple[str, str]
    """An entity and a view of it."""
    packages: Mapping[str, Sequence[AnyEntity]] = {}
    """Those of the one program that is released meanwhile, by what the catalogue calls them."""
