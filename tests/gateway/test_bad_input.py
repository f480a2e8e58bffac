"""Whatever a client can get wrong: a clear answer that names the cause, and nothing on the log."""

import asyncio
import uuid
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors.settings import ProcessSettings
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import Scene, detail, jar_on, new_id, play, reason_of, refused, request

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ANN = (("hutong-caller", "ann"),)


DAY_MS = 86_400_000


class Wrong(NamedTuple):
    """A call that is wrong, and the answer that it must get."""

    call: pb.InvokeRequest
    code: grpc.StatusCode
    reason: str
    field: str = ""
    says: str = ""


def raw(payload: bytes, command: str = "jar.put") -> pb.InvokeRequest:
    """A call with this very payload."""
    return pb.InvokeRequest(entity=jar_on(0), command=command, payload=payload, request_id=new_id())


def put(**fields: object) -> pb.InvokeRequest:
    """A call of the first jar."""
    return request(jar_on(0), "jar.put", None, **fields)


PUT, ID = b'{"amount":1}', "INVALID_REQUEST_ID"
WRONG = {
    "an unknown kind": Wrong(request("cups/c1"), NOT_FOUND, "NO_SUCH_KIND", says="cups"),
    "no entity": Wrong(request(""), NOT_FOUND, "NO_SUCH_KIND"),
    "an unknown program": Wrong(request("programs/cafe/cups/c1"), NOT_FOUND, "NO_SUCH_KIND", says="cafe"),
    "no id": Wrong(request("jars/"), INVALID, "INVALID_ID", "entity"),
    "a long id": Wrong(request("jars/" + "x" * 300), INVALID, "INVALID_ID", "entity"),
    "an id with a line break": Wrong(request("jars/a\nb"), INVALID, "INVALID_ID", "entity"),
    "an unknown command": Wrong(request(jar_on(0), "jar.fly"), NOT_FOUND, "NO_SUCH_COMMAND", says="jar.put"),
    "no command": Wrong(request(jar_on(0), ""), NOT_FOUND, "NO_SUCH_COMMAND"),
    "another kind's command": Wrong(request(jar_on(0), "session.show"), NOT_FOUND, "NO_SUCH_COMMAND"),
    "an unknown field": Wrong(put(amuont=1), INVALID, "INVALID_COMMAND", "$.amuont"),
    "an unknown field below": Wrong(put(deep={"cuont": 1}), INVALID, "INVALID_COMMAND", "$.deep.cuont"),
    "a wrong type": Wrong(put(amount="1"), INVALID, "INVALID_COMMAND", "$.amount", "int"),
    "a wrong type below": Wrong(put(deep={"count": "1"}), INVALID, "INVALID_COMMAND", "$.deep.count"),
    "a number out of range": Wrong(put(amount=-1), INVALID, "INVALID_COMMAND", "$.amount"),
    "a missing field": Wrong(request(jar_on(0), "jar.shout"), INVALID, "INVALID_COMMAND", "$.chars"),
    "cut JSON": Wrong(raw(PUT[:-1]), INVALID, "INVALID_COMMAND", "$"),
    "two values": Wrong(raw(PUT + PUT), INVALID, "INVALID_COMMAND", "$"),
    "a list": Wrong(raw(b"[1]"), INVALID, "INVALID_COMMAND", "$", "object"),
    "no UTF-8": Wrong(raw(b'{"note":"\xff\xfe"}'), INVALID, "INVALID_COMMAND", "$"),
    "bytes": Wrong(raw(bytes(range(256))), INVALID, "INVALID_COMMAND", "$"),
    "a deep payload": Wrong(
        raw(b'{"anything":' + b"[" * 200 + b"]" * 200 + b"}"), INVALID, "INVALID_COMMAND", says="deep"
    ),
    "a very deep payload": Wrong(raw(b"[" * 100_000), INVALID, "INVALID_COMMAND"),
    "a huge payload": Wrong(put(note="x" * 300_000), INVALID, "PAYLOAD_TOO_BIG", "$"),
    "an id that is no UUID": Wrong(request(jar_on(0), request_id="first try"), INVALID, ID, "request_id"),
    "an id without hyphens": Wrong(request(jar_on(0), request_id=uuid.uuid4().hex), INVALID, ID, "request_id"),
    "an id in braces": Wrong(request(jar_on(0), request_id=f"{{{uuid.uuid4()}}}"), INVALID, ID, "request_id"),
    "an id of the future": Wrong(
        request(jar_on(0), request_id=new_id(-DAY_MS)), INVALID, "REQUEST_ID_IN_FUTURE", "request_id", "hutong-time-ms"
    ),
}


