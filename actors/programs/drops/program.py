"""Collectibles: a drop issues numbers 1 to its limit; a collector claims one of each drop, keeps it or gives it away.

A drop counts and nothing else, so it stays small however many people come at once; that each of them gets one is a rule
of the collector, who asks a drop once. An item is on one shelf, or on its way between two: it leaves the giver's shelf
when it is given, and comes back if the receiver's is full.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Owed, Reject, Role, Send, Stage, accept

ITEMS_MAX = 1_000  # on a shelf, with those that are asked for or on their way: whatever comes back finds its place
CLAIMS_MAX = 1_000  # drops that one person ever got something of

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Title: TypeAlias = Annotated[str, Meta(max_length=200)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
Minor: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
TimeMs: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 48)]

# -- a drop -----------------------------------------------------------------------------------------------------------


class Announce(Struct, frozen=True, tag="drops.drop.announce"):
    """So many items, not one more, to whoever asks from `opens_ms` on; each is owed to the merchant."""

    title: Title
    merchant: Id
    limit: Limit
    price_minor: Minor
    currency: Currency
    opens_ms: TimeMs = 0


class Issue(Struct, frozen=True, tag="drops.drop.issue"):
    pass


class Announced(Struct, frozen=True, tag="drops.drop.announced"):
    title: str
    merchant: str
    limit: int
    price_minor: int
    currency: str
    opens_ms: int


class Issued(Struct, frozen=True, tag="drops.drop.issued"):
    number: int
    collector: str


class Drop(Struct, frozen=True):
    """`limit` is 0 until it is announced; the numbers up to `issued` are given out."""

    title: str = ""
    merchant: str = ""
    limit: int = 0
    price_minor: int = 0
    currency: str = ""
    opens_ms: int = 0
    issued: int = 0


DropCommand: TypeAlias = Announce | Issue
DropEvent: TypeAlias = Announced | Issued


def decide_drop(drop: Drop, command: DropCommand, ctx: Context) -> Decision[DropEvent]:
    match command:
        case Announce(title, merchant, limit, price_minor, currency, opens_ms):
            announced = Announced(title, merchant, limit, price_minor, currency, opens_ms)
            if drop.limit and evolve_drop(drop, announced) != drop:
                raise Reject("already_announced")  # a limit that can be raised is none
            return accept() if drop.limit else accept(announced)
        case Issue():
            return _issued(drop, ctx.only_from("drops.collector"), ctx)
        case _:
            assert_never(command)


def _issued(drop: Drop, collector: str, ctx: Context) -> Decision[DropEvent]:
    refusal = ""
    if not drop.limit:
        refusal = "no_such_drop"
    elif ctx.now_ms < drop.opens_ms:
        refusal = "not_open_yet"
    elif drop.issued >= drop.limit:
        refusal = "sold_out"
    if refusal:
        return accept(actions=(Send(COLLECTOR.at(collector), Refuse(ctx.entity_id, refusal)),))
    number = drop.issued + 1
    grant = Grant(ctx.entity_id, number, drop.price_minor, drop.currency, drop.merchant, drop.title)
    return accept(Issued(number, collector), actions=(Send(COLLECTOR.at(collector), grant),))


def evolve_drop(drop: Drop, event: DropEvent) -> Drop:
    match event:
        case Announced(title, merchant, limit, price_minor, currency, opens_ms):
            return Drop(title, merchant, limit, price_minor, currency, opens_ms, drop.issued)
        case Issued(number):
            return replace(drop, issued=number)
        case _:
            assert_never(event)


# -- a collector ------------------------------------------------------------------------------------------------------

CLAIM_LIFE = {
    "none": Stage({"claim": "asking"}),
    "asking": Stage({"grant": "claimed", "refuse": "none"}),
    "claimed": Stage({}, terminal=True),
}


class Claim(Struct, frozen=True, tag="drops.claim"):
    drop: Id


class Give(Struct, frozen=True, tag="drops.give"):
    """Give an item, called `<drop>/<number>`, to another collector."""

    item: Annotated[str, Meta(min_length=3, max_length=80)]
    to: Id


class Grant(Struct, frozen=True, tag="drops.grant"):
    """The drop's: this number is yours."""

    drop: str
    number: int
    amount_minor: int
    currency: str
    merchant: str
    title: str


