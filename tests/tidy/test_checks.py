"""The linter, the formatter and both type checkers find nothing. What they look at, `pyproject.toml` says."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.checks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy", "pyright"])
def test_the_tool_finds_nothing(command: str) -> None:
    name, *options = command.split()
    tool = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert tool is not None, f"{name} is not installed: bash infra/setup.sh --dev"
    done = subprocess.run([tool, *options], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} says:\n{done.stdout}{done.stderr}"
