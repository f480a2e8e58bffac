"""`codes` and `open`: a code from its mint to its end, and the session that it leads to; a program by its name."""

import threading
import time
from pathlib import Path

import pytest

from tests.cli.running import READY_S_MAX, Platform, dev

pytestmark = pytest.mark.cluster

PAGE = "pages/map/index"


def test_a_code_is_minted_drawn_opened_and_revoked(platform: Platform, tmp_path: Path) -> None:
    svg, png = tmp_path / "code.svg", tmp_path / "code.png"
    minted = platform("codes mint", "bike", PAGE, "--scene", "42", "--svg", svg, "--png", png).value
    assert svg.read_bytes().startswith(b"<?xml")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert platform("codes mint", "bike", PAGE, "--scene", "42").value["code"] == minted["code"]
    assert platform("why", minted["request_id"]).value["calls"][0]["asked"]["entity"] == f"codes/bike/{minted['code']}"
    for n, text in enumerate((minted["text"], f"bike/{minted['code']}"), 1):
        found = platform("open", text, "--caller", "scanner").value
        assert (found["program"], found["page"], found["scene"], found["env"]) == ("bike", PAGE, "42", "release")
        assert (found["source"], found["via"]) == ("scan", f"codes/bike/{minted['code']}")
        assert found["session"] == f"sessions/bike/scanner/{n}"
        shown = platform(*found["next"][1:4]).value["value"]
        assert (shown["state"], shown["scene"], shown["pages"][0]["path"]) == ("launched", 1011, PAGE)
        asked = platform("why", found["request_id"]).value["calls"][0]["asked"]
        assert asked["entity"] == "visits/bike/scanner"
    drawn = platform.text("codes mint", "bike", PAGE, "--scene", "42").splitlines()
    assert drawn[-1] == minted["text"]
    assert set("".join(drawn[:-1])) == set("█▀▄ ")
    platform("codes revoke", "bike", minted["code"])
    assert platform("open", minted["text"]).error["reason"] == "CODE_REVOKED"


def test_a_page_that_is_not_there_and_a_picture_that_cannot_be_written_are_told(
    platform: Platform, tmp_path: Path
) -> None:
    assert platform("codes mint", "bike", "pages/no").error["reason"] == "NO_SUCH_PAGE"
    nowhere = tmp_path / "nowhere" / "code.png"
    assert "its picture is not written" in platform("codes mint", "bike", PAGE, "--png", nowhere).error["message"]


def test_a_program_is_opened_by_its_name_and_turned_page_by_page(platform: Platform) -> None:
    opened = platform("open", "bike", "--caller", "seeker", "--device", "phone", "--city", "Oslo").value
    assert (opened["page"], opened["source"], opened["via"], opened["visit"]) == (PAGE, "search", "bike", 1)
    shown = platform("query", opened["session"], "session").value["value"]
    assert (shown["state"], shown["scene"], shown["caller"]) == ("launched", 1005, "seeker")
    printed = platform.text("open", "bike", "--caller", "seeker", "--device", "phone")
    assert "session  sessions/bike/seeker/2" in printed
    visit = platform("query", "visits/bike/seeker", "visit").value["value"]
    assert (visit["opens"], [each["device"] for each in visit["sessions"]]) == (2, ["phone"])
    assert platform("query", opened["session"], "session").value["value"]["state"] == "unloaded"


def test_a_name_that_no_program_has_and_a_caller_that_is_nobody_open_nothing(platform: Platform) -> None:
    assert platform("open", "no-such-program").error["reason"] == "NO_SUCH_PROGRAM"
    assert platform("open", "x" * 65).error["reason"] == "SEARCH_TOO_LONG"
    assert platform("open", "bike", "--caller", "a person").error["reason"] == "INVALID_OPENID"


def test_a_part_of_a_name_opens_the_one_program_that_has_it_and_none_of_several(tmp_path: Path) -> None:
    with dev(tmp_path / "dev") as platform:
        assert platform("catalog publish").status == 0
        until = time.monotonic() + READY_S_MAX
        while len(platform("search", "t").value["programs"]) < 3:  # an event comes just after its call is answered
            assert time.monotonic() < until
            threading.Event().wait(0.02)
        assert platform("open", "t").error["reason"] == "SEVERAL_FOUND"
        for text in ("ticket", "tikcets"):
            opened = platform("open", text).value
            assert (opened["program"], opened["source"], opened["via"]) == ("tickets", "search", text)
