"""Histories of a counter that never was: linearizable ones by their making, and ones with a lie planted in them."""

import random
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from tests.linearizability.history import FOREVER, Op

CLIENTS = 8
SPAN_NS = 1_000_000


def honest(seed: int, size: int, unknown_share: float = 0.2, entity: str = "one") -> list[Op]:
    """So many ops that each take effect at some moment while they last, in the order of these moments."""
    chance = random.Random(seed)
    drawn: list[tuple[float, Op]] = []
    for _ in range(size):
        began_ns = chance.randrange(SPAN_NS)
        ended_ns = began_ns + chance.randrange(1, max(3 * SPAN_NS // size, 2))
        client = chance.randrange(CLIENTS)
        if chance.random() < 0.4:
            op = Op(entity=entity, kind="read", client=client, began_ns=began_ns, ended_ns=ended_ns)
        elif chance.random() < unknown_share:
            op = Op(entity=entity, kind="add", client=client, began_ns=began_ns)
        else:
            op = Op(entity=entity, kind="add", client=client, began_ns=began_ns, ended_ns=ended_ns)
        drawn.append((_moment_ns(chance, op), op))
    history: list[Op] = []
    total = 0
    for _, op in sorted(drawn, key=lambda one: one[0]):
        total += op.kind == "add"
        history.append(replace(op, total=total) if op.answered else op)
    chance.shuffle(history)
    return history


def _moment_ns(chance: random.Random, op: Op) -> float:
    """When it takes effect; one without an answer does so long after, soon, or when nobody looks any more."""
    if op.answered:
        return chance.uniform(op.began_ns, op.ended_ns)
    return op.began_ns + chance.choice((0, chance.randrange(SPAN_NS), FOREVER))


def disturbed(seed: int, history: Sequence[Op]) -> list[Op]:
    """The same with one answer, or one time, a little off: it may be linearizable still."""
    chance = random.Random(seed)
    ops = list(history)
    place = chance.choice([nth for nth, op in enumerate(ops) if op.answered] or [0])
    op = ops[place]
    by_ns = chance.randrange(SPAN_NS // 4)
    ops[place] = chance.choice(
        (
            replace(op, total=max(op.total + chance.choice((-1, 1)), 0)),
            replace(op, began_ns=op.began_ns + by_ns, ended_ns=op.ended_ns + by_ns) if op.answered else op,
            replace(op, ended_ns=FOREVER) if op.kind == "add" else op,
        )
    )
    return ops


def _adds(history: Sequence[Op]) -> list[Op]:
    return sorted((op for op in history if op.kind == "add" and op.answered), key=lambda op: op.total)


def lost_add(history: Sequence[Op]) -> list[Op]:
    """An add that was answered is forgotten: from the middle on, every total is less by one."""
    lost = _adds(history)[len(_adds(history)) // 2].total
    return [replace(op, total=op.total - 1) if op.answered and op.total > lost else op for op in history]


def add_applied_twice(history: Sequence[Op]) -> list[Op]:
    """An add happened twice: from the middle on, every total is greater by one."""
    twice = _adds(history)[len(_adds(history)) // 2].total
    return [replace(op, total=op.total + 1) if op.answered and op.total > twice else op for op in history]


def stale_read(history: Sequence[Op]) -> list[Op]:
    """A read after all else does not see the last add that was answered."""
    return [*history, _read(history, _adds(history)[-1].total - 1, _end_ns(history) + 1)]


def read_from_the_future(history: Sequence[Op]) -> list[Op]:
    """A read ended before the last add that was answered began, and sees it."""
    last = _adds(history)[-1]
    shifted = [op if op.total < last.total else _later(history, op) for op in history]
    return [*shifted, _read(history, last.total, _end_ns(history) + 1)]


def real_time_inversion(history: Sequence[Op]) -> list[Op]:
    """The last add was answered the total before, by which another add was answered long after it."""
    *_, before, last = _adds(history)
    rest = [op for op in history if not op.answered or op.total < before.total]
    return [*rest, replace(before, total=last.total), replace(_later(history, last), total=before.total)]


PLANTED: Mapping[str, Callable[[Sequence[Op]], list[Op]]] = {
    "repeated total": lost_add,
    "gap": add_applied_twice,
    "stale read": stale_read,
    "read from the future": read_from_the_future,
    "real-time inversion": real_time_inversion,
}
"""What the check calls it, and how it is planted."""


def _end_ns(history: Sequence[Op]) -> int:
    return max(op.ended_ns for op in history if op.answered)


def _later(history: Sequence[Op], op: Op) -> Op:
    """The same long after all else had ended, if it ended."""
    by_ns = 10 + 2 * (_end_ns(history) - min(op.began_ns for op in history))
    return replace(op, began_ns=op.began_ns + by_ns, ended_ns=op.ended_ns + by_ns) if op.answered else op


def _read(history: Sequence[Op], total: int, began_ns: int) -> Op:
    return Op(entity=history[0].entity, kind="read", client=0, began_ns=began_ns, ended_ns=began_ns + 1, total=total)
