"""Programs from packages: called without a restart, shown to a part, to all, and taken back."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc
import msgspec
import pytest

from actors.adapters.shelf import packages_on
from actors.entity import AnyEntity
from actors.errors import SetupError
from actors.kernel.record import Programs, Slice, decode_frame
from actors.packages import hash_of, place_of
from actors.projections.owed import TABLE
from actors.shares import bucket_of
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import program_pb2, session_pb2, session_pb2_grpc, ways_pb2, ways_pb2_grpc
from tests.gateway.cafe import Cafe, in_cafe, patiently, version
from tests.gateway.packing import PROGRAM, archive_of
from tests.gateway.scene import CLUSTER, Scene, new_id, play, reason_of, refused, request

HALF = 5_000
KEYS = [f"p{n}" for n in range(24)]


def switches(scene: Scene) -> list[tuple[int, int]]:
    """The packages' records: their partition, and the newest code that decides from there on."""
    slices = [Slice(CLUSTER.commands_topic, partition) for partition in range(CLUSTER.partitions)]
    return [
        (slice_.partition, max((share.code for share in record.shares), default=0))
        for slice_ in slices
        for fetched in scene.log.fetch(slice_, 0, 1 << 30)
        for record in decode_frame(*slice_, fetched.offset, fetched.frame).records
        if isinstance(record, Programs)
    ]


def test_a_released_package_is_called_described_and_scanned_and_before_it_there_is_nothing() -> None:
    async def act(cafe: Cafe) -> None:
        call = request("programs/cafe/counters/a", "cafe.add", count=2)
        code, status = await refused(cafe.program.Invoke(call))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_KIND")
        await cafe.release(1)
        assert [await cafe.add("a", count=2), await cafe.add("a", count=3)] == [(1, 2), (1, 5)]
        query = program_pb2.QueryRequest(entity="programs/cafe/counters/a", view="counter")
        assert msgspec.json.decode((await cafe.program.Query(query)).payload) == {"total": 5}
        described = await cafe.program.Describe(program_pb2.DescribeRequest(program="cafe"))
        assert "cafe.counter" in msgspec.json.decode(described.description)
        ways: Any = ways_pb2_grpc.WaysServiceStub(cafe.scene.channels[-1])
        minted = await ways.MintCode(ways_pb2.MintCodeRequest(program="cafe", page="pages/counter/index"))
        assert (await ways.ResolveCode(ways_pb2.ResolveCodeRequest(text=minted.text))).program == "cafe"

    in_cafe(act, is_followed=True)


def test_old_and_new_decide_side_by_side_and_a_key_keeps_its_version_while_the_part_grows() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.release(1)
        assert [await cafe.add(key) for key in KEYS] == [(1, 1)] * len(KEYS)
        noted = PROGRAM.replace("STEP = 1", "STEP = 2").replace("count: int = 1", 'count: int = 1\n    note: str = ""')
        await cafe.approve(2, noted)
        await cafe.stub.SetGray(pb.SetGrayRequest(program="cafe", code=2, gray=pb.Gray(share=HALF)))
        await cafe.until(lambda found: found.decides == 2)
        new = [key for key in KEYS if bucket_of("cafe", 2, key) < HALF]
        assert 0 < len(new) < len(KEYS), "both versions are called"
        steps = {key: [await cafe.add(key) for _ in range(2)] for key in KEYS}
        assert steps == {key: [(2, 3), (2, 5)] if key in new else [(1, 2), (1, 3)] for key in KEYS}
        for key in KEYS:
            shown = await cafe.stub.GetShown(pb.GetShownRequest(program="cafe", openid=key))
            assert shown.code == (2 if key in new else 1), "what a person sees is what decides"
        assert (await cafe.add(new[0], note="so"))[0] == 2
        old = next(key for key in KEYS if key not in new)
        call = request(f"programs/cafe/counters/{old}", "cafe.add", note="so")
        code, status = await refused(cafe.program.Invoke(call))
        assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_COMMAND")
        await cafe.stub.ReleaseVersion(version(2))
        while (await cafe.add(old))[0] == 1:
            pass
        assert {(await cafe.add(key))[0] for key in KEYS} == {2}

    in_cafe(act, is_followed=True)


def test_any_of_the_last_five_decides_again_after_a_rollback_with_all_that_was_there() -> None:
    async def act(cafe: Cafe) -> None:
        for code in range(1, 7):
            await cafe.release(code)
            assert (await cafe.add("a"))[0] == code
        total = sum(range(1, 7))
        for code in (5, 1, 3):
            await cafe.stub.RollBack(version(code))
            await cafe.decides(code)
            total += code
            assert await cafe.add("a") == (code, total)

    in_cafe(act, is_followed=True)


