"""Personal data through a gateway: sealed on the log and in states, opened for whom it is and for nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import msgspec
import pytest

from actors.adapters.memory_keys import MemoryKeys, MemorySubjects
from actors.adapters.shredding import Shredding
from actors.cli.showing import Shown
from actors.clocks import wall_ms
from actors.ports import Slice
from actors.principal import parse
from actors.registry import load_programs
from actors.sealing import DAY_MS, SHOWN, Personal, nobody
from actors.settings import ProcessSettings
from gateway.sealing import KEPT_MAX, KeyMissing, Sealing
from gateway.tokens import sign
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc
from tests.gateway.scene import CLUSTER, Scene, new_id, play, reason_of, refused

REQUIRED = ProcessSettings(identity_required=True)
PLACE = "under the third lamp of Nowhere Street"
LOT = "programs/parking/lots/p1"
OF_NO_TIME = "3b0f1a52-6d3e-4c5a-9d7e-2f1b8c4a6e90"
"""An id of another kind than ours, which does not say when it was made."""
RIDE = "programs/taxi/rides/ann/1"
PROGRAMS = ("food", "parking", "taxi")


class Town:
    """A gateway of a platform that runs programs with personal data."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.scene.keys = MemoryKeys()

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        self.scene.runs(*PROGRAMS)
        await self.scene.served(process)
        self.stub: Any = program_pb2_grpc.ProgramServiceStub(self.scene.channels[-1])

    def by(self, caller: str) -> tuple[tuple[str, str], ...]:
        """The proof of being this principal."""
        principal = parse(caller)
        assert principal is not None
        assert self.scene.keys is not None
        return (("authorization", f"Bearer {sign(self.scene.keys, principal, wall_ms())}"),)

    def invoke(self, entity: str, command: str, by: str = "", request_id: str = "", **fields: object) -> Any:
        """A call."""
        payload = msgspec.json.encode(fields)
        request = pb.InvokeRequest(entity=entity, command=command, payload=payload, request_id=request_id or new_id())
        return self.stub.Invoke(request, metadata=self.by(by) if by else ())

    async def place(self, by: str = "", entity: str = RIDE) -> object:
        """What the ride's view shows of its place."""
        request = pb.QueryRequest(entity=entity, view="ride")
        answer = await self.stub.Query(request, metadata=self.by(by) if by else ())
        return msgspec.json.decode(answer.payload)["place"]

    async def opens_lot(self) -> None:
        """A car park."""
        tariff = {"period_minor": 500, "day_minor_max": 5_000}
        await self.invoke(LOT, "parking.lot.open", "server/parking", places=9, tariff=tariff, to="m")

    async def plate(self, ticket: str) -> object:
        """The plate that the program's server sees of a stay."""
        request = pb.QueryRequest(entity=f"programs/parking/stays/p1/{ticket}", view="stay")
        return msgspec.json.decode((await self.stub.Query(request, metadata=self.by("server/parking"))).payload)[
            "plate"
        ]

    def bytes_on_log(self) -> bytes:
        """All that the log holds."""
        topics = CLUSTER.topics(tuple(self.scene.registry.entities))
        return b"".join(
            frame.frame
            for topic in topics
            for partition in range(topic.partitions)
            for frame in self.scene.log.fetch(Slice(topic.name, partition), 0, 1 << 30)
        )


def in_town(act: Callable[[Town], Awaitable[None]], process: ProcessSettings = REQUIRED) -> None:
    """Run this where personal data is said."""

    async def run(scene: Scene) -> None:
        town = Town(scene)
        await town.opens(process)
        await act(town)

    play(run)


def test_what_a_person_says_is_sealed_on_the_log_and_opened_for_itself_and_the_programs_server() -> None:
    async def act(town: Town) -> None:
        await town.invoke(RIDE, "taxi.ask", "person/taxi/ann", cell="ws0e9", place=PLACE)
        assert PLACE.encode() not in town.bytes_on_log()
        assert b"$sealed" in town.bytes_on_log()
        assert await town.place("person/taxi/ann") == PLACE
        assert await town.place("operator/op") is None

    in_town(act)


