"""Other Pythons than this one on this machine, and what a golden log comes to there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.releases.golden import Sums

ROOT = Path(__file__).parents[2]
OLDEST, NEWEST_TRIED = 11, 19
ASK_S_MAX = 20
INSTALL_S_MAX = 60
RUN_S_MAX = 120
ASKED = "import platform, sys; print(platform.python_implementation(), *sys.version_info[:2])"


class Python(NamedTuple):
    """An interpreter, what its environment needs to find msgspec, and its version for a person."""

    path: str
    environment: Mapping[str, str]
    version: str


class Said(msgspec.Struct):
    """What `python -m tests.releases.golden` prints."""

    python: tuple[int, int, int]
    sums: dict[str, list[Sums]]


THIS = Python(sys.executable, {}, "{}.{}.{}".format(*sys.version_info[:3]))


def others(folder: Path | None = None) -> tuple[list[Python], list[str]]:
    """One Python of each other minor version that can run a golden log, and why others cannot.

    One without msgspec gets it into `folder`, if that is given and there is a registry to get it from.
    """
    usable: list[Python] = []
    skipped: list[str] = []
    for minor, path in _found().items():
        environment = _environment(path, None if folder is None else folder / f"python3.{minor}")
        if environment is None:
            skipped.append(f"Python 3.{minor} ({path}) is SKIPPED: it has no msgspec, and none was installed for it")
        else:
            usable.append(Python(path, environment, f"3.{minor}"))
    if not usable and not skipped:
        skipped.append("other Pythons are SKIPPED: this machine has no CPython of another version from 3.11 on")
    return usable, skipped


def sums_by(python: Python, hash_seed: str, arguments: Sequence[str] = ()) -> dict[str, list[Sums]]:
    """What the golden logs come to under this interpreter and seed."""
    command = [python.path, "-B", "-m", "tests.releases.golden", *arguments]
    environment = {**os.environ, **python.environment, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=RUN_S_MAX)
    assert done.returncode == 0, f"Python {python.version}, hash seed {hash_seed}: {done.stderr.decode()[-2_000:]}"
    said = msgspec.json.decode(done.stdout, type=Said)
    assert python.version in ".".join(map(str, said.python)), f"{python.path} is Python {said.python}"
    return said.sums


def _found() -> dict[int, str]:
    """By minor version, the first interpreter of each that is not this one's."""
    found: dict[int, str] = {}
    for path in _candidates():
        done = subprocess.run([path, "-c", ASKED], capture_output=True, text=True, check=False, timeout=ASK_S_MAX)
        if done.returncode != 0:
            continue
        implementation, major, minor = done.stdout.split()
        if implementation == "CPython" and major == "3" and int(minor) >= OLDEST and int(minor) != sys.version_info[1]:
            found.setdefault(int(minor), path)
    return dict(sorted(found.items()))


def _candidates() -> Iterator[str]:
    for minor in range(OLDEST, NEWEST_TRIED + 1):
        path = shutil.which(f"python3.{minor}")
        if path is not None and "shims" not in Path(path).parts:  # pyenv's are slow, and refuse what is not switched on
            yield path
    root = _said("pyenv", "root")
    if root:
        yield from (str(path) for path in sorted(Path(root).glob("versions/3.*/bin/python3")))
    yield from (line.split()[1] for line in _said("uv", "python", "list", "--only-installed").splitlines())


def _said(*command: str) -> str:
    """What a tool says, or "" where there is none."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_S_MAX)
    return done.stdout.strip() if done.returncode == 0 else ""


def _environment(python: str, folder: Path | None) -> Mapping[str, str] | None:
    if _has_msgspec(python, {}):
        return {}
    if folder is None:
        return None
    wanted = f"msgspec=={msgspec.__version__}"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--retries", "1"]
    try:
        subprocess.run(
            [*install, "--target", str(folder), wanted], capture_output=True, check=False, timeout=INSTALL_S_MAX
        )
    except subprocess.TimeoutExpired:
        return None
    environment = {"PYTHONPATH": str(folder)}
    return environment if _has_msgspec(python, environment) else None


def _has_msgspec(python: str, environment: Mapping[str, str]) -> bool:
    command = [python, "-c", "import msgspec"]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=ASK_S_MAX)
    return done.returncode == 0
