"""A tally that counts what it is told, and misbehaves on request, as an author's code may."""

from itertools import repeat
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, accept


class Add(Struct, frozen=True, tag="tally.add"):
    n: int


class Break(Struct, frozen=True, tag="tally.break"):
    how: str


class Added(Struct, frozen=True, tag="tally.added"):
    n: int


class Tally(Struct, frozen=True):
    total: int = 0


Command: TypeAlias = Add | Break


def decide(tally: Tally, command: Command, ctx: Context) -> Decision[Added]:
    match command:
        case Add(n):
            return accept(Added(n), reply={"total": tally.total + n})
        case Break("loop"):
            while True:
                pass
        case Break("recurse"):
            return decide(tally, command, ctx)
        case Break("fill"):
            filled = [bytes(1 << 20)]
            while True:
                filled.append(bytes(len(filled) << 20))
        case Break("loop in C"):
            return accept(Added(sum(repeat(0))))
        case Break("recurse in C"):
            return accept(reply={"total": len(repr(_nested()))})
        case Break("fill at once"):
            return accept(reply={"total": len(bytes(1 << 40))})
        case Break(how):
            raise ZeroDivisionError(how)
        case _:
            assert_never(command)


def _nested() -> list[object]:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def evolve(tally: Tally, event: Added) -> Tally:
    return replace(tally, total=tally.total + event.n)


def total(tally: Tally, _: object) -> int:
    return tally.total


TALLY = Entity("tally", Tally(), Command, Added, decide, evolve, views={"total": total})
ENTITIES = (TALLY,)