def test_the_driver_of_a_ride_reads_where_the_rider_stands_until_it_is_over_and_no_other_does() -> None:
    async def act(town: Town) -> None:
        drivers = {name: f"programs/taxi/drivers/{name}" for name in ("bob", "cat")}
        for name, driver in drivers.items():
            await town.invoke(driver, "taxi.stand", f"person/taxi/{name}", cell="ws0e9" if name == "bob" else "ws0eb")
        await town.invoke(RIDE, "taxi.ask", "person/taxi/ann", cell="ws0e9", place=PLACE)

        async def seen(by: str, name: str = "bob") -> Any:
            request = pb.QueryRequest(entity=drivers[name], view="driver")
            return msgspec.json.decode((await town.stub.Query(request, metadata=town.by(by))).payload)["place"]

        while (found := await seen("person/taxi/bob")) is None:
            pass
        assert found == PLACE
        assert await seen("person/taxi/cat", "cat") is None
        assert await seen("operator/op") is None, "whose entity it is, and nobody else"
        for stranger in ("person/taxi/cat", "person/taxi/ann", "person/food/bob", "merchant/bob"):
            assert (await refused(seen(stranger)))[0] is grpc.StatusCode.PERMISSION_DENIED
        assert PLACE.encode() not in town.bytes_on_log()
        await town.invoke(RIDE, "taxi.cancel", "person/taxi/ann")
        while await seen("person/taxi/bob") is not None:
            pass

    in_town(act)


def test_what_was_opened_for_a_second_reader_is_gone_with_the_person_it_is_about() -> None:
    async def act(town: Town) -> None:
        await town.invoke("programs/food/menus/m1", "food.menu.open", "merchant/m1", currency="CNY")
        await town.invoke(
            "programs/food/menus/m1", "food.menu.offer", "merchant/m1", dish="tea", price_minor=1, stock=9
        )
        orders = [f"programs/food/orders/m1/ann/{n}" for n in (1, 2)]
        for order in orders:
            lines = [{"dish": "tea", "count": 1}]
            await town.invoke(order, "food.order.place", "person/food/ann", lines=lines, contact=PLACE)

        async def seen(by: str, order: str = orders[0]) -> Any:
            request = pb.QueryRequest(entity=order, view="order")
            return msgspec.json.decode((await town.stub.Query(request, metadata=town.by(by))).payload)["contact"]

        assert await seen("merchant/m1") == await seen("person/food/ann") == await seen("server/food") == PLACE
        assert (await refused(seen("merchant/m2")))[0] is grpc.StatusCode.PERMISSION_DENIED
        await town.invoke(orders[1], "food.order.cancel", "person/food/ann")
        assert await seen("merchant/m1", orders[1]) is None, "an order that is over tells nobody"
        town.scene.subjects.destroy(["food/ann"], wall_ms())
        assert await seen("merchant/m1") is None
        assert await seen("server/food") is None

    in_town(act)


def test_a_server_says_whom_it_is_about_and_reads_it_again_and_no_other_program_does() -> None:
    async def act(town: Town) -> None:
        await town.opens_lot()
        entered = await town.invoke(LOT, "parking.enter", "server/parking", driver="ann", plate="YUE-A 12345")
        stay = f"programs/parking/stays/p1/{msgspec.json.decode(entered.payload)['ticket']}"
        assert "YUE-A" not in str(town.bytes_on_log())
        seen = {}
        for by in ("server/parking", "operator/op"):
            answer = await town.stub.Query(pb.QueryRequest(entity=stay, view="stay"), metadata=town.by(by))
            seen[by] = msgspec.json.decode(answer.payload)["plate"]
        assert seen == {"server/parking": "YUE-A 12345", "operator/op": None}
        assert town.scene.subjects.find("parking/ann")
        await town.invoke(LOT, "parking.enter", "server/parking", plate="YUE-B 1")
        assert len(town.scene.subjects.of_nobody()) == 1
        bad = town.invoke(LOT, "parking.enter", "server/parking", driver="no/body", plate="YUE-B 1")
        assert reason_of((await refused(bad))[1]) == "INVALID_ID"

    in_town(act)


def test_a_call_that_is_made_again_is_the_same_call_at_every_gateway() -> None:
    async def act(town: Town) -> None:
        first, name = town.stub, new_id()
        await town.scene.served(REQUIRED)
        second: Any = program_pb2_grpc.ProgramServiceStub(town.scene.channels[-1])
        fields = msgspec.json.encode({"cell": "ws0e9", "place": PLACE})
        request = pb.InvokeRequest(entity=RIDE, command="taxi.ask", payload=fields, request_id=name)
        answers = [await stub.Invoke(request, metadata=town.by("person/taxi/ann")) for stub in (first, second, first)]
        assert [answer.duplicate for answer in answers] == [False, True, True]
        changed = msgspec.json.encode({"cell": "ws0e9", "place": f"{PLACE}!"})
        other = pb.InvokeRequest(entity=RIDE, command="taxi.ask", payload=changed, request_id=name)
        _, status = await refused(second.Invoke(other, metadata=town.by("person/taxi/ann")))
        assert reason_of(status) == "REQUEST_ID_REUSED"

    in_town(act)


