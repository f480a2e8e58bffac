"""Seats, as counters that reach one: who got a seat added the one there is, who was refused read that it was there.

So a seat that two persons got is a total that was made twice, and one that was refused before anybody could have had it
is a read from the future; the check of counters is exact for both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tests.linearizability.history import Op


class Wish(NamedTuple):
    """Somebody asked for a seat that is never given back, and was told whether it is theirs."""

    seat: str
    client: int
    began_ns: int
    ended_ns: int
    got: bool


def history_of(wishes: Iterable[Wish]) -> list[Op]:
    """What was seen of each seat, as a history of a counter."""
    return [
        Op(
            entity=wish.seat,
            kind="add" if wish.got else "read",
            client=wish.client,
            began_ns=wish.began_ns,
            ended_ns=wish.ended_ns,
            total=1,
        )
        for wish in wishes
    ]


def sold_twice(history: Sequence[Op]) -> list[Op]:
    """Who was refused last got it, too."""
    *rest, last = sorted(history, key=lambda op: (op.kind == "read", op.began_ns))
    return [*rest, replace(last, kind="add")]


def refused_too_soon(history: Sequence[Op]) -> list[Op]:
    """Somebody was refused before whoever got it had asked for it."""
    first_ns = min(op.began_ns for op in history)
    return [*history, replace(history[0], kind="read", began_ns=first_ns - 2, ended_ns=first_ns - 1)]


LIES: Mapping[str, Callable[[Sequence[Op]], list[Op]]] = {
    "repeated total": sold_twice,
    "read from the future": refused_too_soon,
}
"""What the check calls it, and how it is planted into what was seen of a seat that some got and some did not."""


def with_lies(history: Sequence[Op]) -> list[Op]:
    """Each lie in a seat of its own, named after it; none where no seat was both given and refused."""
    seen: dict[str, list[Op]] = {}
    for op in history:
        seen.setdefault(op.entity, []).append(op)
    fought = (ops for ops in seen.values() if {op.kind for op in ops} == {"add", "read"})
    one = next(fought, None)
    return [] if one is None else [replace(op, entity=kind) for kind, plant in LIES.items() for op in plant(one)]
