"""What the proof consists of: each scenario is a command that writes a report, in one of two lanes or alone."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.proof.counts import Counts


class Scenario(NamedTuple):
    """A command that takes `--full` and `--report PATH`; it is ended after so many seconds."""

    name: str
    what: str
    arguments: tuple[str, ...]
    quick_s_max: float
    full_s_max: float

    def command(self, report: Path, *, full: bool) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", *self.arguments, *(["--full"] if full else []), "--report", str(report)]


def _module(name: str, what: str, quick_s_max: float, full_s_max: float) -> Scenario:
    return Scenario(name, what, (f"tests.{name}",), quick_s_max, full_s_max)


BUSY = (
    Scenario(
        "worlds", "simulated clusters from seeds; planted bugs", ("tests.simulation", "--only", "worlds"), 120, 1_200
    ),
    _module("disk", "the embedded log, stores and snapshots on a failing disk", 120, 900),
    _module("releases", "golden logs under both releases, any snapshot, other Pythons and hash seeds", 90, 300),
    _module("bad_input", "mutated messages, bad ids, corrupt records, code that raises or never ends", 150, 420),
    _module("linearizability", "histories of real clients, checked per entity", 120, 420),
)
"""The lane that computes."""

WAITING = (
    Scenario("more-worlds", "the other half of the seeds", ("tests.simulation", "--only", "more-worlds"), 60, 1_200),
    _module("kafka_faults", "one and three real Kafka brokers, killed, stalled, cut off", 120, 900),
    _module("killing", "hosts, Ray, log owner, supervisor killed under load", 240, 900),
)
"""The lane that mostly waits for processes."""

ALONE = (
    _module("overload", "twice and five times the capacity; hostile clients", 90, 420),
    _module("soak", "even load; nothing grows", 90, 420),
)
"""Run one after the other once the lanes are done: they measure."""


def read_report(path: Path, name: str) -> list[Counts]:
    """The counts of a scenario, of each of its campaigns."""
    said: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())
    return [msgspec.convert({"scenario": name, **one}, Counts, strict=False) for one in said]
