"""`hutong programs new`: what it makes runs, is tested and called as its README says; what cannot be is refused."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from actors.cli.making import SKELETON
from actors.registry import load_programs, shipped_programs
from tests.cli.running import dev, hutong

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
    assert f"hutong dev --programs {tmp_path / 'not' / 'yet' / 'tea'}" in said.out
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
def test_the_readme_of_a_new_program_can_be_followed(tmp_path: Path) -> None:
    hutong("programs", "new", "tea", "--in", tmp_path, "--json")
    readme = (tmp_path / "tea" / "README.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()]
    asked = [line for line in lines if line.startswith("hutong ") and not line.startswith("hutong dev")]
    assert len(asked) == 7
    with dev(tmp_path / "dev", "--programs", str(tmp_path / "tea")) as platform:
        for line in asked:
            said = platform("", *shlex.split(line, comments=True)[1:])
            _, _, rejected = line.partition("# rejected: ")
            assert said.status == (1 if rejected else 0), f"{line}: {said}"
            if rejected:
                assert said.error["reason"] == rejected
        card = platform("query", "programs/tea/cards/ann", "card").value
    assert card["value"] == {"stamps": 0, "coffees": 1}
