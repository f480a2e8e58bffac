"""The programs that everybody may open, with all that they are found and ranked by: releases, descriptions, visits."""

from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec

from actors.domain.catalog.listing import LISTING, Described
from actors.domain.catalog.program import PROGRAM, Released
from actors.domain.visit import VISIT, VisitBegan
from actors.kernel.action import EventRecord
from actors.ports import Add, Put
from actors.projections.reading import Listing, Projection, tag_in
from actors.projections.search import TOKENS, Listed, about
from actors.shape import tag_of

TABLE = "listed"
_DESCRIBED = "described"
_USED = "used"

_Described: TypeAlias = tuple[str, str, float | None, float | None]

_release = msgspec.msgpack.Decoder(PROGRAM.event)
_description = msgspec.msgpack.Decoder(LISTING.event)
_BEGAN = tag_of(VisitBegan)


def fold_releases(event: EventRecord) -> tuple[Put, ...]:
    """A release, or a rollback, which is one of an earlier version; the title and the category are the newest."""
    released: object = _release.decode(event.payload)
    if not isinstance(released, Released):
        return ()
    _, account, program = event.entity.split("/")
    return (Put(TABLE, program, (account, released.title, released.category, released.code, event.stamp_ms)),)


def fold_descriptions(event: EventRecord) -> tuple[Put, ...]:
    """What else a program is found by, from before its release on."""
    described: Described = _description.decode(event.payload)
    latitude, longitude = described.position or (None, None)
    aliases = msgspec.json.encode(described.aliases).decode()
    return (Put(_DESCRIBED, event.entity.rpartition("/")[2], (aliases, described.city, latitude, longitude)),)


def fold_visits(event: EventRecord) -> tuple[Add, ...]:
    """A visit is a use, however often it is continued."""
    if tag_in(event.payload) != _BEGAN:
        return ()
    return (Add(_USED, event.entity.split("/")[1], 1),)


def listing(program: str, rows: Sequence[tuple[object, ...] | None]) -> Listed | None:
    """How a program is found, by its own name too; not before its release."""
    released, described, used = rows
    if released is None:
        return None
    account, title, category, *_ = cast("tuple[str, str, str, int, int]", released)
    aliases, city, latitude, longitude = cast(_Described, described or ("[]", "", None, None))
    (uses,) = cast("tuple[int]", used or (0,))
    return Listed(
        program=program,
        name=title,
        aliases=(program, *msgspec.json.decode(aliases, type=tuple[str, ...])),
        category=category,
        city=city,
        position=None if latitude is None or longitude is None else (latitude, longitude),
        uses=about(uses),
        account=account,
    )


_LISTING = Listing((TABLE, _DESCRIBED, _USED), listing)
_COLUMNS = ("account", "title", "category", "code", "released_ms")
_TERMS = f"tokens {TOKENS}, program, name, aliases, category, city, position, uses, account"
LISTED = Projection(TABLE, _COLUMNS, (PROGRAM.kind,), f"{tag_of(Released)}, {_TERMS}", fold_releases, _LISTING)
DESCRIBED = Projection(
    _DESCRIBED,
    ("aliases", "city", "latitude", "longitude"),
    (LISTING.kind,),
    tag_of(Described),
    fold_descriptions,
    _LISTING,
)
USED = Projection(_USED, ("uses",), (VISIT.kind,), _BEGAN, fold_visits, _LISTING, mark=_BEGAN)
