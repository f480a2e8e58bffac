"""Packages through a gateway: signed, in parts, kept by their hash; what is refused, and that it changed nothing."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details

from actors.adapters.shelf import program_on
from actors.adapters.signatures import new_key
from actors.packages import hash_of, pack, place_of
from actors.settings import ProcessSettings
from gateway.packages import AT_ONCE, CHUNK_BYTES_MAX
from gateway.v1 import catalog_pb2 as pb
from gateway.v1 import catalog_pb2_grpc
from tests.gateway.cafe import Cafe, in_cafe, states, version
from tests.gateway.packing import PROGRAM, archive_of, messages_of, program_of
from tests.gateway.scene import Scene, detail, new_id, play, reason_of, refused


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, str]:
    """The code, the reason, and the path of what is wrong."""
    code, status = await refused(call)
    bad = detail(status, details.BadRequest)
    return code, reason_of(status), bad.field_violations[0].field if bad else ""


def test_a_package_is_kept_under_its_hash_and_is_the_version_that_its_manifest_says() -> None:
    async def act(cafe: Cafe) -> None:
        archive = archive_of(3, more={"pages/counter.js": b"page"})
        name = new_id()
        for parts in (1, 3):
            answer = await cafe.upload(archive, parts=parts, request_id=name)
            assert (answer.hash, answer.code) == (hash_of(archive), 3)
        assert cafe.scene.objects.get(place_of(hash_of(archive))) == archive
        found = await cafe.stub.GetProgram(pb.GetProgramRequest(program="cafe"))
        assert [(one.code, one.name, one.hash, one.state) for one in found.versions] == [
            (3, "1.3", hash_of(archive), "uploaded")
        ]

    in_cafe(act)


BIG = pb.UploadPackageRequest(chunk=b"x" * (CHUNK_BYTES_MAX + 1))
REFUSED: list[tuple[str, list[pb.UploadPackageRequest], str, str]] = [
    ("no part", [], "INVALID_ID", "entity"),
    ("another key", messages_of(archive_of(1), key=new_key()), "SIGNATURE", "signature"),
    (
        "another package's signature",
        [messages_of(archive_of(1))[0], *messages_of(archive_of(2))[1:]],
        "SIGNATURE",
        "signature",
    ),
    ("no signature", messages_of(archive_of(1), signature=b""), "SIGNATURE", "signature"),
    ("a part too few", messages_of(archive_of(1))[:-1], "SIGNATURE", "signature"),
    ("a long part", [messages_of(archive_of(1))[0], BIG], "CHUNK_TOO_LARGE", "chunk"),
    ("another program", messages_of(archive_of(1, app_id="tea")), "OTHER_PROGRAM", "$.app_id"),
    ("no archive", messages_of(b"text"), "NOT_A_PACKAGE", "package"),
    ("a bomb", messages_of(archive_of(1, more={"a.txt": b"\0" * (1 << 20)})), "RATIO_TOO_HIGH", "a.txt"),
    ("a way out", messages_of(archive_of(1, more={"../a.txt": b"x"})), "PATH_OUTSIDE", "../a.txt"),
    ("no manifest", messages_of(pack({"program.py": b""})), "PACKAGE_INCOMPLETE", "manifest.json"),
    ("a manifest", messages_of(archive_of(0)), "MANIFEST", "$.version.code"),
    ("an unlisted import", messages_of(archive_of(1, "import grpc\n" + PROGRAM)), "PROGRAM", "program.py"),
    ("no Python", messages_of(archive_of(1, "this is no program")), "PROGRAM", "program.py"),
]


def test_what_is_no_package_of_the_programs_account_is_refused_and_nothing_changes() -> None:
    async def act(cafe: Cafe) -> None:
        before = cafe.known()
        for name, messages, reason, field in REFUSED:
            told = await refusal(cafe.stub.UploadPackage(messages))
            assert told == (grpc.StatusCode.INVALID_ARGUMENT, reason, field), name
            assert cafe.known() == before, name

    in_cafe(act)


def test_without_a_key_and_for_a_program_that_is_not_there_nothing_is_taken() -> None:
    async def act(cafe: Cafe) -> None:
        before = cafe.known()
        code, reason, _ = await refusal(cafe.upload(archive_of(1)))
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "no_package_key")
        code, reason, _ = await refusal(cafe.upload(archive_of(1, app_id="tea"), program="tea"))
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_PROGRAM")
        assert cafe.known() == before

    in_cafe(act, is_keyed=False)


def test_a_version_that_does_not_grow_is_refused_by_the_program() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.upload(archive_of(2))
        kept = cafe.scene.objects.list("packages/")
        for archive in (archive_of(1), archive_of(2, program_of(7))):
            code, reason, _ = await refusal(cafe.upload(archive))
            assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "version_not_growing")
        assert cafe.scene.objects.list("packages/") == kept == [place_of(hash_of(archive_of(2)))]

    in_cafe(act)


def test_what_was_taken_and_not_kept_is_kept_when_it_is_brought_again() -> None:
    async def act(cafe: Cafe) -> None:
        first = await cafe.upload(archive_of(1))
        cafe.scene.objects.delete(place_of(first.hash))
        await cafe.upload(archive_of(1))
        assert cafe.scene.objects.get(place_of(first.hash)) == archive_of(1)

    in_cafe(act)


def test_an_account_uploads_only_so_much_on_a_day_and_nothing_stays_of_what_is_over_it() -> None:
    first, second = archive_of(1), archive_of(2)

    async def run(scene: Scene) -> None:
        cafe = Cafe(scene)
        most = len(first) + len(second) - 1
        await cafe.opens(process=ProcessSettings(upload_bytes_day_max=most))
        await cafe.upload(first)
        await cafe.upload(first)
        before = cafe.scene.objects.list("packages/")
        code, status = await refused(cafe.upload(second))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "too_much_uploaded")
        info = detail(status, details.ErrorInfo)
        assert info is not None
        assert info.metadata["day_bytes_max"] == str(most)
        assert cafe.scene.objects.list("packages/") == before
        assert states(await cafe.found()) == {1: "uploaded"}

    play(run)


def test_how_large_a_package_and_a_sub_package_may_be_are_settings_and_what_was_kept_is_loaded_all_the_same() -> None:
    large = archive_of(1, more={"pages/a.js": random.Random(7).randbytes(3 << 20)})

    async def run(scene: Scene) -> None:
        cafe = Cafe(scene)
        await cafe.opens(process=ProcessSettings(sub_package_bytes_max=4 << 20))
        await cafe.upload(large, parts=4)
        assert program_on(scene.objects, hash_of(large)).manifest.app_id == "cafe"
        for process, reason, field in (
            (ProcessSettings(), "SUB_PACKAGE_TOO_LARGE", "pages/a.js"),
            (ProcessSettings(package_bytes_max=2 << 20), "PACKAGE_TOO_LARGE", "package"),
        ):
            stub = await another(cafe, process)
            before = cafe.known()
            told = await refusal(stub.UploadPackage(messages_of(large, parts=4)))
            assert told == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)
            assert cafe.known() == before

    play(run)


async def another(cafe: Cafe, process: ProcessSettings) -> Any:
    """A stub at one more gateway."""
    await cafe.scene.served(process)
    return catalog_pb2_grpc.CatalogServiceStub(cafe.scene.channels[-1])


def test_only_so_many_packages_are_on_their_way_and_a_slow_one_ends_with_its_deadline() -> None:
    async def act(cafe: Cafe) -> None:
        before, begun, ending = cafe.known(), asyncio.Semaphore(0), asyncio.Event()

        async def slowly() -> AsyncIterator[pb.UploadPackageRequest]:
            for message in messages_of(archive_of(1))[:-1]:
                yield message
            begun.release()
            await ending.wait()

        slow = [asyncio.ensure_future(refusal(cafe.stub.UploadPackage(slowly(), timeout=8))) for _ in range(AT_ONCE)]
        for _ in slow:
            await begun.acquire()
        turned_away = grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", ""
        while (told := await refusal(cafe.upload(archive_of(1), signature=b""))) != turned_away:
            assert told[1] == "SIGNATURE"  # the slow ones are not in yet
        for code, _, _ in await asyncio.gather(*slow):
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        ending.set()
        assert cafe.known() == before
        await cafe.upload(archive_of(1))

    in_cafe(act)


def test_a_version_that_would_not_read_what_is_there_is_not_submitted() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.approve(1)
        await cafe.stub.ReleaseVersion(version(1))
        await cafe.approve(2, PROGRAM.replace("count: int = 1", 'count: int = 1\n    note: str = ""'))
        await cafe.stub.ReleaseVersion(version(2))
        before = cafe.known()
        lost = "cafe.counter.command.cafe.add.note"
        for code, program, path in (
            (3, PROGRAM, lost),
            (
                4,
                PROGRAM.replace("total: int = 0", "sum: int = 0").replace(".total", ".sum"),
                "cafe.counter.state.total",
            ),
            (5, PROGRAM.replace("class Added(Struct", "class Added(Struct, forbid_unknown_fields=True"), lost),
        ):
            await cafe.upload(archive_of(code, program))
            told = await refusal(cafe.stub.SubmitVersion(version(code)))
            assert told == (grpc.StatusCode.INVALID_ARGUMENT, "INCOMPATIBLE", path)
        await cafe.upload(archive_of(6, PROGRAM + "raise RuntimeError('no')"))
        code_, reason, field = await refusal(cafe.stub.SubmitVersion(version(6)))
        assert (code_, reason, field) == (grpc.StatusCode.INVALID_ARGUMENT, "PROGRAM", "program.py")
        assert cafe.known()[0] == before[0] + 4, "four uploads and nothing else"

    in_cafe(act)


def test_a_package_that_is_gone_from_the_objects_is_named() -> None:
    async def act(cafe: Cafe) -> None:
        answer = await cafe.upload(archive_of(1))
        cafe.scene.objects.delete(place_of(answer.hash))
        code, reason, _ = await refusal(cafe.stub.SubmitVersion(version(1)))
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_PACKAGE")

    in_cafe(act)


def test_a_version_that_was_submitted_before_another_was_shown_is_not_shown_unless_it_reads_what_that_wrote() -> None:
    async def act(cafe: Cafe) -> None:
        await cafe.approve(1)
        await cafe.stub.ReleaseVersion(version(1))
        await cafe.approve(2, PROGRAM.replace("count: int = 1", 'count: int = 1\n    note: str = ""'))
        await cafe.approve(3, program_of(3))
        await cafe.stub.ReleaseVersion(version(2))
        before = cafe.known()
        gray = pb.SetGrayRequest(program="cafe", code=3, gray=pb.Gray(share=1))
        for call in (cafe.stub.SetGray(gray), cafe.stub.ReleaseVersion(version(3))):
            told = await refusal(call)
            assert told == (grpc.StatusCode.INVALID_ARGUMENT, "INCOMPATIBLE", "cafe.counter.command.cafe.add.note")
        assert cafe.known() == before
        await cafe.stub.RollBack(version(1))

    in_cafe(act)
