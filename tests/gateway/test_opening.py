"""Openings: many over one stream, whose each is, and which version each person is shown by what is on record."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from actors.adapters.memory_keys import MemorySubjects
from actors.domain.visit import VISIT
from actors.settings import ClusterSettings, ProcessSettings
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.services import shown
from gateway.status import error_of
from gateway.v1 import catalog_pb2, session_pb2_grpc
from gateway.v1 import session_pb2 as pb
from tests.gateway.packing import archive_of, key_of, messages_of
from tests.gateway.scene import new_id, reason_of, refused, registry
from tests.gateway.street import Street, in_street

PAGE, RIDE = "pages/map/index", "pages/ride/index"
REQUIRED = ProcessSettings(identity_required=True)


def sessions(street: Street) -> Any:
    """The service, at the gateway that was started last."""
    return session_pb2_grpc.SessionServiceStub(street.scene.channels[-1])


async def opened(street: Street, openid: str, city: str = "", cohorts: Sequence[str] = ()) -> pb.OpenResponse:
    """An opening of the bikes by this person."""
    request = pb.OpenRequest(program="bike", city=city, cohorts=cohorts)
    answer: pb.OpenResponse = await sessions(street).Open(request, metadata=(("hutong-caller", openid),))
    return answer


async def over_stream(
    street: Street, opens: Sequence[pb.OpenRequest], by: Sequence[tuple[str, str]] = (("hutong-caller", "edge"),)
) -> list[pb.OpenResult]:
    """The results of these openings, sent in one message over a stream of their own."""
    stream = sessions(street).OpenStream(metadata=tuple(by))
    await stream.write(pb.OpenBatch(opens=opens))
    await stream.done_writing()
    return [result async for batch in stream for result in batch.results]


def reasons(results: Sequence[pb.OpenResult]) -> dict[str, str]:
    """By request id why an opening was refused; "" is that it was not."""
    return {each.request_id: error_of(each.error).reason if each.HasField("error") else "" for each in results}


async def release(street: Street, code: int, move: Callable[[], Any] | None = None) -> None:
    """A version of the bikes goes through its review, and is shown to all, or as `move` says."""
    catalog = street.catalog
    this = catalog_pb2.VersionRequest(program="bike", code=code)
    await catalog.UploadPackage(messages_of(archive_of(code, app_id="bike"), "bike"))
    await catalog.SubmitVersion(this)
    found = await until(street, lambda found: found.position == 1)
    await catalog.TakeReview(catalog_pb2.TakeReviewRequest(lane=found.lane))
    await until(street, lambda found: any(one.code == code and one.state == "in_review" for one in found.versions))
    await catalog.JudgeVersion(catalog_pb2.JudgeVersionRequest(program="bike", code=code, verdict="approve"))
    await (catalog.ReleaseVersion(this) if move is None else move())


async def until(street: Street, fact: Callable[[Any], bool]) -> Any:
    """The program once this is so: what goes over the log arrives a little later."""
    for _ in range(1_000):
        found = await street.catalog.GetProgram(catalog_pb2.GetProgramRequest(program="bike"))
        if fact(found):
            return found
    raise AssertionError("it stays otherwise")


async def register(street: Street) -> None:
    """The bikes are listed, and shown to nobody yet."""
    await street.catalog.OpenAccount(catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
    bikes = catalog_pb2.RegisterProgramRequest(account="acme", program="bike", title="Bikes", category="travel")
    await street.catalog.RegisterProgram(bikes)
    await street.catalog.SetPackageKey(key_of())


def test_the_openings_of_many_persons_go_over_one_stream_each_with_its_own_end() -> None:
    async def act(street: Street) -> None:
        opens = [
            pb.OpenRequest(program="bike", openid=f"p{n % 100}", source="scan", device=str(n), request_id=new_id())
            for n in range(300)
        ]
        results = await over_stream(street, opens)
        assert {result.request_id for result in results} == {each.request_id for each in opens}
        found = {result.request_id: result.response for result in results}
        named = [found[each.request_id] for each in opens]
        assert [each.session for each in named] == [f"sessions/bike/p{n % 100}/{n // 100 + 1}" for n in range(300)]
        assert {(each.path, each.version, each.visit, each.duplicate) for each in named} == {(PAGE, "1.0.0", 1, False)}
        assert [each.began for each in named] == [n < 100 for n in range(300)]
        assert street.on_log() == 300, "an opening is one record"
        again = await over_stream(street, opens)
        assert {result.request_id: result.response.session for result in again} == {
            each.request_id: response.session for each, response in zip(opens, named, strict=True)
        }
        assert all(result.response.duplicate for result in again)

    in_street(act)


def test_visits_of_a_stream_are_where_every_other_call_finds_them() -> None:
    cluster = ClusterSettings(partitions=7, groups={"gold": 2})
    routes = Routes(registry(), cluster, ProcessSettings(), Sealing(MemorySubjects()))
    for openid in ("ann", "x" * 64, *(f"p{n}" for n in range(50))):
        for program in ("bike", "gold~bike"):
            route = routes.at(VISIT.at(f"{program}/{openid}"))
            assert routes.place(VISIT, f"{program}/{openid}") == (route.entity, route.partition)


def test_a_retry_of_an_opening_is_the_same_one_by_one_or_over_a_stream() -> None:
    async def act(street: Street) -> None:
        request = pb.OpenRequest(program="bike", request_id=new_id())
        by = (("hutong-caller", "ann"),)
        first = await sessions(street).Open(request, metadata=by)
        (again,) = await over_stream(street, [request], by)
        assert (again.response.duplicate, again.response.session) == (True, first.session)

    in_street(act)


def test_each_bad_opening_of_a_stream_is_refused_by_its_own_reason_and_the_others_are_not() -> None:
    async def act(street: Street) -> None:
        bad = {
            "NO_SUCH_PROGRAM": pb.OpenRequest(program="bar", openid="ann"),
            "NO_SUCH_PAGE": pb.OpenRequest(program="bike", openid="ann", path="pages/no"),
            "INVALID_OPENID": pb.OpenRequest(program="bike", openid="ann bee"),
            "INVALID_COMMAND": pb.OpenRequest(program="bike", openid="ann", source="dream"),
        }
        wanted: dict[str, str] = {}
        for reason, each in bad.items():
            each.request_id = new_id()
            wanted[each.request_id] = reason
        good = pb.OpenRequest(program="bike", openid="ann", request_id=new_id())
        unnamed = pb.OpenRequest(program="bike", openid="ann", request_id="x")
        results = await over_stream(street, [*bad.values(), good, unnamed])
        assert reasons(results) == {**wanted, good.request_id: "", "x": "INVALID_REQUEST_ID"}
        assert street.on_log() == 1

    in_street(act)


def test_a_person_opens_for_itself_alone_and_who_relays_for_those_that_it_names() -> None:
    async def act(street: Street) -> None:
        def asked(openid: str) -> list[pb.OpenRequest]:
            return [pb.OpenRequest(program="bike", openid=openid, request_id=new_id())]

        for caller, openid, reason in (
            ("person/bike/ann", "", ""),
            ("person/bike/ann", "ann", ""),
            ("person/bike/bob", "ann", "PERMISSION_DENIED"),
            ("person/shop/ann", "ann", "PERMISSION_DENIED"),
            ("platform/edge", "ann", ""),
            ("operator/op", "ann", ""),
            ("operator/op", "", "PERMISSION_DENIED"),
        ):
            before = street.on_log()
            (result,) = await over_stream(street, asked(openid), street.by(caller))
            assert list(reasons([result]).values()) == [reason], (caller, openid)
            assert street.on_log() == before + (not reason)
            assert reason or result.response.session.startswith("sessions/bike/ann/")
        for caller in ("server/bike", "merchant/m1", "member/acme/ann", "account/ann"):
            code, _ = await refused(over_stream(street, asked("ann"), street.by(caller)))
            assert code is grpc.StatusCode.PERMISSION_DENIED
        named = pb.OpenRequest(program="bike", openid="ann")
        code, _ = await refused(sessions(street).Open(named, metadata=street.by("person/bike/bob")))
        assert code is grpc.StatusCode.PERMISSION_DENIED

    in_street(act, REQUIRED)


def test_what_a_stream_was_given_before_its_gateway_ends_is_answered_and_the_rest_was_not_appended() -> None:
    async def act(street: Street) -> None:
        stream = sessions(street).OpenStream(metadata=(("hutong-caller", "edge"),))
        await stream.write(pb.OpenBatch(opens=[pb.OpenRequest(program="bike", openid="ann", request_id=new_id())]))
        (result,) = (await stream.read()).results
        assert result.response.session == "sessions/bike/ann/1"
        await street.scene.gateways[-1].stop()
        code, status = await refused(stream.read())
        assert (code, reason_of(status)) == (grpc.StatusCode.UNAVAILABLE, "NOT_APPENDED")

    in_street(act)


def test_a_person_is_shown_the_version_that_the_catalogue_says_and_it_stands_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "KEPT_S", 0.0)

    async def act(street: Street) -> None:
        assert (await opened(street, "ann")).version == "1.0.0", "the catalogue does not list it: as it runs"
        await register(street)
        code, status = await refused(opened(street, "ann"))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NOT_RELEASED")
        await release(street, 1)
        assert (await opened(street, "ann")).version == "1.1"
        gray = catalog_pb2.Gray(share=0, persons=["bob"], cities=["Oslo"], cohorts=["staff"])
        wider = catalog_pb2.SetGrayRequest(program="bike", code=2, gray=gray)
        await release(street, 2, lambda: street.catalog.SetGray(wider))
        people = (("ann", "", ()), ("bob", "", ()), ("ann", "Oslo", ()), ("ann", "", ("staff",)), ("ann", "Rome", ()))
        versions = [(await opened(street, openid, city, cohorts)).version for openid, city, cohorts in people]
        assert versions == ["1.1", "1.2", "1.2", "1.2", "1.1"]
        stream = await over_stream(street, [pb.OpenRequest(program="bike", openid=who) for who in ("bob", "cid")])
        assert sorted(result.response.version for result in stream) == ["1.1", "1.2"]
        calls = [call for partition in (0, 1) for call in street.scene.log.calls(partition)]
        assert sum(b"1.2" in call.command for call in calls if call.entity == "visit/bike/bob") == 2

    in_street(act)


def test_a_retry_is_told_the_version_of_the_first_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "KEPT_S", 0.0)

    async def act(street: Street) -> None:
        await register(street)
        await release(street, 1)
        request, by = pb.OpenRequest(program="bike", request_id=new_id()), (("hutong-caller", "ann"),)
        first = await sessions(street).Open(request, metadata=by)
        assert (await sessions(street).Open(request, metadata=by)).version == first.version == "1.1"
        await release(street, 2)
        again = await sessions(street).Open(request, metadata=by)
        assert (again.duplicate, again.session, again.version, again.path) == (True, first.session, "1.1", first.path)
        (streamed,) = await over_stream(street, [request], by)
        assert (streamed.response.session, streamed.response.version) == (first.session, "1.1")
        for other in ({"source": "scan"}, {"path": PAGE}, {"device": "watch"}):
            reused = pb.OpenRequest(program="bike", request_id=request.request_id, **other)
            _, status = await refused(sessions(street).Open(reused, metadata=by))
            assert reason_of(status) == "REQUEST_ID_REUSED", other

    in_street(act)


@pytest.mark.parametrize(("kept_s", "times"), [(3_600.0, 1), (0.0, 3)])
def test_the_catalogue_is_asked_once_for_all_openings_of_a_while(
    kept_s: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "KEPT_S", kept_s)

    async def act(street: Street) -> None:
        asked: list[str] = []
        ingress = street.scene.gateways[-1].ingress
        query = ingress.query

        async def counted(partition: int, entity: str, *rest: Any) -> Any:
            asked.append(entity)
            return await query(partition, entity, *rest)

        monkeypatch.setattr(ingress, "query", counted)
        await register(street)
        await release(street, 1)
        asked.clear()
        for _ in range(3):
            await over_stream(street, [pb.OpenRequest(program="bike", openid=f"p{n}") for n in range(50)])
        assert asked == ["catalog.name/bike", "catalog.program/acme/bike"] * times

    in_street(act)


def test_a_busy_stream_never_stands_still_for_the_catalogue_while_what_is_known_is_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(shown, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    async def act(street: Street) -> None:
        await register(street)
        await release(street, 1)
        ingress, answers, asked = street.scene.gateways[-1].ingress, asyncio.Event(), list[str]()
        query = ingress.query

        async def held(partition: int, entity: str, *rest: Any) -> Any:
            asked.append(entity)
            await answers.wait()
            return await query(partition, entity, *rest)

        async def seen() -> list[str]:
            results = await over_stream(street, [pb.OpenRequest(program="bike", openid=f"p{n}") for n in range(3)])
            return [result.response.version for result in results]

        assert await seen() == ["1.1"] * 3
        monkeypatch.setattr(ingress, "query", held)
        now_s[0] = 0.4
        assert await seen() == ["1.1"] * 3
        assert asked == []
        now_s[0] = 0.6
        assert await seen() == ["1.1"] * 3
        assert await seen() == ["1.1"] * 3
        assert asked == ["catalog.name/bike"], "it is asked beside, and once"
        now_s[0] = 1.2
        late = asyncio.ensure_future(seen())
        assert not (await asyncio.wait((late,), timeout=0.2))[0], "what is a second old is waited for"
        answers.set()
        assert await late == ["1.1"] * 3

    in_street(act)
