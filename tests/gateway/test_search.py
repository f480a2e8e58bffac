"""Programs found through a gateway, soon after what they are found by is on the log; and each person's own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors.adapters.following import Follower
from actors.adapters.readmodels import SqliteRows
from actors.adapters.signatures import new_key
from actors.cli.following import FILE, PROJECTIONS, programs_of, slices_of
from actors.cli.releasing import release_found
from actors.errors import DeadlineExceeded, Overloaded, Unavailable
from actors.projections.reading import terms_of
from actors.projections.search import Listed, Query
from actors.registry import shipped_programs
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.client import Client
from gateway.deriving import Derived
from gateway.finding import ASKED_MAX, READERS, Finder
from gateway.v1 import catalog_pb2, identity_pb2, identity_pb2_grpc, search_pb2_grpc, session_pb2, session_pb2_grpc
from gateway.v1 import search_pb2 as pb
from tests.gateway.packing import archive_of, key_of, messages_of
from tests.gateway.scene import CLUSTER, WAIT_S, Scene, detail, new_id, reason_of, refused, running
from tests.gateway.street import Street, in_street

REQUIRED = ProcessSettings(identity_required=True)
HERE = pb.Location(latitude=23.1291, longitude=113.2644)


@contextmanager
def followed(scene: Scene) -> Any:
    """A follower keeps the read models of what happens here."""
    slices = slices_of(PROJECTIONS, (), CLUSTER)
    terms = terms_of(PROJECTIONS, {scene.log.topic_id(one.topic) for one in slices})
    rows = SqliteRows(scene.folder / FILE, PROJECTIONS, terms)
    follower = Follower(scene.log, rows, PROJECTIONS, slices, Sensor(), lambda _event, _facts: None)
    with running(follower):
        yield


class Shelf:
    """What persons do who look for programs."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.search: Any = search_pb2_grpc.SearchServiceStub(street.scene.channels[-1])

    async def publish(self, program: str, title: str, **listing: Any) -> None:
        """The program is described and released to everybody."""
        catalog = self.street.catalog
        await catalog.RegisterProgram(
            catalog_pb2.RegisterProgramRequest(account="acme", program=program, title=title, category="drinks")
        )
        await catalog.DescribeProgram(catalog_pb2.DescribeProgramRequest(program=program, **listing))
        version = catalog_pb2.VersionRequest(program=program, code=1)
        await catalog.UploadPackage(messages_of(archive_of(1, app_id=program), program))
        await catalog.SubmitVersion(version)
        await self._until(catalog, program, "waiting", taken=True)
        await catalog.JudgeVersion(catalog_pb2.JudgeVersionRequest(program=program, code=1, verdict="approve"))
        await catalog.ReleaseVersion(version)

    async def _until(self, catalog: Any, program: str, state: str, *, taken: bool) -> None:
        while state != "in_review":
            found = await catalog.GetProgram(catalog_pb2.GetProgramRequest(program=program))
            state = found.versions[0].state
            if taken and found.position:
                await catalog.TakeReview(catalog_pb2.TakeReviewRequest(lane=found.lane))

    async def until(self, fact: Callable[[Any], bool], **query: Any) -> Any:
        """What is found once this is so: an event comes to its topic just after its call is answered."""
        found: Any = ()
        while not found or not fact(found):
            found = (await self.search.Search(pb.SearchRequest(**query))).programs
        return found


