"""What the proof consists of: each scenario is a command that writes a report, run beside another one or alone."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.proof.counts import Counts


class Least(NamedTuple):
    """What a scenario must have come to: a run that hardly did anything proves nothing."""

    acked: int = 0
    faults: int = 0
    bad_inputs: int = 0
    planted: int = 0

    def missing(self, counts: Counts) -> list[str]:
        """What falls below, in words."""
        seen = Least(counts.acked, sum(counts.faults.values()), counts.bad_inputs, counts.planted)
        return [
            f"only {has:,} {name.replace('_', ' ')}, where at least {least:,} belong"
            for name, has, least in zip(self._fields, seen, self, strict=True)
            if has < least
        ]


class Scenario(NamedTuple):
    """A command that takes `--full` and `--report PATH`; it is ended after so many seconds."""

    name: str
    what: str
    arguments: tuple[str, ...]
    quick_s_max: float
    full_s_max: float
    quick: Least
    full: Least

    def command(self, report: Path, *, full: bool) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", *self.arguments, *(["--full"] if full else []), "--report", str(report)]


def _module(name: str, what: str, quick_s_max: float, full_s_max: float, quick: Least, full: Least) -> Scenario:
    return Scenario(name, what, (f"tests.{name}",), quick_s_max, full_s_max, quick, full)


COMPUTING = (
    Scenario(
        "worlds",
        "simulated clusters from seeds; planted bugs",
        ("tests.simulation", "--only", "worlds"),
        quick_s_max=240,
        full_s_max=1_800,
        quick=Least(acked=25_000, faults=20_000, planted=15),
        full=Least(acked=1_200_000, faults=100_000, planted=15),
    ),
    _module(
        "disk",
        "the embedded log, stores and snapshots on a failing disk",
        quick_s_max=240,
        full_s_max=1_500,
        quick=Least(acked=10_000, faults=300),
        full=Least(acked=30_000, faults=1_300),
    ),
    Scenario(
        "more-worlds",
        "the other half of the seeds",
        ("tests.simulation", "--only", "more-worlds"),
        quick_s_max=120,
        full_s_max=1_800,
        quick=Least(acked=4_000, faults=1_000),
        full=Least(acked=1_250_000, faults=100_000),
    ),
    _module(
        "releases",
        "golden logs under both releases, any snapshot, other Pythons and hash seeds",
        quick_s_max=180,
        full_s_max=600,
        quick=Least(),
        full=Least(),
    ),
)
"""One after the other, also beside the tests: they use one core, and nobody looks at how long they take."""

PAIRED = (
    _module(
        "killing",
        "hosts, Ray, log owner, supervisor killed under load",
        quick_s_max=420,
        full_s_max=1_800,
        quick=Least(acked=3_000, faults=8),
        full=Least(acked=40_000, faults=120),
    ),
    _module(
        "kafka_faults",
        "one and three real Kafka brokers, killed, stalled, cut off",
        quick_s_max=300,
        full_s_max=1_800,
        quick=Least(acked=1_000, faults=10),
        full=Least(acked=20_000, faults=30),
    ),
    _module(
        "bad_input",
        "mutated messages, bad ids, corrupt records, code that raises or never ends",
        quick_s_max=300,
        full_s_max=900,
        quick=Least(bad_inputs=150_000),
        full=Least(bad_inputs=1_800_000),
    ),
    _module(
        "linearizability",
        "histories of real clients, checked per entity",
        quick_s_max=300,
        full_s_max=900,
        quick=Least(acked=500, faults=4),
        full=Least(acked=10_000, faults=20),
    ),
    _module(
        "city",
        "persons' days in one town while processes die",
        quick_s_max=240,
        full_s_max=1_200,
        quick=Least(acked=70, faults=5),
        full=Least(acked=700, faults=22),
    ),
    _module(
        "soak",
        "even load; nothing grows",
        quick_s_max=180,
        full_s_max=600,
        quick=Least(acked=1_000),
        full=Least(acked=60_000, faults=5),
    ),
)
"""Beside those, and then two at a time, the longest first: they kill processes and look at how long others wait.

At last what looks at no times: the soak compares what it holds with what it held before, whoever runs beside it.
"""

ALONE = (
    _module(
        "overload",
        "twice and five times the capacity; hostile clients",
        quick_s_max=300,
        full_s_max=900,
        quick=Least(acked=10_000, faults=5),
        full=Least(acked=200_000, faults=7),
    ),
)
"""Run one after the other once the others are done: they measure."""


def read_report(path: Path, name: str) -> list[Counts]:
    """The counts of a scenario, of each of its campaigns."""
    said: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())
    return [msgspec.convert({"scenario": name, **one}, Counts, strict=False) for one in said]
