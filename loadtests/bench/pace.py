"""How fast calls are answered: many in flight, or one after the other. Knows nothing of what is called."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Call: TypeAlias = Callable[[int], Awaitable[object]]
"""Makes the n-th call and returns once it was answered."""


async def rate_per_s(call: Call, in_flight: int, seconds: float) -> float:
    """Calls answered per second with this many in flight, over about this time."""
    began = time.perf_counter()
    until = began + seconds
    next_n = 0

    async def one_after_another() -> None:
        nonlocal next_n
        while time.perf_counter() < until:
            next_n += 1
            await call(next_n)

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    return next_n / (time.perf_counter() - began)


async def p50_ms(call: Call, seconds: float) -> float:
    """The median time of a call with one in flight, over about this time."""
    until = time.perf_counter() + seconds
    times_s: list[float] = []
    while not times_s or time.perf_counter() < until:
        began = time.perf_counter()
        await call(len(times_s))
        times_s.append(time.perf_counter() - began)
    return statistics.median(times_s) * 1_000
