"""Codes through a gateway: minted, drawn, resolved and revoked; by whom; and all that is refused."""

from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from actors.adapters.qr import MEDIA_TYPES, picture
from actors.domain.ways.code import SCENE_BYTES_MAX, code_of
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2
from gateway.v1 import ways_pb2 as pb
from tests.gateway.scene import field_of, new_id, reason_of, refused
from tests.gateway.street import Street, Wrong, in_street

PAGE = "pages/map/index"
MINT = pb.MintCodeRequest(program="bike", page=PAGE, scene=b"42")
CODE = code_of("bike", PAGE, b"42", "release")
UNKNOWN = "ABCDEFGHIJKL"


def _resolve(street: Street, text: str) -> Any:
    """Somebody scans this."""
    return street.stub.ResolveCode(pb.ResolveCodeRequest(text=text))


def test_a_code_leads_to_its_page_and_scene_however_it_is_written() -> None:
    async def act(street: Street) -> None:
        minted = await street.stub.MintCode(MINT)
        assert (minted.code, minted.text) == (CODE, f"HTTPS://HUTONG.EXAMPLE/C/BIKE/{CODE}")
        for text in (minted.text, minted.text.lower(), f"bike/{CODE}"):
            found = await _resolve(street, text)
            assert (found.program, found.code, found.page, found.scene, found.env) == (
                *("bike", CODE, PAGE, b"42"),
                "release",
            )

    in_street(act)


def test_a_target_has_one_code_at_every_gateway_and_a_repeated_call_is_one() -> None:
    async def act(street: Street) -> None:
        second = await street.another()
        again = pb.MintCodeRequest(program="bike", page=PAGE, scene=b"42", env="release", request_id=new_id())
        answers = [await stub.MintCode(again, metadata=street.by("ann")) for stub in (street.stub, second)]
        assert [answer.duplicate for answer in answers] == [False, True]
        assert answers[0].position == answers[1].position
        third = await second.MintCode(MINT)
        assert (third.code, third.duplicate) == (CODE, False)
        shown = await street.stub.GetCode(pb.GetCodeRequest(program="bike", code=CODE))
        assert (shown.state, shown.page, shown.scene) == ("minted", PAGE, b"42")
        trial = await street.stub.MintCode(pb.MintCodeRequest(program="bike", page=PAGE, scene=b"42", env="trial"))
        assert trial.code != CODE

    in_street(act)


def test_a_program_mints_so_many_new_codes_a_minute_and_old_ones_as_often_as_it_likes() -> None:
    async def act(street: Street) -> None:
        scenes = [str(n).encode() for n in range(3)]
        calls = [pb.MintCodeRequest(program="bike", page=PAGE, scene=scene, request_id=new_id()) for scene in scenes]
        by = street.by("ann")
        for _ in range(3):
            for call in calls[:2]:
                await street.stub.MintCode(call, metadata=by)
                await street.stub.MintCode(pb.MintCodeRequest(program="bike", page=PAGE, scene=call.scene))
        minted = await street.view("quotas/bike", "quota")
        if minted["code"]["times"] == 2:  # else a minute ended meanwhile
            code, status = await refused(street.stub.MintCode(calls[2], metadata=by))
            assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "too_many_codes")
            code, _ = await refused(_resolve(street, f"bike/{code_of('bike', PAGE, b'2', 'release')}"))
            assert code is grpc.StatusCode.NOT_FOUND, "it was not minted"
        other = pb.MintCodeRequest(program="shop", page="pages/index/index", scene=b"1")
        assert (await street.stub.MintCode(other)).code

    in_street(act, ProcessSettings(codes_minute_max=2))


