"""How events become rows: a projection folds each event once, in the order of its partition. Pure.

An event may stand on its topic twice, since a host that begins again appends again what it does not know to be there;
it is told by its identity. What is folded from one partition must not depend on another, since nobody says in which
order partitions are read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from actors import domain
from actors.kernel.action import EventRecord, decode_event_frame
from actors.ports import Change, Fetched, Place, Slice
from actors.projections.search import Listed

ANY = "*"
"""Among the kinds of a projection: it folds the events of every kind of any program, whichever there are. Of the
platform's own kinds it folds those that it names."""
_OWN = frozenset(entity.kind for entity in domain.ENTITIES)


class _Tagged(Struct):
    type: str


_tagged = msgspec.msgpack.Decoder(_Tagged).decode

Fold: TypeAlias = Callable[[EventRecord], Sequence[Change]]


class Listing(Struct, frozen=True):
    """What the search finds: made of the rows that these tables have for one key, each None where there is none.

    `make` says None of what nobody is to find.
    """

    tables: tuple[str, ...]
    make: Callable[[str, Sequence[tuple[object, ...] | None]], Listed | None]


class Projection(Struct, frozen=True):
    """A read model: the table it fills, and how. `terms` says what its rows hang on: other terms, other rows.

    Every row has a `key`; `columns` are what stands beside it. `kinds` are those whose events it folds. `listing` is
    what its rows are found by in the search. `mark` stands somewhere in the payload of every event that it makes a row
    of, such as the tag: most events make none, and are passed over by a look for it, which costs next to nothing.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    terms: str
    fold: Fold
    listing: Listing | None = None
    mark: str = ""


class Followed(NamedTuple):
    """What some frames make: the changes of rows in their order, and how far each slice is read then."""

    changes: tuple[Change, ...]
    places: Mapping[Slice, Place]
    events: int


def tag_in(payload: bytes) -> str:
    """Which event this is, nothing else of it being read."""
    return _tagged(payload).type


def terms_of(projections: Iterable[Projection], topic_ids: Iterable[str]) -> str:
    """What all rows hang on: when this changes they are made anew from the first event."""
    made = (f"{one.table} {' '.join(one.columns)} of {' '.join(one.kinds)}: {one.terms}" for one in projections)
    return "\n".join((*made, *sorted(topic_ids)))


def follow(projections: Sequence[Projection], places: Mapping[Slice, Place], frames: Iterable[Fetched]) -> Followed:
    """Fold these frames, which follow what was read up to `places`. Raises Corrupt when one is not what was written."""
    folds: dict[str, list[tuple[bytes, Fold]]] = {}
    changes: list[Change] = []
    reached: dict[Slice, Place] = {}
    events = 0
    for fetched in frames:
        slice_ = fetched.slice
        last = (reached.get(slice_) or places.get(slice_) or Place()).last
        for event in decode_event_frame(*slice_, fetched.offset, fetched.frame).records:
            identity = (event.incarnation, event.offset, event.index, event.n)
            if identity <= last:
                continue
            last = identity
            events += 1
            kind = event.entity.partition("/")[0]
            wanting = folds.get(kind)
            if wanting is None:
                wanting = folds[kind] = _folds_of(projections, kind)
            for mark, fold in wanting:
                if event.payload.find(mark) >= 0:  # quicker than `in`, which takes what it looks for for a number first
                    changes += fold(event)
        reached[slice_] = Place(fetched.offset + 1, last)
    return Followed(tuple(changes), reached, events)


def _folds_of(projections: Iterable[Projection], kind: str) -> list[tuple[bytes, Fold]]:
    """Who folds the events of a kind, each with its mark."""
    anyone = kind not in _OWN
    return [(one.mark.encode(), one.fold) for one in projections if kind in one.kinds or (anyone and ANY in one.kinds)]
