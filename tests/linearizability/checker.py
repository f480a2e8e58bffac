"""Whether a history of a counter is linearizable, in linear time after a sort. Pure.

The totals that the answers said give the order: the add that was answered t made t of t - 1, and a read that was
answered t stands between the adds that made t and t + 1. So only two things are left to see.

1. Real time. Nothing that is ordered before something else began after that had ended. It is enough to compare each
   op with the one that began last of all ordered before it. Reads of one total may stand in any order.
2. The totals that no answer said, called gaps. Each is the work of an add without an answer, another one for each gap,
   that began before anything ordered behind the gap had ended. The later the gap, the later that is; so when giving
   the next gap the add that began first of those left does not do, nothing does.

These two are necessary and, together, sufficient: the order by totals, gaps filled so, is a linearization (adds without
an answer that fill no gap never happened, or happened after everything). So for a counter whose adds add one, this
check is exact; for anything else it says nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

from tests.linearizability.history import FOREVER, Op, by_entity

Kind: TypeAlias = Literal[
    "impossible total", "repeated total", "gap", "stale read", "read from the future", "real-time inversion"
]


class Violation(NamedTuple):
    """Why an entity's history is not linearizable: the first contradiction that was found, and its ops."""

    entity: str
    kind: Kind
    told: str
    ops: Sequence[Op]

    def __str__(self) -> str:
        """As findings tell it."""
        return f"{self.entity}, {self.kind}: {self.told}: " + "; ".join(map(str, self.ops))


def check(history: Iterable[Op]) -> list[Violation]:
    """At most one violation for each entity; none when the history is linearizable."""
    found = (violation_of(entity, ops) for entity, ops in by_entity(history).items())
    return [violation for violation in found if violation is not None]


def violation_of(entity: str, ops: Sequence[Op]) -> Violation | None:
    """What is wrong with the history of one entity."""
    known = sorted((op for op in ops if op.answered), key=_place)
    unknown = sorted((op for op in ops if not op.answered), key=lambda op: op.began_ns)
    return _totals(entity, known) or _real_time(entity, known) or _gaps(entity, known, unknown)


def _place(op: Op) -> tuple[int, bool]:
    """Where it stands in the order that the totals give."""
    return op.total, op.kind == "read"


def _totals(entity: str, known: Sequence[Op]) -> Violation | None:
    """No add made a total that another had made."""
    made: dict[int, Op] = {}
    for op in known:
        if op.total < (1 if op.kind == "add" else 0):
            return Violation(entity, "impossible total", "no counter was ever there", [op])
        if op.kind == "add":
            if op.total in made:
                return Violation(entity, "repeated total", f"two adds made {op.total}", [made[op.total], op])
            made[op.total] = op
    return None


def _real_time(entity: str, known: Sequence[Op]) -> Violation | None:
    """Nothing had ended when something that is ordered before it began."""
    latest: Op | None = None
    for _, group in groupby(known, key=_place):
        here = list(group)
        first = min(here, key=lambda op: op.ended_ns)
        if latest is not None and first.ended_ns < latest.began_ns:
            told = "the first of these had ended when the second began, and the totals say the opposite"
            return Violation(entity, _inversion(latest, first), told, [first, latest])
        latest = max([*here, *([] if latest is None else [latest])], key=lambda op: op.began_ns)
    return None


def _inversion(earlier: Op, later: Op) -> Kind:
    """What to call it that the later of two by their totals had ended when the earlier began."""
    if earlier.kind == "read":
        return "stale read"
    return "read from the future" if later.kind == "read" else "real-time inversion"


def _gaps(entity: str, known: Sequence[Op], unknown: Sequence[Op]) -> Violation | None:
    """Each total that no answer said was made by an add without an answer, in time for whoever saw it."""
    left = iter(unknown)
    for gap, witness in _seen_gaps(known):
        filler = next(left, None)
        if filler is None or filler.began_ns > witness.ended_ns:
            began = "" if filler is None else f" (the next of {len(unknown)} without an answer: {filler})"
            told = f"nobody can have made {gap}, and yet it was seen to be there{began}"
            return Violation(entity, "gap", told, [witness])
    return None


def _seen_gaps(known: Sequence[Op]) -> Iterator[tuple[int, Op]]:
    """Each total that no add was answered, upwards, with the first to end of all that saw it or a later one."""
    witnesses: list[Op] = []
    for op in reversed(known):
        before = witnesses[-1].ended_ns if witnesses else FOREVER
        witnesses.append(op if op.ended_ns < before else witnesses[-1])
    reached = 0
    for op, witness in zip(known, reversed(witnesses), strict=True):
        made_by_others = op.total if op.kind == "read" else op.total - 1
        for gap in range(reached + 1, made_by_others + 1):
            yield gap, witness
        reached = op.total
