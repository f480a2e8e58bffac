"""What a call costs: processor time by process, bytes, memory. `python -m loadtests costs` measures it, nobody writes
it by hand; the table of the last measurement is kept beside this file, with its date and its machine.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.errors import SetupError
from loadtests.bench.yardstick import Pace

T = TypeVar("T", bound=Struct)
COSTS_FILE = Path(__file__).parent / "costs.json"
ROLES = ("gateway", "host", "log", "rest")
"""The processes of a platform: the log is its owner or Kafka's broker, the rest Ray's, the controller's and others."""


class CallCost(Struct, frozen=True, kw_only=True):
    """One kind of call, the commands that it sends on included. `path` is `stream` or `unary`."""

    kind: str
    path: str
    calls: int
    per_s: float
    cpu_us: Mapping[str, float]
    log_bytes: float
    """What the log grows by, one copy of it."""
    store_bytes: float
    """What the hosts' stores of states grow by."""
    wire_bytes: float
    """What the client sends and is sent, without headers."""


class Costs(Struct, frozen=True, kw_only=True, dict=True):
    """All of one measurement. Times are those of processors of standard speed (`bench/yardstick.py`)."""

    taken_at: str
    command: str
    machine: Mapping[str, str]
    log: str
    partitions: int
    calls: tuple[CallCost, ...]
    frame_us: Mapping[str, float]
    """What a frame costs beside the calls in it and the round that it shares; of the rest, a frame of events."""
    idle_cores: Mapping[str, float]
    rss_bytes: Mapping[str, int]
    """Of each role, after it all."""
    session_bytes: float
    """Memory of a host for a resident session."""
    replay_per_s: float
    tls_us_a_kb: float
    """Of processor time, for a thousand bytes that are sealed or opened."""
    recovers_s: float
    """From a host's end until all of its partitions answer."""
    pace: Pace
    """How quick the machine was in the mean."""

    def of(self, kind: str, path: str = "stream") -> CallCost:
        """One kind's; by the other path if this one was not measured. Raises SetupError for what was not measured."""
        found = self._by_path.get((kind, path)) or self._by_kind.get(kind)
        if found is None:
            raise SetupError(f"what {kind!r} costs was not measured; python -m loadtests costs does")
        return found

    @cached_property
    def _by_path(self) -> dict[tuple[str, str], CallCost]:
        return {(cost.kind, cost.path): cost for cost in reversed(self.calls)}

    @cached_property
    def _by_kind(self) -> dict[str, CallCost]:
        return {cost.kind: cost for cost in reversed(self.calls)}


PREFERRED = ("kafka", "embedded")
"""The log of many machines comes first."""


def read_costs(log: str = "", path: Path = COSTS_FILE) -> Costs:
    """The last measurement on this kind of log; on Kafka if it was measured, where no log is named.

    Raises SetupError when there is none.
    """
    tables = all_costs(path)
    wanted = log or next((name for name in PREFERRED if name in tables), PREFERRED[0])
    if wanted not in tables:
        known = ", ".join(f"{name} ({costs.taken_at})" for name, costs in tables.items()) or "none"
        message = f"what calls cost on the {wanted} log was not measured here; there are costs of: {known}"
        choice = "Name one of these with --log, or measure" if tables else "Measure"
        how = f"{choice} it in some minutes: python -m loadtests costs --log {wanted}"
        raise SetupError(f"{message}. {how}", reason="NO_COSTS")
    return tables[wanted]


def all_costs(path: Path = COSTS_FILE) -> dict[str, Costs]:
    """The last measurement on each kind of log. Raises SetupError for what cannot be read."""
    return kept(path, dict[str, Costs])


def keep_costs(costs: Costs, path: Path = COSTS_FILE) -> None:
    """Put it in the place of the last measurement on this kind of log."""
    tables = all_costs(path) | {costs.log: costs}
    keep(path, tables)


def kept(path: Path, what: type[dict[str, T]]) -> dict[str, T]:
    """What is kept in such a file; nothing where there is none. Raises SetupError for one that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=what)
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        message = (
            f"{path} is not what was kept there ({error}): take it from the repository again, or remove it and measure"
        )
        raise SetupError(message, reason="NO_COSTS") from error


def keep(path: Path, what: Mapping[str, Struct]) -> None:
    """Put this in the file's place. Nothing is left half written."""
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(what), indent=1) + b"\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