async def check_refused(stub: Any, wrong: Wrong, metadata: Any = ANN) -> None:
    """The call gets the answer that it must get."""
    calling = stub.Invoke(wrong.call, metadata=metadata)
    code, status = await refused(calling)
    assert (code, reason_of(status)) == (wrong.code, wrong.reason), status.message
    assert status.message
    assert wrong.says in status.message
    assert len(status.message) < 1_000
    if code is INVALID:
        bad = detail(status, details.BadRequest)
        assert bad is not None
        assert wrong.field in ("", bad.field_violations[0].field)
    trailer = dict(await calling.trailing_metadata())
    info = detail(status, details.ErrorInfo)
    assert info is not None
    assert info.metadata["request_id"] == wrong.call.request_id == trailer["hutong-request-id"]
    assert int(trailer["hutong-time-ms"]) > 0


def test_each_mistake_is_named_and_leaves_nothing_on_the_log() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        wrongly: list[str] = []
        for what, wrong in WRONG.items():
            try:
                await check_refused(stub, wrong)
            except AssertionError as error:
                wrongly.append(f"{what}: {error}")
        assert wrongly == []
        assert scene.log.calls(0) + scene.log.calls(1) == []
        assert len(scene.gateways[0].ingress) == 0

    play(act)


@pytest.mark.parametrize(
    "written", ["\uff10" * 36, "two\nlines", "x" * 100_000], ids=["no ASCII", "a line break", "long"]
)
def test_an_id_that_metadata_cannot_hold_is_named_like_any_other(written: str) -> None:
    async def act(scene: Scene) -> None:
        calling = scene.stub(await scene.gateway()).Invoke(request(jar_on(0), request_id=written), metadata=ANN)
        code, status = await refused(calling)
        assert (code, reason_of(status)) == (INVALID, "INVALID_REQUEST_ID")
        assert "hutong-request-id" not in dict(await calling.trailing_metadata())

    play(act)


def test_mistakes_in_a_stream_leave_the_other_calls_alone() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        good = [put(amount=1) for _ in range(3)]
        wrong = [wrong.call for wrong in WRONG.values()]
        stream = stub.InvokeStream(metadata=ANN)
        await stream.write(pb.InvokeBatch(calls=[good[0], *wrong, *good[1:]]))
        await stream.done_writing()
        results = [result async for batch in stream for result in batch.results]
        accepted = [result.request_id for result in results if result.HasField("response")]
        assert sorted(accepted) == sorted(call.request_id for call in good)
        codes = {result.request_id: result.error.code for result in results if result.HasField("error")}
        assert codes == {each.call.request_id: each.code.value[0] for each in WRONG.values()}
        assert await stream.code() is grpc.StatusCode.OK

    play(act)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        (("hutong-caller", "x" * 200), "hutong-caller"),
        (("hutong-caller", "~gateway-0/ipv4:127.0.0.1:1"), "hutong-caller"),
        (("hutong-tenant", "x" * 200), "hutong-tenant"),
        (("hutong-priority", "high"), "hutong-priority"),
        (("hutong-priority", "-1"), "hutong-priority"),
        (("hutong-priority", "128"), "hutong-priority"),
    ],
)
def test_metadata_that_cannot_be_is_refused(metadata: tuple[str, str], field: str) -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        await check_refused(stub, Wrong(put(), INVALID, "INVALID_METADATA", field), (metadata,))

    play(act)


def test_a_message_that_is_too_large_is_refused_by_the_connection() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway(ProcessSettings(message_bytes_max=100_000)))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stub.Invoke(put(note="x" * 200_000))
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger" in str(refusal.value.details())

    play(act)


def test_metadata_that_is_too_large_is_refused_by_the_connection() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stub.Invoke(put(), metadata=(("x-much", "x" * 40_000),))
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    play(act)


def test_an_id_that_was_used_with_another_body_is_refused_on_its_way_and_afterwards() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        name = new_id()
        reused = Wrong(request(jar_on(0), request_id=name, amount=2), INVALID, "REQUEST_ID_REUSED", "request_id")
        scene.log.holding = []
        first = asyncio.ensure_future(stub.Invoke(request(jar_on(0), request_id=name), metadata=ANN))
        await scene.log.until(lambda: scene.log.holding)
        await check_refused(stub, reused)
        scene.log.release()
        await first
        await check_refused(stub, reused)

    play(act)


def test_an_id_that_is_older_than_the_window_reaches_is_not_run() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        minute_ms = 60_000
        await stub.Invoke(request(jar_on(0), request_id=new_id(20 * minute_ms)), metadata=ANN)
        await stub.Invoke(request(jar_on(0)), metadata=ANN)
        late = request(jar_on(0), request_id=new_id(30 * minute_ms))
        await check_refused(stub, Wrong(late, grpc.StatusCode.ABORTED, "REQUEST_ID_TOO_OLD"))
        seen = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look"))
        assert seen.payload == b'{"total":2}'

    play(act)