class Refuse(Struct, frozen=True, tag="drops.refuse"):
    """The drop's: you get none."""

    drop: str
    reason: str


class Receive(Struct, frozen=True, tag="drops.receive"):
    """Another collector's: this item is yours now."""

    item: str


class Thank(Struct, frozen=True, tag="drops.thank"):
    """The receiver's: the item has come."""

    item: str


class TakeBack(Struct, frozen=True, tag="drops.take-back"):
    """The platform's, when the receiver rejected."""

    item: str


class ClaimAsked(Struct, frozen=True, tag="drops.claim-asked"):
    drop: str


class Claimed(Struct, frozen=True, tag="drops.claimed"):
    drop: str
    number: int
    at_ms: int


class ItemOwed(Owed, frozen=True, kw_only=True, tag="drops.item-owed"):
    """The claimed item is the person's, and is to be paid."""


class ClaimRefused(Struct, frozen=True, tag="drops.claim-refused"):
    drop: str
    reason: str


class Given(Struct, frozen=True, tag="drops.given"):
    item: str
    to: str


class Received(Struct, frozen=True, tag="drops.received"):
    item: str
    giver: str
    at_ms: int


class GiftArrived(Struct, frozen=True, tag="drops.gift-arrived"):
    item: str


class GiftReturned(Struct, frozen=True, tag="drops.gift-returned"):
    item: str
    at_ms: int


class Collector(Struct, frozen=True):
    """`claims` has the number got of each drop, 0 while it is asked for; `shelf` since when an item is owned; `leaving`
    to whom one is on its way; `refused` why the last claim that came to nothing did, and `refused_drop` of what.
    """

    claims: dict[str, int] = {}
    shelf: dict[str, int] = {}
    leaving: dict[str, str] = {}
    refused: str = ""
    refused_drop: str = ""


CollectorCommand: TypeAlias = Claim | Give | Grant | Refuse | Receive | Thank | TakeBack
CollectorEvent: TypeAlias = (
    ClaimAsked | Claimed | ItemOwed | ClaimRefused | Given | Received | GiftArrived | GiftReturned
)


def decide_collector(collector: Collector, command: CollectorCommand, ctx: Context) -> Decision[CollectorEvent]:
    match command:
        case Claim(drop):
            return _claim(collector, drop)
        case Give(item, to):
            return _give(collector, item, to, ctx)
        case Grant() | Refuse():
            return _answered(collector, command, ctx)
        case Receive(item):
            giver = ctx.only_from("drops.collector")
            _room(collector)
            return accept(Received(item, giver, ctx.now_ms), actions=(Send(COLLECTOR.at(giver), Thank(item)),))
        case Thank(item) | TakeBack(item):
            if item not in collector.leaving or ctx.sender != f"drops.collector/{collector.leaving[item]}":
                raise Reject("not_for_clients")
            return accept(GiftArrived(item) if isinstance(command, Thank) else GiftReturned(item, ctx.now_ms))
        case _:
            assert_never(command)


def _claim(collector: Collector, drop: str) -> Decision[CollectorEvent]:
    if "claim" not in CLAIM_LIFE[claim_state(collector, drop)].moves:
        raise Reject("one_a_person", drop=drop, state=claim_state(collector, drop))
    if len(collector.claims) >= CLAIMS_MAX:
        raise Reject("too_many_claims", claims_max=str(CLAIMS_MAX))
    _room(collector)
    send = Send(DROP.at(drop), Issue(), on_reject=Refuse(drop, "drop_refused"))
    return accept(ClaimAsked(drop), reply={"state": "asking"}, actions=(send,))


def _give(collector: Collector, item: str, to: str, ctx: Context) -> Decision[CollectorEvent]:
    if to == ctx.entity_id:
        raise Reject("to_yourself")
    if item in collector.leaving:
        raise Reject("on_its_way", item=item)  # also where it has come back already, and the thanks for it have not
    if item not in collector.shelf:
        raise Reject("not_yours", item=item)
    send = Send(COLLECTOR.at(to), Receive(item), on_reject=TakeBack(item))
    return accept(Given(item, to), reply={"state": "leaving"}, actions=(send,))


