"""One log and one disk on which hosts live one after the other; calls are put on the log as a gateway would."""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from actors.adapters.hosting import HostConfig
from actors.adapters.hosting.shell import Hosting, Parts
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryStates
from actors.adapters.objects import open_objects
from actors.clocks import wall_ms
from actors.history import read_slice
from actors.kernel.action import decode_event_frame
from actors.kernel.record import Invoke, Position, Slice, encode_frame, encode_record
from actors.kernel.rules import Rules
from actors.ports import Log, Packages, States
from actors.registry import Registry, load_programs
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from actors.verdicts import Verdict, Word, decode_verdicts, encode_verdict

TALLY = Path(__file__).parents[1] / "cluster" / "tally"
CLUSTER = ClusterSettings(partitions=2)
WAIT_S = 10.0
T = TypeVar("T")


def rules(release: int = 1, digest: str = "rules") -> Rules:
    """The tally's."""
    return Rules(_registry().entities.values(), release, digest)


@functools.cache
def _registry() -> Registry:
    """Checked once, as a host does at its start."""
    return load_programs((TALLY,))


class Phases(Sensor):
    """Notes the phases that partitions leave."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.applied: list[int] = []

    def frames_applied(self, frames: int, seconds: float, records: int = 0) -> None:
        """See `Sensor`."""
        del frames, seconds
        self.applied.append(records)

    def phase_ended(self, phase: str, seconds: float) -> None:
        """See `Sensor`."""
        assert seconds >= 0
        self.ended.append(phase)


def new_log() -> MemoryLog:
    """An empty log with every topic."""
    log = MemoryLog(wall_ms)
    log.create(CLUSTER.topics(("tally",)))
    return log


def put(log: Log, partition: int, command: str, **fields: object) -> Position:
    """A call of a tally of this partition, or of whom the command is for, is appended; where it stands."""
    payload = msgspec.msgpack.encode({"type": command, **fields})
    record = encode_record(Invoke(f"{command.partition('.')[0]}/t{partition}", payload, uuid4().bytes, "ann"))
    slice_ = Slice(CLUSTER.commands_topic, partition)
    offset = log.append(slice_, encode_frame(*slice_, "gateway", 1, "rules", [record])).result().offset
    return Position(partition, offset, 0)


def put_all(log: Log, partition: int, numbers: Iterable[int]) -> Position:
    """These are added, a call each; where the last stands."""
    return [put(log, partition, "tally.add", n=n) for n in numbers][-1]


def say(log: Log, position: Position, word: Word) -> None:
    """An operator's verdict is appended."""
    key, frame = encode_verdict(CLUSTER.control_topic, Verdict(position, word, "a test says so"))
    log.append(Slice(CLUSTER.control_topic, 0), frame, key).result()


def verdicts(log: Log) -> dict[Position, Verdict]:
    """What the control topic says last of each position."""
    slice_ = Slice(CLUSTER.control_topic, 0)
    said = [v for frame in read_slice(log, slice_) for v in decode_verdicts(slice_.topic, frame.offset, frame.frame)]
    return {verdict.position: verdict for verdict in said}


def added(log: Log, partition: int) -> list[int]:
    """What was added to the partition's tally, by its events, each identity once."""
    slice_ = Slice(CLUSTER.events_topic_of("tally"), partition)
    found: dict[tuple[int, int, int], int] = {}
    for frame in read_slice(log, slice_):
        for event in decode_event_frame(slice_.topic, partition, frame.offset, frame.frame).records:
            found[event.offset, event.index, event.n] = msgspec.msgpack.decode(event.payload)["n"]
    return [n for _, n in sorted(found.items())]


def config_of(folder: Path, name: str, **settings: int) -> HostConfig:
    """A host without a watchdog over this process."""
    process = msgspec.structs.replace(ProcessSettings(), **settings)
    return HostConfig(
        name=name, log_url="", token="t", data_dir=str(folder), cluster=CLUSTER, process=process, watchdog=False
    )


class Stage:
    """What outlives hosts."""

    def __init__(self, folder: Path, states: States | None = None, log: Log | None = None) -> None:
        self.folder = folder
        self.log: Log = log or new_log()
        self.states: States = states or MemoryStates()
        self.packages: Packages | None = None
        self.rules: tuple[int, str] = (1, "rules")
        self.reports: list[tuple[str, Mapping[str, object]]] = []
        self.lives = 0

    @asynccontextmanager
    async def host(self, sensor: Sensor | None = None, **settings: int) -> "AsyncGenerator[Hosting]":
        """A host that owns every partition, for as long as this lasts."""
        self.lives += 1
        config = config_of(self.folder, f"host-{self.lives}", **settings)
        objects = open_objects(self.folder / "objects")
        parts = Parts(self.log, self.states, objects, rules(*self.rules), sensor or Sensor(), self.packages)
        hosting = Hosting(config, parts, lambda event, facts: self.reports.append((event, facts)))
        await hosting.start()
        hosting.assign(dict.fromkeys(range(CLUSTER.partitions), (0, self.lives)))
        try:
            yield hosting
        finally:
            await hosting.stop()

    async def until(self, hosting: Hosting, partition: int, fact: Callable[[Mapping[str, Any]], bool]) -> Any:
        """Wait until this is true of how a partition stands."""
        until = time.monotonic() + WAIT_S
        while True:
            answer = await asyncio.to_thread(hosting.status().result)
            status: list[Mapping[str, Any]] = msgspec.json.decode(answer)
            mine = next(standing for standing in status if standing["partition"] == partition)
            if fact(mine):
                return mine
            assert time.monotonic() < until, mine
            await asyncio.sleep(0.005)

    async def serving(self, hosting: Hosting, partition: int, written_past: int = -1) -> Any:
        """Wait until the partition serves, with its store beyond this offset."""
        return await self.until(
            hosting, partition, lambda mine: mine["phase"] == "Serving" and mine["written"] > written_past
        )

    async def halted(self, hosting: Hosting, partition: int) -> str:
        """Wait until the partition is halted; why it is."""
        mine = await self.until(hosting, partition, lambda mine: mine["phase"] == "Halted")
        return str(mine["halted"])


def play(act: Callable[[], Awaitable[T]]) -> T:
    """Run this to its end, within a bound."""

    async def run() -> T:
        return await asyncio.wait_for(act(), 3 * WAIT_S)

    return asyncio.run(run())
