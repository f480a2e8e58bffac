"""Short links and shared cards through a gateway: made, opened, handed on, withdrawn; by whom; all that is refused."""

import hashlib
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from msgspec.structs import replace

from actors.domain.counting import DAY_MS
from actors.domain.ways.share import PATH_MAX
from actors.quotas import TRAVELS, bounds_of
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2, catalog_pb2_grpc
from gateway.v1 import ways_pb2 as pb
from tests.gateway.scene import new_id, reason_of, refused, status_in
from tests.gateway.street import Street, Wrong, in_street

PAGE = "pages/map/index"
SHARES_MAX = 3
OPENS_MAX = 2
UNKNOWN = "ABCDEFGHIJKLMNOP"
LINK = pb.MintLinkRequest(program="bike", page=PAGE, scene=b"42")
CARD = pb.ShareRequest(program="bike", page=PAGE, scene=b"42")
INVALID, ABSENT, FAILED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)


def _open(street: Street, text: str, who: str) -> Any:
    return street.stub.ResolveLink(pb.ResolveLinkRequest(text=text), metadata=street.by(who))


def _share(street: Street, who: str, parent: str = "") -> Any:
    request = pb.ShareRequest(program="bike", page=PAGE, scene=b"42", parent=parent)
    return street.stub.Share(request, metadata=street.by(who))


def _get(street: Street, text: str) -> Any:
    return street.stub.GetShare(pb.GetShareRequest(text=text), metadata=street.by("ann"))


def test_a_link_leads_its_first_opener_to_the_page_however_it_is_written_and_nobody_else() -> None:
    async def act(street: Street) -> None:
        minted = await street.stub.MintLink(LINK)
        assert minted.text == f"HTTPS://HUTONG.EXAMPLE/L/BIKE/{minted.link}"
        for text in (minted.text, minted.text.lower(), f"bike/{minted.link}"):
            found = await _open(street, text, "ann")
            assert (found.program, found.link, found.page, found.scene) == ("bike", minted.link, PAGE, b"42")
        code, status = await refused(_open(street, minted.text, "bob"))
        assert (code, reason_of(status)) == (FAILED, "link_of_another")

    in_street(act)


def test_every_mint_is_a_link_of_its_own_and_a_repeated_call_is_one_at_every_gateway() -> None:
    async def act(street: Street) -> None:
        second = await street.another()
        again = pb.MintLinkRequest(program="bike", page=PAGE, request_id=new_id())
        first, repeated = [await stub.MintLink(again, metadata=street.by("ann")) for stub in (street.stub, second)]
        assert (first.link, first.position) == (repeated.link, repeated.position)
        assert (first.duplicate, repeated.duplicate) == (False, True)
        others = [(await second.MintLink(again, metadata=street.by("bob"))).link, (await second.MintLink(LINK)).link]
        assert len({first.link, *others}) == 3

    in_street(act)


def test_a_call_that_is_made_again_at_a_gateway_of_other_settings_is_the_same_call() -> None:
    usual = ProcessSettings()
    bounds = {setting: bounds_of(setting)[1] for setting in TRAVELS}
    less = {setting: getattr(usual, setting) == most for setting, most in bounds.items()}
    others = replace(usual, **{name: getattr(usual, name) + (-1 if less[name] else 1) for name in TRAVELS})

    async def act(street: Street) -> None:
        second = (await street.another(others), catalog_pb2_grpc.CatalogServiceStub(street.scene.channels[-1]))
        await street.catalog.OpenAccount(catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        calls: tuple[tuple[int, str, Any], ...] = (
            (0, "MintCode", pb.MintCodeRequest(program="bike", page=PAGE, scene=b"42")),
            (0, "MintLink", LINK),
            (0, "MintLink", pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=DAY_MS)),
            (0, "Share", CARD),
            (0, "AddRule", pb.AddRuleRequest(host="shop.example", prefix="/m", program="bike", page=PAGE)),
            (0, "PublishRules", pb.PublishRulesRequest(host="shop.example", program="bike")),
            (1, "InviteMember", catalog_pb2.MemberRequest(account="acme", member="bob", role="tester")),
            (1, "RegisterProgram", _registered("acme", "cafe")),
        )
        for service, method, call in calls:
            again = _named(call)
            stubs: tuple[Any, ...] = ((street.stub, street.catalog)[service], second[service])
            first, repeated = [await getattr(stub, method)(again, metadata=street.by("ann")) for stub in stubs]
            assert (first.duplicate, repeated.duplicate) == (False, True), method
            assert first.position == repeated.position, method
        longer = pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=DAY_MS, request_id=new_id())
        await street.ask("MintLink", longer)
        longer.ttl_ms += 1
        code, status = await refused(street.ask("MintLink", longer))
        assert (code, reason_of(status)) == (INVALID, "REQUEST_ID_REUSED"), "what the client says itself counts"

    in_street(act)


