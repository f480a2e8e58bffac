"""`hutong programs new`: what it makes runs, is tested and called as its README says; what cannot be is refused."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.cli.making import SKELETON
from actors.registry import load_programs, shipped_programs
from actors.shares import WHOLE, bucket_of
from tests.cli.running import Platform, dev, hutong

LOOKS_MAX = 2_000
FILES = ["README.md", "manifest.json", "program.py", "test_program.py"]


def test_a_new_program_is_a_folder_that_loads_under_its_name(tmp_path: Path) -> None:
    said = hutong("programs", "new", "tea-card", "--in", tmp_path, "--json")
    folder = tmp_path / "tea-card"
    assert said.value == {"program": "tea-card", "folder": str(folder), "files": FILES}
    assert sorted(path.name for path in folder.iterdir()) == FILES
    registry = load_programs([*shipped_programs(), folder])
    assert registry.programs["tea-card"].manifest.name == "Tea card"
    assert registry.entity_of("programs/tea-card/cards/ann")[0].kind == "tea-card.card"
    assert all("skeleton" not in path.read_text().lower() for path in folder.iterdir())


def test_a_person_is_told_how_to_go_on(tmp_path: Path) -> None:
    said = hutong("programs", "new", "tea", "--in", tmp_path / "not" / "yet")
    assert (said.status, said.err) == (0, "")
    assert f"hutong catalog publish {tmp_path / 'not' / 'yet' / 'tea'}" in said.out
    assert "hutong call programs/tea/cards/ann tea.stamp" in said.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Tea Card",
            "lower-case letters, digits and hyphens, beginning with a letter, at most 63; how about 'tea-card'?",
        ),
        ("2tea", "how about 'tea'?"),
        ("../tea", "how about 'tea'?"),
        ("茶", "'茶' cannot be a program's name"),
        ("", "'' cannot be a program's name"),
        ("x" * 64, "how about 'xxx"),
        ("bike", "the name 'bike' is taken by a program that ships; take another one"),
        ("session", "the name 'session' is taken by the platform"),
        ("programs", "the name 'programs' is taken by the platform"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_says_which_could(tmp_path: Path, name: str, message: str) -> None:
    error = hutong("programs", "new", name, "--in", tmp_path / "in", "--json").error
    assert (error["type"], error["reason"]) == ("SetupError", "PROGRAM_NAME")
    assert message in error["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_there_already_is_left_alone(tmp_path: Path, is_file: bool) -> None:
    place = tmp_path / "tea"
    place.write_text("mine") if is_file else place.mkdir()
    error = hutong("programs", "new", "tea", "--in", tmp_path, "--json").error
    assert error["reason"] == "FOLDER_EXISTS"
    assert f"{place} is there already, and nothing was changed" in error["message"]
    assert place.read_text() == "mine" if is_file else list(place.iterdir()) == []


def test_the_skeleton_is_a_program_itself() -> None:
    assert list(load_programs([SKELETON]).programs) == ["skeleton"]


@pytest.mark.slow
def test_the_test_of_a_new_program_passes_and_fails_when_a_rule_is_broken(tmp_path: Path) -> None:
    hutong("programs", "new", "tea", "--in", tmp_path, "--json")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    passed = subprocess.run(command, cwd=tmp_path / "tea", capture_output=True, text=True, check=False)
    assert (passed.returncode, "4 passed" in passed.stdout) == (0, True), passed.stdout
    program = tmp_path / "tea" / "program.py"
    program.write_text(program.read_text().replace("card.stamps - FULL", "card.stamps - 9"))
    failed = subprocess.run(command, cwd=tmp_path / "tea", capture_output=True, text=True, check=False)
    assert (failed.returncode, "2 failed" in failed.stdout) == (1, True), failed.stdout


@pytest.mark.cluster
def test_the_readme_of_a_new_program_leads_to_a_released_one_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hutong("programs", "new", "tea", "--json")
    readme = (tmp_path / "tea" / "README.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()]
    assert lines.pop(0) == "hutong dev"
    assert len(lines) == 18
    with dev(tmp_path / "dev") as platform:
        pid = platform.process.pid
        for line in lines:
            words, _, rejected = line.partition("# rejected: ")
            said = platform("", *shlex.split(_prepared(platform, words), comments=True)[1:])
            assert said.status == (1 if rejected else 0), f"{line}: {said}"
            if rejected:
                assert said.error["reason"] == rejected
            if " gray " in line:
                _check_side_by_side(platform)
        _until(platform, lambda found: found["decides"] == 1)
        assert platform("call", "programs/tea/cards/last", "tea.stamp", '{"count": 12}').error["field"] == "$.count"
        assert platform("query", "programs/tea/cards/ann", "card").value["value"] == {"stamps": 0, "coffees": 1}
        named = platform.call("tea/cards/last", "tea.stamp", count=1)["request_id"]
        (why,) = platform("why", named).value["calls"]
        assert why["asked"]["entity"] == "programs/tea/cards/last"
        assert platform("replay --verify").status == 0
        assert platform.process.pid == pid
    with dev(tmp_path / "dev") as again:
        assert again.call("tea/cards/last", "tea.stamp", count=1)["value"] == {"stamps": 2}
        assert _until(again, lambda found: found["decides"] == 1)["trouble"] == ""


def _prepared(platform: Platform, line: str) -> str:
    """The line with what a person would put in, once it is so what the one before leads to."""
    if " upload " in line:
        for name, old, new in (("program.py", "FULL = 10", "FULL = 12"), ("manifest.json", '"code": 1', '"code": 2')):
            path = Path("tea", name)
            path.write_text(path.read_text().replace(old, new, 1))
    if " take " in line:
        return line.replace("LANE", str(_until(platform, lambda found: found["position"] == 1)["lane"]))
    if " judge " in line:
        _until(platform, lambda found: found["versions"][-1]["state"] == "in_review")
    return line


def _until(platform: Platform, fact: Callable[[Any], bool]) -> Any:
    found: Any = None
    for _ in range(LOOKS_MAX):
        found = platform("catalog show", "tea").value
        if fact(found):
            return found
    raise AssertionError(f"it stays so: {found}")


def _check_side_by_side(platform: Platform) -> None:
    """Half of all cards take twelve stamps at once, and always the same half."""
    _until(platform, lambda found: found["decides"] == 2)
    cards = [f"c{n}" for n in range(12)]
    new = [card for card in cards if bucket_of("tea", 2, card) < WHOLE // 2]
    assert 0 < len(new) < len(cards)
    for card in cards:
        said = platform("call", f"programs/tea/cards/{card}", "tea.stamp", '{"count": 12}')
        assert said.status == (0 if card in new else 1), (card, said)
        assert platform("catalog shown", "tea", card).value["code"] == (2 if card in new else 1)
