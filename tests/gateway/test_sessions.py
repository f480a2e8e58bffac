"""Sessions through a gateway: opened, turned, closed; whose they are; and all that is refused."""

# One test waits until the gateway serves a stream.
# pyright: reportPrivateUsage=false

import json
from functools import partial
from typing import Any

import grpc
import pytest

from actors.domain.session import HIDDEN_MS_MAX
from actors.kernel.record import Slice
from actors.settings import ProcessSettings
from gateway.v1 import program_pb2, program_pb2_grpc, session_pb2_grpc
from gateway.v1 import session_pb2 as pb
from tests.gateway.scene import CLUSTER, new_id, reason_of, refused
from tests.gateway.street import Street, Wrong, walk

PAGE, RIDE = "pages/map/index", "pages/ride/index"
NAME = "sessions/bike/ann/1"
OPEN = pb.OpenRequest(program="bike", path=f"{PAGE}?dock=4", source="scan", via="code/bike/X", device="phone")


class Sessions(Street):
    """Sessions are opened here."""

    service = session_pb2_grpc.SessionServiceStub


in_street = partial(walk, Sessions)


def test_an_opening_is_a_session_and_its_visit_and_ends_with_both() -> None:
    async def act(street: Sessions) -> None:
        opened = await street.ask("Open", OPEN)
        assert (opened.session, opened.path, opened.version, opened.visit, opened.began) == (
            *(NAME, f"{PAGE}?dock=4", "1.0.0", 1),
            True,
        )
        assert street.on_log() == 2, "one record, and one of the person's recent programs"
        for method in ("Show", "Hide", "Show"):
            await street.ask(method, pb.SessionRequest(session=NAME))
        await street.ask("EnterPage", pb.PageRequest(session=NAME, path=RIDE))
        shown = await street.view(NAME, "session")
        assert (shown["state"], shown["scene"], shown["caller"]) == ("shown", 1011, "ann")
        assert [page["path"] for page in shown["pages"]] == [f"{PAGE}?dock=4", RIDE]
        await street.ask("RenderPage", pb.PageRequest(session=NAME, path=RIDE))
        shown = await street.view(NAME, "session")
        assert [page["state"] for page in shown["pages"]] == ["hidden", "shown"]
        await street.ask("LeavePage", pb.PageRequest(session=NAME, path=RIDE))
        await street.ask("Close", pb.SessionRequest(session=NAME))
        assert (await street.view(NAME, "session"))["unloaded_because"] == "closed"
        visit = await street.view("visits/bike/ann", "visit")
        assert (visit["state"], visit["opens"], visit["last_source"], visit["last_via"], visit["sessions"]) == (
            *("away", 1, "scan", "code/bike/X"),
            [],
        )

    in_street(act)


def test_a_retry_at_another_gateway_is_one_opening() -> None:
    async def act(street: Sessions) -> None:
        request = pb.OpenRequest(program="bike", request_id=new_id())
        first = await street.ask("Open", request)
        street.stub = await street.another()
        again = await street.ask("Open", request)
        assert (first.duplicate, again.duplicate) == (False, True)
        assert (again.session, again.visit, again.began, again.path) == (first.session, 1, True, PAGE)
        assert again.position == first.position
        assert (await street.view("visits/bike/ann", "visit"))["opens"] == 1

    in_street(act)


@pytest.mark.parametrize(("merge_ms", "visit"), [(3_600_000, 1), (0, 2)])
def test_how_soon_two_openings_are_one_visit_is_a_setting(merge_ms: int, visit: int) -> None:
    async def act(street: Sessions) -> None:
        await street.ask("Open", OPEN)
        second = await street.ask("Open", OPEN)
        assert (second.session, second.visit, second.began) == ("sessions/bike/ann/2", visit, visit == 2)
        assert (await street.view(NAME, "session"))["state"] == "unloaded", "one session a device"

    in_street(act, ProcessSettings(visit_merge_ms=merge_ms))


