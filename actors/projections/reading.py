"""How events become rows: a projection folds each event once, in the order of its partition. Pure.

An event may stand on its topic twice, since a host that begins again appends again what it does not know to be there;
it is told by its identity. What is folded from one partition must not depend on another, since nobody says in which
order partitions are read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from actors.kernel.action import EventRecord, decode_event_frame
from actors.ports import Fetched, Place, Put, Slice
from actors.projections.search import Listed

Fold: TypeAlias = Callable[[EventRecord], Sequence[Put]]


class Projection(Struct, frozen=True):
    """A read model: the table it fills, and how. `terms` says what its rows hang on: other terms, other rows.

    Every row has a `key`; `columns` are what stands beside it. `kinds` are those whose events it folds. A row for which
    there is a `listing` is also found by the search.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    terms: str
    fold: Fold
    listing: Callable[[Put], Listed] | None = None


class Followed(NamedTuple):
    """What some frames make: rows in the order in which they are put, and how far each slice is read then."""

    puts: tuple[Put, ...]
    places: Mapping[Slice, Place]
    events: int


def terms_of(projections: Iterable[Projection], topic_ids: Iterable[str]) -> str:
    """What all rows hang on: when this changes they are made anew from the first event."""
    made = (f"{one.table} {' '.join(one.columns)} of {' '.join(one.kinds)}: {one.terms}" for one in projections)
    return "\n".join((*made, *sorted(topic_ids)))


def follow(projections: Iterable[Projection], places: Mapping[Slice, Place], frames: Iterable[Fetched]) -> Followed:
    """Fold these frames, which follow what was read up to `places`. Raises Corrupt when one is not what was written."""
    folds: dict[str, list[Fold]] = {}
    for projection in projections:
        for kind in projection.kinds:
            folds.setdefault(kind, []).append(projection.fold)
    puts: list[Put] = []
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
            for fold in folds.get(event.entity.partition("/")[0], ()):
                puts += fold(event)
        reached[slice_] = Place(fetched.offset + 1, last)
    return Followed(tuple(puts), reached, events)
