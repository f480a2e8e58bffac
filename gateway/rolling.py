"""Programs that packages decide, as a gateway learns of them: loaded beside the loop, then known to its routes."""

import asyncio
from typing import Protocol

from actors.adapters.shelf import program_on
from actors.errors import PlatformError
from actors.placement import Packaged
from actors.ports import Objects
from gateway.routes import Routes

RETRY_S = 0.2


class Hears(Protocol):
    """Who is told what the placement topic says of programs."""

    def packaged(self, word: Packaged) -> None:
        """These packages decide a program."""
        ...

    def all_read(self) -> None:
        """What was there when the topic was opened has been told."""
        ...


class Rolling:
    """Brings each word to the routes, in the order of generations; until all are there the routes know of gaps."""

    def __init__(self, routes: Routes, objects: Objects) -> None:
        self._routes = routes
        self._objects = objects
        self._words: dict[str, Packaged] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_read = False
        routes.knows_all = False

    def packaged(self, word: Packaged) -> None:
        before = self._words.get(word.program)
        if before is not None and before.generation > word.generation:
            return
        self._words[word.program] = word
        if word.program not in self._tasks:
            task = self._tasks[word.program] = asyncio.ensure_future(self._load(word.program))
            task.add_done_callback(lambda _: self._ended(word.program))

    def all_read(self) -> None:
        self._is_read = True
        self._routes.knows_all = not self._tasks

    async def stop(self) -> None:
        """Load nothing more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self, program: str) -> None:
        """Load what the last word of a program names, and let the routes know."""
        known: Packaged | None = None
        while known != (word := self._words[program]):
            hashes = dict.fromkeys(share.hash for share in word.shares)
            try:
                loaded = {hash: await asyncio.to_thread(program_on, self._objects, hash) for hash in hashes}
            except PlatformError:
                await asyncio.sleep(RETRY_S)  # it was loaded before it was said: the objects are away
                continue
            self._routes.learn(word, loaded)
            known = word

    def _ended(self, program: str) -> None:
        del self._tasks[program]
        self._routes.knows_all = self._is_read and not self._tasks