def test_an_opening_is_told_again_though_a_rollback_took_its_page_away_and_no_other_is_made_there() -> None:
    async def act(cafe: Cafe) -> None:
        by, made, late = (("hutong-caller", "ann"),), new_id(), new_id()
        session: Any = session_pb2_grpc.SessionServiceStub(cafe.scene.channels[-1])

        def asked(name: str) -> session_pb2.OpenRequest:
            return session_pb2.OpenRequest(program="cafe", path="pages/menu?dish=1", request_id=name)

        await cafe.release(1)
        await cafe.release(2, pages=("pages/counter/index", "pages/menu"))
        first = await patiently(lambda: session.Open(asked(made), metadata=by))
        await cafe.stub.RollBack(version(1))
        await cafe.decides(1)
        again = await patiently(lambda: session.Open(asked(made), metadata=by))
        assert (again.session, again.path, again.version) == (first.session, "pages/menu?dish=1", "1.2")
        assert (again.duplicate, again.position) == (True, first.position)
        for name, reason in ((late, "page_gone"), (new_id(), "NO_SUCH_PAGE")):
            _, status = await refused(session.Open(asked(name), metadata=by))
            assert reason_of(status) == reason
        stream = session.OpenStream(metadata=by)
        await stream.write(session_pb2.OpenBatch(opens=[asked(made)]))
        await stream.done_writing()
        (streamed,) = (await stream.read()).results
        assert (streamed.response.session, streamed.response.duplicate) == (first.session, True)
        shown = program_pb2.QueryRequest(entity="visits/cafe/ann", view="visit")
        assert msgspec.json.decode((await cafe.program.Query(shown)).payload)["opens"] == 1

    in_cafe(act, is_followed=True)


def test_what_was_made_for_a_page_is_told_again_though_a_rollback_took_it_away_and_nothing_else_is_made() -> None:
    menu: Any = {"program": "cafe", "page": "pages/menu"}

    async def act(cafe: Cafe) -> None:
        by, channel = (("hutong-caller", "ann"),), cafe.scene.channels[-1]
        ways: Any = ways_pb2_grpc.WaysServiceStub(channel)
        sessions: Any = session_pb2_grpc.SessionServiceStub(channel)
        await cafe.release(1)
        await cafe.release(2, pages=("pages/counter/index", "pages/menu"))
        opening = session_pb2.OpenRequest(program="cafe")
        session = (await patiently(lambda: sessions.Open(opening, metadata=by))).session
        calls: tuple[tuple[Any, Any], ...] = (
            (ways.MintCode, ways_pb2.MintCodeRequest(**menu)),
            (ways.MintLink, ways_pb2.MintLinkRequest(**menu)),
            (ways.Share, ways_pb2.ShareRequest(**menu)),
            (sessions.EnterPage, session_pb2.PageRequest(session=session, path="pages/menu?dish=1")),
        )
        late, made = [new_id() for _ in calls], list[Any]()
        for call, asked in calls:
            asked.request_id = new_id()
            made.append(await call(asked, metadata=by))
        await cafe.stub.RollBack(version(1))
        await cafe.decides(1)
        for (call, asked), first, other in zip(calls, made, late, strict=True):
            first.duplicate = True
            assert await patiently(partial(call, asked, metadata=by)) == first
            before, _ = cafe.known()
            other_target: Any = asked  # or its code would be there
            if "scene" in asked.DESCRIPTOR.fields_by_name:
                other_target.scene = b"2"
            for name, reason in ((other, "page_gone"), (new_id(), "NO_SUCH_PAGE")):
                asked.request_id = name
                _, status = await refused(call(asked, metadata=by))
                assert reason_of(status) == reason, asked
            assert cafe.known()[0] == before + 1, "one is refused by its entity, and is not counted; the other before"

    in_cafe(act, is_followed=True)


def test_a_package_that_a_host_cannot_load_is_taken_back_and_the_former_one_decides_on() -> None:
    broken = hash_of(archive_of(2))

    async def run(scene: Scene) -> None:
        load = packages_on(scene.objects)

        def packages(hash: str) -> Sequence[AnyEntity]:
            if hash == broken:
                raise SetupError("this host lacks a library")
            return load(hash)

        scene.packages = packages
        cafe = Cafe(scene)
        await cafe.opens()
        with cafe.followed():
            await cafe.release(1)
            await cafe.approve(2)
            await cafe.stub.ReleaseVersion(version(2))
            found = await cafe.until(lambda found: found.trouble != "")
            assert "lacks a library" in found.trouble
            assert found.decides == 1
            assert [await cafe.add(key) for key in KEYS] == [(1, 1)] * len(KEYS)
            await cafe.release(3)
            assert (await cafe.found()).trouble == ""
            assert [await cafe.add(key) for key in KEYS] == [(3, 4)] * len(KEYS)

    play(run)


