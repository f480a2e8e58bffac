"""`codes` and `open`: a code from its mint to its end, and the command that goes on from it."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Platform

pytestmark = pytest.mark.cluster

PAGE = "pages/map/index"


def test_a_code_is_minted_drawn_opened_and_revoked(platform: Platform, tmp_path: Path) -> None:
    svg, png = tmp_path / "code.svg", tmp_path / "code.png"
    minted = platform("codes mint", "bike", PAGE, "--scene", "42", "--svg", svg, "--png", png).value
    assert svg.read_bytes().startswith(b"<?xml")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert platform("codes mint", "bike", PAGE, "--scene", "42").value["code"] == minted["code"]
    assert platform("why", minted["request_id"]).value["calls"][0]["asked"]["entity"] == f"codes/bike/{minted['code']}"
    for text in (minted["text"], f"bike/{minted['code']}"):
        found = platform("open", text).value
        assert (found["program"], found["page"], found["scene"], found["env"]) == ("bike", PAGE, "42", "release")
        program, *words = found["next"][:5]
        assert (program, words[0], words[2]) == ("hutong", "call", "session.open")
        assert json.loads(words[3])["path"] == PAGE
        assert platform(words[0], *words[1:]).status == 0
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
