"""What a load run came to: plain data, which the report, the thresholds and the planner read. Says nothing of how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from loadtests.bench.yardstick import Pace

ALL = "all"
"""The kind that stands for every call."""
RUN_FILE = "run.json"
"""Under this name a run is kept in its folder."""


class Quantiles(Struct, frozen=True, kw_only=True):
    """How long calls took from their intended start. `hist` is an encoded HDR histogram in microseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    hist: str


class Second(Struct, frozen=True, kw_only=True):
    """One second of the run, of all generators. `offered` were due in it, `served` answered in it.

    `late_ms_max` is how late a generator itself was at most; `behind` how many frames of the log were not applied yet.
    """

    at_s: int
    offered: int
    served: int
    errors: int
    in_flight: int
    late_ms_max: float
    p50_ms: float
    p99_ms: float
    behind: int


class ProcessCpu(Struct, frozen=True, kw_only=True):
    """A process, or all of one role: the CPU seconds it used in each second of the run, and its memory at most."""

    role: str
    cpu_s: tuple[float, ...]
    rss_bytes_max: int


class Fault(Struct, frozen=True, kw_only=True):
    """What was done to the platform, when, and how long until calls took as long as before; None if they never did."""

    at_s: float
    what: str
    recovered_s: float | None


class Threshold(Struct, frozen=True, kw_only=True):
    """A bound that the run had to keep, what was measured, and whether it was kept: none is that was not measured."""

    name: str
    bound: float
    measured: float | None
    met: bool


class Run(Struct, frozen=True, kw_only=True):
    """One run. `compress` is as it was asked for, such as `24h:10m`; `errors` are counted by reason.

    `ended` is `done`, `cut` when somebody ended it early, or `failed`. A run that is not `valid` measured something
    else than it was to, `invalid_because` says why and `advice` what to do; it never passes.
    """

    scenario: str
    seed: int
    users: int
    compress: str
    began_at_ms: int
    seconds_planned: float
    ended: Literal["done", "cut", "failed"]
    valid: bool
    invalid_because: tuple[str, ...]
    offered: int
    served: int
    errors: Mapping[str, int]
    lost: int
    doubled: int
    latency: Mapping[str, Quantiles]
    seconds: tuple[Second, ...]
    processes: tuple[ProcessCpu, ...]
    faults: tuple[Fault, ...]
    thresholds: tuple[Threshold, ...]
    machine: Mapping[str, str]
    settings: Mapping[str, str]
    pace: tuple[Pace, ...] = ()
    """How quick the machine of the coordinator was, second by second."""
    advice: str = ""
    audited: bool = True
    """Whether anybody could look for what is lost and doubled; else both are 0 and mean nothing."""

    @property
    def passed(self) -> bool:
        """Whether it was a good run: valid, whole, and every threshold met. Errors have a threshold of their own."""
        kept = all(threshold.met for threshold in self.thresholds)
        return self.valid and self.ended == "done" and kept and self.lost == 0 and self.doubled == 0


def write_run(run: Run, folder: Path) -> Path:
    """Keep the run in this folder; returns where. Raises OSError, and then leaves nothing half written."""
    path = folder / RUN_FILE
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(msgspec.json.encode(run))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return path


def read_run(path: Path) -> Run:
    """A run that was kept. Raises FileNotFoundError, and msgspec.ValidationError for what is none."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
