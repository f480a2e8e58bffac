"""All generators of one run: made ready, let go together, listened to, ended. Nobody is waited for without a bound."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from loadtests.driver.messages import PATIENCE_S, Done, Ready
from loadtests.driver.playing import Playing
from loadtests.driver.tally import Part

FORCE_S = PATIENCE_S + 20.0
"""Who was cut and has not ended by then is ended by force."""
LOOK_S_MIN = 0.5
Tell: TypeAlias = Callable[[str], None]


class Crew:
    """The generators. Where one of them ends before its time the others are cut: such a run is worth nothing more."""

    def __init__(self, tell: Tell, take: Callable[[Part], None], force_s: float = FORCE_S) -> None:
        """`take` is handed every generator's part of every second."""
        self._tell = tell
        self._take = take
        self._force_s = force_s
        self._children: list[Playing] = []
        self._playing: set[Playing] = set()
        self._looked_s = -math.inf
        self._force: asyncio.TimerHandle | None = None

    async def ready(self, starts: Iterable[Awaitable[Playing]]) -> list[Ready]:
        """Start them, and wait until all can begin. Raises SetupError when one never will."""
        for start in starts:
            self._children.append(await start)
        return await asyncio.gather(*(child.ready() for child in self._children))

    def pids(self) -> list[int]:
        """Their processes, as far as they are of this machine."""
        return [child.pid for child in self._children if child.pid]

    def go(self, at_ns: int) -> None:
        """Let them begin then."""
        for child in self._children:
            child.go(at_ns)

    async def played(self) -> list[Done | str]:
        """What each came to, or why it ended before its time."""
        return await asyncio.gather(*(self._one(child) for child in self._children))

    async def _one(self, child: Playing) -> Done | str:
        self._playing.add(child)
        end = await child.played(self._take)
        self._playing.discard(child)
        if isinstance(end, str) and self._force is None:
            self._tell(f"{end}: the run is not valid any more, and ends early")
            self.cut()
        return end

    def look(self, now_s: float) -> None:
        """Look after those who play, once a second: who stands still is ended, which ends the run.

        Looks that are made up for, because this very process stood still, say nothing of anybody else.
        """
        if now_s - self._looked_s < LOOK_S_MIN:
            return
        self._looked_s = now_s
        for child in self._playing:
            child.look()

    def cut(self) -> None:
        """Have them end early: they wait for what is on its way, and are ended by force when that takes too long."""
        if self._force is None:
            for child in self._children:
                child.cut()
            self._force = asyncio.get_running_loop().call_later(self._force_s, self.kill)

    def kill(self) -> None:
        """End them at once."""
        for child in self._children:
            child.kill()

    async def end(self) -> None:
        """See that all are gone."""
        if self._force is not None:
            self._force.cancel()
        await asyncio.gather(*(child.end() for child in self._children))
