"""The order of it all: rounds in which each contestant in its turn is started afresh, measured and ended.

In the first round it is also killed again and again, once it was measured.
"""

import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actors.errors import PlatformError
from loadtests.bench.busy import BUSY_PERCENT_MAX, busy_percent
from loadtests.bench.effort import Tell
from loadtests.peers.campaign import NoAnswer
from loadtests.peers.contestant import HOT, KEYS, Contestant, Figures, Served
from loadtests.peers.table import Standing, medians

PREFIX = "hutong-peers-"
CALM_S_MAX = 10.0
"""A turn waits so long for a machine that others are busy on; then it begins all the same, and that is told."""
REASON_MAX = 200
FAILURES = (PlatformError, NoAnswer, OSError, subprocess.SubprocessError)


class Effort(NamedTuple):
    """How much is measured, and after how many minutes no turn begins any more."""

    rounds: int = 5
    seconds: float = 2.5
    kills: int = 10
    minutes_max: float = 28.0


QUICK = Effort(rounds=1, seconds=1.0, kills=2, minutes_max=10.0)


class Found:
    """What has been measured so far."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self._contestants = tuple(contestants)
        self.random: dict[str, list[Figures]] = {}
        self.hot: dict[str, list[Figures]] = {}
        self.killed: dict[str, Figures] = {}
        self.left_out: dict[str, str] = {}
        self.busy_percent: list[float] = []
        self.whole = False

    def standings(self) -> list[Standing]:
        """Every row as it stands."""
        return [
            Standing(
                row,
                medians(self.random.get(row.key, ())),
                medians(self.hot.get(row.key, ())),
                self.killed.get(contestant.name, {}) if row == contestant.rows[0] else {},
                "" if row.key in self.random else self.left_out.get(contestant.name, "its turn never came"),
                len(self.random.get(row.key, ())),
            )
            for contestant in self._contestants
            for row in contestant.rows
        ]

    def measure(self, effort: Effort, tell: Tell) -> None:
        """All the rounds, as far as the time goes."""
        until = time.monotonic() + 60 * effort.minutes_max
        for round_ in range(effort.rounds):
            for contestant in self._contestants:
                if contestant.name in self.left_out:
                    continue
                if time.monotonic() > until:
                    tell(f"the {effort.minutes_max:.0f} minutes are over in round {round_ + 1}")
                    return
                self.busy_percent.append(calm_percent())
                tell(f"round {round_ + 1}: {contestant.name}; others use {self.busy_percent[-1]:.0f} % of the machine")
                try:
                    self._turn(contestant, effort, kill=round_ == 0, tell=tell)
                except FAILURES as error:
                    self.left_out[contestant.name] = " ".join(str(error).split())[:REASON_MAX]
                    tell(f"{contestant.name} is LEFT OUT: {error}")
        self.whole = True

    def _turn(self, contestant: Contestant, effort: Effort, *, kill: bool, tell: Tell) -> None:
        with fresh_folder() as folder, contestant.start(folder) as served:
            self._measured(served, effort, tell)
            if kill and contestant.killed:
                self.killed[contestant.name] = served.campaign(effort.kills)
                tell(", ".join(f"{key} {value:,.4g}" for key, value in self.killed[contestant.name].items()))

    def _measured(self, served: Served, effort: Effort, tell: Tell) -> None:
        random = served.measure(KEYS, effort.seconds)
        hot = served.measure(HOT, effort.seconds)
        for kind, some, kept in (("random", random, self.random), ("hot", hot, self.hot)):
            for key, figures in some.items():
                kept.setdefault(key, []).append(figures)
                tell(f"{key} {kind}: " + ", ".join(f"{name} {value:,.4g}" for name, value in figures.items()))


@contextmanager
def fresh_folder() -> Generator[Path]:
    """An empty folder for one turn. What a killed process still holds open may be left in it, and is no error."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name) / "turn"
        folder.mkdir()
        yield folder


def calm_percent() -> float:
    """The share of the machine that others use, once it is small, or else after `CALM_S_MAX`."""
    until = time.monotonic() + CALM_S_MAX
    while (percent := busy_percent()) >= BUSY_PERCENT_MAX and time.monotonic() < until:
        pass
    return percent
