"""`links` and `shares`: a link from its mint to its opener, a card from hand to hand."""

import pytest

from tests.cli.running import Platform

pytestmark = pytest.mark.cluster

PAGE = "pages/map/index"


def test_a_link_is_minted_and_opened_by_one_person(platform: Platform) -> None:
    minted = platform("links mint", "bike", PAGE, "--scene", "42", "--ttl-ms", 60_000).value
    assert platform("open", f"bike/{minted['link']}", "--caller", "ann").value["source"] == "link"
    for text in (minted["text"], f"bike/{minted['link']}"):
        found = platform("links open", text, "--caller", "ann").value
        assert (found["program"], found["page"], found["scene"]) == ("bike", PAGE, "42")
    opened = platform("open", minted["text"], "--caller", "ann").value
    assert (opened["source"], opened["via"], opened["page"]) == ("link", f"links/bike/{minted['link']}", PAGE)
    assert platform("open", minted["text"], "--caller", "bob").error["reason"] == "link_of_another"
    found = platform("links open", minted["text"], "--caller", "ann").value
    asked = platform("why", found["request_id"]).value["calls"][0]["asked"]
    assert asked["entity"] == f"links/bike/{minted['link']}"
    assert platform("links open", minted["text"], "--caller", "bob").error["reason"] == "link_of_another"
    assert platform.text("links open", minted["text"], "--caller", "ann").splitlines()[0] == "program  bike"
    assert platform("links mint", "bike", "pages/no").error["reason"] == "NO_SUCH_PAGE"


def test_a_card_is_shared_handed_on_shown_and_withdrawn(platform: Platform) -> None:
    first = platform("shares add", "bike", PAGE, "--caller", "ann").value
    second = platform("shares add", "bike", PAGE, "--parent", first["share"], "--caller", "bob").value
    shown = platform("shares show", second["text"]).value
    assert (shown["state"], shown["page"], [hop["by"] for hop in shown["path"]]) == ("shared", PAGE, ["ann", "bob"])
    assert "ann → bob" in platform.text("shares show", f"bike/{second['share']}")
    loop = platform("shares add", "bike", PAGE, "--parent", second["share"], "--caller", "ann")
    assert loop.error["reason"] == "share_loop"
    assert platform("shares withdraw", "bike", first["share"], "--caller", "bob").error["reason"] == "not_yours"
    for text in (second["text"], f"bike/{second['share']}"):
        opened = platform("open", text, "--caller", "cat").value
        assert (opened["source"], opened["via"], opened["page"]) == ("share", f"shares/bike/{second['share']}", PAGE)
    platform("shares withdraw", "bike", first["share"], "--caller", "ann")
    assert platform("open", first["text"], "--caller", "cat").error["reason"] == "SHARE_WITHDRAWN"
    assert platform("shares show", first["text"]).value["state"] == "withdrawn"


def test_an_ordinary_link_leads_to_a_page_once_its_hosts_rules_are_published(platform: Platform) -> None:
    url = "https://Shop.Example/map/oslo?dock=4"
    platform("links rule", "shop.example", "/map", "bike", PAGE)
    assert platform("open", url).error["reason"] == "NO_SUCH_RULE"
    platform("links publish", "shop.example", "bike")
    opened = platform("open", url, "--caller", "ann").value
    assert (opened["source"], opened["via"]) == ("link", "link-rules/shop.example/map")
    assert opened["page"] == f"{PAGE}?q=https%3A%2F%2FShop.Example%2Fmap%2Foslo%3Fdock%3D4"
    visit = platform("query", "visits/bike/ann", "visit").value["value"]
    assert (visit["last_source"], visit["last_via"]) == (opened["source"], opened["via"])
    for nowhere in ("https://nowhere", "https://shop.example/S/BIKE/ABCDEFGHIJKLMNOP", "https://shop.example/C/x"):
        assert platform("open", nowhere).error["reason"] == "NO_SUCH_RULE"


def test_what_cannot_be_opened_says_what_to_do(platform: Platform) -> None:
    for text, reason in (
        ("bike/ABC", "INVALID_CODE"),
        ("bike/ABCDEFGHIJKLMNOP", "NO_SUCH_LINK"),
        ("no-such-program", "NO_SUCH_PROGRAM"),
        ("", "NO_SUCH_PROGRAM"),
        ("https://", "INVALID_URL"),
    ):
        error = platform("open", text).error
        assert error["reason"] == reason
        assert len(error["message"]) > 20, text
    assert "hutong catalog publish" in platform("open", "no-such-program").error["message"]
