"""Calls through a real host: what is answered, what stands on the log, and what repeating one means."""

import asyncio
import uuid
from typing import Any

import grpc
import msgspec
import pytest

from actors import Stage
from actors.domain import ENTITIES
from actors.kernel.record import decode_frame
from actors.ports import Slice
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import CLUSTER, DIGEST, RELEASE, Scene, jar_on, new_id, play, reason_of, refused, request

ANN = (("hutong-caller", "ann"),)
BOB = (("hutong-caller", "bob"),)


def value(answer: Any) -> Any:
    """The JSON of an answer."""
    return msgspec.json.decode(answer.payload)


def test_a_call_is_on_the_log_before_it_is_answered() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(1), amount=3)
        answer = await stub.Invoke(call, metadata=ANN)
        assert value(answer) == {"total": 3, "caller": "ann"}
        assert (answer.request_id, answer.duplicate) == (call.request_id, False)
        (record,) = scene.log.calls(1)
        assert (record.entity, record.caller) == (jar_on(1).replace("jars/", "jar/"), "ann")
        assert record.request_id == uuid.UUID(call.request_id).bytes
        offset = answer.position.offset
        slice_ = Slice(CLUSTER.commands_topic, 1)
        frame = decode_frame(*slice_, offset, scene.log.fetch(slice_, offset, 1)[0].frame)
        assert (frame.producer, frame.release, frame.digest) == ("gateway-0", RELEASE, DIGEST)
        assert frame.records[answer.position.index] == record

    play(act)


def test_a_repeat_gets_the_same_answer_and_changes_nothing() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0), amount=3)
        first = await stub.Invoke(call, metadata=ANN)
        again = await stub.Invoke(call, metadata=ANN)
        other = await stub.Invoke(request(jar_on(0), amount=1), metadata=ANN)
        assert (again.payload, again.position, again.duplicate) == (first.payload, first.position, True)
        assert value(other)["total"] == 4

    play(act)


def test_a_repeat_at_another_gateway_is_recognised() -> None:
    async def act(scene: Scene) -> None:
        stubs = [await scene.served() for _ in range(2)]
        call = request(jar_on(0))
        answers = [await stub.Invoke(call, metadata=ANN) for stub in stubs]
        assert [answer.duplicate for answer in answers] == [False, True]
        assert answers[0].payload == answers[1].payload

    play(act)


@pytest.mark.parametrize("version", [1, 4])
def test_other_uuids_are_recognised_too(version: int) -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        name = str(uuid.uuid1() if version == 1 else uuid.uuid4())
        call = request(jar_on(0), request_id=name)
        answers = [await stub.Invoke(call, metadata=ANN) for _ in range(2)]
        assert [answer.duplicate for answer in answers] == [False, True]

    play(act)


def test_an_empty_request_id_gets_one_made_and_each_such_call_is_a_new_one() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        answers = [await stub.Invoke(request(jar_on(0), request_id=""), metadata=ANN) for _ in range(2)]
        assert [value(answer)["total"] for answer in answers] == [1, 2]
        ids = [uuid.UUID(answer.request_id) for answer in answers]
        assert ids[0] != ids[1]
        assert {made.version for made in ids} == {7}
        assert [record.request_id for record in scene.log.calls(0)] == [made.bytes for made in ids]

    play(act)


def test_one_id_of_two_callers_is_two_calls() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0))
        answers = [await stub.Invoke(call, metadata=caller) for caller in (ANN, BOB)]
        assert [value(answer)["total"] for answer in answers] == [1, 2]

    play(act)


def test_who_names_no_caller_is_a_caller_of_its_own_per_connection() -> None:
    async def act(scene: Scene) -> None:
        one = await scene.served()
        two = scene.stub(scene.gateways[0].port)
        call = request(jar_on(0))
        first, again, other = await one.Invoke(call), await one.Invoke(call), await two.Invoke(call)
        assert [answer.duplicate for answer in (first, again, other)] == [False, True, False]
        assert value(first)["caller"].startswith("~")
        assert value(first)["caller"] != value(other)["caller"]

    play(act)


def test_every_answer_tells_the_gateways_time_and_the_request_id() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0))
        calling = stub.Invoke(call)
        await calling
        trailer = dict(await calling.trailing_metadata())
        assert trailer["hutong-request-id"] == call.request_id
        stamp_ms = scene.log.fetch(Slice(CLUSTER.commands_topic, 0), 0, 1)[0].stamp_ms
        assert 0 <= int(trailer["hutong-time-ms"]) - stamp_ms < 60_000

    play(act)


