"""`search`: a program is found by its name soon after its release, and not before."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import READY_S_MAX, Platform, dev, hutong

VOUCHER = Path(__file__).parents[1] / "programs" / "voucher"
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def done(platform: Platform, command: str, *arguments: object) -> Any:
    said = platform(command, *arguments)
    assert said.status == 0, said.out
    return said.value


def found(platform: Platform, program: str, *query: str) -> Any:
    """What is found once this program is among it: an event comes to its topic just after its call is answered."""
    until = time.monotonic() + READY_S_MAX
    while program not in (programs := names(platform, *query)):
        assert time.monotonic() < until, programs
        threading.Event().wait(0.02)
    return programs


def names(platform: Platform, *query: str) -> list[str]:
    return [one["program"] for one in done(platform, "search", *query)["programs"]]


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform where no other test has released anything."""
    with dev(tmp_path_factory.mktemp("alone") / "data") as running:
        yield running


def test_a_released_program_is_found_by_parts_of_its_names_and_with_a_slip(alone: Platform, tmp_path: Path) -> None:
    done(alone, "catalog open-account", "seekers", "Seekers", "ann")
    registered = done(alone, "catalog register", "seekers", "luckin", "--title", "瑞幸咖啡", "--category", "drinks")
    assert registered["request_id"]
    done(alone, "catalog set-key", "seekers")
    done(alone, "catalog upload", _luckin(tmp_path), "--account", "seekers")
    done(alone, "catalog describe", "luckin", "--alias", "Coffee", "--city", "广州", "--at", "23.1,113.2")
    done(alone, "catalog submit", "luckin", 1)
    _approve(alone, "luckin")
    assert names(alone, "瑞幸") == []
    done(alone, "catalog release", "luckin", 1)
    assert found(alone, "luckin", "瑞幸") == ["luckin"]
    for text in ("咖啡", "luck", "LUCKIN", "lukcin", "瑞辛", "coff"):
        assert names(alone, text) == ["luckin"], text
    assert names(alone, "咖啡", "--category", "drinks") == ["luckin"]
    assert names(alone, "咖啡", "--category", "food") == []
    assert names(alone, "咖啡", "--city", "广州") == ["luckin"]
    assert names(alone, "咖啡", "--city", "北京") == []
    assert names(alone, "--near", "23.1,113.2") == ["luckin"]
    assert names(alone, "--near", "31.2,121.5") == []
    assert "瑞幸咖啡" in alone.text("search", "luckin")


def _luckin(folder: Path) -> Path:
    """The folder of a program of that name."""
    for name in ("manifest.json", "program.py"):
        (folder / name).write_text((VOUCHER / name).read_text().replace("voucher", "luckin"))
    return folder


def _approve(platform: Platform, program: str) -> None:
    """A reviewer takes the program's lane until its turn came: it enters just after it was submitted."""
    until = time.monotonic() + READY_S_MAX
    lane = done(platform, "catalog show", program)["lane"]
    while done(platform, "catalog show", program)["versions"][0]["state"] != "in_review":
        platform("catalog take", lane)
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    done(platform, "catalog judge", program, 1, "approve")


def test_what_nobody_types_is_refused(platform: Platform) -> None:
    assert platform("search", "x" * 10_240).error["reason"] == "SEARCH_TOO_LONG"
    for near in ("here", "1,2,3", "91,0"):
        assert platform("search", "--near", near).error["reason"] == "NO_SUCH_POSITION"
    assert "no program is found" in platform.text("search", "qqqqqqqq")


def test_a_persons_programs_and_friends_are_told_by_the_command_line(platform: Platform) -> None:
    for program in ("bike", "jump"):
        done(platform, "open", program, "--caller", "ann")
    recent = done(platform, "mine", "recent", "--caller", "ann")["programs"]
    assert [one["program"] for one in recent] == ["jump", "bike"]
    assert platform("mine", "favour", "nothing", "--caller", "ann").error["reason"] == "NO_SUCH_PROGRAM"
    assert "none" in platform.text("mine", "favourites", "--caller", "ann")
    assert done(platform, "friends", "request", "bob", "--caller", "ann")["state"] == "asked"
    until = time.monotonic() + READY_S_MAX
    while done(platform, "friends", "list", "--caller", "bob")["asks"] != ["ann"]:
        assert time.monotonic() < until
    assert done(platform, "friends", "accept", "ann", "--caller", "bob")["state"] == "friends"
    board = done(platform, "friends", "board", "autumn-1", "--caller", "bob")["rows"]
    assert sorted((row["person"], row["best"]) for row in board) == [("ann", None), ("bob", None)]
    told = hutong("friends", "board", "autumn-1", "--caller", "bob", "--dir", platform.folder)
    assert "bob" in told.err  # who never played has no rank
    assert "bob" not in told.out