def test_calls_of_a_stream_are_sealed_in_their_order_and_their_answers_opened() -> None:
    async def act(town: Town) -> None:
        asked = [msgspec.json.encode({"cell": "ws0e9", "place": f"{PLACE} {n}"}) for n in range(20)]
        calls = [
            pb.InvokeRequest(entity=f"programs/taxi/rides/p{n}/1", command=what, payload=said, request_id=new_id())
            for n in range(20)
            for what, said in (("taxi.ask", asked[n]), ("taxi.cancel", b"{}"))
        ]
        calls.append(pb.InvokeRequest(entity="programs/taxi/rides/p0/2", command="taxi.ask", payload=calls[0].payload))
        calls[-1].request_id = new_id()

        async def once() -> Any:
            yield pb.InvokeBatch(calls=calls)

        states: dict[str, Any] = {}
        refusals: dict[str, str] = {}
        async for batch in town.stub.InvokeStream(once(), metadata=town.by("operator/op")):
            for result in batch.results:
                states[result.request_id] = result.response.payload
                if result.HasField("error"):
                    refusals[result.request_id] = str(result.error)
        said = [msgspec.json.decode(states[call.request_id] or b"null") for call in calls]
        assert not refusals, refusals
        assert said == [{"state": "asked"}, {"state": "cancelled"}] * 20 + [{"state": "asked"}]
        assert not refusals
        assert PLACE.encode() not in town.bytes_on_log()

    in_town(act)


def test_in_the_open_mode_it_is_sealed_too_and_opened_for_all() -> None:
    async def act(town: Town) -> None:
        await town.invoke(RIDE, "taxi.ask", cell="ws0e9", place=PLACE)
        assert PLACE.encode() not in town.bytes_on_log()
        assert await town.place() == PLACE

    in_town(act, ProcessSettings())


def test_bytes_that_nobody_sealed_or_for_another_are_null_and_hurt_nobody() -> None:
    async def act(town: Town) -> None:
        await town.invoke(RIDE, "taxi.ask", "person/taxi/ann", cell="ws0e9", place=PLACE)
        for forged in ({"$sealed": "eA=="}, {"$sealed": PLACE}, PLACE * 10):
            call = town.invoke("programs/taxi/rides/ann/2", "taxi.ask", "person/taxi/ann", cell="ws0e9", place=forged)
            code, status = await refused(call)
            assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_COMMAND")
            assert PLACE not in str(status)
        await town.invoke("programs/taxi/rides/ann/2", "taxi.ask", "person/taxi/ann", cell="ws0e9", place=None)
        assert await town.place("person/taxi/ann", "programs/taxi/rides/ann/2") is None

    in_town(act)


def test_an_erased_person_can_say_nothing_and_nothing_it_said_is_opened() -> None:
    async def act(town: Town) -> None:
        await town.invoke(RIDE, "taxi.ask", "operator/op", cell="ws0e9", place=PLACE)
        town.scene.subjects.destroy(["taxi/ann"], 1)
        before = sum(len(town.scene.log.calls(partition)) for partition in range(CLUSTER.partitions))
        again = town.invoke("programs/taxi/rides/ann/2", "taxi.ask", "operator/op", cell="ws0e9", place=PLACE)
        assert reason_of((await refused(again))[1]) == "person_erased"
        assert sum(len(town.scene.log.calls(partition)) for partition in range(CLUSTER.partitions)) == before
        assert await town.place("operator/op") is None

    in_town(act)


def test_what_is_said_of_nobody_has_a_key_of_its_day_and_is_gone_when_that_was_kept_for_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(town: Town) -> None:
        await town.opens_lot()
        name, said = new_id(), {"by": "server/parking", "plate": "YUE-A 12345"}
        entered = await town.invoke(LOT, "parking.enter", request_id=name, **said)
        monkeypatch.setattr("gateway.routes.wall_ms", lambda: wall_ms() + DAY_MS)
        again = await town.invoke(LOT, "parking.enter", request_id=name, **said)
        assert (again.duplicate, again.payload) == (True, entered.payload), "the same call on another day is the same"
        await town.invoke(LOT, "parking.enter", request_id=OF_NO_TIME, **said)
        subjects = town.scene.subjects
        assert list(subjects.of_nobody()) == [nobody("parking", wall_ms() + days * DAY_MS) for days in (0, 1)]
        ticket = msgspec.json.decode(entered.payload)["ticket"]
        assert await town.plate(ticket) == "YUE-A 12345"
        before = sum(map(len, map(town.scene.log.calls, range(CLUSTER.partitions))))
        monkeypatch.setattr("gateway.routes.wall_ms", lambda: wall_ms() + 92 * DAY_MS)
        late = town.invoke(LOT, "parking.enter", request_id=name, **said)
        assert reason_of((await refused(late))[1]) == "REQUEST_ID_TOO_OLD"
        assert sum(map(len, map(town.scene.log.calls, range(CLUSTER.partitions)))) == before
        Shredding(town.scene.log, CLUSTER, subjects, -2 * DAY_MS).tend()  # as if it were the day after tomorrow
        assert list(subjects.of_nobody()) == []
        assert await town.plate(ticket) is None

    in_town(act)


