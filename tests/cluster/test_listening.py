"""A session's pushes reach who listens, each once and in order, though the gateway between them is killed."""

import asyncio

import pytest

from gateway.client import Client, Pushed
from gateway.v1 import session_pb2 as pb
from gateway.v1.session_pb2_grpc import SessionServiceStub
from tests.cluster.stage import Platform

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

KILLS = 2
PUSHES = 40
"""Before the first kill, between the kills and after the last; some of them are on their way at each."""
HEARD = 20
WAIT_S = 120.0


class Push:
    """A session that is listened to, and pushed to as far as a test allows."""

    def __init__(self) -> None:
        self.heard: list[Pushed] = []
        self.allowed = PUSHES
        self.changed = asyncio.Condition()

    async def allow_more(self) -> None:
        """A gateway was killed."""
        async with self.changed:
            self.allowed += PUSHES
            self.changed.notify_all()

    async def has_heard(self, count: int) -> None:
        """Wait for so many."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.heard) >= count)

    async def _allowed(self, n: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: n <= self.allowed)

    async def listen(self, client: Client, session: str) -> None:
        """Hear what is pushed, to the last one."""
        async for pushed in client.listen(session):
            async with self.changed:
                self.heard.append(pushed)
                self.changed.notify_all()
            if pushed.cursor == PUSHES * (KILLS + 1):
                return

    async def push(self, client: Client, session: str) -> None:
        """Say one number after the other."""
        for n in range(1, PUSHES * (KILLS + 1) + 1):
            await self._allowed(n)
            answer = await client.invoke(session, "session.push", {"payload": n}, retry_for_ms=60_000)
            assert answer.value == {"cursor": n}


def test_a_session_is_listened_to_across_the_ends_of_its_gateways_without_loss_or_repeat(platform: Platform) -> None:
    async def act() -> list[Pushed]:
        push = Push()
        async with Client(platform.gateway, "listener") as ears, Client(platform.gateway, "pusher") as mouth:
            request = pb.OpenRequest(program="tally", request_id=ears.new_request_id())
            session = (await ears.ask(SessionServiceStub, "Open", request)).session
            async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
                tasks.create_task(push.listen(ears, session))
                tasks.create_task(push.push(mouth, session))
                for nth in range(KILLS):
                    await push.has_heard(nth * PUSHES + HEARD)
                    victim = platform.kill("gateway-0")
                    await push.allow_more()
                    await asyncio.to_thread(platform.replaced, victim, "gateway-0")
        return push.heard

    heard = asyncio.run(act())
    everything = list(range(1, PUSHES * (KILLS + 1) + 1))
    assert [pushed.cursor for pushed in heard] == everything
    assert [pushed.value for pushed in heard] == everything
