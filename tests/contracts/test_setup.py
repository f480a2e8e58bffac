"""The set-up script says what is wrong with the machine before it touches anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what the set-up script reads, and no .venv."""
    (tmp_path / "infra").mkdir()
    for name in ("infra/setup.sh", "infra/requirements.txt", "infra/requirements-build.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def set_up(clone: Path, *options: str, python: str) -> str:
    """What the script says on stderr; it must fail and leave nothing behind."""
    done = subprocess.run(
        ["bash", "infra/setup.sh", *options],
        cwd=clone,
        env={**os.environ, "PYTHON": python, "HOME": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not (clone / ".venv").exists()
    return done.stderr


def test_a_missing_python_is_named_with_what_to_install(clone: Path) -> None:
    said = set_up(clone, python="python-that-is-not-there")
    assert said.startswith("setup: python-that-is-not-there was not found. Install Python 3.11 or newer")


def test_an_old_python_is_refused_with_its_version(clone: Path) -> None:
    old = clone / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.20"\nexit 1\n')
    old.chmod(0o755)
    assert "is Python 3.8.20; Python 3.11 or newer is needed" in set_up(clone, python=str(old))


def test_an_unknown_option_is_refused(clone: Path) -> None:
    assert "unknown option '--prod'" in set_up(clone, "--prod", python="python3")


def test_every_lock_holds_hashes_and_no_address() -> None:
    locks = sorted((REPOSITORY / "infra").glob("requirements*.txt"))
    names = [lock.name for lock in locks]
    assert names == ["requirements-build.txt", "requirements-dev.txt", "requirements-load.txt", "requirements.txt"]
    for lock in locks:
        text = lock.read_text()
        pins = text.count("==")
        assert pins > 0
        assert text.count("--hash=sha256:") >= pins
        assert "://" not in text


def test_development_and_running_use_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return {line.split()[0] for line in (REPOSITORY / "infra" / name).read_text().splitlines() if "==" in line}

    assert pins("requirements.txt") < pins("requirements-load.txt") < pins("requirements-dev.txt")
