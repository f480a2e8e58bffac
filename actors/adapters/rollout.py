"""The follower's errand to partitions: what the catalogue shows is what decides, without a restart of anything.

A switch is a record in every partition, and a word on the placement topic for gateways. The order keeps gateways from
reading calls by newer types than the partition has: a newer version goes to partitions first, an older one to gateways
first. What is done twice changes nothing, since records and words count by their generation alone.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar
from zlib import crc32

from actors.adapters.hosting.asking import ask_host
from actors.adapters.shelf import program_on
from actors.clocks import steady_ms
from actors.domain.identity.person import FOLLOWER
from actors.errors import PlatformError, Unavailable
from actors.history import PlacementNow, placement_now
from actors.host import PartitionStatus
from actors.kernel.record import Position, Programs, Share, Slice, encode_frame, encode_record
from actors.placement import Packaged, encode_placement, placement_key
from actors.ports import Change, Log, Objects, Put, Rows
from actors.projections.reading import Projection
from actors.projections.switches import GRAY, HASHES_TABLE, LIVE, SWITCHES_TABLE, Switch, shares_of
from actors.settings import ClusterSettings
from actors.verdicts import Verdict, encode_verdict

ROWS_MAX = 1_000_000
FIRST_S_MAX = 60.0
REST_S_MAX = 10.0
"""How long the first partition may take to load a package, and the others, which are not waited for any longer."""

LOOK_S = 0.05
PLACED_S = 1.0
"""How often hosts are asked, and how often it is read again which they are."""

RETRY_S = 1.0
WHY = "its package cannot be loaded, and was taken back"

T = TypeVar("T")
Waits: TypeAlias = Generator[None, None, T]
"""What goes on a step at a time: at each yield it waits for something, and others go on meanwhile."""


class _Known(NamedTuple):
    """What the placement topic says, as it was read at this time."""

    at_ms: int
    now: PlacementNow


class Rollout:
    """The errand. Programs of these names, which run from folders, are left alone."""

    def __init__(
        self,
        log: Log,
        cluster: ClusterSettings,
        objects: Objects,
        token: str,
        left_alone: Iterable[str],
        report: Callable[[str, dict[str, object]], None],
    ) -> None:
        self.hearing = Projection("", (), (), "", lambda _: ())
        self._log = log
        self._cluster = cluster
        self._objects = objects
        self._token = token
        self._left_alone = frozenset(left_alone)
        self._report = report
        self._hashes: dict[str, dict[int, str]] = {}
        self._switches: dict[str, dict[str, Switch]] = {}
        self._wanted: dict[str, Programs] = {}
        self._known: _Known | None = None
        self._stands: dict[str, list[PartitionStatus]] = {}
        """What each host said in this round."""
        self._news = threading.Condition()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollout", daemon=True)
        self._thread.start()

    def begin(self, rows: Rows) -> None:
        for table in (HASHES_TABLE, SWITCHES_TABLE):
            for key, *values in rows.find(table, {}, ROWS_MAX):
                self._learn(table, str(key), values)
        self._want(self._switches)

    def act(self, changes: Sequence[Change]) -> None:
        puts = [put for put in changes if isinstance(put, Put) and put.table in (HASHES_TABLE, SWITCHES_TABLE)]
        for put in puts:
            self._learn(put.table, put.key, put.values)
        self._want(dict.fromkeys(put.key.partition("/")[0] for put in puts if put.table == SWITCHES_TABLE))

    def close(self) -> None:
        self._is_over.set()
        with self._news:
            self._news.notify()
        self._thread.join()

    def _learn(self, table: str, key: str, values: Sequence[Any]) -> None:
        program, _, part = key.partition("/")
        if table == HASHES_TABLE:
            self._hashes.setdefault(program, {})[int(part)] = values[0]
        else:
            self._switches.setdefault(program, {})[part] = Switch(*values)

    def _want(self, programs: Iterable[str]) -> None:
        """These are to be as the catalogue says by now."""
        with self._news:
            for program in programs:
                live, gray = (self._switches[program].get(part, Switch()) for part in (LIVE, GRAY))
                shares = shares_of(live, gray, self._hashes.get(program, {}))
                if shares and program not in self._left_alone:
                    generation = max(live.generation, gray.generation)
                    self._wanted[program] = Programs(program, generation, shares)
            self._news.notify()

    # -- in a thread of its own -----------------------------------------------------------------------------------

    def _run(self) -> None:
        """All programs side by side: none waits for another one's hosts, package or log."""
        rolls: dict[str, tuple[Programs, Waits[None]]] = {}
        while not self._is_over.is_set():
            with self._news:
                self._news.wait_for(lambda: self._wanted or self._is_over.is_set())
                wanted = list(self._wanted.values())
            self._stands.clear()
            for record in wanted:
                if record.program not in rolls:
                    rolls[record.program] = record, self._rolled(record)
            for program, (record, roll) in list(rolls.items()):
                try:
                    next(roll)
                except StopIteration:
                    del rolls[program]
                    self._done(record)
            if rolls:
                self._is_over.wait(LOOK_S)

    def _done(self, record: Programs) -> None:
        with self._news:
            if self._wanted.get(record.program) == record:
                del self._wanted[record.program]

    def _rolled(self, record: Programs) -> Waits[None]:
        """Bring one program to what is wanted, however often that must be tried, until something else is wanted."""
        while self._wanted.get(record.program) == record:
            try:
                yield from self._roll(record)
            except PlatformError as error:
                self._known = None
                self._report("a program's packages wait", {"program": record.program, "why": str(error)})
                until_ms = steady_ms() + RETRY_S * 1_000
                while steady_ms() < until_ms:
                    yield
            else:
                return

    def _roll(self, record: Programs) -> Waits[None]:
        """One try. Raises Unavailable when it has to be made again."""
        before = self._read().packaged.get(record.program, Packaged(record.program, -1, ()))
        if before.generation > record.generation and not before.is_done:
            self._take_back(before)  # that was begun, and not brought to its end
            return
        if before.generation > record.generation or (before.generation == record.generation and before.is_done):
            return
        former = before.shares if before.is_done else before.former
        why = self._unloadable(record.shares)
        if not why:
            if before.generation < record.generation and _newest(record.shares) < _newest(before.shares):
                self._say(Packaged(record.program, record.generation, record.shares, is_done=False, former=former))
            why = yield from self._switch(record)
        if why:
            self._report("a program's package cannot be loaded", {"program": record.program, "why": why})
            generation = record.generation + 1
            self._take_back(Packaged(record.program, generation, former, is_done=False, why=why, former=former))
        else:
            self._say(Packaged(record.program, record.generation, record.shares))

    def _take_back(self, former: Packaged) -> None:
        """Said before it is done: a partition that went back takes the newer packages for older ones, and says nothing.

        Whoever goes on must know of it, or gateways would read calls by what no partition decides by.
        """
        self._say(former)
        for partition in range(self._cluster.partitions):
            self._append(partition, Programs(former.program, former.generation, former.shares))
        self._say(Packaged(former.program, former.generation, former.shares, why=former.why))

    def _unloadable(self, shares: Sequence[Share]) -> str:
        """Why one of these packages cannot be loaded here, and so nowhere; "" when they can."""
        for share in shares:
            try:
                program_on(self._objects, share.hash)
            except Unavailable:
                raise
            except PlatformError as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 - its code has run, and may raise anything: others go on
                return f"{type(error).__name__} while it was loaded"
        return ""

    def _switch(self, record: Programs) -> Waits[str]:
        """One partition first, then the others; why one of them could not, or ""."""
        first = self._first(record.program)
        why = yield from self._loaded([self._append(first, record)], FIRST_S_MAX)
        if why is None:
            raise Unavailable(f"partition {first} has not loaded it yet", outcome="OUTCOME_UNKNOWN")
        if why:
            return why
        rest = [self._append(each, record) for each in range(self._cluster.partitions) if each != first]
        return (yield from self._loaded(rest, REST_S_MAX)) or ""

    def _first(self, program: str) -> int:
        """Where a package is tried: elsewhere for other programs, since what waits for it there waits with it.

        It is a partition that is served, if one is: who has halted for a reason of its own says nothing of a package.
        """
        begin, count = crc32(program.encode()), self._cluster.partitions
        around = [(begin + n) % count for n in range(count)]
        served = {status.partition for status in self._asked(set(around)) if not status.halted}
        return next((each for each in around if each in served), around[0])

    def _append(self, partition: int, record: Programs) -> Position:
        slice_ = Slice(self._cluster.commands_topic, partition)
        frame = encode_frame(*slice_, FOLLOWER, 0, "", [encode_record(record)])
        return Position(partition, self._log.append(slice_, frame).result().offset, 0)

    def _loaded(self, positions: Sequence[Position], seconds_max: float) -> Waits[str | None]:
        """Wait until these are applied: "", or why one cannot be, which is then skipped; None after too long."""
        until_ms, waiting, why = steady_ms() + seconds_max * 1_000, list(positions), ""
        while True:
            for status in self._asked({one.partition for one in waiting}):
                here = next((one for one in waiting if one.partition == status.partition), None)
                if here is None:
                    continue
                if status.halted.startswith(f"halted at {here}:"):
                    self._skip(here)
                    why = why or status.halted
                elif status.watermark < here.offset:
                    continue
                waiting.remove(here)
            if not waiting:
                return why
            if steady_ms() > until_ms:
                return why or None
            yield

    def _asked(self, partitions: set[int]) -> list[PartitionStatus]:
        """How the owners of these say that they stand; each host is asked once, and all programs hear it."""
        placed = self._read().placed
        addresses = sorted({placed[partition].address for partition in partitions if partition in placed})
        for address in addresses:
            if address not in self._stands:
                said = ask_host(address, self._token)
                self._stands[address] = [] if isinstance(said, str) else said
        return [status for address in addresses for status in self._stands[address]]

    def _skip(self, position: Position) -> None:
        """The partition goes on by what decided before."""
        control = Slice(self._cluster.control_topic, 0)
        key, frame = encode_verdict(control.topic, Verdict(position, "skip", WHY))
        self._log.append(control, frame, key).result()

    def _say(self, placement: Packaged) -> None:
        topic = Slice(self._cluster.placement_topic, 0)
        frame = encode_frame(*topic, FOLLOWER, 0, "", [encode_placement(placement)])
        self._known = None
        self._log.append(topic, frame, placement_key(placement)).result()

    def _read(self) -> PlacementNow:
        """What stands on the placement topic, as of a second ago at most, and as we said it ourselves."""
        if self._known is None or steady_ms() >= self._known.at_ms + PLACED_S * 1_000:
            self._known = _Known(steady_ms(), placement_now(self._log, self._cluster.placement_topic))
        return self._known.now


def _newest(shares: Sequence[Share]) -> int:
    return max((share.code for share in shares), default=0)
