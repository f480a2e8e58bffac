"""The cheap client and the harmful ones, against a gateway in this process: they do what they say."""

import asyncio

import pytest

from tests.gateway.scene import Scene, jar_on, play, request
from tests.overload.hostile import ATTACKS
from tests.overload.http2 import Connection, header_block, message
from tests.overload.offers import EXHAUSTED, GOOD_MS, OK, Said

pytestmark = pytest.mark.slow

NOT_FOUND = 5


def test_a_call_by_hand_is_answered_like_any_other() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        ends: list[int] = []
        ended = asyncio.Event()

        def note(stream: int, status: int, waited_ms: float) -> None:
            assert (stream % 2, waited_ms > 0) == (1, True)
            ends.append(status)
            if len(ends) == 2:
                ended.set()

        connection = await Connection.to(f"127.0.0.1:{scene.gateways[0].port}", note)
        for entity in (jar_on(0), "cups/c1"):
            call = request(entity, amount=3)
            connection.call(header_block("Invoke"), message(call.SerializeToString()))
        await ended.wait()
        connection.close()
        assert sorted(ends) == [OK, NOT_FOUND]
        assert (await stub.Invoke(request(jar_on(0), amount=1))).payload.startswith(b'{"total":4')

    play(act)


def test_every_harmful_client_is_felt_and_a_call_beside_it_is_answered() -> None:
    async def act(scene: Scene) -> None:
        stub = await scene.served()
        address = f"127.0.0.1:{scene.gateways[0].port}"
        for name, attack in ATTACKS.items():
            attacking = asyncio.ensure_future(attack(address, 0.2, 4))
            await stub.Invoke(request(jar_on(1), amount=1))
            effects = await attacking
            assert all(effects.values()), f"{name}: {effects}"

    play(act)


def test_an_answer_counts_as_good_only_in_time() -> None:
    said = Said()
    for status, waited_ms in ((OK, 1.0), (OK, GOOD_MS + 1), (EXHAUSTED, 1.0), (-1, 1.0)):
        said.ended(status, waited_ms)
    assert (said.good, said.late, said.refused, said.unknown) == (1, 1, 1, 1)