def test_concurrent_calls_of_one_id_are_one_record_and_one_answer() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.holding = []
        call = request(jar_on(0))
        calling = [asyncio.ensure_future(stub.Invoke(call, metadata=ANN)) for _ in range(3)]
        await scene.log.until(lambda: scene.log.holding)
        scene.log.release()
        answers = await asyncio.gather(*calling)
        assert {answer.payload for answer in answers} == {answers[0].payload}
        assert value(answers[0])["total"] == 1

    play(act)


def test_calls_that_come_while_a_frame_is_on_its_way_share_the_next_one() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.holding = []
        first = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        await scene.log.until(lambda: scene.log.holding)
        more = [asyncio.ensure_future(stub.Invoke(request(jar_on(0)))) for _ in range(5)]
        await scene.log.until(lambda: len(scene.gateways[0].ingress) == 6)
        assert len(scene.log.holding) == 1
        scene.log.release()
        await asyncio.gather(first, *more)
        assert [len(frame) for frame in scene.log.frames(0) if frame] == [1, 5]

    play(act)


def test_partitions_do_not_wait_for_each_other() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.holding = []
        calling = [asyncio.ensure_future(stub.Invoke(request(jar_on(partition)))) for partition in (0, 1)]
        await scene.log.until(lambda: scene.log.holding is not None and len(scene.log.holding) == 2)
        scene.log.release()
        assert len(await asyncio.gather(*calling)) == 2

    play(act)


def test_a_rules_no_is_final_and_says_why() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        call = request(jar_on(0), "jar.refuse", why="so")
        for _ in range(2):
            code, status = await refused(stub.Invoke(call, metadata=ANN))
            assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "full")

    play(act)


def test_a_query_reads_a_view_and_says_how_far_the_state_had_come() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        answer = await stub.Invoke(request(jar_on(0), amount=5))
        seen = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look", at_least=answer.position))
        assert value(seen) == {"total": 5}
        assert (seen.position.partition, seen.position.offset >= answer.position.offset) == (0, True)

    play(act)


def test_a_query_at_the_position_of_an_answer_reads_what_was_written() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        totals: list[int] = []
        for amount in range(1, 20):
            answer = await stub.Invoke(request(jar_on(1), amount=amount))
            seen = await stub.Query(pb.QueryRequest(entity=jar_on(1), view="look", at_least=answer.position))
            totals.append(value(seen)["total"])
        assert totals == [sum(range(1, upto + 1)) for upto in range(1, 20)]

    play(act)


def test_a_linearizable_query_goes_through_the_log() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        await stub.Invoke(request(jar_on(0), amount=5))
        before = scene.log.span(Slice(CLUSTER.commands_topic, 0)).end
        seen = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look", linearizable=True))
        assert value(seen) == {"total": 5}
        assert seen.position.offset >= before

    play(act)


def test_an_entity_that_nobody_called_has_its_initial_state() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        seen = await stub.Query(pb.QueryRequest(entity=jar_on(0), view="look"))
        assert value(seen) == {"total": 0}

    play(act)


def test_describe_tells_commands_events_and_views_with_their_schemas() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        described = msgspec.json.decode((await stub.Describe(pb.DescribeRequest())).description)
        jar = described["jar"]
        assert jar["collection"] == "jars"
        assert set(jar["commands"]) == {"jar.put", "jar.refuse", "jar.crash", "jar.shout"}
        assert (set(jar["events"]), jar["views"]) == ({"jar.added"}, ["look"])
        assert "amount" in str(jar["commands"]["jar.put"]) + str(jar["types"])

    play(act)


def test_the_tables_of_a_kind_are_served_as_its_entity_has_them() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        for entity in ENTITIES:
            answer = await stub.ListTransitions(pb.ListTransitionsRequest(kind=entity.kind))
            served = {
                life.name: {
                    state.name: Stage({one.move: one.to for one in state.transitions}, state.terminal)
                    for state in life.states
                }
                for life in answer.lives
            }
            assert served == entity.life
            assert [list(table) for table in served.values()] == [list(table) for table in entity.life.values()]
        assert not (await stub.ListTransitions(pb.ListTransitionsRequest(kind="jar"))).lives
        code, status = await refused(stub.ListTransitions(pb.ListTransitionsRequest(kind="jug")))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_KIND")

    play(act)


def test_a_call_that_its_client_gave_up_is_still_done_once() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        scene.log.holding = []
        call = request(jar_on(0), request_id=new_id(), amount=2)
        calling = stub.Invoke(call, metadata=ANN)
        waiting = asyncio.ensure_future(calling.code())
        await scene.log.until(lambda: scene.log.holding)
        calling.cancel()
        assert await waiting is grpc.StatusCode.CANCELLED
        scene.log.release()
        again = await stub.Invoke(call, metadata=ANN)
        assert value(again)["total"] == 2
        assert len(scene.gateways[0].ingress) == 0

    play(act)