def _named(call: Any) -> Any:
    """The same, with a request id."""
    named = type(call)()
    named.CopyFrom(call)
    named.request_id = new_id()
    return named


def _registered(account: str, program: str) -> catalog_pb2.RegisterProgramRequest:
    return catalog_pb2.RegisterProgramRequest(account=account, program=program, title="T", category="c")


def test_a_link_lives_as_long_as_the_setting_grants() -> None:
    async def act(street: Street) -> None:
        minted = await street.stub.MintLink(pb.MintLinkRequest(program="bike", page=PAGE))
        link = await _open(street, minted.text, "ann")
        short = await street.stub.MintLink(pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=DAY_MS))
        assert link.expires_ms - (await _open(street, short.text, "ann")).expires_ms in range(DAY_MS - 60_000, DAY_MS)
        code, status = await refused(
            street.stub.MintLink(pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=2 * DAY_MS + 1))
        )
        assert (code, reason_of(status)) == (FAILED, "ttl_too_long")

    in_street(act, ProcessSettings(link_ttl_ms_max=2 * DAY_MS))


def test_a_program_mints_so_many_links_a_day_and_a_call_that_is_repeated_is_one() -> None:
    async def act(street: Street) -> None:
        second = await street.another(ProcessSettings(links_day_max=2))
        again = pb.MintLinkRequest(program="bike", page=PAGE, request_id=new_id())
        by = street.by("ann")
        minted = [await stub.MintLink(again, metadata=by) for stub in (street.stub, second, street.stub)]
        assert len({answer.link for answer in minted}) == 1
        longest = pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=366 * DAY_MS)
        code, _ = await refused(street.stub.MintLink(longest))
        assert code is FAILED
        assert (await street.view("quotas/bike", "quota"))["link"]["times"] == 1, "what is refused is not counted"
        await second.MintLink(LINK)
        before = street.on_log()
        code, status = await refused(second.MintLink(LINK))
        assert (code, reason_of(status)) == (FAILED, "too_many_links")
        assert street.on_log() == before + 1, "the count alone was asked"
        assert (await street.view("quotas/bike", "quota"))["link"]["times"] == 2

    in_street(act, ProcessSettings(links_day_max=2))


def test_a_programs_links_are_opened_so_often_a_day_at_all_gateways_together() -> None:
    async def act(street: Street) -> None:
        link = (await street.stub.MintLink(LINK)).text
        stubs, told = (street.stub, await street.another(ProcessSettings(link_opens_day_max=OPENS_MAX))), list[str]()
        for n in range(2 * OPENS_MAX + 1):  # of so many in a row a day's end lets no more through
            before = street.on_log()
            asked = stubs[n % 2].ResolveLink(pb.ResolveLinkRequest(text=link), metadata=street.by("ann"))
            try:
                await asked
            except grpc.aio.AioRpcError as error:
                told.append(reason_of(status_in(error)))
                assert street.on_log() == before
        assert told[-1:] == ["TOO_MANY_LINK_OPENS"]
        assert len(told) <= OPENS_MAX + 1

    in_street(act, ProcessSettings(link_opens_day_max=OPENS_MAX))


def test_a_card_that_is_handed_on_holds_the_path_and_a_loop_is_refused() -> None:
    async def act(street: Street) -> None:
        first = await _share(street, "ann")
        second = await _share(street, "bob", first.share)
        third = await _share(street, "cat", second.share)
        assert [card.depth for card in (first, second, third)] == [1, 2, 3]
        for text in (third.text, third.text.lower(), f"bike/{third.share}"):
            shown = await _get(street, text)
            assert (shown.program, shown.share, shown.state, shown.page, shown.scene) == (
                *("bike", third.share, "shared", PAGE),
                b"42",
            )
            assert [(hop.share, hop.by) for hop in shown.path] == [
                *((first.share, "ann"), (second.share, "bob"), (third.share, "cat"))
            ]
        before = street.on_log()
        for who in ("ann", "bob", "cat"):
            code, status = await refused(_share(street, who, third.share))
            assert (code, reason_of(status)) == (FAILED, "share_loop")
        assert street.on_log() == before, "it is not even counted"
        assert (await _share(street, "ann")).depth == 1

    in_street(act)


