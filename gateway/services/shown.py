"""Which version of a program a person is shown, as the catalogue said at most a second ago."""

import time
from typing import Any, NamedTuple

from actors.domain.catalog.name import NAME, Name
from actors.domain.catalog.program import PROGRAM, Program, shown_to
from actors.domain.catalog.versions import Person
from actors.entity import Ref
from actors.errors import NotFound
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.services.belonging import check_runs
from gateway.steps import look

KEPT_S = 1.0


class _Listed(NamedTuple):
    """What the catalogue had at this time; no program where it has none of this name."""

    at: float
    program: Program | None


class Catalogue:
    """The programs that run here, as the catalogue lists them. What it does not list is shown as it runs."""

    def __init__(self, ingress: Ingress, routes: Routes) -> None:
        self._ingress = ingress
        self._routes = routes
        self._listed: dict[str, _Listed] = {}
        """Of programs that run here alone: so there are no more of them than of those."""

    async def learn(self, program: str, until_ms: int) -> None:
        """Ask for the program, unless what is known is less than a second old. Raises Unavailable, DeadlineExceeded."""
        known = self._listed.get(program)
        if program not in self._routes.registry.programs or (known and time.monotonic() < known.at + KEPT_S):
            return
        asked_at = time.monotonic()
        name = await self._look(NAME.at(program), "name", Name, until_ms)
        listed = None
        if name.state == "kept":
            listed = await self._look(PROGRAM.at(f"{name.account}/{program}"), "program", Program, until_ms)
        self._listed[program] = _Listed(asked_at, listed)

    async def _look(self, at: Ref[Any], view: str, type_: type[Any], until_ms: int) -> Any:
        return await look(self._ingress, self._routes, at, view, type_, until_ms)

    def version(self, program: str, person: Person) -> str:
        """The name of the version that this person is shown, by what was learned last.

        Raises NotFound for a program that does not run here, and for one that shows this person nothing yet.
        """
        runs = check_runs(self._routes, program)
        known = self._listed.get(program)
        if known is None or known.program is None:
            return runs.manifest.version.name
        version = shown_to(known.program, person)
        if version is None:
            message = f"{program} is not released: no version of it is shown to this person yet"
            raise NotFound(message, reason="NOT_RELEASED")
        return version.name
