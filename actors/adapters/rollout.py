"""The follower's errand to partitions: what the catalogue shows is what decides, without a restart of anything.

A switch is a record in every partition, and a word on the placement topic for gateways. The order keeps gateways from
reading calls by newer types than the partition has: a newer version goes to partitions first, an older one to gateways
first. What is done twice changes nothing, since records and words count by their generation alone.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from actors.adapters.hosting.asking import ask_host
from actors.adapters.shelf import program_on
from actors.domain.identity.person import FOLLOWER
from actors.errors import InvalidCommand, NotFound, PlatformError, SetupError, Unavailable
from actors.history import read_slice
from actors.kernel.record import Position, Programs, Share, Slice, encode_frame, encode_record, frame_records
from actors.placement import Packaged, Placed, Placement, Term, decode_placement, encode_placement, placement_key
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
        while not self._is_over.is_set():
            with self._news:
                self._news.wait_for(lambda: self._wanted or self._is_over.is_set())
                wanted = list(self._wanted.values())
            for record in wanted:
                try:
                    self._roll(record)
                except PlatformError as error:
                    self._report("a program's packages wait", {"program": record.program, "why": str(error)})
                    self._is_over.wait(RETRY_S)
                else:
                    self._done(record)

    def _done(self, record: Programs) -> None:
        with self._news:
            if self._wanted.get(record.program) == record:
                del self._wanted[record.program]

    def _roll(self, record: Programs) -> None:
        """Bring one program to what is wanted. Raises Unavailable when that has to be tried again."""
        said, _ = self._placed()
        before = said.get(record.program, Packaged(record.program, -1, ()))
        if before.generation > record.generation and not before.is_done:
            self._take_back(before)  # that was begun, and not brought to its end
            return
        if before.generation > record.generation or (before.generation == record.generation and before.is_done):
            return
        why = self._unloadable(record.shares)
        if not why:
            if _newest(record.shares) < _newest(before.shares):
                self._say(Packaged(record.program, record.generation, record.shares, is_done=False))
            why = self._switch(record)
        if why:
            self._report("a program's package cannot be loaded", {"program": record.program, "why": why})
            self._take_back(Packaged(record.program, record.generation + 1, before.shares, is_done=False, why=why))
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
            except (NotFound, SetupError, InvalidCommand) as error:
                return str(error)
        return ""

    def _switch(self, record: Programs) -> str:
        """One partition first, then the others; why one of them could not, or ""."""
        first = self._append(0, record)
        why = self._loaded([first], FIRST_S_MAX)
        if why is None:
            raise Unavailable("the first partition has not loaded it yet", outcome="OUTCOME_UNKNOWN")
        if why:
            return why
        rest = [self._append(partition, record) for partition in range(1, self._cluster.partitions)]
        return self._loaded(rest, REST_S_MAX) or ""

    def _append(self, partition: int, record: Programs) -> Position:
        slice_ = Slice(self._cluster.commands_topic, partition)
        frame = encode_frame(*slice_, FOLLOWER, 0, "", [encode_record(record)])
        return Position(partition, self._log.append(slice_, frame).result().offset, 0)

    def _loaded(self, positions: Sequence[Position], seconds_max: float) -> str | None:
        """Wait until these are applied: "", or why one cannot be, which is then skipped; None after too long."""
        until, waiting, why = time.monotonic() + seconds_max, list(positions), ""
        placed, placed_at = self._placed()[1], time.monotonic()
        while waiting:
            if time.monotonic() > placed_at + PLACED_S:
                placed, placed_at = self._placed()[1], time.monotonic()
            for address in sorted({placed[one.partition].address for one in waiting if one.partition in placed}):
                stands = ask_host(address, self._token)
                for status in () if isinstance(stands, str) else stands:
                    here = next((one for one in waiting if one.partition == status.partition), None)
                    if here is None:
                        continue
                    if status.halted.startswith(f"halted at {here}:"):
                        self._skip(here)
                        why = why or status.halted
                    elif status.watermark < here.offset:
                        continue
                    waiting.remove(here)
            if waiting and (time.monotonic() > until or self._is_over.wait(LOOK_S)):
                return why or None
        return why

    def _skip(self, position: Position) -> None:
        """The partition goes on by what decided before."""
        control = Slice(self._cluster.control_topic, 0)
        key, frame = encode_verdict(control.topic, Verdict(position, "skip", WHY))
        self._log.append(control, frame, key).result()

    def _say(self, placement: Placement) -> None:
        topic = Slice(self._cluster.placement_topic, 0)
        frame = encode_frame(*topic, FOLLOWER, 0, "", [encode_placement(placement)])
        self._log.append(topic, frame, placement_key(placement)).result()

    def _placed(self) -> tuple[dict[str, Packaged], dict[int, Placed]]:
        """What was said last of each program, and who owns what."""
        topic, term = Slice(self._cluster.placement_topic, 0), -1
        said: dict[str, Packaged] = {}
        placed: dict[int, Placed] = {}
        for fetched in read_slice(self._log, topic):
            for record in frame_records(*topic, fetched.offset, fetched.frame):
                match decode_placement(record):
                    case Packaged(program) as word:
                        said[program] = word
                    case Term():
                        term = fetched.offset
                    case Placed(partition) as one if one.term >= term:
                        placed[partition] = one
                    case _:
                        pass
        return said, placed


def _newest(shares: Sequence[Share]) -> int:
    return max((share.code for share in shares), default=0)