def test_a_scene_of_64_kib_comes_back_and_one_byte_more_is_refused() -> None:
    async def act(street: Street) -> None:
        scene = bytes(range(256)) * (SCENE_BYTES_MAX // 256)
        minted = await street.stub.MintCode(pb.MintCodeRequest(program="bike", page=PAGE, scene=scene))
        assert (await _resolve(street, minted.text)).scene == scene
        before = street.on_log()
        code, status = await refused(
            street.stub.MintCode(pb.MintCodeRequest(program="bike", page=PAGE, scene=scene + b"."))
        )
        assert (code, reason_of(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_COMMAND")
        assert field_of(status) == "$.scene"
        assert street.on_log() == before

    in_street(act)


def test_a_revoked_code_leads_nowhere_and_is_not_minted_again() -> None:
    async def act(street: Street) -> None:
        await street.stub.MintCode(MINT)
        await street.stub.RevokeCode(OWN["RevokeCode"])
        code, status = await refused(_resolve(street, f"bike/{CODE}"))
        assert (code, reason_of(status)) == (grpc.StatusCode.NOT_FOUND, "CODE_REVOKED")
        code, status = await refused(street.stub.MintCode(MINT))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_state")
        await street.stub.RevokeCode(OWN["RevokeCode"])
        shown = await street.stub.GetCode(pb.GetCodeRequest(program="bike", code=CODE))
        assert (shown.state, shown.page) == ("revoked", PAGE)

    in_street(act)


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_a_picture_is_of_the_text_that_was_minted(form: str) -> None:
    async def act(street: Street) -> None:
        minted = await street.stub.MintCode(MINT)
        shown = await street.stub.GetCode(pb.GetCodeRequest(program="bike", code=CODE, format=form, scale=3))
        assert (shown.text, shown.media_type) == (minted.text, MEDIA_TYPES[form])
        assert shown.image == picture(minted.text, form, 3)

    in_street(act)


INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
REFUSED: list[Wrong] = [
    ("MintCode", pb.MintCodeRequest(program="bike", page="pages/nowhere"), INVALID, "NO_SUCH_PAGE", "page"),
    ("MintCode", pb.MintCodeRequest(program="bike"), INVALID, "NO_SUCH_PAGE", "page"),
    ("MintCode", pb.MintCodeRequest(program="bar", page=PAGE), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("MintCode", pb.MintCodeRequest(page=PAGE), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("MintCode", pb.MintCodeRequest(program="bike", page=PAGE, env="x"), INVALID, "INVALID_COMMAND", "$.env"),
    (
        *("MintCode", pb.MintCodeRequest(program="bike", page=PAGE, request_id="x"), INVALID, "INVALID_REQUEST_ID"),
        "request_id",
    ),
    ("GetCode", pb.GetCodeRequest(program="bike", code=UNKNOWN), ABSENT, "NO_SUCH_CODE", ""),
    ("GetCode", pb.GetCodeRequest(program="bike"), INVALID, "INVALID_ID", "entity"),
    ("GetCode", pb.GetCodeRequest(program="bike", code=CODE, format="gif"), INVALID, "INVALID_FORMAT", "format"),
    ("GetCode", pb.GetCodeRequest(program="bike", code=CODE, scale=33), INVALID, "INVALID_SCALE", "scale"),
    ("GetCode", pb.GetCodeRequest(program="bike", code=CODE, scale=-1), INVALID, "INVALID_SCALE", "scale"),
    ("ResolveCode", pb.ResolveCodeRequest(text=f"bike/{UNKNOWN}"), ABSENT, "NO_SUCH_CODE", ""),
    ("ResolveCode", pb.ResolveCodeRequest(text=f"shop/{CODE}"), ABSENT, "NO_SUCH_CODE", ""),
    ("ResolveCode", pb.ResolveCodeRequest(text=f"bike/{CODE[:-1]}1"), INVALID, "INVALID_CODE", "text"),
    ("ResolveCode", pb.ResolveCodeRequest(text=f"https://else.example/C/BIKE/{CODE}"), INVALID, "INVALID_CODE", "text"),
    ("ResolveCode", pb.ResolveCodeRequest(), INVALID, "INVALID_CODE", "text"),
    ("ResolveCode", pb.ResolveCodeRequest(text="x" * 100_000), INVALID, "INVALID_CODE", "text"),
    ("RevokeCode", pb.RevokeCodeRequest(program="", code=CODE), INVALID, "INVALID_ID", "entity"),
    (
        "RevokeCode",
        pb.RevokeCodeRequest(program="bike", code=CODE, request_id="x"),
        INVALID,
        "INVALID_REQUEST_ID",
        "request_id",
    ),
]


def test_what_no_code_can_be_is_refused_by_its_reason_before_the_log() -> None:
    async def act(street: Street) -> None:
        await street.stub.MintCode(MINT)
        await street.check_refusals(REFUSED)

    in_street(act)


def test_a_page_that_is_not_there_is_refused_with_the_pages_that_are() -> None:
    async def act(street: Street) -> None:
        _, status = await refused(street.stub.MintCode(pb.MintCodeRequest(program="bike", page="pages/map")))
        assert status.message == "bike has no page 'pages/map'; it has pages/map/index, pages/ride/index"

    in_street(act)


def test_a_code_that_nobody_minted_cannot_be_revoked() -> None:
    async def act(street: Street) -> None:
        code, status = await refused(street.stub.RevokeCode(pb.RevokeCodeRequest(program="bike", code=UNKNOWN)))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_state")

    in_street(act)


MAY: Mapping[str, bool] = {
    "server/bike": True,
    "member/acme/ann": True,
    "member/acme/oli": True,
    "operator/op": True,
    "server/shop": False,
    "member/acme/tess": False,
    "member/acme/nobody": False,
    "member/else/ann": False,
    "person/bike/bob": False,
    "account/bob": False,
    "merchant/m1": False,
}
OWN: Mapping[str, Any] = {
    "MintCode": MINT,
    "GetCode": pb.GetCodeRequest(program="bike", code=CODE),
    "RevokeCode": pb.RevokeCodeRequest(program="bike", code=CODE),
}


def test_a_programs_codes_are_its_servers_and_its_teams_and_anybody_scans_them() -> None:
    async def act(street: Street) -> None:
        by = street.by
        await street.catalog.OpenAccount(
            catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"), metadata=by("operator/op")
        )
        bike = catalog_pb2.RegisterProgramRequest(account="acme", program="bike", title="Bike", category="ride")
        await street.catalog.RegisterProgram(bike, metadata=by("member/acme/ann"))
        for name, role in (("oli", "operator"), ("tess", "tester")):
            member = catalog_pb2.MemberRequest(account="acme", member=name, role=role)
            await street.catalog.InviteMember(member, metadata=by("member/acme/ann"))
            await street.catalog.JoinTeam(member, metadata=by(f"member/acme/{name}"))
        for caller in (caller for caller, may in MAY.items() if not may):
            before = street.on_log()
            for method, request in OWN.items():
                code, _ = await refused(getattr(street.stub, method)(request, metadata=by(caller)))
                assert code == grpc.StatusCode.PERMISSION_DENIED, (caller, method)
            assert street.on_log() == before
        for caller in (caller for caller, may in MAY.items() if may):
            assert (await street.stub.MintCode(MINT, metadata=by(caller))).code == CODE
            await street.stub.GetCode(OWN["GetCode"], metadata=by(caller))
        for caller in MAY:
            found = await street.stub.ResolveCode(pb.ResolveCodeRequest(text=f"bike/{CODE}"), metadata=by(caller))
            assert found.page == PAGE
        await street.stub.RevokeCode(OWN["RevokeCode"], metadata=by("server/bike"))

    in_street(act, ProcessSettings(identity_required=True))