def test_a_card_goes_through_32_hands_at_most() -> None:
    async def act(street: Street) -> None:
        parent = ""
        for number in range(PATH_MAX):
            parent = (await _share(street, f"p{number}", parent)).share
        code, status = await refused(_share(street, "last", parent))
        assert (code, reason_of(status)) == (FAILED, "path_too_long")
        assert street.on_log() == 2 * PATH_MAX, "a card is one record and its count another"

    in_street(act)


def test_a_withdrawn_card_is_not_handed_on_and_those_below_it_lead_where_they_did() -> None:
    async def act(street: Street) -> None:
        first = await _share(street, "ann")
        second = await _share(street, "bob", first.share)
        withdraw = pb.WithdrawRequest(program="bike", share=first.share)
        code, status = await refused(street.stub.Withdraw(withdraw, metadata=street.by("bob")))
        assert (code, reason_of(status)) == (FAILED, "not_yours")
        await street.stub.Withdraw(withdraw, metadata=street.by("ann"))
        code, status = await refused(_share(street, "cat", first.share))
        assert (code, reason_of(status)) == (ABSENT, "SHARE_WITHDRAWN")
        assert (await _get(street, first.text)).state == "withdrawn"
        assert (await _share(street, "cat", second.share)).depth == 3

    in_street(act)


REFUSED: list[Wrong] = [
    ("MintLink", pb.MintLinkRequest(program="bike", page="pages/nowhere"), INVALID, "NO_SUCH_PAGE", "page"),
    ("MintLink", pb.MintLinkRequest(page=PAGE), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("MintLink", pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=-1), INVALID, "INVALID_COMMAND", "$.ttl_ms"),
    ("MintLink", pb.MintLinkRequest(program="bike", page=PAGE, ttl_ms=1 << 62), INVALID, "INVALID_COMMAND", "$.ttl_ms"),
    (
        *("MintLink", pb.MintLinkRequest(program="bike", page=PAGE, scene=bytes(8_193)), INVALID, "INVALID_COMMAND"),
        "$.scene",
    ),
    ("ResolveLink", pb.ResolveLinkRequest(text=f"bike/{UNKNOWN}"), ABSENT, "NO_SUCH_LINK", ""),
    ("ResolveLink", pb.ResolveLinkRequest(text=f"shop/{UNKNOWN}"), ABSENT, "NO_SUCH_LINK", ""),
    ("ResolveLink", pb.ResolveLinkRequest(text="bike/ABCDEFGHIJKL"), INVALID, "INVALID_LINK", "text"),
    ("ResolveLink", pb.ResolveLinkRequest(), INVALID, "INVALID_LINK", "text"),
    ("ResolveLink", pb.ResolveLinkRequest(text="x" * 100_000), INVALID, "INVALID_LINK", "text"),
    (
        *("ResolveLink", pb.ResolveLinkRequest(text=f"https://hutong.example/S/BIKE/{UNKNOWN}"), INVALID),
        *("INVALID_LINK", "text"),
    ),
    ("Share", pb.ShareRequest(program="bike", page="pages/nowhere"), INVALID, "NO_SUCH_PAGE", "page"),
    ("Share", pb.ShareRequest(page=PAGE), ABSENT, "NO_SUCH_PROGRAM", ""),
    ("Share", pb.ShareRequest(program="bike", page=PAGE, parent=UNKNOWN), ABSENT, "NO_SUCH_SHARE", ""),
    ("Share", pb.ShareRequest(program="bike", page=PAGE, parent="x" * 300), INVALID, "INVALID_ID", "entity"),
    ("Share", pb.ShareRequest(program="bike", page=PAGE, request_id="x"), INVALID, "INVALID_REQUEST_ID", "request_id"),
    ("GetShare", pb.GetShareRequest(text=f"bike/{UNKNOWN}"), ABSENT, "NO_SUCH_SHARE", ""),
    ("GetShare", pb.GetShareRequest(text="bike/"), INVALID, "INVALID_SHARE", "text"),
    (
        *("GetShare", pb.GetShareRequest(text=f"https://else.example/S/BIKE/{UNKNOWN}"), INVALID, "INVALID_SHARE"),
        "text",
    ),
    ("Withdraw", pb.WithdrawRequest(program="bike"), INVALID, "INVALID_ID", "entity"),
]