def test_a_package_that_is_not_kept_any_more_comes_to_no_partition() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.release(1)
        await cafe.approve(2)
        cafe.scene.objects.delete(place_of(hash_of(archive_of(2))))
        await cafe.stub.ReleaseVersion(version(2))
        found = await cafe.until(lambda found: found.trouble != "")
        assert found.decides == 1
        assert 2 not in [code for _, code in switches(cafe.scene)]
        assert (await cafe.add("a"))[0] == 1

    in_cafe(act, is_followed=True)


def test_a_follower_and_a_gateway_that_begin_later_know_what_decides_and_do_nothing_again() -> None:
    async def run(scene: Scene) -> None:
        cafe = Cafe(scene)
        await cafe.opens()
        with cafe.followed():
            await cafe.release(1)
            await cafe.release(2)
        before = switches(scene)
        assert before == [(partition, code) for partition in range(CLUSTER.partitions) for code in (1, 2)]
        with cafe.followed():
            cafe.program = scene.stub(await scene.gateway())
            assert (await cafe.add("a"))[0] == 2, "what is there is never said not to be"
            await cafe.release(3)
        assert switches(scene) == sorted([*before, *((partition, 3) for partition in range(CLUSTER.partitions))])

    play(run)


HALVES = (
    PROGRAM.replace("    total: int = 0", "    total: float = 0.0")
    .replace("command.count * STEP", "command.count + 0.5")
    .replace('tag="cafe.added"):\n    count: int', 'tag="cafe.added"):\n    count: float')
)


def test_a_state_that_the_version_gone_back_to_does_not_read_is_refused_alone_until_the_other_is_back() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.release(1)
        await cafe.release(2, HALVES)
        assert (await cafe.add("a"))[1] == 1.5
        await cafe.stub.RollBack(version(1))
        await cafe.decides(1)
        query = program_pb2.QueryRequest(entity="programs/cafe/counters/a", view="counter")
        for call in (
            cafe.program.Invoke(request("programs/cafe/counters/a", "cafe.add")),
            cafe.program.Query(query),
        ):
            code, status = await refused(call)
            assert (code, reason_of(status)) == (grpc.StatusCode.INTERNAL, "STATE_UNREADABLE")
            assert "the program's team releases one that reads it" in status.message
        assert [await cafe.add(key) for key in KEYS] == [(1, 1)] * len(KEYS)
        await cafe.stub.RollBack(version(2))
        await cafe.decides(2)
        assert (await cafe.add("a"))[1] == 3
        assert msgspec.json.decode((await cafe.program.Query(query)).payload) == {"total": 3.0}

    in_cafe(act, is_followed=True)


OWING = (
    PROGRAM.replace(
        "from actors import Context, Decision, Entity, accept",
        "from actors import Context, Decision, Entity, Owed, accept",
    )
    .replace("class Added(Struct, frozen=True,", "class Added(Owed, frozen=True, kw_only=True,")
    .replace(
        "Added(count)", 'Added(count=count, amount_minor=count, currency="CNY", to="m1", what_for="tea", reference="r")'
    )
)


def test_what_a_program_owes_that_came_only_as_a_package_is_known() -> None:
    async def run(scene: Scene) -> None:
        cafe = Cafe(scene)
        await cafe.opens()
        with cafe.followed() as rows:
            await cafe.release(1, OWING)
            await cafe.add("a", count=3)
            while not (debts := rows.find(TABLE, {}, 9)):
                await cafe.found()
        assert [debt[:5] for debt in debts] == [("cafe.counter/a r", "cafe.counter/a", 3, "CNY", "m1")]

    play(run)


@pytest.mark.parametrize("name", ["identity", "catalog", "programs"])
def test_the_platforms_own_names_are_not_for_packages(name: str) -> None:
    async def act(cafe: Cafe) -> None:
        register = pb.RegisterProgramRequest(account="acme", program=name, title="x", category="x")
        await cafe.stub.RegisterProgram(register)
        code, status = await refused(cafe.upload(archive_of(1, app_id=name), program=name))
        assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PROGRAM_NAME")

    in_cafe(act)