def test_an_answer_that_is_too_long_undoes_the_call_and_names_the_bound() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        code, status = await refused(stub.Invoke(request(jar_on(0), "jar.shout", chars=5_000)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert detail(status, details.QuotaFailure) is not None
        assert reason_of(status) == "REPLY_TOO_LONG"
        assert "4096" in status.message

    play(act)


def test_an_authors_mistake_is_an_internal_error_with_its_position() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0), "jar.crash")
        code, status = await refused(stub.Invoke(call, metadata=ANN))
        info = detail(status, details.ErrorInfo)
        assert info is not None
        assert (code, info.reason) == (grpc.StatusCode.INTERNAL, "POISONED")
        assert info.metadata["position"].startswith("0/")
        assert "KeyError" in status.message
        again = await refused(stub.Invoke(call, metadata=ANN))
        assert again[0] is grpc.StatusCode.INTERNAL
        assert (await stub.Invoke(put())).payload

    play(act)


def test_a_refusal_at_length_still_reaches_the_caller() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        code, status = await refused(stub.Invoke(request(jar_on(0), "jar.refuse", why="胡同" * 600)))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "full")

    play(act)


QUERIES = {
    "an unknown kind": (pb.QueryRequest(entity="cups/c1", view="look"), NOT_FOUND, "NO_SUCH_KIND"),
    "an unknown view": (pb.QueryRequest(entity=jar_on(0), view="peek"), NOT_FOUND, "NO_SUCH_VIEW"),
    "no view": (pb.QueryRequest(entity=jar_on(0)), NOT_FOUND, "NO_SUCH_VIEW"),
    "cut arguments": (pb.QueryRequest(entity=jar_on(0), view="look", args=b"{"), INVALID, "INVALID_ARGS"),
    "a list as arguments": (pb.QueryRequest(entity=jar_on(0), view="look", args=b"[]"), INVALID, "INVALID_ARGS"),
    "deep arguments": (pb.QueryRequest(entity=jar_on(0), view="look", args=b"[" * 50_000), INVALID, "INVALID_ARGS"),
    "a position beyond the end": (
        pb.QueryRequest(entity=jar_on(0), view="look", at_least=pb.Position(partition=0, offset=1 << 40)),
        INVALID,
        "BEYOND_END",
    ),
    "a position of another partition": (
        pb.QueryRequest(entity=jar_on(0), view="look", at_least=pb.Position(partition=1, offset=0)),
        INVALID,
        "OTHER_PARTITION",
    ),
}


@pytest.mark.parametrize("what", QUERIES)
def test_each_mistake_in_a_query_is_named(what: str) -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        query, code, reason = QUERIES[what]
        found, status = await refused(stub.Query(query))
        assert (found, reason_of(status)) == (code, reason)
        assert status.message

    play(act)


def test_describing_or_listening_to_what_is_not_there_is_not_found() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()  # until then it might be a program that a package brings
        code, status = await refused(stub.Describe(pb.DescribeRequest(program="cafe")))
        assert (code, "cafe" in status.message) == (NOT_FOUND, True)
        for entity in ("cups/c1", jar_on(0)):
            code, _ = await refused(stub.Listen(pb.ListenRequest(entity=entity)).read())
            assert code is NOT_FOUND

    play(act)


def test_a_call_without_a_deadline_gets_the_default_one() -> None:
    async def act(scene: Scene) -> None:
        await scene.scripted(epoch=None)
        stub = scene.stub(await scene.gateway(ProcessSettings(deadline_ms_default=500)))
        code, status = await refused(stub.Invoke(put()))
        assert (code, reason_of(status)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN")

    play(act)


def test_a_deadline_far_away_is_cut_to_the_greatest_one() -> None:
    async def act(scene: Scene) -> None:
        await scene.scripted(epoch=None)
        stub = scene.stub(await scene.gateway(ProcessSettings(deadline_ms_max=100)))
        code, status = await refused(stub.Invoke(put(), timeout=3_600))
        assert (code, reason_of(status)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN")

    play(act)


def test_a_clients_own_deadline_is_answered_before_it_passes_and_says_what_is_known() -> None:
    async def act(scene: Scene) -> None:
        await scene.scripted(epoch=None)
        stub = scene.stub(await scene.gateway())
        code, status = await refused(stub.Invoke(put(), timeout=1))
        assert (code, reason_of(status)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN")

    play(act)


def test_a_deadline_that_leaves_too_little_time_keeps_the_call_from_the_log() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway(ProcessSettings(deadline_ms_max=10)))
        code, status = await refused(stub.Invoke(put(), timeout=5))
        assert (code, reason_of(status)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "NOT_APPENDED")
        assert scene.log.calls(0) == []

    play(act)
