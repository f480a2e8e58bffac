"""Pushes: every one that an entity keeps arrives once and in order, whoever owns it and whichever gateway is asked."""

# Some of these tests wait until a gateway has noted what it was told.
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec

from actors.kernel.action import Push
from actors.link import Answer, Ask, Attach, Detach, Lost, Owned, Pushes
from gateway.client import Client, Pushed
from gateway.v1 import program_pb2 as pb
from tests.gateway.scene import WAIT_S, Scene, ScriptedHost, play, reason_of, refused

SESSION = "sessions/s1"


async def opened(scene: Scene) -> Client:
    """A client that has opened the session."""
    await scene.served()
    client = Client(f"127.0.0.1:{scene.gateways[0].port}", seed=1)
    await client.invoke(SESSION, "session.open", {"program": "bike", "path": "pages/map"})
    return client


async def push(client: Client, *payloads: Any) -> None:
    """Push these to the session."""
    for payload in payloads:
        await client.invoke(SESSION, "session.push", {"payload": payload})


async def hear(pushes: AsyncIterator[Pushed], count: int) -> list[tuple[int, Any]]:
    """The next pushes. What does not come is missed after a while, and the test says what came before it."""
    heard: list[tuple[int, Any]] = []
    for _ in range(count):
        try:
            async with asyncio.timeout(WAIT_S):
                pushed = await anext(pushes)
        except TimeoutError:
            raise AssertionError(f"{len(heard)} of {count} pushes came, the last of them {heard[-3:]}") from None
        heard.append((pushed.cursor, pushed.value))
    return heard


def test_a_listener_gets_what_was_pushed_before_and_what_is_pushed_after() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            await push(client, "a", {"b": 1})
            pushes = client.listen(SESSION)
            assert await hear(pushes, 2) == [(1, "a"), (2, {"b": 1})]
            await push(client, "c", "d")
            assert await hear(pushes, 2) == [(3, "c"), (4, "d")]

    play(act)


def test_a_listener_goes_on_from_its_cursor() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            await push(client, "a", "b", "c")
            assert await hear(client.listen(SESSION, cursor=2), 1) == [(3, "c")]

    play(act)


def test_what_was_acknowledged_is_not_sent_again() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            await push(client, "a", "b")
            await client.invoke(SESSION, "session.acknowledge", {"cursor": 2})
            await push(client, "c")
            pushes = client.listen(SESSION)
            assert await hear(pushes, 1) == [(3, "c")]
            await client.invoke(SESSION, "session.acknowledge", {"cursor": 3})
            late = client.listen(SESSION)
            hearing = asyncio.ensure_future(hear(late, 1))
            await push(client, "d")
            assert await hear(pushes, 1) == await hearing == [(4, "d")]

    play(act)


def test_two_listeners_get_the_same() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            one, two = client.listen(SESSION), client.listen(SESSION)
            hearing = [asyncio.ensure_future(hear(pushes, 3)) for pushes in (one, two)]
            await push(client, "a", "b", "c")
            assert await asyncio.gather(*hearing) == [[(1, "a"), (2, "b"), (3, "c")]] * 2

    play(act)


def test_pushes_that_are_gone_for_want_of_room_leave_a_mark() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            await client.invoke_many([(SESSION, "session.push", {"payload": n}) for n in range(1, 301)])
            heard = await hear(client.listen(SESSION), 257)
            assert heard[0] == (44, {"type": "session.missed", "missed": 44})
            assert heard[1:] == [(n, n) for n in range(45, 301)]

    play(act)


def test_another_owner_changes_nothing_for_a_listener() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            pushes = client.listen(SESSION)
            await push(client, "a")
            assert await hear(pushes, 1) == [(1, "a")]
            first = scene.hosts.pop()
            await first.stop()
            await scene.host(assignment=2)
            await push(client, "b", "c")
            assert await hear(pushes, 2) == [(2, "b"), (3, "c")]

    play(act)


