"""Which worlds are run: `--seed N` one, `--seeds N` so many, `--seeds A:B` from A up to B; and what they came to."""

import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.counts import Counts

SEEDS = "300"
WORLD = "test_everything_holds_and_settles"
CHECK_EVERY = 16
RECENT_MAX = 16
GARBAGE = (100_000, 20, 100)


class Tally:
    """What all worlds of this run came to."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.failed_seeds: list[int] = []
        self.planted: dict[str, bool] = {}
        """By the name of a planted bug: whether it was found."""
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def report(self) -> dict[str, object]:
        """As JSON shows it."""
        counts, seconds = self.counts, self.seconds or 1.0
        return {
            "seeds": counts.worlds,
            "failed_seeds": self.failed_seeds,
            "commands_asked": counts.asked,
            "commands_accepted": counts.accepted,
            "commands_acked": counts.acked,
            "commands_succeeded": counts.succeeded,
            "commands_unknown_settled": counts.unknown_settled,
            "commands_not_appended": counts.not_appended,
            "lost": counts.lost,
            "applied_twice": counts.applied_twice,
            "bad_inputs": counts.bad_inputs,
            "queries": counts.queries,
            "faults": counts.faults,
            "faults_by_kind": dict(sorted(counts.felt.items())),
            "injected_by_kind": dict(sorted(counts.injected.items())),
            "planted_bugs": len(self.planted),
            "planted_bugs_found": sum(self.planted.values()),
            "planted_bugs_missed": [name for name, found in self.planted.items() if not found],
            "seconds": round(seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "commands_per_s": round(counts.asked / seconds),
            "faults_per_s": round(counts.faults / seconds),
            "commands_per_cpu_s": round(counts.asked / (self.cpu_seconds or 1.0)),
        }


TALLY = pytest.StashKey[Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/simulation --seed 17` runs one world and tells its story when it fails."""
    parser.addoption("--seed", type=int, default=None, help="run this world of the simulation only")
    parser.addoption("--seeds", default=SEEDS, help=f"how many worlds to run ({SEEDS}), or FROM:TO")
    parser.addoption("--report", default=None, help="write what the simulation came to, as JSON, to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[TALLY] = Tally()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of them are the proof's, too. `--seed` is for one world, without the tests beside the worlds."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in mine:
        item.add_marker("proved")
    if config.getoption("--seed", None) is not None:
        beside = [item for item in mine if not item.name.startswith(WORLD)]
        config.hook.pytest_deselected(items=beside)
        items[:] = [item for item in items if item not in beside]


def _seeds(said: str) -> range:
    """The seeds that `--seeds` names."""
    first, _, last = said.rpartition(":")
    found = range(int(first or 0), int(last)) if (first or "0").isdecimal() and last.isdecimal() else range(0)
    if not found:
        raise pytest.UsageError("--seeds takes a number of worlds, or FROM:TO with FROM below TO")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a world."""
    if "seed" in metafunc.fixturenames:
        seed: int | None = metafunc.config.getoption("--seed", None)
        seeds = _seeds(str(metafunc.config.getoption("--seeds", SEEDS))) if seed is None else [seed]
        metafunc.parametrize("seed", seeds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what it came to, and write it down if asked."""
    tally = config.stash[TALLY]
    found = tally.report()
    if tally.counts.worlds:
        counts = tally.counts
        terminalreporter.write_line(
            f"{counts.worlds} worlds: {counts.accepted} commands accepted, {counts.acked} acked, {counts.lost} lost, "
            f"{counts.applied_twice} applied twice; {counts.faults} faults of {len(counts.felt)} kinds; "
            f"{counts.bad_inputs} bad inputs; {found['commands_per_s']} commands/s, {found['faults_per_s']} faults/s, "
            f"{found['commands_per_cpu_s']} commands a second of one core"
        )
    if tally.planted:
        terminalreporter.write_line(f"{sum(tally.planted.values())} of {len(tally.planted)} planted bugs found")
    if path := config.getoption("--report", None):
        Path(path).write_text(json.dumps(found, indent=2) + "\n")


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Tally:
    """What this run has come to so far."""
    return pytestconfig.stash[TALLY]


@pytest.fixture
def timed(tally: Tally) -> Iterator[None]:
    """Count the seconds of this test."""
    began, cpu_began = time.perf_counter(), time.process_time()
    yield
    tally.seconds += time.perf_counter() - began
    tally.cpu_seconds += time.process_time() - cpu_began


@pytest.fixture(scope="session", autouse=True)
def garbage_is_seldom_looked_for() -> Iterator[None]:
    """A world is one large heap of values that live as long as it does."""
    before = gc.get_threshold()
    gc.set_threshold(*GARBAGE)
    yield
    gc.set_threshold(*before)


def make_checks_often(patch: pytest.MonkeyPatch) -> None:
    """A world's log is short: its owners append their sums more often, and remember fewer calls in memory."""
    patch.setattr("actors.kernel.partition.CHECK_EVERY", CHECK_EVERY)
    patch.setattr("actors.ownership.CHECK_EVERY", CHECK_EVERY)
    patch.setattr("actors.kernel.inbox.RECENT_MAX", RECENT_MAX)


@pytest.fixture(autouse=True)
def checks_come_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `make_checks_often`."""
    make_checks_often(monkeypatch)
