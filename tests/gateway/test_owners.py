"""Owners that change: nothing that was taken in is lost, nothing is done twice, and former owners are not believed."""

# Some of these tests wait until a gateway has noted what it was told.
# pyright: reportPrivateUsage=false

import asyncio

import grpc
import msgspec
import pytest

from actors.kernel.record import body_sum
from actors.link import Absent, Answer, Ask, Lost, Owned, Pending
from actors.placement import Placed, Term
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import CLUSTER, Scene, jar_on, play, reason_of, refused, request

LOOK = pb.QueryRequest(entity=jar_on(0), view="look")


def test_a_new_owner_is_handed_what_is_pending_and_answers_it() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        (call,) = await scene.log.until(lambda: scene.log.calls(0))
        await host.stop()
        scene.hosts.remove(host)
        other = await scene.scripted(assignment=2, epoch=9)
        pending = await other.hears(Pending)
        assert (pending.partition, pending.calls) == (0, [(call.caller, call.request_id, body_sum(call))])
        other.answers(0, [call])
        assert (await calling).position.offset == 7
        assert len(scene.log.calls(0)) == 1

    play(act)


def test_what_a_new_owner_does_not_find_is_appended_again_with_the_same_bytes() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0), note="the same")))
        (call,) = await scene.log.until(lambda: scene.log.calls(0))
        host.says(Owned(0, 9))
        pending = await host.hears(Pending)
        host.says(Absent(0, [(caller, request_id) for caller, request_id, _ in pending.calls]))
        copies = await scene.log.until(lambda: len(scene.log.calls(0)) == 2 and scene.log.calls(0))
        assert copies == [call, call]
        host.answers(0, [call])
        await calling

    play(act)


def test_an_owner_that_speaks_before_the_placement_is_read_is_told_what_is_pending() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        old = await scene.scripted()
        new = await scene.scripted(assignment=1, epoch=None)  # a second host, which is not placed to own anything yet
        scene.log.place(Placed(1, 0, 2, "new", new.address, 0))
        await new.linked()
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        (call,) = await scene.log.until(lambda: scene.log.calls(0))
        new.says(Owned(0, 9))
        assert (await new.hears(Pending)).calls == [(call.caller, call.request_id, body_sum(call))]
        scene.log.place(Placed(0, 0, 2, "new", new.address, 0))
        old.says(Lost(0, ""))
        new.answers(0, [call])
        await calling
        asking = asyncio.ensure_future(stub.Query(LOOK))
        ask = await new.hears(Ask)
        new.says(Answer(ask.ask_id, 0, 9, 0, b"{}", 8))
        assert (await asking).payload == b"{}"

    play(act)


def test_a_former_owner_is_not_believed() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted(epoch=9)
        await scene.gateways[0].ready(CLUSTER.partitions)
        asking = asyncio.ensure_future(stub.Query(LOOK))
        ask = await host.hears(Ask)
        host.says(Answer(ask.ask_id, 0, 8, 0, b'"old"', 5), Answer(ask.ask_id, 0, 9, 0, b'"new"', 6))
        assert (await asking).payload == b'"new"'

    play(act)


def test_the_word_of_a_host_that_owns_nothing_of_it_changes_nothing() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        owner = await scene.scripted()
        await scene.gateways[0].ready(CLUSTER.partitions)
        other = await scene.scripted(assignment=1, epoch=None)
        scene.log.place(Placed(1, 0, 2, "other", other.address, 0))
        await other.linked()
        other.says(Lost(0, "halted at 0/1/0: I say so"), Owned(1, 9))
        asking = asyncio.ensure_future(stub.Query(LOOK))
        ask = await owner.hears(Ask)
        owner.says(Answer(ask.ask_id, 0, 1, 0, b"{}", 5))
        assert (await asking).payload == b"{}"

    play(act)


def test_a_halted_partition_refuses_at_once_and_goes_on_when_it_is_served_again() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        await scene.gateways[0].ready(CLUSTER.partitions)
        asking = asyncio.ensure_future(stub.Query(LOOK))
        await host.hears(Ask)
        host.says(Lost(0, "halted at 0/7/0: a bad thing"))
        for refusal in (asking, stub.Invoke(request(jar_on(0))), stub.Query(LOOK)):
            code, status = await refused(refusal)
            assert (code, reason_of(status)) == (grpc.StatusCode.UNAVAILABLE, "NOT_APPENDED")
            assert "halted at 0/7/0" in status.message
        assert not scene.log.calls(0)
        host.says(Owned(0, 9))
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        host.answers(0, await scene.log.until(lambda: scene.log.calls(0)))
        await calling

    play(act)