def test_a_program_speaks_of_so_many_new_persons_in_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sealing.wall_ms", lambda: 20_000 * DAY_MS)

    async def act(town: Town) -> None:
        await town.opens_lot()
        said = {"by": "server/parking", "plate": "YUE-A 12345"}
        for driver in ("ann", "bob", "ann"):
            await town.invoke(LOT, "parking.enter", driver=driver, **said)
        before = sum(map(len, map(town.scene.log.calls, range(CLUSTER.partitions))))
        code, status = await refused(town.invoke(LOT, "parking.enter", driver="cat", **said))
        assert (code, reason_of(status)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_SUBJECTS")
        stream = town.stub.InvokeStream(metadata=town.by("server/parking"))
        fields = [{"plate": "YUE-A 1", "driver": driver} for driver in ("dan", "bob")]
        calls = [
            pb.InvokeRequest(entity=LOT, command="parking.enter", payload=msgspec.json.encode(one)) for one in fields
        ]
        await stream.write(pb.InvokeBatch(calls=calls))
        await stream.done_writing()
        errors = [result.error async for batch in stream for result in batch.results]
        assert [reason_of(error) if error.code else "" for error in errors] == ["TOO_MANY_SUBJECTS", ""]
        assert sum(map(len, map(town.scene.log.calls, range(CLUSTER.partitions)))) == before + 1
        assert [town.scene.subjects.find(f"parking/{driver}") for driver in ("cat", "dan")] == [None, None]
        await town.invoke(RIDE, "taxi.ask", "person/taxi/ann", cell="ws0e9", place=PLACE)
        monkeypatch.setattr("gateway.sealing.wall_ms", lambda: 20_001 * DAY_MS)
        await town.invoke(LOT, "parking.enter", driver="cat", **said)

    in_town(act, ProcessSettings(identity_required=True, subject_keys_day_max=2))


def test_who_reads_the_log_is_shown_that_something_is_sealed() -> None:
    async def act(town: Town) -> None:
        await town.invoke(RIDE, "taxi.ask", "person/taxi/ann", cell="ws0e9", place=PLACE)
        partitions = range(CLUSTER.partitions)
        (call,) = [call for n in partitions for call in town.scene.log.calls(n) if call.entity == "taxi.ride/ann/1"]
        shown = Shown(town.scene.registry).asked(call)["command"]
        assert shown == {"type": "taxi.ask", "cell": "ws0e9", "place": SHOWN}
        stranger = Shown(load_programs(())).asked(call)["command"]
        assert stranger["place"] == SHOWN

    in_town(act)


def test_keys_are_forgotten_the_moment_one_was_destroyed_and_never_more_than_so_many_are_kept() -> None:
    subjects = MemorySubjects()
    sealing = Sealing(subjects)
    with pytest.raises(KeyMissing):
        sealing.seal("p/ann", "p", "why", "x")
    asyncio.run(sealing.make("p/ann"))
    sealed = sealing.seal("p/ann", "p", "why", "x")
    assert sealed == sealing.seal("p/ann", "p", "why", "x") != sealing.seal("p/ann", "p", "other", "x")
    ann, server, other = parse("person/p/ann"), parse("server/p"), parse("server/q")
    assert [sealing.open(who, sealed) for who in (ann, server, other)] == ["x", "x", None]
    shown = msgspec.json.encode({"best": 3, "of": [Personal[str](sealed)]})
    friend, words = parse("account/bob"), b'{"said":"\\"$sealed\\": x"}'
    assert msgspec.json.decode(sealing.opened(friend, shown)) == {"best": 3, "of": [None]}
    assert msgspec.json.decode(sealing.opened(ann, shown)) == {"best": 3, "of": ["x"]}
    assert sealing.opened(friend, words) is words
    for moved in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed.replace(b"p/ann", b"p/bob"), b""):
        assert sealing.open(None, moved) is None
    subjects.make([f"p/{n}" for n in range(KEPT_MAX)])
    for n in range(KEPT_MAX):
        sealing.seal(f"p/{n}", "p", "why", "x")
    subjects.destroy(["p/ann"], 1)
    assert sealing.open(ann, sealed) is None
    sealing.close()