def test_a_listener_dials_another_gateway_when_its_own_ends() -> None:
    async def act(scene: Scene) -> None:
        async with await opened(scene) as client:
            pushes = client.listen(SESSION)
            await push(client, "a")
            assert await hear(pushes, 1) == [(1, "a")]
            port = scene.gateways[0].port
            hearing = asyncio.ensure_future(hear(pushes, 2))
            await scene.gateways[0].stop()
            await scene.gateway()
            async with Client(f"127.0.0.1:{scene.gateways[1].port}", seed=1) as other:
                await push(other, "b")
                client._channel = other._channel
                client._stub = other._stub
                await push(other, "c")
                assert await hearing == [(2, "b"), (3, "c")]
            assert port != scene.gateways[1].port

    play(act)


def test_only_what_pushes_can_be_listened_to() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        code, status = await refused(anext(aiter(stub.Listen(pb.ListenRequest(entity="jars/j1")))))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_VIEW")

    play(act)


# -- against a host that says only what it is told to ------------------------------------------------------------


async def answer_ask(host: ScriptedHost, epoch: int, *kept: tuple[int, str]) -> Ask:
    """Answer the gateway's question for what is kept."""
    ask = await host.hears(Ask)
    payload = msgspec.json.encode([{"cursor": cursor, "payload": text} for cursor, text in kept])
    host.says(Answer(ask.ask_id, ask.partition, epoch, 0, payload, 5))
    return ask


def live(partition: int, *kept: tuple[int, str]) -> Pushes:
    """Pushes as a host sends them."""
    return Pushes(partition, [Push("session/s1", cursor, msgspec.json.encode(text)) for cursor, text in kept])


def test_a_gap_is_filled_from_the_entity_and_repeats_are_dropped() -> None:
    async def act(scene: Scene) -> None:
        port = await scene.gateway()
        host = await scene.scripted()
        async with Client(f"127.0.0.1:{port}", seed=1) as client:
            pushes = client.listen(SESSION)
            hearing = asyncio.ensure_future(hear(pushes, 4))
            attach = await host.hears(Attach)
            assert attach.entity == "session/s1"
            await answer_ask(host, 1, (1, "a"))
            host.says(live(attach.partition, (1, "a"), (2, "b")), live(attach.partition, (4, "d")))
            ask = await answer_ask(host, 1, (3, "c"), (4, "d"))
            assert msgspec.json.decode(ask.args) == {"after": 2}
            host.says(live(attach.partition, (3, "c")))
            assert await hearing == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]

    play(act)


def test_a_new_owner_is_asked_for_what_was_pushed_meanwhile() -> None:
    async def act(scene: Scene) -> None:
        port = await scene.gateway()
        host = await scene.scripted()
        async with Client(f"127.0.0.1:{port}", seed=1) as client:
            pushes = client.listen(SESSION)
            hearing = asyncio.ensure_future(hear(pushes, 2))
            attach = await host.hears(Attach)
            await answer_ask(host, 1, (1, "a"))
            host.says(Lost(attach.partition, ""), Owned(attach.partition, 9))
            assert await host.hears(Attach) == attach
            await answer_ask(host, 9, (2, "b"))
            assert await hearing == [(1, "a"), (2, "b")]

    play(act)


def test_a_client_that_listens_no_more_is_detached() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted()
        listening = stub.Listen(pb.ListenRequest(entity=SESSION))
        attach = await host.hears(Attach)
        listening.cancel()
        detach = await host.hears(Detach)
        assert (detach.partition, detach.entity) == (attach.partition, attach.entity)
        assert not scene.gateways[0].ingress._listeners

    play(act)


def test_who_listens_to_a_halted_partition_is_told() -> None:
    async def act(scene: Scene) -> None:
        stub = scene.stub(await scene.gateway())
        host = await scene.scripted(epoch=None)
        await host.linked()
        host.says(Lost(0, "halted at 0/7/0: a bad thing"), Lost(1, "halted at 1/7/0: a bad thing"))
        await scene.gateways[0].ready(2)
        code, status = await refused(anext(aiter(stub.Listen(pb.ListenRequest(entity=SESSION)))))
        assert (code, reason_of(status)) == (grpc.StatusCode.UNAVAILABLE, "NOT_APPENDED")
        assert "halted at" in status.message

    play(act)