def test_what_no_link_or_card_can_be_is_refused_by_its_reason_before_the_log() -> None:
    async def act(street: Street) -> None:
        await street.check_refusals(REFUSED)

    in_street(act)


MAY: Mapping[str, frozenset[str]] = {
    "person/bike/ann": frozenset({"ResolveLink", "Share", "GetShare"}),
    "server/bike": frozenset({"MintLink", "GetShare", "Withdraw"}),
    "operator/op": frozenset({"MintLink", "GetShare", "Withdraw"}),
    **dict.fromkeys(("person/shop/ann", "server/shop", "account/ann", "merchant/bike"), frozenset()),
}


@pytest.mark.parametrize("caller", MAY)
def test_who_does_what_with_links_and_cards_where_callers_are_known(caller: str) -> None:
    async def act(street: Street) -> None:
        minted = await street.stub.MintLink(LINK, metadata=street.by("server/bike"))
        card = await street.stub.Share(CARD, metadata=street.by("person/bike/bob"))
        asked: Mapping[str, Any] = {
            "MintLink": LINK,
            "ResolveLink": pb.ResolveLinkRequest(text=minted.text),
            "Share": CARD,
            "GetShare": pb.GetShareRequest(text=card.text),
            "Withdraw": pb.WithdrawRequest(program="bike", share=card.share),
        }
        for method, request in asked.items():
            call = getattr(street.stub, method)(request, metadata=street.by(caller))
            if method in MAY[caller]:
                await call
                continue
            before = street.on_log()
            code, status = await refused(call)
            if (caller, method) == ("person/bike/ann", "Withdraw"):
                assert reason_of(status) == "not_yours"
                continue
            assert code == grpc.StatusCode.PERMISSION_DENIED, method
            assert street.on_log() == before

    in_street(act, ProcessSettings(identity_required=True))


def test_a_person_is_not_told_over_whom_a_card_came_nor_where_a_withdrawn_one_led() -> None:
    async def act(street: Street) -> None:
        card = await street.stub.Share(CARD, metadata=street.by("person/bike/bob"))
        asked = pb.GetShareRequest(text=card.text)
        shown = await street.stub.GetShare(asked, metadata=street.by("person/bike/ann"))
        assert (shown.page, shown.scene, list(shown.path)) == (PAGE, b"42", [])
        told = await street.stub.GetShare(asked, metadata=street.by("server/bike"))
        assert [hop.by for hop in told.path] == ["person/bike/bob"]
        gone = pb.WithdrawRequest(program="bike", share=card.share)
        await street.stub.Withdraw(gone, metadata=street.by("person/bike/bob"))
        code, status = await refused(street.stub.GetShare(asked, metadata=street.by("person/bike/ann")))
        assert (code, reason_of(status)) == (ABSENT, "SHARE_WITHDRAWN")

    in_street(act, ProcessSettings(identity_required=True))


def test_a_person_shares_so_many_cards_in_a_minute_and_another_as_many() -> None:
    async def act(street: Street) -> None:
        refusals: list[tuple[grpc.StatusCode, str]] = []
        shared: list[Any] = []
        for _ in range(2 * SHARES_MAX + 1):  # of so many in a row a minute's end lets no more through
            ids, before = new_id(), await street.view("quotas/bike/" + _counted("ann"), "quota")
            request = pb.ShareRequest(program="bike", page=PAGE, request_id=ids)
            try:
                shared.append((await street.stub.Share(request, metadata=street.by("ann")), request))
            except grpc.aio.AioRpcError as error:
                refusals.append((error.code(), reason_of(status_in(error))))
                assert await street.view("quotas/bike/" + _counted("ann"), "quota") == before
                break
        assert refusals == [(FAILED, "too_many_shares")]
        first, request = shared[0]
        again = await street.stub.Share(request, metadata=street.by("ann"))
        assert (again.share, again.duplicate) == (first.share, True), "a call that is made again is counted once"
        assert (await street.stub.Share(CARD, metadata=street.by("bob"))).share

    in_street(act, ProcessSettings(shares_minute_max=SHARES_MAX))


def _counted(caller: str) -> str:
    return hashlib.blake2b(caller.encode(), digest_size=16).hexdigest()