def test_a_partition_that_is_no_longer_halted_takes_calls_before_it_is_served() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted(epoch=None)
        await host.linked()
        host.says(Owned(1, 1), Lost(0, "halted at 0/7/0: a bad thing"))
        await scene.gateways[0].ready(CLUSTER.partitions)
        host.says(Lost(0, ""))
        ended = asyncio.ensure_future(scene.log.until(lambda: not scene.gateways[0].ingress._halted))
        await ended
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        assert await scene.log.until(lambda: scene.log.calls(0))
        calling.cancel()

    play(act)


def test_what_a_host_said_of_its_halt_ends_with_the_host() -> None:
    async def act(scene: Scene) -> None:
        await scene.gateway()
        host = await scene.scripted(epoch=None)
        await host.linked()
        host.says(Lost(0, "halted at 0/7/0: a bad thing"), Owned(1, 1))
        ingress = scene.gateways[0].ingress
        await scene.gateways[0].ready(CLUSTER.partitions)
        await host.stop()
        scene.hosts.remove(host)
        assert await scene.log.until(lambda: not ingress._halted and not ingress._serving)

    play(act)


def test_a_stream_that_breaks_is_dialled_again() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        (call,) = await scene.log.until(lambda: scene.log.calls(0))
        port = int(host.address.rpartition(":")[2])
        await host.stop()
        scene.hosts.remove(host)
        same = await type(host)().start(port)
        scene.hosts.append(same)
        await same.linked()
        same.says(Owned(0, 1))
        assert (await same.hears(Pending)).calls == [(call.caller, call.request_id, body_sum(call))]
        same.answers(0, [call])
        await calling

    play(act)


@pytest.mark.parametrize("message", [b"\xc1", b"\x93\x06\x00\xa2\xff\xfe"], ids=["no message", "no UTF-8"])
def test_a_message_that_is_no_message_does_not_cut_a_host_off(message: bytes) -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        await scene.gateways[0].ready(CLUSTER.partitions)
        host.says(msgspec.Raw(message))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - as if it were of another version
        await host.linked(times=2)
        host.says(Owned(0, 1))
        calling = asyncio.ensure_future(stub.Invoke(request(jar_on(0))))
        host.answers(0, await scene.log.until(lambda: scene.log.calls(0)))
        assert (await calling).payload

    play(act)


def test_a_former_controllers_word_is_not_taken() -> None:
    async def act(scene: Scene) -> None:
        port = await scene.gateway()
        host = await scene.scripted()
        await scene.gateways[0].ready(CLUSTER.partitions)
        owners = scene.gateways[0].ingress._owners
        term = scene.log.place(Term("second"))
        scene.log.place(Placed(0, 0, 99, "zombie", "127.0.0.1:1", 0))
        scene.log.place(Placed(1, term, 1, "new", "127.0.0.1:2", 0))
        await scene.log.until(lambda: owners.address_of(1) == "127.0.0.1:2")
        assert owners.address_of(0) == host.address
        assert port

    play(act)


def test_a_real_hosts_end_loses_and_repeats_nothing() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        first = scene.hosts[0]
        calls = [request(jar_on(n % 2), amount=1) for n in range(60)]
        stream = stub.InvokeStream()
        await stream.write(pb.InvokeBatch(calls=calls[:30]))
        await first.stop()
        scene.hosts.remove(first)
        await stream.write(pb.InvokeBatch(calls=calls[30:]))
        await stream.done_writing()
        reading = asyncio.ensure_future(_results(stream))
        await scene.host(assignment=2)
        results = await reading
        assert sorted(result.request_id for result in results) == sorted(call.request_id for call in calls)
        assert all(result.HasField("response") for result in results)
        for partition in range(2):
            looked = await stub.Query(pb.QueryRequest(entity=jar_on(partition), view="look", linearizable=True))
            assert msgspec.json.decode(looked.payload) == {"total": 30}

    play(act)


async def _results(stream: grpc.aio.StreamStreamCall[pb.InvokeBatch, pb.InvokeResultBatch]) -> list[pb.InvokeResult]:
    return [result async for batch in stream for result in batch.results]