def test_when_a_session_ends_by_itself_is_a_setting() -> None:
    async def act(street: Sessions) -> None:
        session = (await street.ask("Open", pb.OpenRequest(program="bike"))).session
        await street.ask("Hide", pb.SessionRequest(session=session))
        topic, log = CLUSTER.events_topic_of("session"), street.scene.log

        def is_unloaded() -> bool:
            slices = (Slice(topic, partition) for partition in range(CLUSTER.partitions))
            return any(b"unloaded" in one.frame for of in slices for one in log.fetch(of, 0, 1 << 30))

        await log.until(is_unloaded)
        shown = await street.view(session, "session")
        assert (shown["state"], shown["unloaded_because"]) == ("unloaded", "idle")
        assert shown["active_ms"] - shown["launched_ms"] < HIDDEN_MS_MAX

    in_street(act, ProcessSettings(session_hidden_ms=1_000))


def test_one_device_more_than_the_setting_closes_the_oldest_session() -> None:
    async def act(street: Sessions) -> None:
        for device in ("phone", "watch", "car"):
            await street.ask("Open", pb.OpenRequest(program="bike", device=device))
        states = [(await street.view(f"sessions/bike/ann/{n}", "session"))["state"] for n in (1, 2, 3)]
        assert states == ["unloaded", "launched", "launched"]

    in_street(act, ProcessSettings(visit_devices_max=2))


INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
REFUSED: list[Wrong] = [
    ("Open", pb.OpenRequest(program="bar"), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("Open", pb.OpenRequest(), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("Open", pb.OpenRequest(program="bike", path="pages/no"), INVALID, "NO_SUCH_PAGE", "path"),
    ("Open", pb.OpenRequest(program="bike", path="?x"), INVALID, "NO_SUCH_PAGE", "path"),
    ("Open", pb.OpenRequest(program="bike", path=f"{PAGE}?{'x' * 512}"), INVALID, "INVALID_COMMAND", "$.path"),
    ("Open", pb.OpenRequest(program="bike", source="dream"), INVALID, "INVALID_COMMAND", "$.source"),
    ("Open", pb.OpenRequest(program="bike", device="x" * 65), INVALID, "INVALID_COMMAND", "$.device"),
    ("Open", pb.OpenRequest(program="bike", via="x" * 257), INVALID, "INVALID_COMMAND", "$.via"),
    ("Open", pb.OpenRequest(program="bike", city="x" * 65), INVALID, "INVALID_COMMAND", "$.city"),
    ("Open", pb.OpenRequest(program="bike", request_id="x"), INVALID, "INVALID_REQUEST_ID", "request_id"),
    *(
        ("Show", pb.SessionRequest(session=name), INVALID, "INVALID_SESSION", "session")
        for name in ("", "s1", "sessions/s1", "sessions/bike/ann", "sessions/bike/ann/0", f"{NAME}\n", f"{NAME}/2")
    ),
    ("Hide", pb.SessionRequest(session="x" * 100_000), INVALID, "INVALID_SESSION", "session"),
    ("Close", pb.SessionRequest(session=f"{NAME}x"), INVALID, "INVALID_SESSION", "session"),
    ("EnterPage", pb.PageRequest(session=NAME), INVALID, "NO_SUCH_PAGE", "path"),
    ("EnterPage", pb.PageRequest(session=NAME, path="pages/no"), INVALID, "NO_SUCH_PAGE", "path"),
    ("LeavePage", pb.PageRequest(session=NAME), INVALID, "INVALID_COMMAND", "$.path"),
    ("RenderPage", pb.PageRequest(session=NAME), INVALID, "INVALID_COMMAND", "$.path"),
    ("LeavePage", pb.PageRequest(session=NAME, path=PAGE, request_id="x"), INVALID, "INVALID_REQUEST_ID", "request_id"),
]


def test_what_cannot_be_opened_is_refused_by_its_reason_before_the_log() -> None:
    async def act(street: Sessions) -> None:
        await street.ask("Open", OPEN)
        before = street.on_log()
        await street.check_refusals(REFUSED)
        for name in ("ann bee", "person/bike/ann", "", "x" * 65):
            code, status = await refused(street.ask("Open", OPEN, name))
            assert (code, reason_of(status)) == (INVALID, "INVALID_OPENID")
        assert street.on_log() == before

    in_street(act)


def test_a_session_that_nobody_opened_or_that_ended_is_refused_by_its_state() -> None:
    async def act(street: Sessions) -> None:
        for method, reason in (("Show", "wrong_state"), ("Close", "no_such_session")):
            code, status = await refused(street.ask(method, pb.SessionRequest(session=NAME)))
            assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
        await street.ask("Open", OPEN)
        for method in ("LeavePage", "RenderPage"):
            code, status = await refused(street.ask(method, pb.PageRequest(session=NAME, path=RIDE)))
            assert reason_of(status) == "not_the_top_page"
        for _ in range(2):
            await street.ask("Close", pb.SessionRequest(session=NAME))
        _, status = await refused(street.ask("Show", pb.SessionRequest(session=NAME)))
        assert reason_of(status) == "wrong_state"

    in_street(act)


def test_a_session_is_the_persons_that_opened_it_and_of_that_program() -> None:
    async def act(street: Sessions) -> None:
        ann = "person/bike/ann"
        assert (await street.ask("Open", OPEN, ann)).session == NAME
        before = street.on_log()
        strangers = ("person/bike/bob", "person/shop/ann", "server/bike", "operator/op", "account/ann", "merchant/m1")
        for caller in strangers:
            for method in ("Show", "Hide", "Close"):
                code, _ = await refused(street.ask(method, pb.SessionRequest(session=NAME), caller))
                assert code == grpc.StatusCode.PERMISSION_DENIED, (caller, method)
            for method in ("EnterPage", "RenderPage", "LeavePage"):
                code, _ = await refused(street.ask(method, pb.PageRequest(session=NAME, path=PAGE), caller))
                assert code == grpc.StatusCode.PERMISSION_DENIED, (caller, method)
        for caller in (name for name in strangers[1:] if name != "account/ann"):
            code, _ = await refused(street.ask("Open", OPEN, caller))
            assert code == grpc.StatusCode.PERMISSION_DENIED, caller
        assert street.on_log() == before
        await street.ask("Close", pb.SessionRequest(session=NAME), ann)

    in_street(act, ProcessSettings(identity_required=True))


def test_a_person_sees_and_hears_its_own_session_and_nothing_more_of_it_is_the_persons() -> None:
    async def act(street: Sessions) -> None:
        await street.ask("Open", OPEN, "person/bike/ann")
        programs: Any = program_pb2_grpc.ProgramServiceStub(street.scene.channels[-1])
        before = street.on_log()
        for caller in ("person/bike/bob", "person/shop/ann", "server/bike", "merchant/m1"):
            by = street.by(caller)
            query = programs.Query(program_pb2.QueryRequest(entity=NAME, view="session"), metadata=by)
            listen = programs.Listen(program_pb2.ListenRequest(entity=NAME), metadata=by).read()
            for call in (query, listen):
                code, status = await refused(call)
                assert (code, reason_of(status)) == (ABSENT, "NO_SUCH_KIND"), caller
        ann = street.by("person/bike/ann")
        for by in (ann, street.by("operator/op")):
            shown = await programs.Query(program_pb2.QueryRequest(entity=NAME, view="session"), metadata=by)
            assert json.loads(shown.payload)["state"] == "launched"
        for name, command in ((NAME, "session.push"), (NAME, "session.close"), ("visits/bike/ann", "visit.close")):
            call = programs.Invoke(program_pb2.InvokeRequest(entity=name, command=command), metadata=ann)
            code, status = await refused(call)
            assert (code, reason_of(status)) == (ABSENT, "NO_SUCH_KIND"), command
        assert street.on_log() == before
        ahead = program_pb2.InvokeRequest(entity=NAME, command="session.acknowledge", payload=b'{"cursor":1}')
        _, status = await refused(programs.Invoke(ahead, metadata=ann))
        assert reason_of(status) == "cursor_ahead"
        listening = programs.Listen(program_pb2.ListenRequest(entity=NAME), metadata=ann)
        assert await street.scene.log.until(lambda: street.scene.gateways[0]._services[0].service._streams)
        listening.cancel()

    in_street(act, ProcessSettings(identity_required=True))


def test_where_nobody_proves_anything_a_session_still_is_its_callers() -> None:
    async def act(street: Sessions) -> None:
        await street.ask("Open", OPEN)
        code, _ = await refused(street.ask("Show", pb.SessionRequest(session=NAME), "bob"))
        assert code == grpc.StatusCode.PERMISSION_DENIED

    in_street(act)
