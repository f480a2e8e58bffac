"""How much an account has uploaded on a day: counted on the log, by its time, in the record that takes a version."""

from typing import Annotated

from msgspec import Meta, Struct

from actors.domain.counting import DAY_MS
from actors.entity import Context, Decision, Entity, Reject, accept


class Take(Struct, frozen=True, tag="catalog.uploads.take"):
    """A package of so many bytes, where so many in all are taken on a day: what a program asks that takes a version."""

    bytes: Annotated[int, Meta(ge=0)]
    day_bytes_max: Annotated[int, Meta(ge=1)]


class Taken(Struct, frozen=True, tag="catalog.uploads.taken"):
    bytes: int
    at_ms: int


class Uploads(Struct, frozen=True):
    """So many bytes on the last day on which there were any."""

    day: int = 0
    bytes: int = 0


def decide(uploads: Uploads, take: Take, ctx: Context) -> Decision[Taken]:
    ctx.only_from("catalog.program")
    event = Taken(take.bytes, ctx.now_ms)
    if evolve(uploads, event).bytes > take.day_bytes_max:
        left_ms = DAY_MS - ctx.now_ms % DAY_MS
        raise Reject("too_much_uploaded", day_bytes_max=str(take.day_bytes_max), resets_ms=str(left_ms))
    return accept(event)


def evolve(uploads: Uploads, event: Taken) -> Uploads:
    day = event.at_ms // DAY_MS
    return Uploads(day, event.bytes + (uploads.bytes if uploads.day == day else 0))


def view_uploads(uploads: Uploads, _: object) -> object:
    """The last day, and its bytes."""
    return uploads


UPLOADS = Entity(
    "catalog.uploads",
    Uploads(),
    Take,
    Taken,
    decide,
    evolve,
    views={"uploads": view_uploads},
    collection="package-uploads",
    timers_max=0,
)
