"""A lane of the review queue: versions wait in it in the order in which they came, until a reviewer takes the first."""

from typing import Any, TypeAlias, assert_never, cast

from msgspec import Struct
from msgspec.structs import replace

from actors.entity import Context, Decision, Entity, Ref, Reject, Send, accept

LANES = 16
WAITING_MAX = 1_000


class Enter(Struct, frozen=True, tag="catalog.review.enter"):
    """`program` is the id of its entity, `n` the number of the submission."""

    program: str
    code: int
    n: int


class Leave(Struct, frozen=True, tag="catalog.review.leave"):
    program: str
    n: int


class Take(Struct, frozen=True, tag="catalog.review.take"):
    """A reviewer takes what has waited longest."""


class Entered(Struct, frozen=True, tag="catalog.review.entered"):
    program: str
    code: int
    n: int
    at_ms: int


class Left(Struct, frozen=True, tag="catalog.review.left"):
    program: str


class TakenFromLane(Struct, frozen=True, tag="catalog.review.taken"):
    program: str
    by: str


class Taken(Struct, frozen=True, tag="catalog.program.take"):
    """What a lane tells the program: a reviewer has begun."""

    code: int
    n: int


Command: TypeAlias = Enter | Leave | Take
Event: TypeAlias = Entered | Left | TakenFromLane


class Waiting(Struct, frozen=True, array_like=True):
    program: str
    code: int
    n: int
    since_ms: int


class Lane(Struct, frozen=True):
    waiting: tuple[Waiting, ...] = ()


def decide(lane: Lane, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Enter(program, code, n):
            ctx.only_from("catalog.program", program)
            return accept(*_entered(lane, program, code, n, ctx))
        case Leave(program, n):
            ctx.only_from("catalog.program", program)
            found = _of(lane, program)
            return accept(Left(program)) if found is not None and found.n <= n else accept()
        case Take():
            if not lane.waiting:
                return accept(reply={"program": "", "code": 0})
            first = lane.waiting[0]
            told: Send[Taken] = Send(Ref("catalog.program", first.program), Taken(first.code, first.n))
            reply = {"program": first.program, "code": first.code}
            return accept(TakenFromLane(first.program, ctx.caller), reply=reply, actions=(told,))
        case _:
            assert_never(command)


def _entered(lane: Lane, program: str, code: int, n: int, ctx: Context) -> tuple[Event, ...]:
    found = _of(lane, program)
    if found is not None and found.n >= n:
        return ()
    if found is None and len(lane.waiting) >= WAITING_MAX:
        raise Reject("review_full", waiting_max=str(WAITING_MAX))
    left = () if found is None else (Left(program),)
    return (*left, Entered(program, code, n, ctx.now_ms))


def _of(lane: Lane, program: str) -> Waiting | None:
    return next((one for one in lane.waiting if one.program == program), None)


def evolve(lane: Lane, event: Event) -> Lane:
    match event:
        case Entered(program, code, n, at_ms):
            return replace(lane, waiting=(*lane.waiting, Waiting(program, code, n, at_ms)))
        case Left(program) | TakenFromLane(program):
            return replace(lane, waiting=tuple(one for one in lane.waiting if one.program != program))
        case _:
            assert_never(event)


def view_position(lane: Lane, args: object) -> object:
    """How many wait before this program, counting it: 0 when it does not wait here."""
    program = cast("dict[str, Any]", args).get("program")
    places = [place for place, one in enumerate(lane.waiting, 1) if one.program == program]
    return {"position": places[0] if places else 0, "waiting": len(lane.waiting)}


REVIEW = Entity(
    "catalog.review",
    Lane(),
    Command,
    Event,
    decide,
    evolve,
    views={"position": view_position},
    collection="review-lanes",
)
