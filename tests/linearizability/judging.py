"""What Porcupine says of a history: a checker by others, built from `porcupine/` where there is Go."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.linearizability.history import Op, as_lines

SOURCE = Path(__file__).parent / "porcupine"
FETCH_S_MAX = 60.0
BUILD_S_MAX = 120.0
ENTITY_S_MAX = 10
"""How long Porcupine may search for an order of one entity's ops; its problem has no bound that is of use."""
JUDGE_S_MAX = 120.0


class Verdict(Struct, frozen=True):
    """What it says of one entity: Ok, Illegal, or Unknown when its time was over.

    `ordered` says that the plain search took over a second, and that it was shortened as `counter` in `main.go` says.
    """

    entity: str
    verdict: str
    ops: int
    ordered: bool


class Away(Exception):
    """Porcupine cannot be had on this machine; says why."""


def build(folder: Path) -> Path:
    """Build the program; where it is. Raises Away when there is no Go, or the library cannot be fetched."""
    go = shutil.which("go")
    if go is None:
        raise Away("Go was not found")
    try:
        subprocess.run(
            [go, "mod", "download"], cwd=SOURCE, check=True, capture_output=True, text=True, timeout=FETCH_S_MAX
        )
    except subprocess.TimeoutExpired:
        raise Away(f"the library was not fetched within {FETCH_S_MAX:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise Away(f"the library was not fetched: {error.stderr.strip()[-300:]}") from None
    program = folder / "judge"
    done = subprocess.run(
        [go, "build", "-buildvcs=false", "-o", str(program), "."],
        cwd=SOURCE,
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
    )
    assert done.returncode == 0, f"the program does not build: {done.stderr}"
    return program


def judge(program: Path, history: Iterable[Op], *options: str) -> Mapping[str, Verdict]:
    """Its verdict for each entity."""
    done = subprocess.run(
        [str(program), "-seconds", str(ENTITY_S_MAX), *options],
        input=as_lines(history),
        capture_output=True,
        check=False,
        timeout=JUDGE_S_MAX,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    verdicts = msgspec.json.Decoder(Verdict).decode_lines(done.stdout)
    return {one.entity: one for one in verdicts}
