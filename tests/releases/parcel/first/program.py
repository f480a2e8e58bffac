"""A counter that weighs parcels and, a while later, hands what it took to a neighbour: the first version."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Ref, Reject, Send, SetTimer, accept

HAND_AFTER_MS = 30_000


class Weigh(Struct, frozen=True, tag="parcel.weigh"):
    grams: int
    neighbour: str


class Hand(Struct, frozen=True, tag="parcel.hand"):
    neighbour: str


class Take(Struct, frozen=True, tag="parcel.take"):
    cents: int


class Weighed(Struct, frozen=True, tag="parcel.weighed"):
    grams: int
    cents: int


class Handed(Struct, frozen=True, tag="parcel.handed"):
    cents: int


class Took(Struct, frozen=True, tag="parcel.took"):
    cents: int


class Counter(Struct, frozen=True):
    grams: int = 0
    cents: int = 0
    took: int = 0


Command: TypeAlias = Weigh | Hand | Take
Event: TypeAlias = Weighed | Handed | Took


def decide(counter: Counter, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Weigh(grams, neighbour):
            if grams <= 0:
                raise Reject("no_parcel")
            timer = SetTimer("hand", ctx.now_ms + HAND_AFTER_MS, Hand(neighbour))
            return accept(Weighed(grams, grams * 4), reply={"cents": grams * 4}, actions=(timer,))
        case Hand(neighbour):
            other: Ref[Command] = Ref("parcel", neighbour)
            return accept(Handed(counter.cents), actions=(Send(other, Take(counter.cents)),))
        case Take(cents):
            return accept(Took(cents))
        case _:
            assert_never(command)


def evolve(counter: Counter, event: Event) -> Counter:
    match event:
        case Weighed(grams, cents):
            return replace(counter, grams=counter.grams + grams, cents=counter.cents + cents)
        case Handed(cents):
            return replace(counter, cents=counter.cents - cents)
        case Took(cents):
            return replace(counter, took=counter.took + cents)
        case _:
            assert_never(event)


COUNTER = Entity("parcel", Counter(), Command, Event, decide, evolve)

ENTITIES = (COUNTER,)
