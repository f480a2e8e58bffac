"""`SearchService`: programs looked for in the read models, and each person's own programs."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from actors.domain.catalog.recent import RECENT, Command, Favour, Unfavour
from actors.entity import Ref
from actors.errors import InvalidCommand
from actors.projections.search import Listed, Query, bounded, metres
from gateway.answering import Context
from gateway.finding import Finder, Programs
from gateway.services.belonging import program_named
from gateway.services.catalog import location
from gateway.steps import Given, Steps, TypedService, stamped
from gateway.v1 import search_pb2 as pb
from gateway.v1 import search_pb2_grpc

HITS_DEFAULT = 20
HITS_MAX = 100


class _Kept(Struct):
    program: str
    at_ms: int


class _Programs(Struct):
    recent: list[_Kept]
    favourites: list[_Kept]


class SearchService(TypedService, search_pb2_grpc.SearchServiceServicer):
    """See `protos/gateway/v1/search.proto`."""

    def __init__(self, given: Given, opened: Callable[[], Programs] | None) -> None:
        super().__init__(given)
        self._finder = Finder(opened)

    def drain(self) -> None:
        """See `Answering`; what is being looked for is still found."""
        super().drain()
        self._finder.close()

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.FoundPrograms:
        """By name, category and city."""

        async def work(steps: Steps) -> pb.FoundPrograms:
            query = bounded(Query(request.text, request.category, request.city))
            hits_max = _hits(request.hits_max)
            return _found(await self._finder.ask(lambda programs: programs.search(query, hits_max), steps.left_s))

        return await self.answer(context, "Search", _about("search", request.text), "", work)

    async def Nearby(self, request: pb.NearbyRequest, context: Context) -> pb.FoundPrograms:
        """By distance."""
        at = (request.location.latitude, request.location.longitude)

        async def work(steps: Steps) -> pb.FoundPrograms:
            hits_max = _hits(request.hits_max)
            return _found(await self._finder.ask(lambda programs: programs.nearby(at, hits_max), steps.left_s), at)

        return await self.answer(context, "Nearby", _about("nearby", f"{at[0]:.2f} {at[1]:.2f}"), "", work)

    async def ListPrograms(self, request: pb.ListProgramsRequest, context: Context) -> pb.FoundPrograms:
        """By name, part by part."""

        async def work(steps: Steps) -> pb.FoundPrograms:
            after, hits_max = bounded(Query(request.after)).text, _hits(request.hits_max)
            return _found(await self._finder.ask(lambda programs: programs.listed(after, hits_max), steps.left_s))

        return await self.answer(context, "ListPrograms", _about("programs", request.after), "", work)

    async def ListRecent(self, request: pb.ListRecentRequest, context: Context) -> pb.PersonsPrograms:
        """Opened last."""
        del request
        return await self._kept(context, "ListRecent", lambda programs: programs.recent)

    async def ListFavourites(self, request: pb.ListFavouritesRequest, context: Context) -> pb.PersonsPrograms:
        """Kept at hand."""
        del request
        return await self._kept(context, "ListFavourites", lambda programs: programs.favourites)

    async def Favour(self, request: pb.FavourRequest, context: Context) -> pb.FavourResponse:
        """A program that somebody has registered, kept at hand."""

        async def work(steps: Steps) -> pb.FavourResponse:
            await program_named(steps, request.program)
            return await _change(steps, Favour(request.program))

        return await self.answer(context, "Favour", self._own(context), request.request_id, work)

    async def Unfavour(self, request: pb.FavourRequest, context: Context) -> pb.FavourResponse:
        """Kept no more."""

        async def work(steps: Steps) -> pb.FavourResponse:
            return await _change(steps, Unfavour(request.program))

        return await self.answer(context, "Unfavour", self._own(context), request.request_id, work)

    async def _kept(
        self, context: Context, method: str, which: Callable[[_Programs], list[_Kept]]
    ) -> pb.PersonsPrograms:
        async def work(steps: Steps) -> pb.PersonsPrograms:
            kept = which(await steps.look(RECENT.at(steps.person), "programs", _Programs))
            return pb.PersonsPrograms(
                programs=[pb.PersonsProgram(program=one.program, at_ms=one.at_ms) for one in kept]
            )

        return await self.answer(context, method, self._own(context), "", work)

    def _own(self, context: Context) -> Ref[Command]:
        """What a person's call is about, for the door; a caller that is none is refused there."""
        caller = self.seen_caller(context)
        return RECENT.at("" if caller is None else caller.name)


async def _change(steps: Steps, command: Command) -> pb.FavourResponse:
    answer = await steps.ask(RECENT.at(steps.person), command)
    return stamped(pb.FavourResponse(), answer)


def _about(what: str, text: str) -> Ref[Any]:
    """What a search is about, for the door: what very many look for at once has its fair share."""
    return Ref(what, text[:HITS_MAX])


def _hits(hits_max: int) -> int:
    """Raises InvalidCommand."""
    if not 0 <= hits_max <= HITS_MAX:
        message = f"hits_max is 1 to {HITS_MAX}, or 0 for {HITS_DEFAULT}"
        raise InvalidCommand(message, field="hits_max", reason="INVALID_HITS_MAX")
    return hits_max or HITS_DEFAULT


def _found(programs: list[Listed], near: tuple[float, float] | None = None) -> pb.FoundPrograms:
    found = [
        pb.FoundProgram(
            program=one.program,
            title=one.name,
            account=one.account,
            aliases=[alias for alias in one.aliases if alias != one.program],
            category=one.category,
            city=one.city,
            location=location(one.position),
            metres=0 if near is None or one.position is None else round(metres(near, one.position)),
        )
        for one in programs
    ]
    return pb.FoundPrograms(programs=found)
