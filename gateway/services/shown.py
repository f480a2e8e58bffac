"""Which version of a program a person is shown, as the catalogue said at most a second ago."""

import asyncio
import math
import time
from functools import partial
from typing import Any, NamedTuple

from actors.clocks import steady_ms
from actors.domain.catalog.name import NAME, Name
from actors.domain.catalog.program import PROGRAM, Program, shown_to
from actors.domain.catalog.versions import Person, Version
from actors.entity import Ref
from actors.errors import DeadlineExceeded, NotFound
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.services.belonging import check_runs
from gateway.steps import look
from gateway.v1 import session_pb2 as pb

KEPT_S = 1.0


class _Listed(NamedTuple):
    """What the catalogue had at this time; no program where it has none of this name.

    `for_all` is the version that everybody is shown, if there is one and none besides.
    """

    at: float
    program: Program | None
    for_all: Version | None


class Catalogue:
    """The programs that run here, as the catalogue lists them. What it does not list is shown as it runs."""

    def __init__(self, ingress: Ingress, routes: Routes, ask_ms_max: int) -> None:
        self._ingress = ingress
        self._routes = routes
        self._listed: dict[str, _Listed] = {}
        """Of programs that run here alone: so there are no more of them than of those."""
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._ask_ms_max = ask_ms_max

    def is_fresh(self, program: str, now_s: float) -> bool:
        """Whether `learn` has nothing to do: what is known of the program is less than half a second old."""
        known = self._listed.get(program)
        return known is not None and now_s - known.at < KEPT_S / 2

    async def learn(self, program: str, until_ms: int) -> None:
        """See that what is known of the program is less than a second old. Raises Unavailable, DeadlineExceeded.

        What is half as old is asked for beside, and nobody waits for it: a busy stream never stands still.
        """
        if program not in self._routes.registry.programs:
            return
        known = self._listed.get(program)
        age_s = time.monotonic() - known.at if known else math.inf
        if age_s < KEPT_S / 2:
            return
        asking = self._asking.get(program)
        if asking is None:
            asking = self._asking[program] = asyncio.ensure_future(self._ask(program))
            asking.add_done_callback(partial(self._asked, program))
        if age_s >= KEPT_S:
            left_s = max(until_ms - steady_ms(), 1) / 1_000
            try:
                await asyncio.wait_for(asyncio.shield(asking), left_s)
            except TimeoutError:
                message = f"the catalogue did not say in time which version of {program} is shown"
                raise DeadlineExceeded(message, outcome="NOT_APPENDED") from None

    async def _ask(self, program: str) -> None:
        until_ms = steady_ms() + self._ask_ms_max
        name = await self._look(NAME.at(program), "name", Name, until_ms)
        listed = None
        if name.state == "kept":
            listed = await self._look(PROGRAM.at(f"{name.account}/{program}"), "program", Program, until_ms)
        # Counted from the answer: where answers take a second, a stream would otherwise wait for one at every message.
        for_all = None if listed is None or listed.gray else shown_to(listed, Person(""))
        self._listed[program] = _Listed(time.monotonic(), listed, for_all)

    def _asked(self, program: str, asking: "asyncio.Task[None]") -> None:
        """Whoever waits has been told, also why nothing is known; nobody may have waited."""
        del self._asking[program]
        if not asking.cancelled():
            asking.exception()

    async def _look(self, at: Ref[Any], view: str, type_: type[Any], until_ms: int) -> Any:
        return await look(self._ingress, self._routes, at, view, type_, until_ms)

    def version(self, call: pb.OpenRequest, program: str, openid: str) -> str:
        """The name of the version of this program that a person is shown who opens it, by what was learned last.

        Raises NotFound for a program that does not run here, and for one that shows this person nothing yet.
        """
        runs = check_runs(self._routes, program)
        known = self._listed.get(program)
        if known is None or known.program is None:
            return runs.manifest.version.name
        version = known.for_all or shown_to(known.program, Person(openid, call.city, tuple(call.cohorts)))
        if version is None:
            message = f"{program} is not released: no version of it is shown to this person yet"
            raise NotFound(message, reason="NOT_RELEASED")
        return version.name
