"""The steps of a start, all at once: which one takes long is said, and one that takes too long ends the start."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from actors.errors import SetupError

TELL_S = 10.0
START_S_MAX = 120.0


class Step(NamedTuple):
    """One step: its name for a person, where more is to be read of it, and what is awaited."""

    name: str
    see: str
    work: Awaitable[object]


async def bring_up(
    steps: Sequence[Step], say: Callable[[str], None], tell_s: float = TELL_S, start_s_max: float = START_S_MAX
) -> None:
    """Await all steps; every `tell_s` say what is still awaited, and of steps that wait for each other the first.

    Raises what a step raised, or SetupError naming the step when `start_s_max` are over. No step goes on after that.
    """
    tasks = {asyncio.ensure_future(step.work): step for step in steps}
    waited_s = 0.0
    try:
        while True:
            done, _ = await asyncio.wait(tasks, timeout=tell_s, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            if len(done) == len(tasks):
                return
            waited_s += tell_s
            late = next(step for task, step in tasks.items() if not task.done())
            if waited_s >= start_s_max:
                message = f"{late.name} did not come up within {start_s_max:.0f} s; {late.see} says more"
                raise SetupError(message, reason="START_TOO_LONG")
            say(f"still starting, for {waited_s:.0f} s: {late.name} ({late.see})")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
