"""A closed loop of calls: how many are answered per second, how long each takes. Needs the standard library alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

Call: TypeAlias = Callable[[int], Awaitable[object]]
"""Makes the n-th call and returns once it was answered."""
PAYLOAD = (
    b"a payload as long as one of the benchmark's calls to an account, with its name and its command, is on the wire"
)
"""What is sent to whatever the platform is compared with."""


async def closed_loop(call: Call, in_flight: int, seconds: float, calls_each: int = 1) -> dict[str, float]:
    """Keep so many in flight over about this time; each counts as `calls_each`.

    Returns `calls`, `per_s`, and `p50_ms` and `p99_ms` of one such call. Raises what a call raises.
    """
    began = time.perf_counter()
    until = began + seconds
    taken_s: list[float] = []
    next_n = 0

    async def one_after_another() -> None:
        nonlocal next_n
        while (asked := time.perf_counter()) < until:
            next_n += 1
            await call(next_n)
            taken_s.append(time.perf_counter() - asked)

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    calls = len(taken_s) * calls_each
    return {
        "calls": calls,
        "per_s": calls / (time.perf_counter() - began),
        "p50_ms": 1_000 * quantile(taken_s, 0.5),
        "p99_ms": 1_000 * quantile(taken_s, 0.99),
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that more than this share of the values do not exceed, or the greatest; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
