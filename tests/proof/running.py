"""The command line that every folder of campaigns shares: run them, say what was counted, write the report."""

import argparse
import functools
import logging
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.proof.counts import Counts

S = TypeVar("S")
TRACE_CHARS = 3_000


def run(
    name: str,
    campaigns: Mapping[str, tuple[Callable[[Path, int, S], Counts], S | None, S]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the campaigns, each (function of a folder, a seed and its size; quick size; full size); the exit code.

    One without a quick size is left out of a quick run, and said to be, unless it is asked for by name.
    """
    told = "\n".join(f"  {one}  {_about(function)}".rstrip() for one, (function, _, _) in campaigns.items())
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=f"Campaigns:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="the quick sizes (the default)")
    which.add_argument("--full", action="store_true", help="the whole sizes")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="what chance is drawn from")
    parser.add_argument("--only", choices=campaigns, help="one campaign")
    parser.add_argument("--report", type=Path, help="where the counts are written as JSON")
    options = parser.parse_args(arguments)
    logging.getLogger("hutong").setLevel(logging.CRITICAL + 1)  # what is broken on purpose says so by the thousand
    done: list[Counts] = []
    for one in [options.only] if options.only else campaigns:
        function, quick, full = campaigns[one]
        if quick is None and not options.full and not options.only:
            counts = Counts(one, options.seed, skipped=[f"{one} runs with --full, or --only {one}"])
        else:
            with tempfile.TemporaryDirectory(prefix=f"hutong-{one}-") as folder:
                began = time.monotonic()
                size = full if options.full or quick is None else quick
                counts = _played(one, function, Path(folder) / one, options.seed, size)
                counts.seconds = time.monotonic() - began
        done.append(counts)
        print(line_of(counts), flush=True)
        for said in (*counts.findings, *counts.short, *counts.skipped):
            print(f"    {said}", flush=True)
        if options.report:
            options.report.write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=1))
    return 0 if all(counts.is_clean for counts in done) else 1


def _played(name: str, function: Callable[[Path, int, S], Counts], folder: Path, seed: int, size: S) -> Counts:
    """What a campaign counted. One that breaks off is a finding, and the others go on."""
    try:
        return function(folder, seed, size)
    except Exception:  # noqa: BLE001 - whatever it is
        counts = Counts(name, seed)
        counts.find(f"it broke off: {traceback.format_exc()[-TRACE_CHARS:]}")
        return counts


def _about(function: Callable[..., Counts]) -> str:
    """The first line of what is said of a campaign; some are another one's function with an argument."""
    while isinstance(function, functools.partial):
        function = function.func
    return (function.__doc__ or "").partition("\n")[0]


def line_of(counts: Counts) -> str:
    """One campaign in one line."""
    faults = ", ".join(f"{number} × {kind}" for kind, number in counts.faults.items())
    figures = ", ".join(f"{name} {value:,.4g}" for name, value in counts.figures.items())
    return (
        f"{counts.scenario} (seed {counts.seed}): {counts.acked} acknowledged, {counts.lost} lost, {counts.twice} "
        f"twice, {counts.wrong} wrong; {faults or 'no faults'}; {figures or 'no figures'}; {counts.seconds:.1f} s"
    )
