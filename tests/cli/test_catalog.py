"""`catalog`: a program from its registration to what each person is shown, and `why` with all steps of a call."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, at_desk
from tests.cli.running import Platform

VOUCHER = Path(__file__).parents[1] / "programs" / "voucher"
pytestmark = pytest.mark.cluster


def _until(platform: Platform, program: str, field: str, value: object) -> Any:
    """What `show` tells once this is so: what goes over the log arrives a little later."""
    found = platform("catalog show", program).value
    for _ in range(200):
        if found[field] == value or [one["state"] for one in found["versions"]] == value:
            return found
        found = platform("catalog show", program).value
    raise AssertionError(f"{field} does not become {value!r}: {found}")


def _cafe(folder: Path, code: int) -> Path:
    """The folder of a version of a program."""
    place = folder / str(code)
    place.mkdir()
    for name in ("manifest.json", "program.py"):
        text = (VOUCHER / name).read_text().replace("voucher", "cafe")
        (place / name).write_text(text.replace('"name": "1.0.0", "code": 1', f'"name": "1.{code}", "code": {code}'))
    return place


def test_a_program_is_published_in_full(platform: Platform, tmp_path: Path) -> None:
    platform("catalog open-account", "acme", "Acme", "ann")
    platform("catalog set-key", "acme")
    registered = platform("catalog register", "acme", "cafe", "--title", "Café").value
    assert [call["asked"]["entity"] for call in platform("why", registered["request_id"]).value["calls"]] == [
        "program-names/cafe",
        "catalog/acme/cafe",
        "program-names/cafe",
    ]
    for code in (1, 2):
        uploaded = platform("catalog upload", _cafe(tmp_path, code), "--account", "acme").value
        assert (uploaded["program"], uploaded["code"]) == ("cafe", code)
        platform("catalog submit", "cafe", code)
        lane = _until(platform, "cafe", "position", 1)["lane"]
        taken = platform("catalog take", lane).value
        assert (taken["program"], taken["code"]) == ("cafe", code)
        _until(platform, "cafe", "versions", ["released", "in_review"][2 - code :])
        platform("catalog judge", "cafe", code, "approve")
        if code == 1:
            platform("catalog release", "cafe", 1)
    platform("catalog gray", "cafe", 2, "--percent", 10, "--city", "Oslo")
    assert platform("catalog shown", "cafe", "ann", "--city", "Oslo").value["code"] == 2
    assert platform("catalog gray", "cafe", 2, "--percent", 5, "--city", "Oslo").error["reason"] == "gray_only_up"
    platform("catalog release", "cafe", 2)
    platform("catalog rollback", "cafe", 1)
    assert platform("catalog shown", "cafe", "ann").value["code"] == 1
    text = platform.text("catalog show", "cafe")
    assert "released" in text
    assert "retired" in text
    left = platform("catalog show", "cafe").value
    assert (left["submits_left"], left["withdrawals_left"]) == (18, 1)
    assert left["day_ends_ms"] <= left["month_ends_ms"]
    assert platform("catalog upload", _cafe(tmp_path, 3)).error["reason"] == "SIGNATURE"


def test_a_team_comes_together_and_one_leaves(platform: Platform) -> None:
    platform("catalog open-account", "crew", "Crew", "ann")
    platform("catalog invite", "crew", "bob", "tester")
    platform("catalog join", "crew", "bob")
    platform("catalog grant", "crew", "bob", "admin")
    platform("catalog remove", "crew", "ann")
    account = platform("catalog account", "crew").value
    assert account["members"] == [{"member": "bob", "state": "member", "role": "admin"}]
    assert "admin" in platform.text("catalog account", "crew")
    assert platform("catalog remove", "crew", "bob").error["reason"] == "last_admin"


def test_what_ships_is_published_once(platform: Platform) -> None:
    first, again = (platform("catalog publish").value["programs"] for _ in range(2))
    assert {one["program"] for one in first} >= {"bike", "shop"}
    assert all(one["changed"] for one in first)
    assert [{**one, "changed": True} for one in again] == first
    assert not any(one["changed"] for one in again)
    assert platform("catalog shown", "bike", "ann").value["code"] == 1
    assert "bike" in platform("catalog account", "hutong").value["programs"]
    assert "as before" in platform.text("catalog publish")


def test_what_the_catalogue_refuses_is_told_with_its_request_id(platform: Platform) -> None:
    platform("catalog open-account", "first", "First", "ann")
    platform("catalog register", "first", "taken")
    error = platform("catalog register", "second", "taken").error
    assert (error["type"], error["reason"]) == ("Reject", "name_taken")
    assert len(platform("why", error["request_id"]).value["calls"]) == 1
    assert platform("catalog show", "nothing").error["reason"] == "NO_SUCH_PROGRAM"
    assert platform("catalog judge", "taken", 1, "perhaps").error["reason"] == "INVALID_COMMAND"


def test_an_account_is_suspended_goes_on_and_ends(tmp_path: Path) -> None:
    def act(desk: Desk) -> None:
        desk("catalog open-account", "acme", "Acme", "ann")
        for command, state in (("suspend", "suspended"), ("resume", "open"), ("close", "closed")):
            assert desk(f"catalog {command}-account acme").value["request_id"]
            assert desk("catalog account acme").value["state"] == state
        assert desk("catalog resume-account acme").error["reason"] == "wrong_state"

    at_desk(tmp_path, act, "bike")