def _answered(collector: Collector, answer: Grant | Refuse, ctx: Context) -> Decision[CollectorEvent]:
    """The drop that was asked says what became of it."""
    move = "refuse" if isinstance(answer, Refuse) else "grant"
    moves = CLAIM_LIFE[claim_state(collector, answer.drop)].moves
    if ctx.sender != f"drops.drop/{answer.drop}" or move not in moves:
        raise Reject("not_for_clients")
    if isinstance(answer, Refuse):
        return accept(ClaimRefused(answer.drop, answer.reason))
    claimed = Claimed(answer.drop, answer.number, ctx.now_ms)
    if not answer.amount_minor:
        return accept(claimed)
    item = item_of(answer.drop, answer.number)
    owed = ItemOwed(
        amount_minor=answer.amount_minor,
        currency=answer.currency,
        to=answer.merchant,
        what_for=f"{answer.title}, number {answer.number}",
        reference=item,
    )
    return accept(claimed, owed)


def _room(collector: Collector) -> None:
    asked = sum(not number for number in collector.claims.values())
    if len(collector.shelf) + len(collector.leaving) + asked >= ITEMS_MAX:
        raise Reject("shelf_full", items_max=str(ITEMS_MAX))


def evolve_collector(collector: Collector, event: CollectorEvent) -> Collector:
    match event:
        case ClaimAsked(drop):
            return replace(collector, claims={**collector.claims, drop: 0}, refused="", refused_drop="")
        case Claimed(drop, number, at_ms):
            shelf = {**collector.shelf, item_of(drop, number): at_ms}
            return replace(collector, claims={**collector.claims, drop: number}, shelf=shelf)
        case ItemOwed():
            return collector
        case ClaimRefused(drop, reason):
            claims = {other: number for other, number in collector.claims.items() if other != drop}
            return replace(collector, claims=claims, refused=reason, refused_drop=drop)
        case Given(item, to):
            shelf = {other: since_ms for other, since_ms in collector.shelf.items() if other != item}
            return replace(collector, shelf=shelf, leaving={**collector.leaving, item: to})
        case Received(item, _, at_ms):
            return replace(collector, shelf={**collector.shelf, item: at_ms})
        case GiftArrived(item):
            return replace(collector, leaving=_without(collector.leaving, item))
        case GiftReturned(item, at_ms):
            leaving = _without(collector.leaving, item)
            return replace(collector, shelf={**collector.shelf, item: at_ms}, leaving=leaving)
        case _:
            assert_never(event)


def _without(leaving: dict[str, str], item: str) -> dict[str, str]:
    return {other: to for other, to in leaving.items() if other != item}


def claim_state(collector: Collector, drop: str) -> str:
    number = collector.claims.get(drop)
    return "none" if number is None else "claimed" if number else "asking"


def item_of(drop: str, number: int) -> str:
    return f"{drop}/{number}"


def shelf_of(collector: Collector, _: object) -> object:
    asking = [drop for drop, number in collector.claims.items() if not number]
    items = [{"item": item, "since_ms": since_ms} for item, since_ms in collector.shelf.items()]
    refused = {"drop": collector.refused_drop, "reason": collector.refused}
    return {"items": items, "leaving": collector.leaving, "asking": asking, "refused": refused}


DROP = Entity(
    "drops.drop",
    Drop(),
    DropCommand,
    DropEvent,
    decide_drop,
    evolve_drop,
    views={"drop": lambda drop, _: drop},
    access={"drops.drop.announce": (Role.SERVER,), "drop": (Role.PERSON, Role.SERVER)},
)
COLLECTOR = Entity(
    "drops.collector",
    Collector(),
    CollectorCommand,
    CollectorEvent,
    decide_collector,
    evolve_collector,
    views={"shelf": shelf_of},
    life={"claim": CLAIM_LIFE},
    access={
        **dict.fromkeys(("drops.claim", "drops.give"), (Role.PERSON,)),
        "shelf": (Role.PERSON, Role.SERVER),
    },
    owner={Role.PERSON: lambda openid: openid},
    state_bytes_max=1 << 20,
)
ENTITIES = (DROP, COLLECTOR)
