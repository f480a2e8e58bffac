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
    read = ("setup.sh", "quickness.py", "requirements.txt", "requirements-build.txt")
    for name in (*(f"infra/{name}" for name in read), "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def set_up(clone: Path, *options: str, **environment: str) -> str:
    """What the script says on stderr; it must fail."""
    done = subprocess.run(
        ["bash", "infra/setup.sh", *options],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(clone), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def path_with_a_python(clone: Path, took_us: int) -> str:
    """A search path on which `python3` is one that says that it took so long, and can nothing else."""
    (clone / "bin").mkdir()
    fake = clone / "bin" / "python3"
    fake.write_text(f'#!/bin/sh\n[ "$1" = infra/quickness.py ] && echo {took_us} && exit\nexit 1\n')
    fake.chmod(0o755)
    return f"{clone / 'bin'}:{os.environ['PATH']}"


def test_a_missing_python_is_named_with_what_to_install(clone: Path) -> None:
    said = set_up(clone, PYTHON="python-that-is-not-there")
    assert said.startswith("setup: python-that-is-not-there was not found. Install Python 3.11 or newer")
    assert not (clone / ".venv").exists()


def test_an_old_python_is_refused_with_its_version(clone: Path) -> None:
    old = clone / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.20"\nexit 1\n')
    old.chmod(0o755)
    assert "is Python 3.8.20; Python 3.11 or newer is needed" in set_up(clone, PYTHON=str(old))
    assert not (clone / ".venv").exists()


def test_a_quick_python_is_taken_for_what_it_says(clone: Path) -> None:
    assert "setup: python3 is " in set_up(clone, PATH=path_with_a_python(clone, took_us=1))
    assert not (clone / ".venv").exists()


def test_a_slow_python_is_passed_over_for_the_systems_own(clone: Path) -> None:
    if subprocess.run(["bash", "-c", "/usr/bin/python3 infra/quickness.py"], cwd=clone, check=False).returncode != 0:
        pytest.skip("the system's own Python will not do here")
    said = set_up(clone, PATH=path_with_a_python(clone, took_us=10**9), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert "with /usr/bin/python3 from infra/requirements.txt" in said
    assert "pip could not install uv" in said


def test_an_unknown_option_is_refused(clone: Path) -> None:
    assert "unknown option '--prod'" in set_up(clone, "--prod")
    assert not (clone / ".venv").exists()


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
