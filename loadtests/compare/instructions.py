"""`python -m loadtests instructions`: instructions a command of the kernel, which no other process disturbs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from actors.errors import SetupError
from loadtests.bench import processes
from loadtests.compare import kernel
from loadtests.compare.revisions import ROOT, Side, beside

WARM = 500
COUNT_S_MAX = 300.0
SAME = 0.002
"""Counts of one tree repeat within this share: what is left comes from addresses and the collector."""
SCRIPT = Path(kernel.__file__)


def run(revision: str, commands: int, seed: int, *, as_json: bool) -> None:
    """Count, and print a table or one JSON object on one line."""
    if shutil.which("valgrind") is None:
        raise SetupError(
            "instructions are counted by valgrind, which is not on this machine; install it (apt-get install valgrind) "
            "or compare by the clock: python -m loadtests bench --compare REV"
        )
    commands -= commands % kernel.FRAME_RECORDS  # whole frames
    if revision:
        with beside(revision) as (here, there):
            found = count((here, there), commands, seed)
    else:
        found = count((Side("this tree", ROOT),), commands, seed)
    if as_json:
        print(json.dumps({"commands": commands, "seed": seed, "instructions": found}), flush=True)
    else:
        print_table(found, Console())


def count(sides: Sequence[Side], commands: int, seed: int) -> dict[str, dict[str, float]]:
    """Instructions a command, by work and side. All counts go on side by side: they do not disturb one another."""
    for side in sides:
        _asked(side.tree, [sys.executable], "accepted", WARM, WARM, seed)  # compiles what is not compiled yet
    asked = [(side, work, applied) for side in sides for work in kernel.WORKS for applied in (WARM, WARM + commands)]

    def one(asking: tuple[Side, str, int]) -> int:
        side, work, applied = asking
        return _count(side.tree, work, prepared=WARM + commands, applied=applied, seed=seed)

    with ThreadPoolExecutor(os.cpu_count()) as lanes:
        counts = list(lanes.map(one, asked))
    found: dict[str, dict[str, float]] = {work: {} for work in kernel.WORKS}
    for at in range(0, len(asked), 2):
        side, work, _ = asked[at]
        found[work][side.name] = (counts[at + 1] - counts[at]) / commands
    return found


def _count(tree: Path, work: str, *, prepared: int, applied: int, seed: int) -> int:
    """All instructions of one process."""
    with tempfile.TemporaryDirectory(prefix="hutong-count-") as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable]
        said = _asked(tree, command, work, prepared, applied, seed)
    collected = re.search(r"Collected : (\d+)", said)
    if collected is None:
        raise SetupError(f"valgrind did not say what it counted; it said: {said[-500:]}")
    return int(collected[1])


def _asked(tree: Path, command: Sequence[str], work: str, prepared: int, applied: int, seed: int) -> str:
    """What the kernel's script said on stderr, over this tree."""
    words = [*command, str(SCRIPT), work, str(prepared), str(applied), str(seed)]
    fixed = {"PYTHONHASHSEED": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words,
            cwd=tree,
            env={**processes.environment(tree), **fixed},
            capture_output=True,
            text=True,
            timeout=COUNT_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"counting took longer than {COUNT_S_MAX:.0f} s; give fewer commands") from error
    if done.returncode != 0:
        raise SetupError(f"the kernel of {tree} does not do this work; it said: {done.stderr[-1_000:]}")
    return done.stderr


def print_table(found: Mapping[str, Mapping[str, float]], console: Console) -> None:
    """A row for each work; of two sides also their ratio."""
    sides = list(next(iter(found.values())))
    table = Table(title="Instructions a command of the kernel")
    for column in ("", *sides, *(("ratio", "") if len(sides) > 1 else ())):
        table.add_column(column, justify="right" if column else "left")
    for work, counts in found.items():
        cells = [f"{counts[side]:,.0f}" for side in sides]
        if len(sides) > 1:
            ratio = counts[sides[0]] / counts[sides[1]]
            cells += [f"{ratio:.4f}", said(ratio)]
        table.add_row(work, *cells)
    console.print(table)


def said(ratio: float) -> str:
    """What may be said of a ratio of two counts."""
    if abs(ratio - 1) <= SAME:
        return "no difference seen"
    return f"{abs(ratio - 1):.1%} {'more' if ratio > 1 else 'fewer'}"
