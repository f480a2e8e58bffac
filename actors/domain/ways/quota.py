"""How many codes a program has minted this minute, how many links this day, and how many cards a person has shared this
minute: counted on the log, by its time.

One entity counts for one program, or for one person in it, exactly. It takes no more than its bounds say, so it is
never too hot.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from actors.domain.counting import DAY_MS, MINUTE_MS, Count, counted, is_full
from actors.entity import FILLED, Context, Decision, Entity, Reject, accept

What: TypeAlias = Literal["code", "link", "share"]
PERIODS_MS = {"code": MINUTE_MS, "link": DAY_MS, "share": MINUTE_MS}


class Take(Struct, frozen=True, tag="ways.quota.take", rename={"filled": FILLED}):
    """One more of these, of at most so many in their period."""

    what: What
    most: Annotated[int, Meta(ge=1)]
    filled: tuple[str, ...] = ("most",)


class Taken(Struct, frozen=True, tag="ways.quota.taken"):
    what: What
    at_ms: int


class Quota(Struct, frozen=True):
    """Of a program codes and links are counted; of a person, cards."""

    code: Count = Count()
    link: Count = Count()
    share: Count | UnsetType = UNSET


def decide(quota: Quota, take: Take, ctx: Context) -> Decision[Taken]:
    period_ms = PERIODS_MS[take.what]
    count: Count = getattr(quota, take.what) or Count()
    if is_full(count, period_ms, ctx.now_ms, take.most):
        left_ms = period_ms - ctx.now_ms % period_ms
        raise Reject(f"too_many_{take.what}s", most=str(take.most), resets_ms=str(left_ms))
    return accept(Taken(take.what, ctx.now_ms))


def evolve(quota: Quota, event: Taken) -> Quota:
    count: Count = getattr(quota, event.what) or Count()
    return replace(quota, **{event.what: counted(count, PERIODS_MS[event.what], event.at_ms)})


def view_quota(quota: Quota, _: object) -> object:
    """What was used, and in which period."""
    return quota


QUOTA = Entity("ways.quota", Quota(), Take, Taken, decide, evolve, views={"quota": view_quota}, timers_max=0)
