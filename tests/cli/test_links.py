"""`links` and `shares`: a link from its mint to its opener, a card from hand to hand."""

import pytest

from tests.cli.running import Platform

pytestmark = pytest.mark.cluster

PAGE = "pages/map/index"


def test_a_link_is_minted_and_opened_by_one_person(platform: Platform) -> None:
    minted = platform("links mint", "bike", PAGE, "--scene", "42", "--ttl-ms", 60_000).value
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
    opened = platform("open", second["text"], "--caller", "cat").value
    assert (opened["source"], opened["via"], opened["page"]) == ("share", f"shares/bike/{second['share']}", PAGE)
    platform("shares withdraw", "bike", first["share"], "--caller", "ann")
    assert platform("open", "https://nowhere").error["reason"] == "INVALID_CODE"
    assert platform("open", first["text"], "--caller", "cat").error["reason"] == "SHARE_WITHDRAWN"
    assert platform("shares show", first["text"]).value["state"] == "withdrawn"