def on_shelves(act: Callable[[Shelf], Awaitable[None]]) -> None:
    """Run this where a follower follows."""

    async def run(street: Street) -> None:
        with followed(street.scene):
            await street.catalog.OpenAccount(catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
            await street.catalog.SetPackageKey(key_of())
            await asyncio.wait_for(act(Shelf(street)), 2 * WAIT_S)

    in_street(run, opened=programs_of)


def test_a_program_is_found_once_it_is_released_by_all_its_names_and_its_place() -> None:
    async def act(shelf: Shelf) -> None:
        await shelf.publish("luckin", "瑞幸咖啡", aliases=["Coffee"], city="广州", location=HERE)
        (found,) = await shelf.until(bool, text="瑞幸")
        assert (found.title, found.account, list(found.aliases)) == ("瑞幸咖啡", "acme", ["Coffee"])
        assert (found.category, found.city, found.location) == ("drinks", "广州", HERE)
        for text in ("咖", "COFF", "lucikn", "瑞辛"):
            assert [one.program for one in (await shelf.search.Search(pb.SearchRequest(text=text))).programs] == [
                "luckin"
            ]
        assert not (await shelf.search.Search(pb.SearchRequest(text="瑞幸", city="北京"))).programs
        (near,) = (await shelf.search.Nearby(pb.NearbyRequest(location=HERE))).programs
        assert (near.program, near.metres) == ("luckin", 0)
        await shelf.publish("manner", "Manner")
        await shelf.until(bool, text="manner")
        every = (await shelf.search.ListPrograms(pb.ListProgramsRequest())).programs
        assert [one.program for one in every] == ["luckin", "manner"]
        rest = await shelf.search.ListPrograms(pb.ListProgramsRequest(after="luckin", hits_max=1))
        assert [one.program for one in rest.programs] == ["manner"]

    on_shelves(act)


def test_what_a_load_run_releases_is_found_as_soon_as_that_is_done() -> None:
    async def act(shelf: Shelf) -> None:
        folders = [folder for folder in shipped_programs() if folder.name in ("bike", "shop")]
        client = Client("", connection=shelf.street.scene.channels[-1])
        assert not (await shelf.search.Search(pb.SearchRequest(text="单车"))).programs
        await release_found(client, folders, new_key())
        for text, program in (("单车", "bike"), ("小店", "shop")):
            found = (await shelf.search.Search(pb.SearchRequest(text=text))).programs
            assert [one.program for one in found] == [program]

    on_shelves(act)


def test_what_persons_visit_more_comes_first() -> None:
    async def act(shelf: Shelf) -> None:
        session: Any = session_pb2_grpc.SessionServiceStub(shelf.street.scene.channels[-1])
        for program in ("bike", "shop"):
            await shelf.publish(program, "城市")
        first, second = (one.program for one in await shelf.until(lambda found: len(found) == 2, text="城市"))
        for person in ("ann", "ben", "cid"):
            opening = session_pb2.OpenRequest(program=second)
            await session.Open(opening, metadata=(("hutong-caller", person),))
        found = await shelf.until(lambda found: found[0].program == second, text="城市")
        assert [one.program for one in found] == [second, first]

    on_shelves(act)


INVALID = grpc.StatusCode.INVALID_ARGUMENT
REFUSED: list[tuple[str, Any, str, str]] = [
    ("Search", pb.SearchRequest(text="瑞" * 65), "SEARCH_TOO_LONG", "text"),
    ("Search", pb.SearchRequest(text="x" * 10_240), "SEARCH_TOO_LONG", "text"),
    ("Search", pb.SearchRequest(city="x" * 65), "SEARCH_TOO_LONG", "city"),
    ("Search", pb.SearchRequest(text="x", hits_max=101), "INVALID_HITS_MAX", "hits_max"),
    ("Nearby", pb.NearbyRequest(location=HERE, hits_max=-1), "INVALID_HITS_MAX", "hits_max"),
    ("Nearby", pb.NearbyRequest(location=pb.Location(latitude=90.1)), "NO_SUCH_POSITION", "position"),
    ("Nearby", pb.NearbyRequest(location=pb.Location(longitude=float("nan"))), "NO_SUCH_POSITION", "position"),
    ("ListPrograms", pb.ListProgramsRequest(after="x" * 10_240), "SEARCH_TOO_LONG", "text"),
    ("ListPrograms", pb.ListProgramsRequest(hits_max=1 << 30), "INVALID_HITS_MAX", "hits_max"),
]


def test_what_cannot_be_looked_for_is_refused_by_its_reason() -> None:
    async def act(shelf: Shelf) -> None:
        before = shelf.street.on_log()
        for method, request, reason, field in REFUSED:
            code, status = await refused(getattr(shelf.search, method)(request))
            assert (code, reason_of(status)) == (INVALID, reason), request
            bad = detail(status, details.BadRequest)
            assert bad is not None
            assert bad.field_violations[0].field == field
        catalog = shelf.street.catalog
        for location in (pb.Location(latitude=91), pb.Location(latitude=float("nan"))):
            describe = catalog_pb2.DescribeProgramRequest(program="bike", location=location)
            code, status = await refused(catalog.DescribeProgram(describe))
            assert reason_of(status) == "NO_SUCH_PROGRAM"
        assert shelf.street.on_log() == before

    on_shelves(act)


def test_without_read_models_a_search_is_unavailable() -> None:
    async def act(street: Street) -> None:
        search: Any = search_pb2_grpc.SearchServiceStub(street.scene.channels[-1])
        code, status = await refused(search.Search(pb.SearchRequest(text="bike")))
        assert (code, reason_of(status)) == (grpc.StatusCode.UNAVAILABLE, "NOT_APPENDED")

    in_street(act)


class Slow:
    """Programs that are found when a test lets them be."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0
        self.closed = 0
        self.is_former = False

    def search(self, query: Query, hits_max: int) -> list[Listed]:
        self.asked += 1
        assert self.go.wait(WAIT_S)
        if query.text == "away":
            raise Unavailable("the file is away", outcome="NOT_APPENDED")
        return [Listed("p", query.text)][:hits_max]

    def nearby(self, position: tuple[float, float], hits_max: int) -> list[Listed]:
        raise NotImplementedError(position, hits_max)

    def listed(self, after: str, hits_max: int) -> list[Listed]:
        raise NotImplementedError(after, hits_max)

    def is_current(self) -> bool:
        return not self.is_former

    def close(self) -> None:
        self.closed += 1


async def _asked(finder: Finder, text: str, left_s: float = WAIT_S) -> list[Listed]:
    return await finder.ask(lambda programs: programs.search(Query(text), 9), left_s)


def test_so_many_wait_for_a_search_and_whoever_comes_then_is_turned_away() -> None:
    async def run() -> None:
        slow = Slow()
        finder = Finder(lambda: slow)
        waiting = [asyncio.ensure_future(_asked(finder, str(n))) for n in range(ASKED_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="64 others"):
            await _asked(finder, "late")
        slow.go.set()
        assert [found[0].name for found in await asyncio.gather(*waiting)] == [str(n) for n in range(ASKED_MAX)]
        assert (await _asked(finder, "late"))[0].name == "late"
        finder.close()

    asyncio.run(run())


def test_who_waited_in_vain_takes_no_thread_and_no_place() -> None:
    async def run() -> None:
        slow = Slow()
        finder = Finder(lambda: slow)
        busy = [asyncio.ensure_future(_asked(finder, "busy")) for _ in range(READERS)]
        await asyncio.sleep(0)
        for _ in range(2 * ASKED_MAX):
            with pytest.raises(DeadlineExceeded):
                await _asked(finder, "hasty", 0.001)
        slow.go.set()
        await asyncio.gather(*busy)
        assert slow.asked == READERS
        finder.close()
        with pytest.raises(Unavailable):
            await _asked(finder, "late")

    asyncio.run(run())


def test_what_failed_or_is_no_more_kept_is_opened_anew() -> None:
    async def run() -> None:
        opened: list[Slow] = []

        def open_() -> Slow:
            opened.append(Slow())
            opened[-1].go.set()
            return opened[-1]

        finder = Finder(open_)
        with pytest.raises(Unavailable, match="away"):
            await _asked(finder, "away")
        assert opened[0].closed == 1
        for _ in range(20):
            assert await _asked(finder, "bike")
        for each in opened:
            each.is_former = True
        before = len(opened)
        for _ in range(20):
            assert await _asked(finder, "bike")
        assert before < len(opened) <= before + READERS
        finder.close()

    asyncio.run(run())


def test_a_person_keeps_programs_at_hand_and_nobody_elses() -> None:
    async def act(street: Street) -> None:
        operator, ann, bob = (street.by(f"{who}") for who in ("operator/op", "account/ann", "account/bob"))
        await street.catalog.OpenAccount(
            catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"), metadata=operator
        )
        await street.catalog.RegisterProgram(
            catalog_pb2.RegisterProgramRequest(account="acme", program="bike", title="Bike", category="travel"),
            metadata=operator,
        )
        search: Any = search_pb2_grpc.SearchServiceStub(street.scene.channels[-1])
        request = pb.FavourRequest(program="bike", request_id=new_id())
        assert not (await search.Favour(request, metadata=ann)).duplicate
        assert (await search.Favour(request, metadata=ann)).duplicate
        (kept,) = (await search.ListFavourites(pb.ListFavouritesRequest(), metadata=ann)).programs
        assert kept.program == "bike"
        assert kept.at_ms > 0
        assert not (await search.ListFavourites(pb.ListFavouritesRequest(), metadata=bob)).programs
        before = street.on_log()
        code, status = await refused(search.Favour(pb.FavourRequest(program="nothing"), metadata=ann))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_PROGRAM")
        for caller in ("person/bike/ann", "server/bike", "operator/op"):
            code, _ = await refused(search.Unfavour(pb.FavourRequest(program="bike"), metadata=street.by(caller)))
            assert code == grpc.StatusCode.PERMISSION_DENIED, caller
        assert street.on_log() == before
        await search.Unfavour(pb.FavourRequest(program="bike"), metadata=ann)
        assert not (await search.ListFavourites(pb.ListFavouritesRequest(), metadata=ann)).programs

    in_street(act, REQUIRED)


def test_what_a_person_opens_is_told_once_a_visit() -> None:
    async def act(street: Street) -> None:
        channel = street.scene.channels[-1]
        session: Any = session_pb2_grpc.SessionServiceStub(channel)
        search: Any = search_pb2_grpc.SearchServiceStub(channel)
        ann = (("hutong-caller", "ann"),)

        async def opens(program: str, request_id: str = "") -> list[str]:
            await session.Open(session_pb2.OpenRequest(program=program, request_id=request_id), metadata=ann)
            recent = await search.ListRecent(pb.ListRecentRequest(), metadata=ann)
            return [one.program for one in recent.programs]

        name = new_id()
        for _ in range(2):
            assert await opens("bike", name) == ["bike"]
        assert await opens("shop") == ["shop", "bike"]
        assert await opens("bike") == ["shop", "bike"], "the same visit to it still"
        told = [call for number in range(CLUSTER.partitions) for call in street.scene.log.calls(number)]
        assert len({call.request_id for call in told if call.entity.startswith("catalog.recent/")}) == 2

    in_street(act)


def test_a_further_visit_renews_the_time_of_the_program_that_was_opened_last() -> None:
    async def act(street: Street) -> None:
        channel, ann = street.scene.channels[-1], (("hutong-caller", "ann"),)
        session: Any = session_pb2_grpc.SessionServiceStub(channel)
        search: Any = search_pb2_grpc.SearchServiceStub(channel)
        times: list[int] = []
        while len(times) < 2:  # of the log's clock, which may stand still between two visits
            await session.Open(session_pb2.OpenRequest(program="bike"), metadata=ann)
            (recent,) = (await search.ListRecent(pb.ListRecentRequest(), metadata=ann)).programs
            times += [recent.at_ms] if recent.at_ms not in times else []
        assert times == sorted(times)

    in_street(act, ProcessSettings(visit_merge_ms=0))


def test_a_person_who_signed_in_opens_programs_as_who_they_are_to_each() -> None:
    async def act(street: Street) -> None:
        assert street.scene.keys is not None
        channel = street.scene.channels[-1]
        session: Any = session_pb2_grpc.SessionServiceStub(channel)
        search: Any = search_pb2_grpc.SearchServiceStub(channel)
        people: Any = identity_pb2_grpc.IdentityServiceStub(channel)
        sign_in = identity_pb2.SignInRequest(issuer="development", subject="ann")
        person = (await people.SignIn(sign_in, metadata=street.by("platform/issuer"))).person
        ann, openid = street.by(f"account/{person}"), Derived(street.scene.keys).openid("bike", person)
        request = session_pb2.OpenRequest(program="bike")
        opened = await session.Open(request, metadata=ann)
        assert opened.session == f"sessions/bike/{openid}/1"
        assert (await session.Open(request, metadata=street.by(f"person/bike/{openid}"))).visit == 1
        recent = await search.ListRecent(pb.ListRecentRequest(), metadata=ann)
        assert [one.program for one in recent.programs] == ["bike"]
        code, status = await refused(session.Open(request, metadata=street.by("account/nobody")))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_PERSON")

    in_street(act, REQUIRED)
