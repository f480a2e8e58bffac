"""Two revisions beside each other: what is said of noise, that a worktree goes again, that the work is fixed."""

import io
import random
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from actors.errors import SetupError
from loadtests.compare import clocks, instructions, kernel
from loadtests.compare.paired import PAIRS_MIN, Measure, compared, spread
from loadtests.compare.revisions import beside

RATE = Measure("rate", "calls", "calls/s", more=True)
TIME = Measure("time", "time of a call", "ms")
SEED = 20_261_121


def pairs_of(ratio: float, noise: float, count: int = 9) -> list[tuple[float, float]]:
    """Pairs of a slow machine's figures; the other side is 100 on average."""
    chance = random.Random(SEED)
    there = [100 * chance.uniform(0.8, 1.2) for _ in range(count)]
    return [(other * ratio * chance.uniform(1 - noise, 1 + noise), other) for other in there]


def test_a_difference_that_is_larger_than_the_noise_is_named_by_which_way_is_better() -> None:
    assert compared(RATE, pairs_of(1.1, 0.03)).said == "better"
    assert compared(TIME, pairs_of(1.1, 0.03)).said == "worse"
    assert compared(RATE, pairs_of(0.9, 0.03)).said == "worse"
    assert compared(TIME, pairs_of(0.9, 0.03)).said == "better"


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
def test_noise_alone_is_no_difference(noise: float) -> None:
    assert compared(RATE, pairs_of(1.0, noise)).said == "no difference seen"


def test_a_machine_that_gets_slower_meanwhile_changes_no_ratio() -> None:
    pairs = [(110.0 / slower, 100.0 / slower) for slower in range(1, 10)]
    found = compared(RATE, pairs)
    assert (round(found.ratio, 6), found.said) == (1.1, "better")


def test_of_too_few_pairs_nothing_is_said() -> None:
    assert compared(RATE, pairs_of(1.5, 0.01, PAIRS_MIN - 1)).said == "no difference seen"
    assert compared(RATE, pairs_of(1.5, 0.01, PAIRS_MIN)).said == "better"


def test_with_enough_pairs_one_that_went_wrong_on_each_side_is_left_out() -> None:
    assert spread([0.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 9.0]) == (1.1, 1.1)
    assert spread([0.1, 1.1, 1.1, 1.1, 1.1, 1.1, 9.0]) == (0.1, 9.0)


def test_the_table_says_what_was_seen() -> None:
    said = io.StringIO()
    found = [compared(RATE, pairs_of(1.1, 0.02)), compared(TIME, pairs_of(1.0, 0.2))]
    clocks.print_table(("this tree", "HEAD~1 (01234567)"), found, Console(file=said, width=160))
    assert "better" in said.getvalue()
    assert "no difference seen" in said.getvalue()


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits and something that is not committed."""
    git(tmp_path, "init", "-q")
    for text in ("first", "second"):
        (tmp_path / "text").write_text(text)
        git(tmp_path, "add", "text")
        git(tmp_path, "commit", "-qm", text)
    (tmp_path / "text").write_text("not committed")
    return tmp_path


def test_a_revision_stands_beside_this_tree_for_a_while_and_leaves_nothing(repository: Path) -> None:
    with beside("HEAD~1", repository) as (here, there):
        assert (here.tree / "text").read_text() == "not committed"
        assert (there.tree / "text").read_text() == "first"
        assert there.name.startswith("HEAD~1 (")
    assert not there.tree.exists()
    assert not any((repository / ".git" / "worktrees").glob("*"))


@pytest.mark.parametrize("revision", ["no-such-thing", "--help", ""])
def test_what_is_no_revision_is_told(repository: Path, revision: str) -> None:
    with pytest.raises(SetupError, match="no revision"), beside(revision, repository):
        pass


def test_a_folder_without_a_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no git checkout"), beside("HEAD", tmp_path):
        pass


def test_rows_that_are_not_there_and_too_few_pairs_are_refused_before_anything_starts() -> None:
    with pytest.raises(SetupError, match="no row 'speed'"):
        clocks.run("HEAD", ["speed"], 9, as_json=True)
    with pytest.raises(SetupError, match="nothing could be said"):
        clocks.run("HEAD", [], PAIRS_MIN - 1, as_json=True)


@pytest.mark.parametrize("work", kernel.WORKS)
def test_the_counted_work_is_the_same_of_a_seed_and_every_call_is_answered(work: str) -> None:
    frames = kernel.frames_of(kernel.WORKS[work](400, random.Random(SEED)))
    assert frames == kernel.frames_of(kernel.WORKS[work](400, random.Random(SEED)))
    assert frames != kernel.frames_of(kernel.WORKS[work](400, random.Random(SEED + 1)))
    assert kernel.main(work, 400, 400, SEED) == 400
    assert kernel.main(work, 400, 0, SEED) == 0


def test_counts_within_what_repeats_are_no_difference() -> None:
    assert instructions.said(1 + instructions.SAME / 2) == "no difference seen"
    assert instructions.said(1.05) == "5.0% more"
    said = io.StringIO()
    instructions.print_table({"accepted": {"this tree": 95.0, "HEAD~1": 100.0}}, Console(file=said, width=120))
    assert "5.0% fewer" in said.getvalue()


def test_without_valgrind_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="apt-get install valgrind"):
        instructions.run("", 1_000, 1, as_json=False)
