"""How events become rows: a projection folds each event once, in the order of its partition. Pure.

An event may stand on its topic twice, since a host that begins again appends again what it does not know to be there;
it is told by its identity. What is folded from one partition must not depend on another, since nobody says in which
order partitions are read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from actors.kernel.action import EventRecord, decode_event_frame
from actors.ports import Change, Fetched, Place, Slice
from actors.projections.search import Listed

ANY = "*"
"""Among the kinds of a projection: it folds the events of every kind that is followed, whichever programs there are."""

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
    what its rows are found by in the search.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    terms: str
    fold: Fold
    listing: Listing | None = None


class Followed(NamedTuple):
    """What some frames make: the changes of rows in their order, and how far each slice is read then."""

    changes: tuple[Change, ...]
    places: Mapping[Slice, Place]
    events: int


def terms_of(projections: Iterable[Projection], topic_ids: Iterable[str]) -> str:
    """What all rows hang on: when this changes they are made anew from the first event."""
    made = (f"{one.table} {' '.join(one.columns)} of {' '.join(one.kinds)}: {one.terms}" for one in projections)
    return "\n".join((*made, *sorted(topic_ids)))


def follow(projections: Sequence[Projection], places: Mapping[Slice, Place], frames: Iterable[Fetched]) -> Followed:
    """Fold these frames, which follow what was read up to `places`. Raises Corrupt when one is not what was written."""
    folds: dict[str, list[Fold]] = {}
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
            if kind not in folds:
                folds[kind] = [one.fold for one in projections if kind in one.kinds or ANY in one.kinds]
            for fold in folds[kind]:
                changes += fold(event)
        reached[slice_] = Place(fetched.offset + 1, last)
    return Followed(tuple(changes), reached, events)
