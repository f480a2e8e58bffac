"""Drives the pure host core by hand: appends wait until a test acknowledges them, stores are in memory."""

from actors.adapters.hosting import stores
from actors.adapters.memory_states import MemoryStore
from actors.errors import Corrupt
from actors.host import HostCore
from actors.kernel.record import Epoch, Record, Slice, encode_frame, encode_record, frame_records
from actors.kernel.rules import Rules
from actors.link import FromHost
from actors.ownership import Ownership, Phase
from actors.ports import Fetched
from actors.settings import ClusterSettings, ProcessSettings
from actors.work import (
    Append,
    Checkpoint,
    Close,
    FindEnd,
    Halted,
    Load,
    LoadPackage,
    Open,
    Read,
    Scan,
    Tell,
    Work,
    Write,
)
from tests.kernel.box import RULES
from tests.kernel.folding import PARTITIONS, START_MS

TOPIC_ID = "t"


class Driven:
    """A host with one partition of interest; everything it asks for is kept for the test to look at."""

    def __init__(
        self,
        name: str = "h1",
        process: ProcessSettings | None = None,
        rules: Rules = RULES,
        progress: list[int] | None = None,
    ) -> None:
        self.cluster = ClusterSettings(partitions=PARTITIONS)
        self.core = HostCore(name, self.cluster, process or ProcessSettings(), rules, progress)
        self.appends: list[Append] = []
        self.told: list[tuple[str, FromHost]] = []
        self.reads: list[dict[int, int]] = []
        self.halted: list[Halted] = []
        self.ends: list[FindEnd] = []
        self.checkpoints: list[int] = []
        self.packages: list[LoadPackage] = []
        self.stores: dict[int, MemoryStore] = {}
        self.frames: dict[int, list[Fetched]] = {}
        self.holds_writes = False
        self.held: list[Write] = []
        self.core.tick(START_MS)

    def carry_out(self) -> None:
        """Do what the core asks for until it asks for no more."""
        while works := self.core.work():
            for work in works:
                self._do(work)

    def _do(self, work: Work) -> None:
        match work:
            case Append():
                self.appends.append(work)
            case Open(partition):
                self._open(partition)
            case Load(partition, keys):
                self.core.loaded(partition, stores.load(self.stores[partition], keys))
            case Scan(partition, start, end, limit):
                self.core.scanned(partition, self.stores[partition].scan(start, end, limit))
            case Write() if self.holds_writes:
                self.held.append(work)
            case Write(partition, offset, batch, swept_seconds):
                stores.write(self.stores[partition], batch, swept_seconds)
                self.core.wrote(partition, offset)
            case Tell(gateway, message):
                self.told.append((gateway, message))
            case Read(positions):
                self.reads.append(dict(positions))
            case Halted():
                self.halted.append(work)
            case FindEnd():
                self.ends.append(work)
            case Close(partition):
                self.stores[partition].close()
            case LoadPackage():
                self.packages.append(work)
            case Checkpoint(_, offset):
                self.checkpoints.append(offset)

    def _open(self, partition: int) -> None:
        store = self.stores.setdefault(partition, MemoryStore({}))
        try:
            held = stores.held(store, partition)
        except Corrupt as error:
            self.core.halt(partition, error.position, str(error))
        else:
            self.core.opened(partition, *held, TOPIC_ID)

    # -- the log ------------------------------------------------------------------------------------------------------

    def log(
        self, *records: Record, producer: str = "g1", at_ms: int = START_MS, release: int = 1, digest: str = ""
    ) -> Fetched:
        """Put a frame on partition 0's log, without anybody reading it yet."""
        slice_ = Slice(self.cluster.commands_topic, 0)
        frames = self.frames.setdefault(0, [])
        encoded = [encode_record(record) for record in records]
        frames.append(Fetched(slice_, len(frames), at_ms, encode_frame(*slice_, producer, release, digest, encoded)))
        return frames[-1]

    def read(self, *frames: Fetched, now_ms: int = 0) -> None:
        """The host reads these."""
        self.core.fetched(frames, now_ms)
        self.carry_out()

    def say(
        self, *records: Record, producer: str = "g1", at_ms: int = START_MS, release: int = 1, digest: str = ""
    ) -> None:
        """A frame is appended to partition 0 and read at once."""
        self.read(self.log(*records, producer=producer, at_ms=at_ms, release=release, digest=digest))

    def acknowledge(self, number: int = 0, offset: int | None = None) -> Append:
        """An append that waits is on the log: ours to the partition is put there, all others are elsewhere."""
        append = self.appends.pop(number)
        if append.slice == Slice(self.cluster.commands_topic, 0) and offset is None:
            frames = self.frames.setdefault(0, [])
            frames.append(Fetched(append.slice, len(frames), START_MS, append.frame))
            offset = frames[-1].offset
        self.core.appended(append.ticket, offset or 0)
        self.carry_out()
        return append

    def fail(self, number: int = 0) -> Append:
        """An append that waits has failed, as far as its producer knows."""
        append = self.appends.pop(number)
        self.core.append_failed(append.ticket)
        self.carry_out()
        return append

    def tick(self, now_ms: int) -> None:
        """The host's clock moves."""
        self.core.tick(now_ms)
        self.carry_out()

    # -- partition 0 --------------------------------------------------------------------------------------------------

    @property
    def ownership(self) -> Ownership:
        """Partition 0 in this host's hands."""
        return self.core.owned[0]

    def phase(self) -> Phase:
        """Where partition 0 stands."""
        return self.ownership.phase

    def assign(self, term: int = 1, n: int = 1) -> None:
        """The controller gives partition 0 to this host."""
        self.core.assign({0: (term, n)})
        self.carry_out()

    def serve(self, term: int = 1, n: int = 1) -> None:
        """Take partition 0 over, up to Serving."""
        self.assign(term, n)
        self.acknowledge()
        for frame in self.frames[0]:
            self.read(frame)

    def records(self, append: Append) -> list[bytes]:
        """The records that an append carries."""
        return [bytes(record) for record in frame_records(*append.slice, 0, append.frame)]


def epoch(term: int, n: int, host: str) -> Epoch:
    """A host takes the partition over."""
    return Epoch(term, n, host)
