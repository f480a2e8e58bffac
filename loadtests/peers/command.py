"""`python -m loadtests peers`: the platform beside its peers. Timing never fails; it reports, also what it left out."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from actors.errors import SetupError
from infra.peers.environments import PEERS
from loadtests.bench.busy import BUSY_PERCENT_MAX
from loadtests.bench.effort import telling
from loadtests.peers import ratios, table
from loadtests.peers.called import CALLED
from loadtests.peers.contestant import Contestant
from loadtests.peers.in_ray import IN_RAY
from loadtests.peers.run import QUICK, Effort, Found
from loadtests.peers.streaming import STREAMING
from loadtests.peers.web import WEB

CONTESTANTS = (*CALLED, *IN_RAY, *WEB, *STREAMING)
LOGS = ("embedded", "kafka")
CUT = 130
CROWDED_MAX = 0.1
"""Where more than this share of the turns began on a busy machine, medians do not hold either."""


def chosen(only: Sequence[str]) -> list[Contestant]:
    """Those that are named, or all. Raises SetupError for a name that nobody has."""
    names = [contestant.name for contestant in CONTESTANTS]
    if unknown := sorted(set(only) - set(names)):
        raise SetupError(f"{', '.join(unknown)} is nobody here; there are {', '.join(names)}", reason="PEER_UNKNOWN")
    return [contestant for contestant in CONTESTANTS if not only or contestant.name in only]


def run(only: Sequence[str], *, as_json: bool, quick: bool) -> None:
    """Measure, telling the progress on stderr; then the table, or one JSON object on one line, on stdout."""
    began, tell = time.monotonic(), telling()
    found, effort = Found(chosen(only)), QUICK if quick else Effort()
    try:
        found.measure(effort, tell)
    except KeyboardInterrupt:
        tell("cut short: what follows is what there was")
    command = " ".join(["bash infra/peers.sh", *(f"--only {name}" for name in only), *(["--quick"] if quick else [])])
    said, report = told(found, effort, command, time.monotonic() - began)
    PEERS.mkdir(exist_ok=True)
    Path(PEERS, "report.json").write_text(report)
    Path(PEERS, "table.md").write_text(said)
    print(report if as_json else said, end="", flush=True)
    if not found.whole:
        sys.exit(CUT)


def told(found: Found, effort: Effort, command: str, seconds: float) -> tuple[str, str]:
    """The table, with the day and the command, and the same as JSON on one line."""
    standings = found.standings()
    by_log = {log: ratios.ratios(standings, log) for log in LOGS}
    day = datetime.now(UTC).date().isoformat()
    turns = len(found.busy_percent)
    crowded = sum(percent >= BUSY_PERCENT_MAX for percent in found.busy_percent)
    whole = "" if found.whole else "CUT SHORT: not every round is in it. "
    quiet = "" if crowded <= CROWDED_MAX * turns else "THE MACHINE WAS BUSY: no figure of this counts. "
    head = (
        f"{whole}{quiet}"
        f"`{command}`, {day}: medians of {effort.rounds} rounds, {seconds / 60:.0f} minutes, two cores and all "
        f"on them; before {crowded} of {turns} turns others used {BUSY_PERCENT_MAX:.0f} % of the machine or more."
    )
    said = "\n\n".join((head, table.markdown(standings), ratios.markdown(by_log))) + "\n"
    report = {
        "command": command,
        "day": day,
        "whole": found.whole,
        "rounds": effort.rounds,
        "seconds": seconds,
        "busy_percent": found.busy_percent,
        "rows": msgspec.to_builtins(standings),
        "ratios": by_log,
    }
    return said, json.dumps(report) + "\n"
